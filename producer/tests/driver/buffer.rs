//! The buffer's limit: who waits, in which order, and for how long.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use courant_broker_mock::Fault;
use courant_client::ErrorKind;
use courant_producer::{DeliveryFuture, Producer, Record, SendError};
use courant_protocol::api::ApiKey;

use crate::stage::{SECOND, Stage, play, record, texts};

/// Two batches fill the buffer, each with room left in it, and the third record has to wait for one of them.
async fn full(stage: &Stage, linger: Duration) -> Producer {
    let builder = stage.builder().linger(linger).batch_size_bytes(1000).buffer_memory_bytes(2000);
    let producer = builder.start().await.unwrap();
    producer.send(record("first")).await.unwrap();
    for partition in [0, 1] {
        drop(producer.enqueue(Record::to("t").partition(partition).value("x")).await.unwrap());
    }
    producer
}

#[test]
fn a_full_buffer_drains_at_once_linger_or_not() {
    for linger in [Duration::ZERO, SECOND / 200, 30 * SECOND] {
        play(|| async {
            let stage = Stage::new().await;
            let producer = full(&stage, linger).await;
            let start = tokio::time::Instant::now();
            drop(producer.enqueue(Record::to("t").partition(2).value("x")).await.unwrap());
            assert_eq!(start.elapsed(), Duration::ZERO, "with a linger of {linger:?}");
        });
    }
}

#[test]
fn a_full_buffer_drains_although_nobody_waits() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = full(&stage, 30 * SECOND).await;
        let start = tokio::time::Instant::now();
        let another = || Record::to("t").partition(2).value("x");
        assert_eq!(producer.try_enqueue(another()).unwrap_err().kind(), ErrorKind::Timeout);
        while producer.try_enqueue(another()).is_err() {
            assert!(start.elapsed() < SECOND, "nobody drains it");
            tokio::time::sleep(SECOND / 1000).await;
        }
        assert!(start.elapsed() <= SECOND / 500, "{:?}", start.elapsed());
    });
}

/// A future that is polled when it was woken, and only then.
struct Waiting<'a> {
    enqueue: Pin<Box<dyn Future<Output = Result<DeliveryFuture, SendError>> + 'a>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Waiting<'_> {
    fn poll(&mut self) -> Poll<Result<DeliveryFuture, SendError>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.enqueue.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

#[test]
fn one_waiter_is_polled_for_each_freed_permit_first_come_first_served() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        // Each answer frees the one permit there is.
        stage.cluster.inject(Fault::on(ApiKey::Produce).always().delay(SECOND));
        drop(producer.enqueue(record("held")).await.unwrap());
        let mut waiting: Vec<Waiting<'_>> = (0..20)
            .map(|n| Waiting { enqueue: Box::pin(producer.enqueue(record(n))), woken: Arc::default() })
            .collect();
        assert!(waiting.iter_mut().all(|waiting| waiting.poll().is_pending()));
        for nth in 0..20 {
            tokio::time::sleep(SECOND + SECOND / 100).await;
            let woken: Vec<usize> =
                waiting.iter().map(|waiting| waiting.woken.0.load(Ordering::Relaxed)).collect();
            let expected: Vec<usize> = (0..20).map(|waiter| usize::from(waiter <= nth)).collect();
            assert_eq!(woken, expected, "after {} permits were freed", nth + 1);
            let Poll::Ready(accepted) = waiting[nth].poll() else { panic!("it was woken for nothing") };
            drop(accepted.unwrap());
        }
        drop(waiting);
        producer.flush().await.unwrap();
        assert_eq!(stage.values(0)[2..], texts(0..20));
    });
}

#[test]
fn who_waits_too_long_for_space_gets_the_record_back() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(1000).buffer_memory_bytes(1000).max_block(2 * SECOND);
        let producer = producer.start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        stage.cluster.inject(Fault::on(ApiKey::Produce).delay(10 * SECOND));
        let held = producer.enqueue(record("a")).await.unwrap();
        tokio::time::sleep(SECOND).await;
        let error = producer.enqueue(record("b")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.hint().unwrap().contains("buffer.memory"), "{error}");
        assert_eq!(error.record.as_deref(), Some(&record("b")));
        assert_eq!(producer.try_enqueue(record("c")).unwrap_err().record.as_deref(), Some(&record("c")));
        held.await.unwrap();
        producer.send(*error.record.unwrap()).await.unwrap();
        assert_eq!(stage.values(0), ["first", "a", "b"]);
    });
}

#[test]
fn those_who_wait_are_served_in_order() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().batch_size_bytes(0).buffer_memory_bytes(100).start().await.unwrap();
        producer.send(record("first")).await.unwrap();
        let mut tasks = Vec::new();
        for n in 0..20 {
            let producer = producer.clone();
            tasks.push(tokio::spawn(async move { producer.send(record(n)).await.unwrap() }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(stage.values(0)[1..], texts(0..20));
    });
}

#[test]
fn a_record_that_can_never_fit_is_refused_at_once() {
    play(|| async {
        let stage = Stage::new().await;
        let producer = stage.builder().max_request_size_bytes(1000).start().await.unwrap();
        let error = producer.enqueue(record("x".repeat(1000))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("max.request.size"), "{error}");
        assert!(error.record.is_some());
        let producer = stage.builder().buffer_memory_bytes(500).start().await.unwrap();
        let error = producer.enqueue(record("x".repeat(1000))).await.unwrap_err();
        assert!(error.to_string().contains("buffer.memory"), "{error}");
    });
}
