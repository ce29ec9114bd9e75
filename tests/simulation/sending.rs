//! A producer of the simulation.
use crate::program::{PARTITIONS, Plan, TOPIC, connect};
use courant_producer::{Producer, Record};
use courant_runtime::{Rng, Task, World, watch};
use courant_sim::{History, Host, Sim};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Sends records one after the other; what it has sent outlives a crash of its host, what became of it does not.
#[derive(Clone)]
pub struct Sending {
    pub name: &'static str,
    pub sim: Sim,
    pub history: History,
    pub bootstrap: String,
    pub plan: Plan,
    pub next: Arc<AtomicU32>,
    pub incarnations: Arc<AtomicU32>,
    pub done: Arc<watch::Sender<bool>>,
}

impl Sending {
    /// The host that sends, from now on.
    pub fn start(self) -> Host {
        let host = self.sim.host(self.name);
        host.start(move |world| {
            let (sending, incarnation) =
                (self.clone(), self.incarnations.fetch_add(1, Ordering::Relaxed) + 1);
            async move {
                if !*sending.done.borrow() {
                    sending.run(world, &format!("{}.{incarnation}", sending.name)).await;
                    sending.done.send_replace(true);
                }
            }
        })
    }

    async fn run(&self, world: World, name: &str) {
        let mut rng = self.sim.rng(name);
        let kafka = connect(&self.bootstrap, &world).await;
        let producer = Producer::builder(&kafka)
            .linger(self.plan.linger)
            .delivery_timeout(self.plan.delivery_timeout)
            .batch_size_bytes(self.plan.batch_size_bytes)
            .set("compression.type", self.plan.compression)
            .start()
            .await
            .unwrap();
        let pause_max = self.plan.chaos * 2 / self.plan.records;
        let mut waiting = Vec::new();
        while self.next.load(Ordering::Relaxed) < self.plan.records {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            waiting.extend(self.send(&producer, &world, name, number, &mut rng).await);
            if rng.chance(0.7) {
                world.sleep(rng.duration(Duration::ZERO, pause_max)).await;
            }
            if rng.chance(0.02) {
                let call = self.history.call(format_args!("flush of {name} after {number}"));
                if let Err(error) = producer.flush().await {
                    self.sim.note(format_args!("{name} flush: {error}"));
                }
                call.ended();
            }
        }
        let call = self.history.call(format_args!("close of {name}"));
        if let Err(error) = producer.close(Duration::from_secs(300)).await {
            self.sim.note(format_args!("{name} close: {error}"));
        }
        call.ended();
        for mut task in waiting {
            task.join().await.unwrap();
        }
        kafka.close(Duration::from_secs(60)).await.unwrap();
    }

    /// Sends one record; a task notes what becomes of it.
    async fn send(
        &self,
        producer: &Producer,
        world: &World,
        name: &str,
        number: u32,
        rng: &mut Rng,
    ) -> Option<Task> {
        let id = format!("{name}/{number}");
        let partition = rng.below(PARTITIONS as u64) as i32;
        let record = Record::to(TOPIC).partition(partition).value(id.clone());
        self.history.sent(name, &id);
        let call = self.history.call(format_args!("send {id}"));
        let delivery = match producer.enqueue(record).await {
            Ok(delivery) => delivery,
            Err(error) => {
                self.history.failed(&id, error.possibly_written());
                return None;
            }
        };
        let (history, sim) = (self.history.clone(), self.sim.clone());
        Some(world.spawn("delivery", async move {
            match delivery.await {
                Ok(metadata) => history.acknowledged(&id, &metadata.topic_partition, metadata.offset),
                Err(error) => {
                    sim.note(format_args!("{id}: {error}, possibly written: {}", error.possibly_written()));
                    history.failed(&id, error.possibly_written());
                }
            }
            call.ended();
        }))
    }
}
