//! Random configurations under random faults: every promise that the settings make is kept, whatever they are.
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use courant_broker_mock::{Fault, MockCluster};
use courant_producer::{DeliveryFuture, Producer, Record, RecordMetadata, SendError};
use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_runtime::Rng;
use courant_sim::{Chaos, Family, History, LinkFaults, Sim};
use tokio::task::JoinSet;

use crate::setup::{Promise, Setup, pick};
use crate::{SECOND, connect_within, read_back};

#[test]
fn every_configuration_keeps_its_promise() {
    let command = "cargo test -p courant-producer --test simulation every_configuration_keeps_its_promise";
    Family::new(command).seeds(20).run(run).unwrap();
}

fn run(sim: &Sim) -> Result<(), Box<dyn Error + Send + Sync>> {
    let setup = Setup::draw(&mut sim.rng("setup"));
    let history = History::new();
    let (cluster, ended) = sim.run(async {
        sim.note(&setup);
        let cluster = MockCluster::builder()
            .brokers(setup.brokers)
            .topic_with(
                "t",
                setup.partitions,
                None,
                [("max.message.bytes", setup.max_message_bytes.to_string())],
            )
            .world(sim.world("brokers"))
            .build()
            .unwrap();
        sim.serve(cluster.transport());
        sim.faults(LinkFaults::rough());
        let hosts = ["p0", "p1", "p2"];
        let mut clients = Vec::new();
        for host in hosts.into_iter().take(setup.producers as usize) {
            let kafka = connect_within(sim.world(host), cluster.bootstrap(), setup.request_timeout).await;
            let producer = setup.apply(Producer::builder(&kafka)).start().await.unwrap();
            let records = setup.records;
            // Two tasks share the producer; each keeps its own order.
            for task in ["a", "b"] {
                let notes = Notes { sim: sim.clone(), history: history.clone(), promise: setup.promise };
                let traffic = Traffic {
                    name: format!("{host}{task}"),
                    rng: sim.rng(&format!("{host}{task}")),
                    notes,
                    longest_value: setup.longest_value,
                    producer: producer.clone(),
                    started: JoinSet::new(),
                };
                clients.push(tokio::spawn(traffic.run(records)));
            }
        }
        let grown = inject(&cluster, &mut sim.rng("faults"));
        Chaos::new(sim, &cluster).hosts(hosts).run_for(40 * SECOND).await;
        sim.note(format_args!("{grown} partitions more"));
        cluster.clear_faults();
        let mut ended = true;
        for client in clients {
            ended &= client.await.is_ok();
        }
        (cluster, ended)
    })?;
    if !ended {
        return Err(format!("a producer panicked ({setup})").into());
    }
    read_back(&cluster, &history);
    let checked = match setup.promise {
        Promise::ExactlyOnce => history.check(),
        Promise::AtLeastOnce | Promise::Nothing => history.check_at_least_once(),
    };
    checked.map_err(|violations| format!("{violations}\n  under {setup}"))?;
    match setup.promise != Promise::Nothing && history.acknowledgements() == 0 {
        true => Err(format!("no record was delivered: this proves nothing ({setup})").into()),
        false => Ok(()),
    }
}

/// Lets some produce requests fail, or fall silent, each in its own way, and perhaps the topic grow.
fn inject(cluster: &MockCluster, rng: &mut Rng) -> usize {
    let produce = || Fault::on(ApiKey::Produce);
    for _ in 0..12 {
        let fault = produce().nth(1 + rng.below(40));
        cluster.inject(match rng.below(9) {
            0 => fault.cut_before(),
            1 => fault.cut_after(),
            2 => fault.cut_inside(1 + rng.below(60) as usize),
            3 => fault.silence(),
            4 => fault.delay(rng.duration(Duration::ZERO, 12 * SECOND)),
            5 => fault.hold(rng.duration(Duration::ZERO, 3 * SECOND)),
            6 => fault.throttle(rng.below(2000) as i32),
            _ => fault.error(pick(rng, &ERRORS)),
        });
    }
    let more = if rng.chance(0.3) { 1 + rng.below(3) as usize } else { 0 };
    cluster.add_partitions("t", more).unwrap();
    more
}

/// What a broker may answer without having written anything.
const ERRORS: [ErrorCode; 8] = [
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::LEADER_NOT_AVAILABLE,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    ErrorCode::KAFKA_STORAGE_ERROR,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::CORRUPT_MESSAGE,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
];

/// One task that sends, in every way that there is, and notes what becomes of each record.
struct Traffic {
    name: String,
    rng: Rng,
    notes: Notes,
    longest_value: u64,
    producer: Producer,
    /// The sends that were left to themselves.
    started: JoinSet<()>,
}

impl Traffic {
    async fn run(mut self, records: u64) {
        let mut waiting = Vec::new();
        for number in 0..records {
            let id = format!("{}-{number:0>4}", self.name);
            let record = self.record(&id);
            waiting.extend(self.send(record, &id).await.map(|delivery| self.watch(id, delivery)));
            if self.rng.chance(0.3) {
                tokio::time::sleep(self.rng.duration(Duration::ZERO, SECOND / 2)).await;
            }
            if self.rng.chance(0.02) {
                let flush = pin!(self.producer.flush());
                let _ = drop_after(self.rng.below(20) as usize, flush).await;
            }
        }
        // Some give what is left no time at all.
        let timeout = if self.rng.chance(0.2) { SECOND * self.rng.below(3) as u32 } else { 300 * SECOND };
        let call = self.notes.history.call(format_args!("close by {}", self.name));
        let _ = self.producer.close(timeout).await;
        call.ended();
        for task in waiting {
            task.await.unwrap();
        }
        while let Some(ended) = self.started.join_next().await {
            ended.unwrap();
        }
    }

    fn record(&mut self, id: &str) -> Record {
        let long = if self.rng.chance(0.1) { self.longest_value } else { self.longest_value / 10 };
        let letters = (0..self.rng.below(long + 1)).map(|_| char::from(b'a' + self.rng.below(26) as u8));
        let value = std::iter::once(':').chain(letters).fold(id.to_owned(), |mut value, letter| {
            value.push(letter);
            value
        });
        let record = Record::to("t").value(value);
        match self.rng.below(3) {
            0 => record.partition(0),
            1 => record.key(self.rng.below(10).to_string()),
            _ => record,
        }
    }

    /// Hands a record over; `None` if it was not accepted, or nobody can know.
    async fn send(&mut self, record: Record, id: &str) -> Option<DeliveryFuture> {
        let accepted = match self.rng.below(10) {
            0 => self.producer.try_enqueue(record),
            1 => {
                let steps = self.rng.below(8) as usize;
                // A dropped `enqueue` has accepted nothing, and the history would call its record invented.
                drop_after(steps, pin!(self.producer.enqueue(record))).await?
            }
            2 => {
                self.notes.history.sent(&self.name, id);
                let steps = self.rng.below(8) as usize;
                let sent = drop_after(steps, pin!(self.producer.send(record))).await;
                self.notes.note(id, sent);
                return None;
            }
            3 => {
                self.notes.history.sent(&self.name, id);
                self.start(record, id);
                return None;
            }
            _ => self.producer.enqueue(record).await,
        };
        match accepted {
            Ok(delivery) => {
                self.notes.history.sent(&self.name, id);
                Some(delivery)
            }
            Err(error) => {
                assert!(error.record.is_some(), "{error}");
                None
            }
        }
    }

    /// Starts a send, which holds its place among the task's records from then on, and leaves it to itself for a while.
    fn start(&mut self, record: Record, id: &str) {
        let producer = self.producer.clone();
        let mut send = Box::pin(async move { producer.send(record).await });
        let first = send.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let (call, notes, id) = (self.notes.history.call(id), self.notes.clone(), id.to_owned());
        let later = self.rng.duration(Duration::ZERO, SECOND);
        self.started.spawn(async move {
            let sent = match first {
                Poll::Ready(sent) => sent,
                Poll::Pending => {
                    tokio::time::sleep(later).await;
                    send.await
                }
            };
            notes.note(&id, Some(sent));
            call.ended();
        });
    }

    fn watch(&self, id: String, delivery: DeliveryFuture) -> tokio::task::JoinHandle<()> {
        let (call, notes) = (self.notes.history.call(&id), self.notes.clone());
        tokio::spawn(async move {
            let delivered = delivery.await;
            notes.note(&id, Some(delivered));
            call.ended();
        })
    }
}

/// Where the tasks of a run write down what they saw.
#[derive(Clone)]
struct Notes {
    sim: Sim,
    history: History,
    promise: Promise,
}

impl Notes {
    /// What became of a record; nothing if the future was dropped.
    fn note(&self, id: &str, sent: Option<Result<RecordMetadata, SendError>>) {
        match sent {
            // What is written to a socket without being answered may be in the log or not.
            Some(Ok(_)) if self.promise == Promise::Nothing => self.history.failed(id, true),
            Some(Ok(at)) => self.history.acknowledged(id, &at.topic_partition, at.offset),
            Some(Err(error)) => {
                let possibly = error.possibly_written();
                self.sim.note(format_args!("`{id}` failed, possibly written: {possibly}: {error}"));
                self.history.failed(id, possibly);
            }
            None => self.history.failed(id, true),
        }
    }
}

/// Polls so many times at most.
async fn drop_after<F: Future + Unpin>(polls: usize, mut future: F) -> Option<F::Output> {
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        std::pin::Pin::new(&mut future).poll(cx).map(Some)
    })
    .await
}
