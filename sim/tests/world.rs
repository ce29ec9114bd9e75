//! The simulated world with an echo in the place of the brokers: links, hosts, crash points, determinism.
#![allow(clippy::unwrap_used)] // A test says what it expects by unwrapping it.
use bytes::{Buf, BytesMut};
use courant_runtime::{Address, BoxFuture, Duplex, Transport, World, duplex};
use courant_sim::{Family, LinkFaults, Sim};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers each frame with itself, and counts those that it heard whole.
#[derive(Clone)]
struct Echo {
    world: World,
    heard: Arc<AtomicU64>,
}

impl Transport for Echo {
    fn connect(&self, _: &Address) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let (here, there) = duplex::pair(1024);
        let heard = Arc::clone(&self.heard);
        let _detached = self
            .world
            .spawn("echo", async move { answer(Box::new(there), &heard).await.unwrap_or_default() });
        Box::pin(async { Ok(Box::new(here) as Box<dyn Duplex>) })
    }

    fn describe(&self) -> &str {
        "echo"
    }
}

async fn answer(mut connection: Box<dyn Duplex>, heard: &AtomicU64) -> io::Result<()> {
    loop {
        let frame = read_frame(&mut *connection).await?;
        heard.fetch_add(1, Ordering::Relaxed);
        connection.write_all(&frame).await?;
    }
}

async fn read_frame(connection: &mut dyn Duplex) -> io::Result<BytesMut> {
    let mut read = BytesMut::new();
    loop {
        if read.len() >= 4 && read.len() >= 4 + (&read[..4]).get_u32() as usize {
            return Ok(read);
        }
        let missing =
            read.first_chunk().map_or(4, |size| 4 + u32::from_be_bytes(*size) as usize) - read.len();
        let mut part = BytesMut::with_capacity(missing);
        if connection.read(&mut part).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.unsplit(part);
    }
}

fn echo(sim: &Sim) -> Echo {
    let echo = Echo { world: sim.world("brokers"), heard: Arc::default() };
    sim.serve(Arc::new(echo.clone()));
    echo
}

fn address() -> Address {
    Address::new("echo", 7)
}

fn frame(len: u8) -> Vec<u8> {
    [&[0, 0, 0, len][..], &vec![len; usize::from(len)]].concat()
}

/// Sends frames until `count` were answered, over as many connections as it takes.
async fn converse(sim: &Sim, world: &World, count: u32) -> io::Result<u32> {
    let (mut answered, mut connections) = (0, 0);
    while answered < count {
        connections += 1;
        let Ok(mut connection) = world.connect(&address()).await else { continue };
        while answered < count {
            let sent = frame(10 + (answered % 50) as u8);
            let Ok(()) = connection.write_all(&sent).await else { break };
            let Ok(heard) = read_frame(&mut *connection).await else { break };
            assert_eq!(heard, sent);
            answered += 1;
        }
        sim.note(format_args!("{answered} answered"));
    }
    Ok(connections)
}

fn rough_run(seed: u64) -> (String, u64, u32) {
    let sim = Sim::new(seed);
    echo(&sim);
    sim.faults(LinkFaults::rough());
    let connections = sim.run(async {
        let workers: Vec<_> = (0..3)
            .map(|n| {
                let (sim, world) = (sim.clone(), sim.world(&format!("app-{n}")));
                tokio::spawn(async move { converse(&sim, &world, 100).await })
            })
            .collect();
        let mut connections = 0;
        for worker in workers {
            connections += worker.await.unwrap().unwrap();
        }
        connections
    });
    (sim.trace(), sim.trace_hash(), connections.unwrap())
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    let (trace, hash, connections) = rough_run(5);
    assert_eq!((trace.clone(), hash, connections), rough_run(5));
    assert!(connections > 3, "{connections} connections: the links are not rough");
    assert_ne!(trace, rough_run(6).0);
}

#[test]
fn a_hang_fails_with_the_seed_and_the_replay_command() {
    let sim = Sim::new(11).limit(Duration::from_secs(86_400)).replayed_by("cargo test --test world");
    let error = sim.run(std::future::pending::<()>()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "seed 11 failed: no end within 86400s of virtual time\nreplay with: COURANT_SEED=11 cargo test --test world\nlast \
         events:\n"
    );
    assert_eq!(error.seed(), 11);
}

#[test]
fn a_panic_in_a_task_of_a_host_fails_the_run() {
    let sim = Sim::new(1);
    let world = sim.world("app");
    let error =
        sim.run(async move { world.spawn("careless", async { panic!("oh") }).join().await }).unwrap_err();
    assert!(error.to_string().starts_with("seed 1 failed: panic in task `careless` of app: oh"), "{error}");
}

#[test]
fn a_family_stops_and_tells_the_lowest_seed_that_fails() {
    let seen = Mutex::new(Vec::new());
    let failed = Family::new("cargo test x").seeds(1_000_000).run(|sim| {
        seen.lock().unwrap().push(sim.seed());
        if sim.seed() >= 3 { Err("three is no good".into()) } else { Ok(()) }
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    // Each core may have begun one more, and none has begun two.
    let last = 3 + std::thread::available_parallelism().unwrap().get() as u64;
    assert!(seen.starts_with(&[0, 1, 2, 3]) && seen.iter().all(|seed| *seed < last), "{seen:?}");
    let text = failed.unwrap_err().to_string();
    assert!(
        text.starts_with("seed 3 failed: three is no good\nreplay with: COURANT_SEED=3 cargo test x"),
        "{text}"
    );
}

#[test]
fn a_family_tells_every_outcome_in_the_order_of_seeds() {
    let report = Family::new("cargo test x").seeds(50).run(|sim| Ok(sim.seed())).unwrap();
    assert!(report.outcomes.is_sorted() && report.outcomes.len() == report.runs(), "{report:?}");
    assert_eq!(report.sum(|seed| *seed as usize), report.outcomes.iter().sum::<u64>() as usize);
}

#[test]
#[should_panic(expected = "seven")]
fn a_panic_of_a_family_s_test_passes_through() {
    let _report = Family::new("cargo test x").seeds(8).run(|sim| {
        assert!(sim.seed() < 7, "seven");
        Ok(())
    });
}

#[test]
fn a_blocked_direction_holds_bytes_until_it_is_healed() {
    let sim = Sim::new(1);
    let echo = echo(&sim);
    let world = sim.world("app");
    sim.run(async {
        let mut connection = world.connect(&address()).await.unwrap();
        sim.block("echo", "app");
        connection.write_all(&frame(3)).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(60), read_frame(&mut *connection)).await;
        assert!(waited.is_err());
        assert_eq!(echo.heard.load(Ordering::Relaxed), 1, "the other direction is open");
        let second = tokio::time::timeout(Duration::from_secs(60), world.connect(&address())).await;
        assert!(second.is_err(), "a handshake needs both directions");
        sim.heal("app", "echo");
        assert_eq!(read_frame(&mut *connection).await.unwrap(), frame(3));
        assert_eq!(sim.elapsed(), Duration::from_secs(120));
    })
    .unwrap();
}

#[test]
fn a_cut_response_was_applied_and_a_cut_request_may_have_been() {
    let (mut cut_requests_heard, mut cut_requests) = (0, 0);
    for seed in 0..100 {
        for (faults, heard_for_sure) in [
            (LinkFaults { cut_response: 1.0, ..LinkFaults::none() }, true),
            (LinkFaults { cut_request: 1.0, ..LinkFaults::none() }, false),
        ] {
            let sim = Sim::new(seed);
            let echo = echo(&sim);
            sim.faults(faults);
            let world = sim.world("app");
            sim.run(async {
                let mut connection = world.connect(&address()).await.unwrap();
                connection.write_all(&frame(9)).await.unwrap();
                let error = read_frame(&mut *connection).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                tokio::time::sleep(Duration::from_secs(1)).await;
            })
            .unwrap();
            let heard = echo.heard.load(Ordering::Relaxed);
            if heard_for_sure {
                assert_eq!(heard, 1, "seed {seed}");
            } else {
                cut_requests += 1;
                cut_requests_heard += heard;
            }
        }
    }
    assert!((30..70).contains(&cut_requests_heard), "{cut_requests_heard} of {cut_requests} were heard");
}

#[test]
fn a_host_crashes_at_its_crash_point_and_starts_from_its_beginning() {
    let sim = Sim::new(1);
    let echo = echo(&sim);
    let steps = Arc::new(AtomicU64::new(0));
    let (inside, counted) = (sim.clone(), Arc::clone(&steps));
    let app = sim.host("app").start(move |world| {
        let (sim, steps) = (inside.clone(), Arc::clone(&counted));
        async move {
            let mut connection = world.connect(&address()).await.unwrap();
            loop {
                connection.write_all(&frame(1)).await.unwrap();
                read_frame(&mut *connection).await.unwrap();
                sim.crash_point("after-answer").await;
                steps.fetch_add(1, Ordering::Relaxed);
                world.sleep(Duration::from_secs(1)).await;
            }
        }
    });
    sim.crash_at("after-answer", 3);
    sim.run(async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!app.is_up());
        assert_eq!((steps.load(Ordering::Relaxed), echo.heard.load(Ordering::Relaxed)), (2, 3));
        app.restart();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(steps.load(Ordering::Relaxed), 4);
        app.bounce(Duration::from_secs(5)).await;
        assert!(app.is_up());
    })
    .unwrap();
}

#[test]
fn a_crashed_host_reaches_nobody_and_its_tasks_are_dropped() {
    let sim = Sim::new(1);
    echo(&sim);
    let app = sim.host("app");
    let world = app.world();
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    sim.run(async {
        let mut connection = world.connect(&address()).await.unwrap();
        let mut task = world.spawn("holds", async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        tokio::task::yield_now().await;
        app.crash();
        assert_eq!(connection.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(world.connect(&address()).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        task.join().await.unwrap();
        assert!(weak.upgrade().is_none());
        world.spawn("never", async { unreachable!("the host is down") }).join().await.unwrap();
    })
    .unwrap();
}

#[test]
fn work_that_makes_work_forever_fails_the_run() {
    let sim = Sim::new(1);
    let world = sim.world("app");
    let error = sim.run(async move {
        let clock = world.clone();
        let spinning = world.spawn("spins", async move {
            loop {
                clock.now();
                tokio::task::yield_now().await;
            }
        });
        { spinning }.join().await
    });
    let text = error.unwrap_err().to_string();
    assert!(text.contains("task `spins` of app: livelock: 1000000 turns at 0ns of virtual time"), "{text}");
}

/// What the hosts run and what is served holds the simulation, which holds them.
#[test]
fn a_run_that_is_over_is_freed() {
    let alive = Arc::new(());
    let sim = Sim::new(1);
    let (own, held) = (sim.clone(), Arc::clone(&alive));
    let heard = Arc::new(AtomicU64::new(0));
    sim.serve(Arc::new(Echo { world: sim.world("server"), heard: Arc::clone(&heard) }));
    sim.host("client").start(move |world| {
        let (own, held) = (own.clone(), Arc::clone(&held));
        async move {
            own.note("begins");
            world.sleep(Duration::from_secs(60)).await;
            drop(held);
        }
    });
    sim.run(async { tokio::time::sleep(Duration::from_secs(1)).await }).unwrap();
    assert!(sim.trace().contains("note: begins"));
    assert_eq!(Arc::strong_count(&alive), 1, "the program and its task are gone");
    assert_eq!(Arc::strong_count(&heard), 1, "what was served is gone");
}
