//! Groups in a rough world, by seed: members come, go, crash and fall silent while brokers crash and answers are lost.
#![allow(clippy::unwrap_used, clippy::panic)]
mod batches;
mod seat;
mod world;

use std::collections::BTreeSet;

use courant_broker_mock::{Fault, MockCluster};
use courant_client::Kafka;
use courant_consumer::assignor::Assignor;
use courant_consumer::{CloseOptions, ConsumerBuilder, Leave};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_sim::chosen_seeds;
use futures_util::future::join_all;
use seat::{Seat, member};
use world::{cluster, connect, ms, run};

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = usize::try_from(self.roll(from.len() as u64)).unwrap();
        from[index]
    }
}

/// A group and what happens to it.
struct Story {
    cluster: MockCluster,
    kafka: Kafka,
    dice: Dice,
    assignors: Vec<Assignor>,
    statics: bool,
    /// Whether members vanish and are expelled.
    forgetful: bool,
    named: u64,
    seats: Vec<Seat>,
}

const PARTITIONS: usize = 7;

impl Story {
    async fn begin(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let cluster = cluster(|builder| builder.topic("seven", PARTITIONS).seed(seed));
        let kafka = connect(&cluster).await;
        let assignors = dice.pick(&[
            &[Assignor::Range][..],
            &[Assignor::CooperativeSticky],
            &[Assignor::CooperativeSticky],
            &[Assignor::Sticky, Assignor::RoundRobin],
            &Assignor::DEFAULT,
        ]);
        let (statics, forgetful) = (dice.roll(3) == 0, dice.roll(2) == 0);
        let assignors = assignors.to_vec();
        Self { cluster, kafka, dice, assignors, statics, forgetful, named: 0, seats: Vec::new() }
    }

    fn builder(&mut self) -> ConsumerBuilder {
        self.named += 1;
        let builder = member(&self.kafka).assignors(self.assignors.clone()).max_poll_interval(ms(40_000));
        let builder = builder.heartbeat_interval(ms(500)).session_timeout(ms(20_000));
        let builder = builder.subscribe(["seven"]).auto_commit(self.dice.roll(2) == 0);
        if self.statics { builder.group_instance_id(format!("member-{}", self.named)) } else { builder }
    }

    async fn happen(&mut self) {
        let index = usize::try_from(self.dice.roll(8)).unwrap();
        let node = self.dice.pick(&self.cluster.nodes());
        match self.dice.roll(12) {
            0..=2 if self.seats.len() < 5 => {
                let builder = self.builder();
                self.seats.push(Seat::take(builder).await);
            }
            3 if index < self.seats.len() => {
                let seat = self.seats.swap_remove(index);
                // Whatever the brokers make of it: it is closed.
                let _result = seat.consumer.close(ms(5_000)).await;
            }
            4 if index < self.seats.len() && self.forgetful => vanish(self.seats.swap_remove(index)).await,
            5 if index < self.seats.len() && self.forgetful => {
                let id = self.seats[index].consumer.group_metadata().unwrap().member_id;
                let _unknown = self.cluster.expire_member("g", &id);
            }
            6 => drop(self.cluster.move_coordinator("g", node)),
            7 if index < self.seats.len() => {
                let _not_in = self.seats[index].consumer.enforce_rebalance("the dice say so");
            }
            8 => {
                let api = self.dice.pick(&[ApiKey::JoinGroup, ApiKey::SyncGroup, ApiKey::Heartbeat]);
                let fault = Fault::on(api).times(1 + self.dice.roll(3));
                self.cluster.inject(match self.dice.roll(5) {
                    0 => fault.cut_before(),
                    1 => fault.cut_after(),
                    2 => fault.delay(ms(self.dice.roll(8_000))),
                    3 => fault.error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
                    _ => fault.error(ErrorCode::NOT_COORDINATOR),
                });
            }
            9 => drop(self.cluster.cut_connections(node)),
            10 => {
                self.cluster.crash(node).unwrap();
                self.pass(3_000).await;
                self.cluster.restart(node).unwrap();
            }
            _ => {
                let offsets = [(("seven", 0), 1)];
                if let Some(seat) = self.seats.get(index) {
                    let _result = seat.consumer.commit_offsets_async(offsets);
                }
            }
        }
    }

    /// Some members ask for events, others are silent for a while.
    async fn pass(&mut self, time: u64) {
        let silent: BTreeSet<u64> = (0..2).map(|_| self.dice.roll(12)).collect();
        let active =
            self.seats.iter_mut().enumerate().filter(|(index, _)| !silent.contains(&(*index as u64)));
        join_all(active.map(|(_, seat)| seat.run(ms(time)))).await;
        self.drop_fenced();
        if self.seats.is_empty() {
            self.kafka.world().sleep(ms(time)).await;
        }
    }

    /// A static member that came back under a new id, in a generation that was never completed, is fenced when the
    /// coordinator moves: the next one knows its old id. Java's application would be restarted.
    fn drop_fenced(&mut self) {
        let statics = self.statics;
        self.seats.retain(|seat| {
            assert!(statics || !seat.is_fenced(), "only a named member can be fenced");
            !seat.is_fenced()
        });
    }

    /// Of the members whom the group counts: who is out of it, for slow heartbeats let a session end as well, may not know
    /// yet that what it has is another's.
    fn check_nothing_twice(&self, seed: u64) {
        let group = self.cluster.group("g");
        let counts = |seat: &&Seat| {
            let id = seat.consumer.group_metadata().unwrap().member_id;
            group.as_ref().is_some_and(|group| group.counts(&id))
        };
        let mut all = BTreeSet::new();
        for partition in self.seats.iter().filter(counts).flat_map(|seat| &seat.owned) {
            assert!(all.insert(partition), "seed {seed}: {partition} has two owners");
        }
    }
}

/// It goes without a farewell: its session has to end first.
async fn vanish(seat: Seat) {
    // Whatever the brokers make of it: it is closed.
    let _result = seat.consumer.close_with(CloseOptions::within(ms(1_000)).leave(Leave::Remain)).await;
}

async fn play(seed: u64) {
    let mut story = Story::begin(seed).await;
    for _ in 0..25 {
        story.happen().await;
        let time = 100 + story.dice.roll(6_000);
        story.pass(time).await;
        story.check_nothing_twice(seed);
    }
    story.cluster.clear_faults();
    let builder = story.builder();
    story.seats.push(Seat::take(builder).await);
    for _ in 0..2 {
        join_all(story.seats.iter_mut().map(|seat| seat.run(ms(75_000)))).await;
        story.drop_fenced();
    }
    story.check_nothing_twice(seed);
    let owned: usize = story.seats.iter().map(|seat| seat.owned.len()).sum();
    // Topic `a` is subscribed to as well.
    let told: Vec<_> = story.seats.iter().map(|seat| (&seat.owned, &seat.errors)).collect();
    assert_eq!(owned, PARTITIONS + 3, "seed {seed}: something is left over: {told:?}");
    for seat in &story.seats {
        seat.consumer.commit().await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        seat.consumer.close(ms(10_000)).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

#[test]
fn whatever_happens_everything_has_one_owner_in_the_end() {
    for seed in chosen_seeds(4).unwrap() {
        run(play(seed));
    }
}
