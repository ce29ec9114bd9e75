//! Nothing that was fetched is thrown away and fetched again: bytes counted where they leave the network.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod batches;
mod world;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use batches::Spec;
use bytes::BytesMut;
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_protocol::types::TopicPartition;
use courant_runtime::{Address, BoxFuture, Duplex, Transport};
use world::{cluster, ms, run};

/// Counts what is read from all connections.
struct Counting {
    inner: Arc<dyn Transport>,
    read: Arc<AtomicUsize>,
}

impl Transport for Counting {
    fn connect(&self, address: &Address) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let (connecting, read) = (self.inner.connect(address), Arc::clone(&self.read));
        Box::pin(async move {
            let inner = connecting.await?;
            Ok(Box::new(Counted { inner, read }) as Box<dyn Duplex>)
        })
    }

    fn describe(&self) -> &str {
        self.inner.describe()
    }
}

struct Counted {
    inner: Box<dyn Duplex>,
    read: Arc<AtomicUsize>,
}

impl Duplex for Counted {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let polled = self.inner.poll_read(cx, buf);
        if let Poll::Ready(Ok(bytes)) = &polled {
            self.read.fetch_add(*bytes, Ordering::Relaxed);
        }
        polled
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.inner.poll_write_vectored(cx, bufs)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_shutdown(cx)
    }
}

/// Per partition; a batch has 100 records and about 12 KiB.
const BATCHES: i64 = 400;
const RECORDS: usize = 3 * 100 * BATCHES as usize;

/// Fills three partitions; gives the bytes of all their batches.
fn filled(cluster: &MockCluster) -> usize {
    let mut bytes = 0;
    for at in 0..BATCHES {
        let spec = (0..100).fold(Spec::at(at * 100), |spec, _| spec.value(vec![7; 110]));
        let batch = spec.bytes();
        bytes += 3 * batch.len();
        for partition in 0..3 {
            cluster.append_raw("a", partition, batch.clone()).unwrap();
        }
    }
    bytes
}

/// A consumer with default settings, and what it has received so far.
async fn reader(cluster: &MockCluster) -> (Kafka, Consumer, Arc<AtomicUsize>) {
    let world = cluster.world();
    let read = Arc::new(AtomicUsize::new(0));
    let counting = Counting { inner: Arc::clone(world.transport()), read: Arc::clone(&read) };
    let world = world.with_transport(Arc::new(counting));
    let kafka = Kafka::builder().bootstrap(cluster.bootstrap()).world(world).connect().await.unwrap();
    let builder = Consumer::builder(&kafka).assign([("a", 0), ("a", 1), ("a", 2)]);
    let consumer = builder.auto_offset_reset("earliest").start().await.unwrap();
    (kafka, consumer, read)
}

fn assert_received_once(received: usize, log: usize) {
    assert!(received * 100 <= log * 102, "{received} bytes received for {log} bytes of batches");
}

#[test]
fn what_is_received_is_what_is_handed_out_by_default_settings() {
    run(async {
        let cluster = cluster(|builder| builder);
        let log = filled(&cluster);
        let (_kafka, mut consumer, read) = reader(&cluster).await;
        let mut records = 0;
        while records < RECORDS {
            records += consumer.poll().await.unwrap().unwrap().len();
        }
        assert_received_once(read.load(Ordering::Relaxed), log);
    });
}

#[test]
fn an_application_that_takes_its_time_or_pauses_gets_it_once_too() {
    run(async {
        let cluster = cluster(|builder| builder);
        let log = filled(&cluster);
        let (kafka, mut consumer, read) = reader(&cluster).await;
        let (mut records, mut polls) = (0, 0_i32);
        while records < RECORDS {
            // A partition in turn is paused, with what lies ready of it.
            let paused = TopicPartition::new("a", polls / 4 % 3);
            consumer.pause([paused.clone()]).unwrap();
            let polled = tokio::time::timeout(ms(2_000), consumer.poll()).await;
            records += polled.map_or(0, |batch| batch.unwrap().unwrap().len());
            consumer.resume([paused]).unwrap();
            kafka.world().sleep(ms(700)).await;
            polls += 1;
        }
        assert_received_once(read.load(Ordering::Relaxed), log);
    });
}

#[test]
fn what_lies_ready_of_an_application_that_stops_is_one_buffer_at_most() {
    run(async {
        let cluster = cluster(|builder| builder);
        filled(&cluster);
        let (kafka, mut consumer, read) = reader(&cluster).await;
        let mut handed_out = 0;
        for _ in 0..40 {
            let batch = consumer.poll().await.unwrap().unwrap();
            handed_out += batch.iter().map(|record| record.value().map_or(0, <[u8]>::len)).sum::<usize>();
        }
        kafka.world().sleep(ms(10_000)).await;
        let received = read.load(Ordering::Relaxed);
        // Of each partition lies ready what one fetch of it brings, and what it brought before that was not used up.
        assert!(received <= handed_out * 130 / 100 + 3 * (2 << 20), "{received} bytes for {handed_out}");
    });
}
