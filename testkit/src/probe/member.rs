//! A member of a group that does what it is told, and says what it owns and reads.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::time::Duration;

use anyhow::Result;
use courant_client::Kafka;
use courant_consumer::assignor::Assignor;
use courant_consumer::{Consumer, Event};
use courant_protocol::types::TopicPartition;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Joins, and obeys `commit` and `leave` until it has left.
pub(crate) async fn run(kafka: &Kafka, group: &str, topic: &str, assignor: &str) -> Result<()> {
    let mut consumer = Consumer::builder(kafka)
        .group(group)
        .subscribe([topic])
        .assignors([assignor.parse::<Assignor>()?])
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(Duration::from_millis(500))
        .auto_offset_reset("earliest")
        .auto_commit(false)
        .start()
        .await?;
    let mut commands = commands();
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command.as_deref() {
                Some("commit") => {
                    consumer.commit().await?;
                    println!("committed");
                }
                Some("leave") => {
                    consumer.close(Duration::from_secs(30)).await?;
                    println!("left");
                    return Ok(());
                }
                Some(_) => {}
                None => return Ok(()),
            },
            event = consumer.next_event() => match event? {
                Some(Event::Batch(batch)) => {
                    for record in &batch {
                        println!("read {} {}", record.partition(), record.offset());
                    }
                }
                Some(Event::Revoked(gone) | Event::Lost(gone)) => tell(&consumer, &gone),
                Some(_) => tell(&consumer, &[]),
                None => return Ok(()),
            },
        }
    }
}

/// Says what is owned once these partitions are gone.
fn tell(consumer: &Consumer, gone: &[TopicPartition]) {
    let owned = consumer.assignment().into_iter().filter(|partition| !gone.contains(partition));
    let numbers: BTreeSet<i32> = owned.map(|partition| partition.partition.0).collect();
    let numbers: String = numbers.iter().map(|number| format!(" {number}")).collect();
    println!("owns{numbers}");
}

/// The lines of standard input, read by a thread of its own.
fn commands() -> UnboundedReceiver<String> {
    let (sender, commands) = unbounded_channel();
    std::thread::spawn(move || {
        std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    commands
}
