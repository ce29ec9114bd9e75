//! A producer of the simulation.
use crate::program::{PARTITIONS, Plan, TOPIC, connect};
use courant_producer::{Producer, Record};
use courant_runtime::{Rng, Task, World};
use courant_sim::{History, Sim};
use std::time::Duration;

pub struct Sending {
    name: &'static str,
    sim: Sim,
    world: World,
    history: History,
    bootstrap: String,
    plan: Plan,
}

impl Sending {
    /// Sends as the plan says, in a task that ends when every future has ended.
    pub fn start(sim: &Sim, plan: &Plan, bootstrap: &str, history: &History, name: &'static str) -> Task {
        let world = sim.world(name);
        let sending = Self {
            name,
            sim: sim.clone(),
            world: world.clone(),
            history: history.clone(),
            bootstrap: bootstrap.to_owned(),
            plan: plan.clone(),
        };
        world.spawn(name, sending.run())
    }

    async fn run(self) {
        let mut rng = self.sim.rng(self.name);
        let kafka = connect(&self.bootstrap, &self.world).await;
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
        for number in 0..self.plan.records {
            waiting.extend(self.send(&producer, number, &mut rng).await);
            if rng.chance(0.7) {
                self.world.sleep(rng.duration(Duration::ZERO, pause_max)).await;
            }
            if rng.chance(0.02) {
                let call = self.history.call(format_args!("flush of {} after {number}", self.name));
                if let Err(error) = producer.flush().await {
                    self.sim.note(format_args!("{} flush: {error}", self.name));
                }
                call.ended();
            }
        }
        let call = self.history.call(format_args!("close of {}", self.name));
        if let Err(error) = producer.close(Duration::from_secs(300)).await {
            self.sim.note(format_args!("{} close: {error}", self.name));
        }
        call.ended();
        for mut task in waiting {
            task.join().await.unwrap();
        }
        kafka.close(Duration::from_secs(60)).await.unwrap();
    }

    /// Sends one record; a task notes what becomes of it.
    async fn send(&self, producer: &Producer, number: u32, rng: &mut Rng) -> Option<Task> {
        let id = format!("{}/{number}", self.name);
        let partition = rng.below(PARTITIONS as u64) as i32;
        let record = Record::to(TOPIC).partition(partition).value(id.clone());
        self.history.sent(self.name, &id);
        let call = self.history.call(format_args!("send {id}"));
        let delivery = match producer.enqueue(record).await {
            Ok(delivery) => delivery,
            Err(error) => {
                self.history.failed(&id, error.possibly_written());
                return None;
            }
        };
        let (history, sim) = (self.history.clone(), self.sim.clone());
        Some(self.world.spawn("delivery", async move {
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
