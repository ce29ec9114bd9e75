//! The handle of an application.
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use courant_client::Kafka;
use courant_protocol::types::TopicPartition;
use courant_runtime::moment_after;
use tokio::sync::{mpsc, oneshot};

use super::builder::StreamsAppBuilder;
use super::error::{Error, ErrorKind};
use super::shared::{Command, PartitionLags, Shared, StoreEntry};
use super::states::{State, States};
use super::worker::Worker;

/// A stream application that runs: one process of possibly many with the same application id, which share the work.
///
/// Dropping it ends it at once: what was not committed is processed again by whoever comes next. [`StreamsApp::close`]
/// commits.
pub struct StreamsApp {
    shared: Arc<Shared>,
    workers: Arc<[mpsc::UnboundedSender<Command>]>,
}

impl StreamsApp {
    /// Starts the settings of an application. All processes with the same id, on the same cluster, are one application; the
    /// id is the name of its consumer group, and the beginning of its internal topics' names.
    pub fn builder(application_id: impl Into<String>, kafka: &Kafka) -> StreamsAppBuilder {
        StreamsAppBuilder::new(application_id.into(), kafka)
    }

    pub(super) async fn start(shared: Arc<Shared>) -> Result<Self, Error> {
        let (mut workers, mut ready) = (Vec::new(), Vec::new());
        for number in 0..shared.settings.workers {
            ready.push(Worker::start(number, Arc::clone(&shared)).await?);
        }
        shared.go_to(State::Rebalancing);
        let channels: Vec<_> = ready.iter().map(|_| mpsc::unbounded_channel()).collect();
        workers.extend(channels.iter().map(|(sender, _)| sender.clone()));
        let workers: Arc<[mpsc::UnboundedSender<Command>]> = workers.into();
        let left = Arc::new(AtomicUsize::new(workers.len()));
        for (worker, (_, commands)) in ready.into_iter().zip(channels) {
            let guard = Guard {
                shared: Arc::clone(&shared),
                // Weak, so that workers end when the application's handle is dropped.
                others: workers.iter().map(mpsc::UnboundedSender::downgrade).collect(),
                left: Arc::clone(&left),
                result: None,
            };
            let run = supervise(worker, commands, guard);
            // It ends by a command or by itself, and `ended` tells of it.
            drop(shared.kafka.world().spawn("courant-streams-worker", run));
        }
        Ok(Self { shared, workers })
    }

    /// The application's id.
    pub fn application_id(&self) -> &str {
        &self.shared.application_id
    }

    /// What the application is doing.
    pub fn state(&self) -> State {
        *self.shared.states().borrow()
    }

    /// The state and its changes, as a stream that ends behind the last one.
    pub fn states(&self) -> States {
        States::new(self.shared.states())
    }

    /// Waits until the application has ended.
    ///
    /// # Errors
    /// Why it ended, if that was not by [`StreamsApp::close`].
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn ended(&self) -> Result<(), Error> {
        let mut states = self.shared.states();
        // The sender lives as long as this handle, so the wait cannot fail.
        states.wait_for(|state| state.has_ended()).await.ok();
        self.shared.failure().map_or(Ok(()), Err)
    }

    /// How many records of the topics that are read, internal ones included, the application has not processed and
    /// committed: all of its processes together. This process commits first, so that 0 means that nothing is on its way
    /// between two of its tasks.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`], or why the application failed.
    ///
    /// # Cancel safety
    /// A commit that was begun goes on when the future is dropped.
    pub async fn lag(&self) -> Result<u64, Error> {
        Ok(self.progress().await?.lag)
    }

    /// As [`Self::lag`], and which partitions this process has.
    pub(crate) async fn progress(&self) -> Result<Progress, Error> {
        let mut here = PartitionLags::new();
        for worker in &*self.workers {
            here.extend(self.ask(worker, Command::Lag).await?);
        }
        let mut elsewhere = Vec::new();
        let deadline = self.shared.kafka.world().now() + self.shared.kafka.settings().default_api_timeout;
        for topic in self.shared.topics() {
            let known = self.shared.kafka.cluster().existing_topic(&topic, deadline).await?;
            let all = (0..known.partition_count()).map(|partition| TopicPartition::new(&topic, partition));
            elsewhere.extend(all.filter(|partition| !here.contains_key(partition)));
        }
        let (mut lag, total) = (here.values().sum(), here.len() + elsewhere.len());
        if let Some(worker) = self.workers.first().filter(|_| !elsewhere.is_empty()) {
            lag += self.ask(worker, |reply| Command::LagElsewhere(elsewhere, reply)).await?;
        }
        Ok(Progress { lag, here: here.into_keys().collect(), total })
    }

    /// Waits until all tasks run and have processed and committed everything that their partitions hold: a batch job is done
    /// then, while a service has a moment of rest.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`], or why the application failed.
    ///
    /// # Cancel safety
    /// It changes nothing, but that commits come early.
    pub async fn caught_up(&self) -> Result<(), Error> {
        loop {
            // The sender lives as long as this handle, so the wait cannot fail.
            self.shared.states().wait_for(|state| *state >= State::Running).await.ok();
            // Partitions on their way to another process, or to this one, are nobody's lag.
            if self.lag().await? == 0 && self.state() == State::Running {
                return Ok(());
            }
            self.shared.kafka.world().sleep(LOOK_AGAIN).await;
        }
    }

    /// What a store holds, of the tasks that run here.
    #[cfg_attr(not(feature = "test-driver"), expect(dead_code, reason = "the test driver asks"))]
    pub(crate) async fn read_store(&self, name: &str) -> Result<Vec<StoreEntry>, Error> {
        let mut entries = Vec::new();
        for worker in &*self.workers {
            let name = name.to_owned();
            entries.extend(self.ask(worker, |reply| Command::ReadStore(name, reply)).await?);
        }
        Ok(entries)
    }

    async fn ask<T>(
        &self,
        worker: &mpsc::UnboundedSender<Command>,
        question: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        // A worker that has ended answers nothing, which is told below.
        worker.send(question(reply)).ok();
        match answer.await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(self
                .shared
                .failure()
                .unwrap_or_else(|| Error::new(ErrorKind::Closed, "the application has ended"))),
        }
    }

    /// Ends the application within `timeout`: what was processed is committed, its partitions go to other processes.
    ///
    /// # Errors
    /// Why it failed, if it did before; what became of the last commit; or a timeout.
    ///
    /// # Cancel safety
    /// When the future is dropped the application goes on ending in the background.
    pub async fn close(&self, timeout: Duration) -> Result<(), Error> {
        let world = self.shared.kafka.world();
        let deadline = moment_after(world.now(), timeout);
        self.shared.go_to(State::PendingShutdown);
        for worker in &*self.workers {
            // One that has ended needs no command.
            worker.send(Command::Close(deadline)).ok();
        }
        tokio::select! {
            biased;
            ended = self.ended() => ended,
            () = world.sleep_until(deadline + FAREWELL) => {
                let kind = ErrorKind::Client(courant_client::ErrorKind::Timeout);
                Err(Error::new(kind, "the application did not end in time"))
            }
        }
    }
}

/// How far an application has come.
pub(crate) struct Progress {
    pub(crate) lag: u64,
    /// The partitions that this process reads.
    #[cfg_attr(not(feature = "test-driver"), expect(dead_code, reason = "the test driver asks"))]
    pub(crate) here: BTreeSet<TopicPartition>,
    /// How many partitions the application reads.
    #[cfg_attr(not(feature = "test-driver"), expect(dead_code, reason = "the test driver asks"))]
    pub(crate) total: usize,
}

impl fmt::Debug for StreamsApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamsApp")
            .field("application_id", &self.shared.application_id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

async fn supervise(worker: Worker, commands: mpsc::UnboundedReceiver<Command>, mut guard: Guard) {
    guard.result = Some(worker.run(commands).await);
}

/// Tells how a worker ended, also if it panicked.
struct Guard {
    shared: Arc<Shared>,
    others: Vec<mpsc::WeakUnboundedSender<Command>>,
    left: Arc<AtomicUsize>,
    result: Option<Result<(), Error>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let panicked = || {
            Err(Error::new(
                ErrorKind::Worker,
                "a worker ended without a reason: a function of the application panicked",
            ))
        };
        if let Err(error) = self.result.take().unwrap_or_else(panicked) {
            self.shared.fail(error);
            let deadline = self.shared.kafka.world().now() + GRACE;
            for worker in self.others.iter().filter_map(mpsc::WeakUnboundedSender::upgrade) {
                // One that has ended needs no command.
                worker.send(Command::Close(deadline)).ok();
            }
        } else {
            self.shared.go_to(State::PendingShutdown);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.go_to(if self.shared.failure().is_some() { State::Error } else { State::NotRunning });
        }
    }
}

/// How much longer than it was told an application may take to end: its clients say farewell.
const FAREWELL: Duration = Duration::from_millis(1_500);
/// What the other workers get to end well when one has failed.
const GRACE: Duration = Duration::from_secs(5);
/// How often an application that has work left is asked again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
