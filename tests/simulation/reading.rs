//! A consumer of the simulation.
use crate::program::{PARTITIONS, Plan, TOPIC, connect};
use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_protocol::types::{Offset, TopicPartition};
use courant_runtime::{Rng, World, watch};
use courant_sim::{History, Host, Sim};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Reads everything, as the member of a group of one that commits now and then.
#[derive(Clone)]
pub struct Reading {
    pub name: &'static str,
    pub sim: Sim,
    pub history: History,
    pub bootstrap: String,
    pub plan: Plan,
    /// The log ends to read up to, once they are known.
    pub ends: watch::Receiver<Option<Vec<i64>>>,
    /// How many consumers there were: each has a name of its own, because the next one may get records again.
    pub incarnations: Arc<AtomicU32>,
    pub done: Arc<watch::Sender<bool>>,
    /// Whether it jumps back at times.
    pub seeks: bool,
    /// Whether it closes at times, and commits by itself.
    pub closes: bool,
}

type Positions = BTreeMap<TopicPartition, i64>;

impl Reading {
    /// The host that reads, from now on.
    pub fn start(self) -> Host {
        let host = self.sim.host(self.name);
        host.start(move |world| {
            let reading = self.clone();
            async move {
                if !*reading.done.borrow() {
                    reading.run(world).await;
                    reading.done.send_replace(true);
                }
            }
        })
    }

    async fn run(&self, world: World) {
        let kafka = connect(&self.bootstrap, &world).await;
        loop {
            let incarnation = self.incarnations.fetch_add(1, Ordering::Relaxed) + 1;
            let name = format!("{}.{incarnation}", self.name);
            self.history.continues(&name, &format!("{}.{}", self.name, incarnation - 1));
            let mut rng = self.sim.rng(&name);
            let polls = if self.closes && incarnation < 8 { 1 + rng.below(30) } else { u64::MAX };
            if self.read(&kafka, &name, polls, &mut rng).await {
                self.history.read_to_the_end(&name);
                break;
            }
        }
        kafka.close(Duration::from_secs(60)).await.unwrap();
    }

    /// Reads with one consumer; true if it got to the end.
    async fn read(&self, kafka: &Kafka, name: &str, polls: u64, rng: &mut Rng) -> bool {
        let mut consumer = Consumer::builder(kafka)
            .group(self.name)
            .assign((0..PARTITIONS).map(|partition| TopicPartition::new(TOPIC, partition)))
            .auto_offset_reset("earliest")
            .auto_commit(self.closes)
            .auto_commit_interval(Duration::from_secs(1))
            .fetch_max_bytes(self.plan.fetch_max_bytes)
            .start()
            .await
            .unwrap();
        let mut positions = Positions::new();
        let mut at_end = false;
        for _ in 0..polls {
            at_end = self.is_at_end(&consumer, &mut positions).await;
            if at_end {
                break;
            }
            self.poll(&mut consumer, name, &mut positions, rng).await;
            if rng.chance(0.1) {
                self.commit(&consumer, name).await;
            }
            if self.seeks && rng.chance(0.05) {
                self.seek_back(&consumer, name, &mut positions, rng);
            }
        }
        let call = self.history.call(format_args!("close of {name}"));
        if let Err(error) = consumer.close(Duration::from_secs(60)).await {
            self.sim.note(format_args!("{name} close: {error}"));
        }
        call.ended();
        at_end
    }

    /// Polls, and loses patience at times, which must lose nothing else.
    async fn poll(&self, consumer: &mut Consumer, name: &str, positions: &mut Positions, rng: &mut Rng) {
        let patience = rng.duration(Duration::ZERO, Duration::from_secs(2));
        let batch = match tokio::time::timeout(patience, consumer.poll()).await {
            Err(_) => return,
            Ok(Ok(batch)) => batch.expect("nobody closes it"),
            Ok(Err(error)) => return self.sim.note(format_args!("{name} poll: {error}")),
        };
        for record in &batch {
            let id = String::from_utf8_lossy(record.value().unwrap()).into_owned();
            self.history.delivered(name, record.topic_partition(), record.offset(), id);
            positions.insert(record.topic_partition().clone(), record.offset().0 + 1);
        }
    }

    fn seek_back(&self, consumer: &Consumer, name: &str, positions: &mut Positions, rng: &mut Rng) {
        let nth = rng.below(positions.len() as u64) as usize;
        let Some((partition, position)) = positions.iter_mut().nth(nth) else { return };
        *position = rng.below(*position as u64 + 1) as i64;
        self.sim.note(format_args!("{name} goes back to {partition}@{position}"));
        consumer.seek(partition.clone(), Offset(*position)).unwrap();
        self.history.sought(name, partition, *position);
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
    async fn is_at_end(&self, consumer: &Consumer, positions: &mut Positions) -> bool {
        let Some(ends) = self.ends.borrow().clone() else { return false };
        for (partition, end) in (0..PARTITIONS).zip(ends) {
            let partition = TopicPartition::new(TOPIC, partition);
            if let Entry::Vacant(place) = positions.entry(partition.clone()) {
                let position = consumer.position(partition.clone()).await;
                place.insert(position.map_or(0, |position| position.0));
            }
            if positions.get(&partition).is_none_or(|position| *position < end) {
                return false;
            }
        }
        true
    }
}
