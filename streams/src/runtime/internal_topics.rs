//! The topics that an application reads and keeps: found, checked, created.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use courant_admin::{Admin, ErrorKind as AdminErrorKind};
use courant_client::Kafka;

use super::config::StreamsSettings;
use super::error::{Error, ErrorKind};
use super::topics::{InternalTopic, PartitionCounts};

/// How many partitions topics have that exist outside of the application.
///
/// A topic that was just created may not be known to every broker, so that one that is missing is asked for again.
pub(super) async fn count_outside(kafka: &Kafka, topics: &[String]) -> Result<PartitionCounts, Error> {
    let admin = Admin::new(kafka);
    let deadline = kafka.world().now() + PATIENCE;
    loop {
        let (found, missing) = describe(&admin, topics).await?;
        if missing.is_empty() {
            return Ok(found);
        }
        if kafka.world().now() >= deadline {
            let what = format!("topics that are read do not exist: {}", missing.join(", "));
            return Err(Error::new(ErrorKind::MissingTopic, what)
                .hinting("an application creates only its internal topics; create these before it starts"));
        }
        kafka.world().sleep(BACKOFF).await;
    }
}

/// Creates the internal topics that do not exist, and checks those that do.
pub(super) async fn make_ready(
    kafka: &Kafka,
    topics: &[InternalTopic],
    settings: &StreamsSettings,
) -> Result<(), Error> {
    let admin = Admin::new(kafka);
    let deadline = deadline(kafka);
    loop {
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let (found, missing) = describe(&admin, &names).await?;
        topics.iter().try_for_each(|topic| check(topic, &found))?;
        let new = topics.iter().filter(|topic| missing.contains(&topic.name)).map(|topic| {
            let new = settings.new_topic(&topic.name, topic.partitions);
            topic.configs.iter().fold(new, |new, (name, value)| new.config(name, value))
        });
        if missing.is_empty() {
            return wait_until_known(kafka, topics, deadline).await;
        }
        for (name, created) in admin.create_topics(new).await {
            match created {
                Ok(_) => tracing::info!(target: "courant::streams", topic = %name, "internal topic created"),
                // Another instance was faster, or the topic is being deleted: the next round tells.
                Err(error) if error.kind() == AdminErrorKind::TopicExists || error.is_retriable() => {}
                Err(error) => return Err(error.into()),
            }
        }
        if kafka.world().now() >= deadline {
            let what = format!("internal topics were not created in time: {}", missing.join(", "));
            return Err(Error::new(ErrorKind::InternalTopic, what));
        }
        kafka.world().sleep(BACKOFF).await;
    }
}

/// The partition counts of those that exist, and the names of those that do not.
async fn describe(admin: &Admin, topics: &[String]) -> Result<(PartitionCounts, Vec<String>), Error> {
    let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
    if topics.is_empty() {
        return Ok((found, missing));
    }
    for (topic, described) in admin.describe_topics(topics.iter().map(String::as_str)).await {
        match described {
            Ok(described) => {
                let partitions = i32::try_from(described.partitions.len()).unwrap_or(i32::MAX);
                found.insert(topic.to_string(), partitions);
            }
            Err(error) if error.kind() == AdminErrorKind::UnknownTopic => missing.push(topic.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((found, missing))
}

fn check(topic: &InternalTopic, found: &PartitionCounts) -> Result<(), Error> {
    match found.get(&topic.name) {
        Some(partitions) if *partitions != topic.partitions => {
            let what = format!(
                "the internal topic {} has {partitions} partitions and must have {}",
                topic.name, topic.partitions
            );
            Err(Error::new(ErrorKind::InternalTopic, what).hinting(
                "a topic that it is made from has changed: reset the application, or give it another id",
            ))
        }
        _ => Ok(()),
    }
}

/// Waits until the brokers that are asked know the topics, so that the first assignment is complete.
async fn wait_until_known(kafka: &Kafka, topics: &[InternalTopic], deadline: Instant) -> Result<(), Error> {
    for topic in topics {
        kafka.cluster().existing_topic(&topic.name, deadline).await?;
    }
    Ok(())
}

fn deadline(kafka: &Kafka) -> Instant {
    kafka.world().now() + kafka.settings().default_api_timeout
}

/// How long a topic that is read may be missing.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before asking again.
const BACKOFF: Duration = Duration::from_millis(100);
