//! The simulation itself: a seed, a clock, hosts, links, and one run to its end.
use crate::family;
use crate::host::{self, Host};
use crate::link::LinkFaults;
use crate::state::State;
use courant_runtime::{Rng, Transport, World};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// A simulation; cloning it gives another handle on the same one, for use inside the run.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Clone)]
pub struct Sim {
    state: Arc<State>,
    limit: Duration,
    command: Option<Arc<str>>,
}

impl Sim {
    /// A simulation whose every random choice follows from `seed`, with links that are fast and whole.
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(State::new(seed)), limit: Duration::from_secs(3600), command: None }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.state.seed
    }

    /// The longest virtual time that a run may take; one hour if this is not called.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The command that repeats the test, for the message of a failure: `cargo test --test simulation`.
    #[must_use]
    pub fn replayed_by(mut self, command: &str) -> Self {
        self.command = Some(command.into());
        self
    }

    /// What the hosts connect to: the in-process transport of a mock cluster. Give the cluster a world of this simulation,
    /// so that it runs in the same time.
    pub fn serve(&self, transport: Arc<dyn Transport>) {
        self.state.serve(transport);
    }

    /// The world of a host that is made with this call if there is none of the name.
    pub fn world(&self, host: &str) -> World {
        self.host(host).world()
    }

    /// The host of a name.
    pub fn host(&self, name: &str) -> Host {
        Host::new(Arc::clone(&self.state), name)
    }

    /// A generator of random numbers for the test itself.
    pub fn rng(&self, stream: &str) -> Rng {
        Rng::new(self.state.seed, &format!("test {stream}"))
    }

    /// Virtual time since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.state.clock.elapsed()
    }

    /// Sets the faults of all links, for what is sent from now on.
    pub fn faults(&self, faults: LinkFaults) {
        self.state.set_faults(faults);
    }

    /// Sets the faults of the link between a host and a broker (by the host part of its address), until
    /// [`Sim::faults`] sets those of all.
    pub fn faults_between(&self, host: &str, peer: &str, faults: LinkFaults) {
        self.state.set_faults_between(host, peer, faults);
    }

    /// Keeps bytes from getting from one end to the other, by names of hosts and host parts of addresses. They wait;
    /// connections stay open and new ones are not answered, until [`Sim::heal`].
    pub fn block(&self, from: &str, to: &str) {
        self.state.block(from, to);
    }

    /// Blocks both directions.
    pub fn partition(&self, a: &str, b: &str) {
        self.block(a, b);
        self.block(b, a);
    }

    /// Opens both directions between two ends; what waited arrives.
    pub fn heal(&self, a: &str, b: &str) {
        self.state.unblock(|from, to| (from, to) == (a, b) || (from, to) == (b, a));
    }

    /// Opens everything and makes all links fast and whole, so that a test can look at what is left.
    pub fn calm(&self) {
        self.state.set_faults(LinkFaults::none());
        self.state.set_crash_chance(0.0);
        self.state.unblock(|_, _| true);
    }

    /// Breaks the open connections between a host and a broker.
    pub fn cut(&self, host: &str, peer: &str) {
        self.state.cut(host, peer);
    }

    /// The `nth` passage (from 1) of the crash point `name` from now on crashes the host that passes it.
    pub fn crash_at(&self, name: &str, nth: u64) {
        self.state.arm_crash(name, nth);
    }

    /// Every passage of any crash point crashes its host with this probability.
    pub fn crash_chance(&self, probability: f64) {
        self.state.set_crash_chance(probability);
    }

    /// A place where a host may crash, declared by the code under test: `sim.crash_point("after-flush").await`.
    ///
    /// If the crash is due, the host of the calling task goes down and this never returns. Outside a host it does nothing.
    ///
    /// # Cancel safety
    /// Nothing happens in a future that was never polled.
    pub async fn crash_point(&self, name: &str) {
        let Some(group) = host::running() else { return };
        if self.state.draws_crash(name) {
            self.state.event(format_args!("crash point {name}"));
            self.host(group.host()).crash();
            std::future::pending::<()>().await;
        }
    }

    /// Writes a line into the trace.
    pub fn note(&self, what: impl fmt::Display) {
        self.state.event(format_args!("note: {what}"));
    }

    /// The last events of the run, one per line, with virtual time.
    pub fn trace(&self) -> String {
        self.state.trace_tail(usize::MAX)
    }

    /// A hash over every event of the run: equal for equal seeds.
    pub fn trace_hash(&self) -> u64 {
        self.state.trace_hash()
    }

    /// Runs `future`, and everything that it and the hosts spawn, until it ends; then all tasks are dropped, and what was
    /// served and started is let go: of the simulation only its trace is left.
    ///
    /// Call it once, from a thread without a tokio runtime. A panic of the future passes through, with the seed and the
    /// replay command on standard error.
    ///
    /// # Errors
    /// [`SimError`] if the virtual time limit passes or a task of a host panics.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, SimError> {
        let session = self.open()?;
        let ended = session.block_on(future);
        // Tasks that are dropped may panic as well.
        drop(session);
        self.outcome(ended)
    }

    /// Begins a run that goes on piece by piece: see [`Session`].
    ///
    /// # Errors
    /// [`SimError`] if the runtime does not start.
    pub fn open(&self) -> Result<Session, SimError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|e| self.failure(format!("cannot start: {e}")))?;
        runtime.block_on(async {
            self.state.clock.start();
            for host in self.state.host_names() {
                self.host(&host).boot();
            }
        });
        Ok(Session { sim: self.clone(), runtime: Some(runtime) })
    }

    fn outcome<T>(&self, ended: Option<T>) -> Result<T, SimError> {
        match (ended, self.state.first_panic()) {
            (_, Some(text)) => Err(self.failure(format!("panic in {text}"))),
            (None, None) => Err(self.failure(format!("no end within {:?} of virtual time", self.limit))),
            (Some(value), None) => Ok(value),
        }
    }

    /// A failure of this run, with its seed, the end of its trace and the command that repeats it.
    pub fn failure(&self, what: impl fmt::Display) -> SimError {
        let replay = family::replay(self.state.seed, self.command.as_deref());
        SimError {
            seed: self.state.seed,
            what: what.to_string(),
            replay,
            trace: self.state.trace_tail(TRACE_LINES),
        }
    }
}

/// A run that goes on piece by piece, for test drivers whose calls are not asynchronous; made by [`Sim::open`].
///
/// Between two pieces nothing happens and time stands still. When it is dropped all tasks are, and what was served and
/// started is let go.
///
/// ```
/// use courant_sim::Sim;
/// use std::time::Duration;
///
/// let sim = Sim::new(1);
/// let session = sim.open()?;
/// session.run(async { tokio::time::sleep(Duration::from_secs(3600)).await })?;
/// session.run(async {})?;
/// assert_eq!(session.run(async { sim.elapsed() })?, Duration::from_secs(3600));
/// # Ok::<(), courant_sim::SimError>(())
/// ```
pub struct Session {
    sim: Sim,
    /// There until the session is dropped.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Session {
    /// Runs `future`, and whatever the hosts have to do meanwhile, until it ends. Call it from a thread without a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`SimError`] if this piece takes longer than the limit of virtual time, or a task of a host has panicked.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, SimError> {
        let ended = self.block_on(future);
        self.sim.outcome(ended)
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let told = TellSeed { sim: &self.sim };
        let limit = self.sim.limit;
        let piece = async move { tokio::time::timeout(limit, future).await.ok() };
        let ended = self.runtime.as_ref().and_then(|runtime| runtime.block_on(piece));
        drop(told);
        ended
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.runtime.take());
        self.sim.state.release();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("sim", &self.sim).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.state.seed)
            .field("elapsed", &self.elapsed())
            .finish_non_exhaustive()
    }
}

/// Says the seed of a run that a panic ends.
struct TellSeed<'a> {
    sim: &'a Sim,
}

impl Drop for TellSeed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.sim.failure("panic"));
        }
    }
}

/// A run that failed: what happened, the seed, the command that repeats it, and the last events.
#[derive(Clone, PartialEq, Eq)]
pub struct SimError {
    seed: u64,
    what: String,
    replay: String,
    trace: String,
}

impl SimError {
    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} failed: {}\nreplay with: {}\nlast events:\n{}",
            self.seed, self.what, self.replay, self.trace
        )
    }
}

impl fmt::Debug for SimError {
    /// As `Display`, because tests show errors so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for SimError {}

/// How much of the trace a failure shows.
const TRACE_LINES: usize = 60;
