//! What must be equal on both sides.
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use courant_admin::{Admin, ConfigResource};
use courant_client::Kafka;

use crate::case::{Case, Side};
use crate::read::{self, Row};

/// Compares everything of a topology; what was compared, in words.
pub(crate) async fn case(kafka: &Kafka, case: &Case) -> Result<String> {
    let admin = Admin::new(kafka);
    let internal = same_internal_topics(&admin, case).await?;
    let mut records = 0;
    for topic in &internal {
        let name = |side| format!("{}{topic}", case.application(side));
        records += same_records(kafka, &name(Side::Java), &name(Side::Ours)).await?;
    }
    let sinks = case.sinks()?;
    for sink in &sinks {
        let name = |side| format!("{}{sink}", case.outputs(side));
        let written = same_records(kafka, &name(Side::Java), &name(Side::Ours)).await?;
        ensure!(written > 0, "nothing was written to {sink}");
        records += written;
    }
    let committed = same_offsets(&admin, case).await?;
    let (outputs, internal) = (sinks.len(), internal.len());
    Ok(format!("{records} records in {outputs} outputs and {internal} internal topics, {committed} offsets"))
}

/// The internal topics have equal names behind the application's, equal partitions and equal configs.
async fn same_internal_topics(admin: &Admin, case: &Case) -> Result<BTreeSet<String>> {
    let listed = admin.list_topics().await?;
    let of = |side: Side| {
        let prefix = format!("{}-", case.application(side));
        let names =
            listed.iter().filter_map(|topic| topic.name.strip_prefix(&prefix).map(|rest| format!("-{rest}")));
        names.collect::<BTreeSet<String>>()
    };
    let (java, ours) = (of(Side::Java), of(Side::Ours));
    ensure!(java == ours, "Java's internal topics are {java:?}, ours {ours:?}");
    for topic in &ours {
        let java = settings(admin, &format!("{}{topic}", case.application(Side::Java))).await?;
        let ours = settings(admin, &format!("{}{topic}", case.application(Side::Ours))).await?;
        let differing: Vec<_> = java.iter().filter(|(name, value)| ours.get(*name) != Some(value)).collect();
        ensure!(
            differing.is_empty() && java.len() == ours.len(),
            "{topic} differs from Java's {differing:?}"
        );
    }
    Ok(ours)
}

/// The configs of a topic, and how many partitions it has.
async fn settings(admin: &Admin, topic: &str) -> Result<BTreeMap<String, String>> {
    let (_, configs) =
        admin.describe_configs([ConfigResource::topic(topic)]).await.all()?.pop().context("no configs")?;
    let (_, described) = admin.describe_topics([topic]).await.all()?.pop().context("no topic")?;
    let values = configs.entries.into_iter().map(|entry| (entry.name, entry.value.unwrap_or_default()));
    let partitions = ("partitions".to_owned(), described.partitions.len().to_string());
    Ok(values.chain([partitions]).collect())
}

/// Every partition has equal records in equal order. What has no key may go to any partition, so that is compared by its set.
async fn same_records(kafka: &Kafka, java: &str, ours: &str) -> Result<usize> {
    let (java_rows, our_rows) = (read::topic(kafka, java).await?, read::topic(kafka, ours).await?);
    let (java_keyed, java_others) = by_key(java_rows);
    let (our_keyed, our_others) = by_key(our_rows);
    for (partition, expected) in &java_keyed {
        let found = our_keyed.get(partition).map(Vec::as_slice).unwrap_or_default();
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            ensure!(found == expected, "{ours}-{partition}, record {at}: {found:?} instead of {expected:?}");
        }
        let (found, expected) = (found.len(), expected.len());
        ensure!(found == expected, "{ours}-{partition}: {found} records instead of {expected}");
    }
    ensure!(our_others == java_others, "{ours}: other records without keys than in {java}");
    Ok(our_keyed.values().map(Vec::len).sum::<usize>() + our_others.len())
}

fn by_key(rows: BTreeMap<i32, Vec<Row>>) -> (BTreeMap<i32, Vec<Row>>, Vec<Row>) {
    let (mut keyed, mut others) = (BTreeMap::new(), Vec::new());
    for (partition, rows) in rows {
        let (with, without): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.key.is_some());
        keyed.insert(partition, with);
        others.extend(without);
    }
    others.sort();
    (keyed, others)
}

/// The groups committed equal offsets with equal metadata, which has the stream time.
async fn same_offsets(admin: &Admin, case: &Case) -> Result<usize> {
    let java = committed(admin, &case.application(Side::Java)).await?;
    let ours = committed(admin, &case.application(Side::Ours)).await?;
    for (partition, expected) in &java {
        let found = ours.get(partition);
        ensure!(found == Some(expected), "{partition} is committed at {found:?} instead of {expected:?}");
    }
    ensure!(java.len() == ours.len(), "{} partitions are committed instead of {}", ours.len(), java.len());
    Ok(ours.len())
}

/// What a group committed, by partition without the application's name: offset and metadata.
async fn committed(admin: &Admin, application: &str) -> Result<BTreeMap<String, (i64, String)>> {
    let (_, offsets) = admin.list_group_offsets([application]).await.all()?.pop().context("no group")?;
    let mut all = BTreeMap::new();
    for (partition, offset) in offsets.all()? {
        let Some(offset) = offset else { continue };
        let name = partition.to_string();
        let name = name.strip_prefix(application).map(str::to_owned).unwrap_or(name);
        all.insert(name, (offset.offset.0, offset.metadata));
    }
    Ok(all)
}
