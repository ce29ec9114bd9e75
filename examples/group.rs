//! Two members of a consumer group share the partitions of a topic.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use courant::admin::{Admin, NewTopic};
use courant::consumer::{Consumer, Error, Event};
use courant::producer::Producer;
use courant::{Kafka, Record, TopicPartition};

const ORDERS: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bootstrap = std::env::var("BOOTSTRAP_SERVERS").unwrap_or_else(|_| "mock://3".to_owned());
    let kafka = courant::connect(&bootstrap).await?;
    Admin::new(&kafka).create_topics([NewTopic::new("orders").partitions(4)]).await.all()?;
    let producer = Producer::builder(&kafka).start().await?;
    for number in 0..ORDERS {
        let record = Record::to("orders").key(format!("customer-{}", number % 17)).value(number.to_string());
        drop(producer.enqueue(record).await?); // `flush` tells whether all were written
    }
    producer.flush().await?;
    let read = AtomicUsize::new(0);
    tokio::try_join!(member(&kafka, "first", &read), member(&kafka, "second", &read))?;
    println!("{} orders were read", read.into_inner());
    producer.close(Duration::from_secs(10)).await?;
    Ok(kafka.close(Duration::from_secs(10)).await?)
}

/// Reads until all orders are read by somebody, and leaves.
async fn member(kafka: &Kafka, name: &str, read: &AtomicUsize) -> Result<(), Error> {
    let consumer = Consumer::builder(kafka).group("billing").subscribe(["orders"]);
    let mut consumer = consumer.auto_offset_reset("earliest").start().await?;
    while read.load(Ordering::Relaxed) < ORDERS {
        let Ok(event) = tokio::time::timeout(Duration::from_millis(100), consumer.next_event()).await else {
            continue; // a future of `next_event` may be dropped: nothing is lost
        };
        match event? {
            Some(Event::Batch(batch)) => {
                read.fetch_add(batch.len(), Ordering::Relaxed);
                consumer.commit().await?;
            }
            Some(Event::Assigned(partitions)) => println!("{name} reads {}", list(&partitions)),
            // Until the next event is asked for they are still ours: a commit for them counts.
            Some(Event::Revoked(partitions)) => println!("{name} gives back {}", list(&partitions)),
            Some(Event::Lost(partitions)) => println!("{name} has lost {}", list(&partitions)),
            _ => {}
        }
    }
    consumer.close(Duration::from_secs(10)).await
}

fn list(partitions: &[TopicPartition]) -> String {
    let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    names.join(" ")
}
