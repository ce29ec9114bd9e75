//! A member's application.
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use courant_client::Kafka;
use courant_consumer::{Consumer, Error, Event};
use courant_protocol::types::TopicPartition;
use courant_runtime::{Rng, World, watch};
use courant_sim::{Host, Sim};

use crate::ledger::{GROUP, Ledger, TOPIC};
use crate::plan::Plan;

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Members leave, stall and are crashed.
    Rough,
    /// Members only read.
    Calm,
    /// Members close.
    Over,
}

/// The application of one host; it outlives crashes of the host.
#[derive(Clone)]
pub struct Application {
    pub name: String,
    pub sim: Sim,
    pub plan: Plan,
    pub bootstrap: String,
    pub ledger: Arc<Mutex<Ledger>>,
    pub phase: watch::Receiver<Phase>,
    pub lives: Arc<AtomicU32>,
    pub done: Arc<watch::Sender<bool>>,
}

impl Application {
    /// The host that it runs on, from now on.
    pub fn start(self) -> Host {
        let host = self.sim.host(&self.name);
        host.start(move |world| {
            let application = self.clone();
            async move {
                application.ledger().ended(&application.name);
                if !*application.done.borrow() {
                    application.run(world).await;
                    application.done.send_replace(true);
                }
            }
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    async fn run(&self, world: World) {
        let kafka = self.connect(&world).await;
        loop {
            let life = self.lives.fetch_add(1, Ordering::Relaxed);
            let mut rng = self.sim.rng(&format!("{}.{life}", self.name));
            match self.join(&kafka).await {
                Ok(consumer) => self.live(consumer, &world, &mut rng).await,
                Err(error) => self.sim.note(format_args!("{} cannot start: {error}", self.name)),
            }
            if self.phase() == Phase::Over {
                break;
            }
            world.sleep(rng.duration(Duration::ZERO, Duration::from_secs(10))).await;
        }
        kafka.close(Duration::from_secs(60)).await.unwrap();
    }

    async fn connect(&self, world: &World) -> Kafka {
        loop {
            let builder = Kafka::builder().bootstrap(&self.bootstrap).world(world.clone());
            match builder.set("request.timeout.ms", 2_000).set("metadata.max.age.ms", 5_000).connect().await {
                Ok(kafka) => return kafka,
                Err(error) => assert!(error.is_retriable(), "{error}"),
            }
        }
    }

    async fn join(&self, kafka: &Kafka) -> Result<Consumer, Error> {
        let mut builder = Consumer::builder(kafka)
            .group(GROUP)
            .subscribe([TOPIC])
            .assignors(self.plan.assignors.iter().copied())
            .session_timeout(Duration::from_secs(10))
            .heartbeat_interval(Duration::from_secs(1))
            .max_poll_interval(self.plan.max_poll_interval)
            .auto_offset_reset("earliest")
            .auto_commit(self.plan.auto_commit)
            .auto_commit_interval(Duration::from_secs(1));
        if self.plan.are_static {
            builder = builder.group_instance_id(&self.name);
        }
        builder.start().await
    }

    /// Reads until it is over, or, while the world is rough, until this member has had enough.
    async fn live(&self, mut consumer: Consumer, world: &World, rng: &mut Rng) {
        let patience = 10 + rng.below(300);
        let mut polls = 0;
        while self.phase() != Phase::Over && (self.phase() == Phase::Calm || polls < patience) {
            polls += 1;
            if let Err(error) = self.poll(&mut consumer, rng).await {
                self.sim.note(format_args!("{} poll: {error}", self.name));
                // A member that another has taken the name of does not come back (KIP-345).
                if error.is_fatal() {
                    break;
                }
            }
            if self.phase() == Phase::Rough && rng.chance(0.01) {
                let stall = rng.duration(Duration::from_secs(1), Duration::from_secs(40));
                self.sim.note(format_args!("{} stalls for {stall:?}", self.name));
                world.sleep(stall).await;
            }
            if !self.plan.auto_commit && rng.chance(0.2) {
                self.commit(&consumer, rng).await;
            }
        }
        self.ledger().finished(&self.name);
        if !self.plan.auto_commit {
            let committed = consumer.commit().await;
            self.sim.note(format_args!("{} commits last: {committed:?}", self.name));
        }
        self.ledger().ended(&self.name);
        let closed = consumer.close(Duration::from_secs(30)).await;
        self.sim.note(format_args!("{} closed: {closed:?}", self.name));
    }

    /// Asks for the next event, and loses patience at times, which must lose nothing else.
    async fn poll(&self, consumer: &mut Consumer, rng: &mut Rng) -> Result<(), Error> {
        self.ledger().finished(&self.name);
        let patience = rng.duration(Duration::ZERO, Duration::from_secs(1));
        let Ok(event) = tokio::time::timeout(patience, consumer.next_event()).await else { return Ok(()) };
        match event?.expect("nobody closes it") {
            Event::Batch(batch) => {
                for record in &batch {
                    self.ledger().handed(&self.name, record.partition().0, record.offset().0);
                }
                if self.phase() == Phase::Rough && rng.chance(0.1) {
                    self.sim.note(format_args!("{} works on {} records", self.name, batch.len()));
                    tokio::time::sleep(rng.duration(Duration::ZERO, Duration::from_secs(5))).await;
                }
                // To have gone through a batch and to let go of it is to have finished it.
                self.ledger().finished(&self.name);
            }
            Event::Assigned(partitions) => {
                self.say("gets", &partitions);
                let member = consumer.group_metadata()?.member_id;
                self.ledger().assigned(&self.name, &member, &partitions);
            }
            Event::Revoked(partitions) => {
                self.say("shall let go of", &partitions);
                if !self.plan.auto_commit {
                    self.commit(consumer, rng).await;
                }
                // They are still its own until it asks again.
                self.ledger().gone(&self.name, &partitions);
            }
            Event::Lost(partitions) => {
                self.say("has lost", &partitions);
                self.ledger().gone(&self.name, &partitions);
            }
            other => panic!("an event of no known kind: {other:?}"),
        }
        Ok(())
    }

    async fn commit(&self, consumer: &Consumer, rng: &mut Rng) {
        self.ledger().finished(&self.name);
        let patience = rng.duration(Duration::ZERO, Duration::from_secs(8));
        let outcome = tokio::time::timeout(patience, consumer.commit()).await;
        self.sim.note(format_args!("{} commits: {outcome:?}", self.name));
        self.ledger().check_commits();
    }

    fn say(&self, what: &str, partitions: &[TopicPartition]) {
        let numbers: Vec<i32> = partitions.iter().map(|partition| partition.partition.0).collect();
        self.sim.note(format_args!("{} {what} {numbers:?}", self.name));
    }
}
