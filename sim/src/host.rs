//! Hosts: machines that run user code, crash with everything on them, and come back.
use crate::link::SimTransport;
use crate::state::{LinkEntry, State};
use courant_runtime::{BoxFuture, Clock, Spawner, World};
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A simulated machine. Everything that its [`World`] spawns dies with it; its connections break.
///
/// ```
/// use courant_sim::Sim;
/// use std::{sync::Arc, sync::atomic::{AtomicU32, Ordering}, time::Duration};
///
/// let starts = Arc::new(AtomicU32::new(0));
/// let sim = Sim::new(1);
/// let counted = Arc::clone(&starts);
/// let app = sim.host("app").start(move |world| {
///     counted.fetch_add(1, Ordering::Relaxed);
///     async move { world.sleep(Duration::from_secs(3600)).await }
/// });
/// sim.run(async move {
///     app.crash();
///     app.restart();
///     tokio::time::sleep(Duration::from_secs(1)).await;
/// })?;
/// assert_eq!(starts.load(Ordering::Relaxed), 2);
/// # Ok::<(), courant_sim::SimError>(())
/// ```
#[derive(Clone)]
pub struct Host {
    state: Arc<State>,
    name: String,
    program: Arc<Mutex<Option<Program>>>,
}

type Program = Arc<dyn Fn(World) -> BoxFuture<'static, ()> + Send + Sync>;

impl Host {
    pub(crate) fn new(state: Arc<State>, name: &str) -> Self {
        let group = state.group(name, || Arc::new(Group::new(name)));
        let program = Arc::clone(&group.program);
        Self { state, name: name.to_owned(), program }
    }

    /// What the host is called; links and blocks go by it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The world of the host's present incarnation.
    pub fn world(&self) -> World {
        let group = self.group();
        let transport = SimTransport { state: Arc::clone(&self.state), group: Arc::clone(&group) };
        let spawner = HostSpawner { state: Arc::clone(&self.state), group: Arc::clone(&group) };
        World::builder()
            .transport(Arc::new(transport))
            .clock(Arc::new(self.state.clock.clone()))
            .seed(group.world_seed(self.state.seed))
            .spawner(Arc::new(spawner))
            .blocking_inline()
            .build()
    }

    /// Gives the host a program: it runs from the start of the simulation, or from now if that has begun, and again from
    /// its beginning after each [`Host::restart`].
    pub fn start<F>(self, program: impl Fn(World) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let program: Program = Arc::new(move |world| Box::pin(program(world)));
        *self.program() = Some(program);
        if tokio::runtime::Handle::try_current().is_ok() {
            self.boot();
        }
        self
    }

    /// Starts the program of the present incarnation once.
    pub(crate) fn boot(&self) {
        let program = self.program().clone();
        let Some(program) = program else { return };
        if self.group().booted.swap(true, Ordering::AcqRel) {
            return;
        }
        let world = self.world();
        let _detached = world.spawn("program", program(world.clone()));
    }

    /// Kills every task of the host at once and breaks its connections. What it kept in memory is gone.
    pub fn crash(&self) {
        self.state.event(format_args!("{} crashed", self.name));
        self.group().kill();
    }

    /// Brings a crashed host back with an empty memory and starts its program again.
    pub fn restart(&self) {
        if self.is_up() {
            return;
        }
        self.state.event(format_args!("{} restarted", self.name));
        let next = self.group().next();
        self.state.replace_group(&self.name, Arc::new(next));
        self.boot();
    }

    /// Crashes the host and brings it back after `pause`.
    ///
    /// # Cancel safety
    /// A dropped future leaves the host down.
    pub async fn bounce(&self, pause: Duration) {
        self.crash();
        tokio::time::sleep(pause).await;
        self.restart();
    }

    /// Whether the host runs.
    pub fn is_up(&self) -> bool {
        !self.group().is_down()
    }

    fn group(&self) -> Arc<Group> {
        self.state.group(&self.name, || Arc::new(Group::new(&self.name)))
    }

    fn program(&self) -> MutexGuard<'_, Option<Program>> {
        self.program.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("name", &self.name).field("up", &self.is_up()).finish_non_exhaustive()
    }
}

/// One incarnation of a host.
pub(crate) struct Group {
    host: String,
    incarnation: u64,
    program: Arc<Mutex<Option<Program>>>,
    booted: AtomicBool,
    down: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
    links: Mutex<Vec<Weak<LinkEntry>>>,
    worlds: Mutex<u64>,
}

impl Group {
    fn new(host: &str) -> Self {
        Self::incarnation(host, 0, Arc::default())
    }

    fn next(&self) -> Self {
        Self::incarnation(&self.host, self.incarnation + 1, Arc::clone(&self.program))
    }

    fn incarnation(host: &str, incarnation: u64, program: Arc<Mutex<Option<Program>>>) -> Self {
        Self {
            host: host.to_owned(),
            incarnation,
            program,
            booted: AtomicBool::new(false),
            down: AtomicBool::new(false),
            wakers: Mutex::default(),
            links: Mutex::default(),
            worlds: Mutex::default(),
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Acquire)
    }

    pub(crate) fn register(&self, link: Arc<LinkEntry>) {
        if self.is_down() {
            link.cut();
        }
        let mut links = lock(&self.links);
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(&link));
    }

    fn kill(&self) {
        self.down.store(true, Ordering::Release);
        for link in lock(&self.links).drain(..).filter_map(|link| link.upgrade()) {
            link.cut();
        }
        for waker in lock(&self.wakers).drain(..) {
            waker.wake();
        }
    }

    /// Lets go of the program and of the tasks.
    pub(crate) fn release(&self) {
        let program = lock(&self.program).take();
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        drop((program, wakers));
    }

    /// A seed per world, so that two clients of one host do not draw the same numbers.
    fn world_seed(&self, seed: u64) -> u64 {
        let mut worlds = lock(&self.worlds);
        *worlds += 1;
        let name = format!("world {} {} {}", self.host, self.incarnation, *worlds);
        courant_runtime::Rng::new(seed, &name).next_u64()
    }
}

thread_local! {
    /// The host whose task is being polled: a crash point crashes that one.
    static RUNNING: RefCell<Option<Arc<Group>>> = const { RefCell::new(None) };
}

/// The incarnation whose task calls this.
pub(crate) fn running() -> Option<Arc<Group>> {
    RUNNING.with_borrow(Clone::clone)
}

struct HostSpawner {
    state: Arc<State>,
    group: Arc<Group>,
}

impl Spawner for HostSpawner {
    fn wrap(&self, name: &'static str, future: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let (state, group) = (Arc::clone(&self.state), Arc::clone(&self.group));
        Box::pin(HostTask { state, group, name, future: Some(future), known: None })
    }
}

/// A task that ends when its host crashes. Its panic fails the run.
struct HostTask {
    state: Arc<State>,
    group: Arc<Group>,
    name: &'static str,
    future: Option<BoxFuture<'static, ()>>,
    /// The waker that the group has.
    known: Option<Waker>,
}

impl HostTask {
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(future) = &mut self.future else { return Poll::Ready(()) };
        let outer = RUNNING.replace(Some(Arc::clone(&self.group)));
        let clock = &self.state.clock;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _ = clock.now(); // Counts as a turn.
            future.as_mut().poll(cx)
        }));
        RUNNING.set(outer);
        polled.unwrap_or_else(|payload| {
            self.state.panicked(format!(
                "task `{}` of {}: {}",
                self.name,
                self.group.host,
                panic_text(&*payload)
            ));
            Poll::Ready(())
        })
    }
}

impl Future for HostTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.group.is_down() {
            self.future = None;
            return Poll::Ready(());
        }
        if !self.known.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.known = Some(cx.waker().clone());
            lock(&self.group.wakers).push(cx.waker().clone());
        }
        let polled = self.poll_inner(cx);
        if polled.is_ready() || self.group.is_down() {
            self.future = None;
            return Poll::Ready(());
        }
        polled
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no message)".to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
