//! A member's application: a runner and its handler.
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use courant_client::Kafka;
use courant_consumer::{Consumer, ConsumerRecord, IsolationLevel};
use courant_handlers::{Backoff, Error, Failure, Handler, Handlers, Runner};
use courant_producer::Producer;
use courant_runtime::{Rng, World, watch};
use courant_sim::{Host, Sim};

use crate::ledger::{DEAD, GROUP, Ledger, TOPIC, is_poison};
use crate::plan::Plan;

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Members leave, stall and are crashed, and handlers fail.
    Rough,
    /// Members only work.
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

/// A call of the handler; dropping it says that it is over.
struct Call {
    application: Application,
    life: u32,
    record: ConsumerRecord,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.application.ledger().over(&self.application.name, self.life, &self.record);
    }
}

impl Application {
    /// The host that it runs on, from now on.
    pub fn start(self) -> Host {
        let host = self.sim.host(&self.name);
        host.start(move |world| {
            let application = self.clone();
            async move {
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
        while self.phase() != Phase::Over {
            let life = self.lives.fetch_add(1, Ordering::Relaxed);
            let mut rng = self.sim.rng(&format!("{}.{life}", self.name));
            let producer = Producer::builder(&kafka);
            let producer = producer.set("delivery.timeout.ms", 20_000).start().await.unwrap();
            if let Err(error) = self.join(&kafka, &producer, life, &world, &mut rng).await {
                self.sim.note(format_args!("{} cannot start: {error}", self.name));
            }
            producer.close(Duration::from_secs(10)).await.ok();
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

    async fn join(
        &self,
        kafka: &Kafka,
        producer: &Producer,
        life: u32,
        world: &World,
        rng: &mut Rng,
    ) -> Result<(), Error> {
        let mut consumer = Consumer::builder(kafka)
            .group(GROUP)
            .subscribe([TOPIC])
            .assignors(self.plan.assignors.iter().copied())
            .session_timeout(Duration::from_secs(10))
            .heartbeat_interval(Duration::from_secs(1))
            .max_poll_interval(self.plan.max_poll_interval)
            .max_poll_records(20)
            .auto_offset_reset("earliest")
            .auto_commit_interval(Duration::from_secs(1));
        if self.plan.transactional {
            consumer = consumer.isolation_level(IsolationLevel::ReadCommitted);
        }
        if self.plan.are_static {
            consumer = consumer.group_instance_id(&self.name);
        }
        let handlers = Handlers::new(consumer)
            .retry(20, Backoff::new(Duration::from_millis(50), Duration::from_secs(1)))
            .dead_letters(producer, DEAD)
            .max_in_flight(self.plan.max_in_flight)
            .drain_timeout(self.plan.drain_timeout);
        let dice = Arc::new(Mutex::new(self.sim.rng(&format!("{}.{life}.handler", self.name))));
        let application = self.clone();
        let handler =
            move |record: ConsumerRecord| application.clone().handle(record, life, Arc::clone(&dice));
        match self.plan.concurrency {
            Some(n) => self.live(handlers.for_each_per_key(n, handler).await?, world, rng).await,
            None => self.live(handlers.for_each_per_partition(handler).await?, world, rng).await,
        }
        Ok(())
    }

    /// What is done for each record.
    async fn handle(self, record: ConsumerRecord, life: u32, dice: Arc<Mutex<Rng>>) -> Result<(), Failure> {
        self.ledger().begin(&self.name, life, &record);
        let (takes, fails) = {
            let mut dice = dice.lock().unwrap();
            let fails = self.phase() == Phase::Rough && dice.chance(0.05);
            (dice.duration(Duration::ZERO, self.plan.takes), fails)
        };
        let call = Call { application: self, life, record };
        tokio::time::sleep(takes).await;
        if is_poison(call.record.value()) {
            return Err(Failure::permanent("nobody can deal with this"));
        }
        if fails {
            return Err(io::Error::other("not this time").into());
        }
        call.application.ledger().finish(&call.record);
        Ok(())
    }

    /// Works until it is over, or, while the world is rough, until this member has had enough.
    async fn live<H: Handler>(&self, mut runner: Runner<H>, world: &World, rng: &mut Rng) {
        let patience = 3 + rng.below(40);
        let mut turns = 0;
        while self.phase() != Phase::Over && (self.phase() == Phase::Calm || turns < patience) {
            turns += 1;
            // It is dropped at times, which must lose nothing.
            let time = rng.duration(Duration::ZERO, Duration::from_secs(2));
            match tokio::time::timeout(time, runner.run()).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => {
                    self.sim.note(format_args!("{} stops: {error}", self.name));
                    if error.is_fatal() {
                        break;
                    }
                }
                Err(_) => {}
            }
            if self.phase() == Phase::Rough && rng.chance(0.03) {
                let stall = rng.duration(Duration::from_secs(1), Duration::from_secs(40));
                self.sim.note(format_args!("{} stalls for {stall:?}", self.name));
                world.sleep(stall).await;
            }
            self.ledger().check_commits();
        }
        if rng.chance(0.3) && self.phase() == Phase::Rough {
            self.sim.note(format_args!("{} drops its runner", self.name));
            return;
        }
        let closed = runner.close(rng.duration(Duration::ZERO, Duration::from_secs(30))).await;
        self.sim.note(format_args!("{} closed: {closed:?}", self.name));
    }
}
