//! The records that both read.
use std::time::Duration;

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
/// The first record's time.
const BEGINNING: i64 = 1_700_000_000_000;

/// Creates the topics and fills them.
pub(crate) async fn inputs(kafka: &Kafka) -> Result<()> {
    let admin = Admin::new(kafka);
    let producer = Producer::builder(kafka).linger(Duration::from_millis(20)).start().await?;
    for inputs in [Inputs::One, Inputs::Three] {
        let name = |topic: &str| format!("{}{topic}", inputs.prefix());
        let topics = TOPICS.map(|(topic, _)| NewTopic::new(name(topic)).partitions(inputs.partitions()));
        admin.create_topics(topics).await.all()?;
        let mut chance = Chance(42);
        for (place, (topic, is_number)) in (0..).zip(TOPICS) {
            for index in 0..RECORDS {
                let record = record(&mut chance, name(topic), place, index, is_number, inputs);
                drop(producer.enqueue(record).await?);
            }
        }
    }
    producer.flush().await?;
    producer.close(Duration::from_secs(30)).await?;
    Ok(())
}

/// A record: of 200 no two have the same time in any topic; some are late, some have no key, some no value.
fn record(
    chance: &mut Chance,
    topic: String,
    place: i64,
    index: i64,
    is_number: bool,
    inputs: Inputs,
) -> Record {
    let late = if chance.one_in(6) { chance.below(40) } else { 0 };
    let timestamp = BEGINNING + 700 * (index - late) + (index * 3 + place * 601) % 699;
    let mut record = Record::to(topic).timestamp(timestamp);
    if chance.one_in(10) {
        record = record.partition(i32::try_from(index).unwrap_or(0) % inputs.partitions());
    } else {
        record = record.key(format!("k{}", chance.below(7)));
    }
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
