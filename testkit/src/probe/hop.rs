//! A hop of a chain: what comes into a topic goes on into the next one, handled in order per key.

use std::time::Duration;

use anyhow::Result;
use courant_admin::{Admin, NewTopic};
use courant_client::Kafka;
use courant_consumer::{Consumer, ConsumerRecord};
use courant_handlers::{Backoff, Handlers};
use courant_producer::{Producer, Record};
use courant_protocol::types::TopicName;

/// How many keys are handled at once.
const CONCURRENCY: usize = 512;
/// Short, so that a member that was killed is missed for seconds.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_millis(2);

/// Creates a topic.
pub(crate) async fn create(kafka: &Kafka, topic: &str, partitions: i32, copies: i16) -> Result<()> {
    let topic = NewTopic::new(topic).partitions(partitions).replication_factor(copies);
    Admin::new(kafka).create_topics([topic]).await.all()?;
    Ok(())
}

/// A member of `group` that handles records until it is killed.
pub(crate) async fn run(kafka: &Kafka, group: &str, from: &str, to: &str) -> Result<()> {
    let producer = Producer::builder(kafka).linger(LINGER).start().await?;
    let consumer = Consumer::builder(kafka)
        .group(group)
        .subscribe([from])
        .session_timeout(SESSION_TIMEOUT)
        .heartbeat_interval(HEARTBEAT_INTERVAL)
        .auto_commit_interval(Duration::from_secs(1))
        .auto_offset_reset("earliest");
    let to = TopicName::from(to);
    let handler = move |record: ConsumerRecord| {
        let mut next = Record::to(to.clone());
        (next.key, next.value) = (record.key_bytes(), record.value_bytes());
        let producer = producer.clone();
        async move { producer.send(next).await.map(drop) }
    };
    // While nodes are away a record is tried again for as long as it takes.
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let handlers = Handlers::new(consumer).retry(u32::MAX, backoff);
    let mut hop = handlers.for_each_per_key(CONCURRENCY, handler).await?;
    loop {
        match hop.run().await {
            Ok(()) => return Ok(()),
            // What stands in the way of one partition alone, or for a while.
            Err(error) if !error.is_fatal() => eprintln!("{error}"),
            Err(error) => return Err(error.into()),
        }
    }
}
