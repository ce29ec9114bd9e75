//! A consumer of the simulation.
use crate::program::{PARTITIONS, Plan, TOPIC, connect};
use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_protocol::types::{PartitionId, TopicPartition};
use courant_runtime::{Rng, Task, World};
use courant_sim::{History, Sim};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;
use tokio::sync::watch;

/// The log ends to read up to, once they are known.
type Ends = watch::Receiver<Option<Vec<i64>>>;

pub struct Reading {
    name: &'static str,
    sim: Sim,
    world: World,
    history: History,
    bootstrap: String,
    plan: Plan,
    ends: Ends,
}

impl Reading {
    /// Reads everything, in a task that ends when it has. `consumer-1` stays; `consumer-2` closes and begins anew at times.
    pub fn start(
        sim: &Sim,
        plan: &Plan,
        bootstrap: &str,
        history: &History,
        name: &'static str,
        ends: &Ends,
    ) -> Task {
        let world = sim.world(name);
        let reading = Self {
            name,
            sim: sim.clone(),
            world: world.clone(),
            history: history.clone(),
            bootstrap: bootstrap.to_owned(),
            plan: plan.clone(),
            ends: ends.clone(),
        };
        world.spawn(name, reading.run())
    }

    async fn run(self) {
        let mut rng = self.sim.rng(self.name);
        let kafka = connect(&self.bootstrap, &self.world).await;
        let mut before: Option<String> = None;
        for incarnation in 1.. {
            let name = format!("{}.{incarnation}", self.name);
            let stays = self.name == "consumer-1" || incarnation == 5;
            let polls = if stays { u64::MAX } else { 1 + rng.below(30) };
            if let Some(before) = &before {
                self.history.continues(&name, before);
            }
            if self.read(&kafka, &name, polls, &mut rng).await {
                self.history.read_to_the_end(&name);
                break;
            }
            before = Some(name);
        }
        kafka.close(Duration::from_secs(60)).await.unwrap();
    }

    /// Reads with one consumer; true if it got to the end.
    async fn read(&self, kafka: &Kafka, name: &str, polls: u64, rng: &mut Rng) -> bool {
        let partitions = (0..PARTITIONS).map(|partition| TopicPartition::new(TOPIC, partition));
        let mut consumer = Consumer::builder(kafka)
            .group(self.name)
            .assign(partitions)
            .auto_offset_reset("earliest")
            .auto_commit(self.name == "consumer-2")
            .auto_commit_interval(Duration::from_secs(1))
            .fetch_max_bytes(self.plan.fetch_max_bytes)
            .start()
            .await
            .unwrap();
        let mut positions: BTreeMap<PartitionId, i64> = BTreeMap::new();
        let mut at_end = false;
        for _ in 0..polls {
            at_end = self.is_at_end(&consumer, &mut positions).await;
            if at_end {
                break;
            }
            // Giving up a poll loses nothing.
            let patience = rng.duration(Duration::ZERO, Duration::from_secs(2));
            let batch = match tokio::time::timeout(patience, consumer.poll()).await {
                Err(_) => continue,
                Ok(Ok(batch)) => batch.expect("nobody closes it"),
                Ok(Err(error)) => {
                    self.sim.note(format_args!("{name} poll: {error}"));
                    continue;
                }
            };
            for record in &batch {
                let id = String::from_utf8_lossy(record.value().unwrap()).into_owned();
                self.history.delivered(name, record.topic_partition(), record.offset(), id);
                positions.insert(record.partition(), record.offset().0 + 1);
            }
            if rng.chance(0.1) {
                self.commit(&consumer, name).await;
            }
        }
        let call = self.history.call(format_args!("close of {name}"));
        if let Err(error) = consumer.close(Duration::from_secs(60)).await {
            self.sim.note(format_args!("{name} close: {error}"));
        }
        call.ended();
        at_end
    }

    async fn commit(&self, consumer: &Consumer, name: &str) {
        let call = self.history.call(format_args!("commit of {name}"));
        match consumer.commit().await {
            Ok(()) => self.sim.note(format_args!("{name} committed")),
            Err(error) => self.sim.note(format_args!("{name} commit: {error}")),
        }
        call.ended();
    }

    /// Whether everything has been read; the position of a partition of which nothing came is asked for.
    async fn is_at_end(&self, consumer: &Consumer, positions: &mut BTreeMap<PartitionId, i64>) -> bool {
        let Some(ends) = self.ends.borrow().clone() else { return false };
        for (partition, end) in (0..PARTITIONS).zip(ends) {
            let id = PartitionId(partition);
            if let Entry::Vacant(place) = positions.entry(id) {
                let position = consumer.position(TopicPartition::new(TOPIC, partition)).await;
                place.insert(position.map_or(0, |position| position.0));
            }
            if positions.get(&id).is_none_or(|position| *position < end) {
                return false;
            }
        }
        true
    }
}
