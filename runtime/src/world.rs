//! The handle through which everything above asks for time, bytes, tasks and randomness.
use crate::tcp::Tcp;
use crate::{
    Address, BlockingTask, BoxFuture, Clock, Duplex, Rng, Sleep, Spawner, SystemClock, Task, Transport,
    moment_after,
};
use courant_protocol::types::UnixMillis;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// What a client needs of its surroundings; cloning it is cheap and shares everything.
#[derive(Clone)]
pub struct World {
    transport: Arc<dyn Transport>,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Option<Arc<dyn Clock>>,
    seed: u64,
    streams: Mutex<BTreeMap<String, u64>>,
    spawner: Option<Arc<dyn Spawner>>,
    blocking_inline: bool,
    runtime: Option<Handle>,
}

impl World {
    /// The real world: TCP, the machine's clock, a random seed, tasks on the caller's tokio runtime.
    pub fn tokio() -> Self {
        Self::builder().build()
    }

    /// Starts from [`World::tokio`] and replaces parts of it.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::default()
    }

    /// The same world with another transport.
    #[must_use]
    pub fn with_transport(&self, transport: Arc<dyn Transport>) -> Self {
        Self { transport, shared: Arc::clone(&self.shared) }
    }

    /// Monotonic time, for deadlines.
    pub fn now(&self) -> Instant {
        match &self.shared.clock {
            None => SystemClock.now(),
            Some(clock) => clock.now(),
        }
    }

    /// Wall-clock time, for record timestamps.
    pub fn unix_millis(&self) -> UnixMillis {
        match &self.shared.clock {
            None => SystemClock.unix_millis(),
            Some(clock) => clock.unix_millis(),
        }
    }

    /// A timer that is ready once `deadline` has passed.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::until(deadline)
    }

    /// A timer that is ready after `duration`.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::until(moment_after(self.now(), duration))
    }

    /// Runs `future` as a task of the caller's tokio runtime, or, from a thread without one, of the runtime in which this
    /// world was made. Without either the task does not run, and [`Task::join`] says so.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) -> Task {
        let runtime = self.shared.runtime.as_ref();
        match &self.shared.spawner {
            None => Task::spawn(runtime, name, future),
            Some(spawner) => Task::spawn(runtime, name, spawner.wrap(name, Box::pin(future))),
        }
    }

    /// Runs `work`, which computes for long or blocks, on a thread that may; in a simulation, at once and in place.
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> BlockingTask<T> {
        if self.shared.blocking_inline {
            BlockingTask::inline(work)
        } else {
            BlockingTask::spawn(self.shared.runtime.as_ref(), work)
        }
    }

    /// A generator of random numbers for the purpose `stream`.
    ///
    /// The numbers follow from this world's seed, the name, and how often the name was asked for before: two producers
    /// in one world draw different jitter, and a run that asks in the same order draws the same.
    pub fn rng(&self, stream: &str) -> Rng {
        let mut streams = self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let count = streams.entry(stream.to_owned()).or_insert(0);
        let nth = *count;
        *count += 1;
        Rng::new(self.shared.seed.wrapping_add(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)), stream)
    }

    /// Opens a connection to `address` by this world's transport.
    pub fn connect(&self, address: &Address) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        self.transport.connect(address)
    }

    /// What its connections go through, for error messages.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("transport", &self.transport.describe())
            .field("seed", &self.shared.seed)
            .finish_non_exhaustive()
    }
}

/// Puts a [`World`] together; what is not set is as in [`World::tokio`].
#[derive(Default)]
#[must_use = "call build()"]
pub struct WorldBuilder {
    transport: Option<Arc<dyn Transport>>,
    clock: Option<Arc<dyn Clock>>,
    seed: Option<u64>,
    spawner: Option<Arc<dyn Spawner>>,
    blocking_inline: bool,
}

impl WorldBuilder {
    /// Connects through `transport` instead of TCP.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Asks `clock` for the time instead of the machine.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Draws all randomness from `seed`.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Hands every task to `spawner` before it is spawned.
    pub fn spawner(mut self, spawner: Arc<dyn Spawner>) -> Self {
        self.spawner = Some(spawner);
        self
    }

    /// Runs blocking work at once and in place, so that nothing depends on threads.
    pub fn blocking_inline(mut self) -> Self {
        self.blocking_inline = true;
        self
    }

    /// The world. It remembers the tokio runtime in which this is called, if any.
    pub fn build(self) -> World {
        let shared = Shared {
            clock: self.clock,
            // std seeds its hashers from the operating system, which is all the entropy that jitter needs.
            seed: self.seed.unwrap_or_else(|| RandomState::new().hash_one(0_u8)),
            streams: Mutex::default(),
            spawner: self.spawner,
            blocking_inline: self.blocking_inline,
            runtime: Handle::try_current().ok(),
        };
        World { transport: self.transport.unwrap_or_else(|| Arc::new(Tcp)), shared: Arc::new(shared) }
    }
}

impl fmt::Debug for WorldBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldBuilder").field("seed", &self.seed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskError;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_stream_of_numbers_follows_from_seed_name_and_turn() {
        let draw = |seed, names: &[&str]| -> Vec<u64> {
            let world = World::builder().seed(seed).build();
            names.iter().map(|name| world.rng(name).next_u64()).collect()
        };
        let first = draw(1, &["a", "b", "a"]);
        assert_eq!(first, draw(1, &["a", "b", "a"]));
        assert_ne!(first[0], first[2]);
        assert_eq!(draw(1, &["b", "a"]), [first[1], first[0]], "other names leave a stream alone");
        assert_ne!(first[0], draw(2, &["a"])[0]);
    }

    #[tokio::test]
    async fn a_task_tells_how_it_ended() {
        let world = World::tokio();
        assert_eq!(world.spawn("ends", async {}).join().await, Ok(()));
        let mut waits = world.spawn("waits", std::future::pending());
        waits.abort();
        assert_eq!(waits.join().await, Err(TaskError::Aborted));
        assert_eq!(waits.join().await, Err(TaskError::NotRunning));
        let mut panics = world.spawn("panics", async { panic!("three {}", 3) });
        assert_eq!(panics.join().await, Err(TaskError::Panicked("three 3".to_owned())));
        assert_eq!(world.spawn_blocking(|| 5).await, Ok(5));
    }

    #[tokio::test]
    async fn a_dropped_task_runs_on() {
        let world = World::tokio();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        drop(world.spawn("detached", async move { sender.send(()).unwrap_or_default() }));
        assert_eq!(receiver.await, Ok(()));
    }

    #[test]
    fn a_thread_without_a_runtime_spawns_on_the_worlds_own() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let world = runtime.block_on(async { World::tokio() });
        let mut task = world.spawn("elsewhere", async {});
        assert_eq!(runtime.block_on(task.join()), Ok(()));

        let nowhere = World::tokio();
        assert_eq!(runtime.block_on(async { nowhere.spawn("here", async {}).join().await }), Ok(()));
        let mut lost = nowhere.spawn("nowhere", async {});
        assert!(lost.is_finished());
        assert_eq!(runtime.block_on(lost.join()), Err(TaskError::NotRunning));
    }

    #[test]
    fn blocking_work_of_a_simulation_needs_no_thread() {
        let ran = Arc::new(AtomicBool::new(false));
        let world = World::builder().blocking_inline().build();
        let set = Arc::clone(&ran);
        let _task = world.spawn_blocking(move || set.store(true, Ordering::Relaxed));
        assert!(ran.load(Ordering::Relaxed));
    }
}
