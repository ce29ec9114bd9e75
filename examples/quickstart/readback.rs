//! The topics, where their logs end, and what this run wrote read back from them.
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use courant::admin::{Admin, ErrorKind, IsolationLevel, NewTopic, OffsetSpec};
use courant::consumer::Consumer;
use courant::{Kafka, Offset, PartitionId, RecordMetadata, TopicPartition};

use crate::args::Args;
use crate::rows::number;
use crate::windows::Windows;
use crate::{CLOSE_TIMEOUT, DEAD_TOPIC, PARTITIONS, TOPIC};

/// The first offset and the one after the last, by partition.
pub(crate) type Spans = BTreeMap<TopicPartition, (Offset, Offset)>;
/// The offset after the last record, by partition.
pub(crate) type Ends = BTreeMap<TopicPartition, Offset>;

/// Creates the topics; one that exists is used as it is.
pub(crate) async fn create_topics(admin: &Admin) -> anyhow::Result<()> {
    // Brokers retain by record time, and these events are years old: without this line they would soon be gone.
    let keep_everything = |topic: NewTopic| topic.config("retention.ms", "-1");
    let topics = [
        keep_everything(NewTopic::new(TOPIC).partitions(PARTITIONS)),
        keep_everything(NewTopic::new(DEAD_TOPIC).partitions(1)),
    ];
    for (name, created) in admin.create_topics(topics).await {
        match created {
            Err(error) if error.kind() == ErrorKind::TopicExists => {}
            created => drop(created.with_context(|| format!("cannot create topic {name}"))?),
        }
    }
    Ok(())
}

/// Where the log of every partition of both topics ends now.
pub(crate) async fn log_ends(admin: &Admin) -> anyhow::Result<Ends> {
    let topics =
        admin.describe_topics([TOPIC, DEAD_TOPIC]).await.all().context("cannot describe the topics")?;
    let partitions = topics.iter().flat_map(|(_, topic)| {
        topic
            .partitions
            .iter()
            .map(|p| (TopicPartition::new(topic.name.clone(), p.partition), OffsetSpec::Latest))
    });
    let listed = admin.list_offsets(partitions, IsolationLevel::ReadUncommitted).await.all();
    let listed = listed.context("cannot list the ends of the logs")?;
    Ok(listed.into_iter().map(|(partition, end)| (partition, end.offset.unwrap_or(Offset(0)))).collect())
}

/// What lies between the ends before the run and those after it.
pub(crate) fn spans(before: &Ends, after: &Ends) -> Spans {
    after
        .iter()
        .map(|(partition, end)| {
            (partition.clone(), (before.get(partition).copied().unwrap_or(Offset(0)), *end))
        })
        .collect()
}

/// Reads the delivered records back and averages them per key and window.
pub(crate) async fn aggregate(
    kafka: &Kafka,
    delivered: &[RecordMetadata],
    spans: &Spans,
    args: &Args,
) -> anyhow::Result<Windows> {
    let mut windows = Windows::of_length(args.window_ms());
    let mut left = Left::of(delivered, spans);
    if left.is_empty() {
        return Ok(windows);
    }
    let mut consumer = Consumer::builder(kafka)
        .set("enable.auto.commit", "false")
        .assign(left.starts().into_iter().map(|(partition, _)| partition))
        .start()
        .await
        .context("cannot start the consumer")?;
    for (partition, start) in left.starts() {
        consumer.seek(partition, start).context("cannot go to where this run began")?;
    }
    while !left.is_empty() {
        let batch = consumer.poll().await.context("cannot read back")?;
        let batch = batch.context("the consumer ended before everything was read back")?;
        for record in &batch {
            if left.take(record.partition(), record.offset()) {
                add(&mut windows, record.key(), record.value(), record.timestamp().0, &args.value)?;
            }
        }
    }
    consumer.close(CLOSE_TIMEOUT).await.context("cannot close the consumer")?;
    Ok(windows)
}

fn add(
    windows: &mut Windows,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    time_ms: i64,
    column: &str,
) -> anyhow::Result<()> {
    let row: serde_json::Value =
        serde_json::from_slice(value.unwrap_or_default()).context("a value is not JSON")?;
    let text = row.get(column).and_then(|text| text.as_str()).unwrap_or_default();
    if let Some(value) = number(text).map_err(anyhow::Error::msg)? {
        windows.add(std::str::from_utf8(key.unwrap_or_default())?, time_ms, value);
    }
    Ok(())
}

/// The offsets that are still to be read back, by partition and ascending.
struct Left {
    offsets: BTreeMap<PartitionId, BTreeSet<Offset>>,
}

impl Left {
    /// The offsets of the delivered records. A broker that found a retried record in its log does not always say where:
    /// then all that came into the partition during the run is taken.
    fn of(delivered: &[RecordMetadata], spans: &Spans) -> Self {
        let mut offsets: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for record in delivered {
            let at = &record.topic_partition;
            let offsets = offsets.entry(at.partition).or_default();
            match spans.get(at) {
                Some((start, end)) if !record.offset.is_some() => {
                    offsets.extend((start.0..end.0).map(Offset))
                }
                _ => drop(offsets.insert(record.offset)),
            }
        }
        Self { offsets }
    }

    fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    fn starts(&self) -> Vec<(TopicPartition, Offset)> {
        self.offsets
            .iter()
            .filter_map(|(partition, offsets)| {
                Some((TopicPartition::new(TOPIC, *partition), *offsets.first()?))
            })
            .collect()
    }

    /// Whether the record is one of this run's; other writers may have put theirs between them.
    fn take(&mut self, partition: PartitionId, offset: Offset) -> bool {
        let Some(offsets) = self.offsets.get_mut(&partition) else { return false };
        // What lies before a record that was handed out does not come any more.
        *offsets = offsets.split_off(&offset);
        let ours = offsets.remove(&offset);
        if offsets.is_empty() {
            self.offsets.remove(&partition);
        }
        ours
    }
}
