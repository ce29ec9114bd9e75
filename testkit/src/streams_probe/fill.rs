//! The records that both read.
use std::time::{Duration, SystemTime};

use anyhow::Result;
use courant_admin::{Admin, NewTopic};
use courant_client::Kafka;
use courant_producer::{Producer, Record};

use crate::case::Inputs;

/// Each topic, and whether its values are numbers; else they are texts.
const TOPICS: [(&str, bool); 5] =
    [("texts", false), ("more", false), ("names", false), ("longs", true), ("balances", true)];
/// How many records a topic gets.
const RECORDS: i64 = 200;
/// How long ago the first record was. A broker deletes what has become too old for a changelog of windows.
const AGE_MS: u128 = 3_600_000;
/// The first record's time is a multiple of this, so that windows begin at the same records in every run.
const ALIGNMENT_MS: u128 = 60_000;

/// Creates the topics and fills them.
pub(crate) async fn inputs(kafka: &Kafka) -> Result<()> {
    let admin = Admin::new(kafka);
    let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    let beginning = i64::try_from((now_ms - AGE_MS) / ALIGNMENT_MS * ALIGNMENT_MS)?;
    let producer = Producer::builder(kafka).linger(Duration::from_millis(20)).start().await?;
    for inputs in [Inputs::One, Inputs::Three] {
        let name = |topic: &str| format!("{}{topic}", inputs.prefix());
        let topics = TOPICS.map(|(topic, _)| NewTopic::new(name(topic)).partitions(inputs.partitions()));
        admin.create_topics(topics).await.all()?;
        let mut chance = Chance(42);
        for (place, (topic, is_number)) in (0..).zip(TOPICS) {
            for index in 0..RECORDS {
                let time = beginning + time(&mut chance, place, index);
                let keyless = Some(i32::try_from(index)? % inputs.partitions()).filter(|_| chance.one_in(10));
                let record = record(&mut chance, name(topic), index, keyless, is_number).timestamp(time);
                drop(producer.enqueue(record).await?);
            }
        }
    }
    producer.flush().await?;
    producer.close(Duration::from_secs(30)).await?;
    Ok(())
}

/// When a record happens, from the first one on. Some are late; no two, of all topics, have the same time.
fn time(chance: &mut Chance, place: i64, index: i64) -> i64 {
    let late = if chance.one_in(6) { chance.below(40) } else { 0 };
    1_000 * (index - late).max(0) + index * 5 + place
}

/// A record with a key, or one without for a partition. Some have no value, some have a header.
fn record(chance: &mut Chance, topic: String, index: i64, keyless: Option<i32>, is_number: bool) -> Record {
    let mut record = match keyless {
        Some(partition) => Record::to(topic).partition(partition),
        None => Record::to(topic).key(format!("k{}", chance.below(7))),
    };
    if !chance.one_in(8) {
        record = match is_number {
            true => record.value(chance.below(100).to_be_bytes().to_vec()),
            false => record.value(words(chance)),
        };
    }
    if chance.one_in(5) { record.header("at", index.to_string()) } else { record }
}

fn words(chance: &mut Chance) -> String {
    let count = 1 + chance.below(4);
    let words: Vec<String> = (0..count).map(|_| format!("w{}", chance.below(6))).collect();
    words.join(" ")
}

/// Numbers that look as if they were drawn, and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap_or(0) % end
    }

    fn one_in(&mut self, count: i64) -> bool {
        self.below(count) == 0
    }
}
