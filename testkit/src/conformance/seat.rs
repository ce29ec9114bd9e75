//! A consumer that runs in a task of its own as a member of a group, and what it was told.
use std::collections::BTreeSet;

use courant::consumer::{Consumer, ConsumerBuilder, Error, Event};
use courant::{Kafka, TopicPartition};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::world::PATIENCE;

/// What an application was told of its assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// These came.
    Assigned(Vec<TopicPartition>),
    /// These go.
    Revoked(Vec<TopicPartition>),
    /// These are gone.
    Lost(Vec<TopicPartition>),
}

/// What a member has seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// What it owns now.
    pub(super) owned: BTreeSet<TopicPartition>,
    /// What it was told, in order.
    pub(super) told: Vec<Told>,
    /// The records that it was handed: partition and offset.
    pub(super) records: Vec<(i32, i64)>,
    /// What failed.
    pub(super) errors: Vec<Error>,
}

impl Seen {
    fn note(&mut self, event: Event) {
        match event {
            Event::Batch(batch) => {
                for record in &batch {
                    assert!(self.owned.contains(record.topic_partition()), "a record of somebody else's");
                    self.records.push((record.partition().0, record.offset().0));
                }
            }
            Event::Assigned(came) => {
                assert!(came.iter().all(|at| self.owned.insert(at.clone())), "given twice: {came:?}");
                self.told.push(Told::Assigned(came));
            }
            Event::Revoked(gone) => {
                assert!(gone.iter().all(|at| self.owned.remove(at)), "never given: {gone:?}");
                self.told.push(Told::Revoked(gone));
            }
            Event::Lost(gone) => {
                assert!(gone.iter().all(|at| self.owned.remove(at)), "never given: {gone:?}");
                self.told.push(Told::Lost(gone));
            }
            other => panic!("an event that this test does not know: {other:?}"),
        }
    }
}

/// A running member.
pub(super) struct Seat {
    seen: watch::Receiver<Seen>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Consumer>,
}

/// The settings of a member that hears quickly of rebalances and commits nothing by itself.
pub(super) fn member(kafka: &Kafka, group: &str, topic: &str) -> ConsumerBuilder {
    Consumer::builder(kafka)
        .group(group)
        .subscribe([topic])
        .auto_offset_reset("earliest")
        .auto_commit(false)
        .set("heartbeat.interval.ms", 200)
        .set("session.timeout.ms", 20_000)
}

impl Seat {
    /// Starts a member that reads all that it gets, and commits what it has read before it gives partitions up.
    pub(super) async fn take(builder: ConsumerBuilder) -> Self {
        Self::of(builder.start().await.expect("the consumer starts"))
    }

    /// Lets a consumer go on.
    pub(super) fn of(mut consumer: Consumer) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let owned = consumer.assignment().into_iter().collect();
        tell.send_modify(|seen: &mut Seen| seen.owned = owned);
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    biased;
                    _ = &mut stopped => return consumer,
                    event = consumer.next_event() => event,
                };
                match event {
                    Ok(Some(event)) => {
                        let committed = match &event {
                            Event::Revoked(_) => consumer.commit().await,
                            _ => Ok(()),
                        };
                        tell.send_modify(|seen| {
                            seen.note(event);
                            seen.errors.extend(committed.err());
                        });
                    }
                    Ok(None) => return consumer,
                    Err(error) => {
                        let fatal = error.is_fatal();
                        tell.send_modify(|seen| seen.errors.push(error));
                        if fatal {
                            return consumer;
                        }
                    }
                }
            }
        });
        Self { seen, stop, task }
    }

    /// Waits until what it has seen is so.
    pub(super) async fn until(&mut self, what: &str, so: impl FnMut(&Seen) -> bool) -> Seen {
        if let Ok(seen) = tokio::time::timeout(PATIENCE, self.seen.wait_for(so)).await {
            return seen.expect("the member runs").clone();
        }
        panic!("{what}: {:?}", self.now())
    }

    /// Waits until it owns so many partitions.
    pub(super) async fn owns(&mut self, count: usize) -> Seen {
        self.until(&format!("it should own {count} partitions"), |seen| seen.owned.len() == count).await
    }

    /// What it has seen.
    pub(super) fn now(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Stops reading; the consumer is still a member.
    pub(super) async fn stop(self) -> Consumer {
        // It may have ended by itself, with an error that the test has looked at.
        let _ended = self.stop.send(());
        self.task.await.expect("the member ran without a panic")
    }

    /// Commits, and leaves the group as its settings say.
    pub(super) async fn close(self) {
        let consumer = self.stop().await;
        consumer.commit().await.expect("committed");
        consumer.close(PATIENCE).await.expect("closed");
    }
}
