//! A mock cluster in the process, in virtual time, with keyed records in it, and what a handler saw.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use courant_broker_mock::{MockCluster, MockClusterBuilder};
use courant_client::Kafka;
use courant_consumer::{Consumer, ConsumerBuilder, ConsumerRecord};
use courant_handlers::{Error, Handler, Runner};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::record::{BatchWriter, NO_HEADERS, SealedBatch, Stamp, WriterOptions};
use courant_protocol::types::{LeaderEpoch, Offset, UnixMillis};
use courant_runtime::{VirtualClock, World};

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs a story on one thread whose clock stands still while there is work; one that hangs fails after an hour of it.
pub fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(3600), story).await.expect("the story ends within an hour")
    })
}

/// A cluster in virtual time with topic `a` of three partitions; call it inside [`run`].
pub fn cluster(change: impl FnOnce(MockClusterBuilder) -> MockClusterBuilder) -> MockCluster {
    let clock = VirtualClock::starting_at(UnixMillis(1_700_000_000_000));
    let world = World::builder().clock(Arc::new(clock)).seed(1).build();
    let builder = MockCluster::builder().brokers(3).topic("a", 3).topic("dead", 1);
    let builder = builder.config("log.retention.ms", "-1").world(world).seed(1);
    change(builder).build().unwrap()
}

pub async fn connect(cluster: &MockCluster) -> Kafka {
    Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap()
}

/// A member of group `g` that reads topic `a` from its start.
pub fn member(kafka: &Kafka) -> ConsumerBuilder {
    Consumer::builder(kafka).group("g").subscribe(["a"]).auto_offset_reset("earliest")
}

/// Appends records with these keys and values to a partition of topic `a`.
pub fn write(cluster: &MockCluster, partition: i32, records: &[(Option<&str>, &str)]) {
    let base = cluster.log_end("a", partition).map_or(0, |end| end.0);
    let stamp = Stamp::default().at(Offset(base), LeaderEpoch(-1));
    cluster.append_raw("a", partition, sealed(records).to_bytes(&stamp)).unwrap();
}

/// A batch of records with these keys and values.
pub fn sealed(records: &[(Option<&str>, &str)]) -> SealedBatch {
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    for (key, value) in records {
        let key = key.map(str::as_bytes);
        writer.append(UnixMillis(1000), key, Some(value.as_bytes()), NO_HEADERS).unwrap();
    }
    writer.seal(Codec::None, None, &mut CompressionScratch::new()).unwrap()
}

/// So many records in each partition, of three keys in turn.
pub fn fill(cluster: &MockCluster, records: usize) {
    for partition in 0..3 {
        let base = cluster.log_end("a", partition).map_or(0, |end| end.0) as usize;
        let keys: Vec<String> = (base..base + records).map(|offset| format!("k{}", offset % 3)).collect();
        let pairs: Vec<_> = keys.iter().map(|key| (Some(key.as_str()), "v")).collect();
        write(cluster, partition, &pairs);
    }
}

pub fn committed(cluster: &MockCluster, partition: i32) -> i64 {
    cluster.committed("g", "a", partition).map_or(0, |offset| offset.0)
}

/// What handlers saw and did, in the order of their calls.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    begun: Vec<(i32, i64)>,
    ended: Vec<(i32, i64)>,
    now: usize,
    most: usize,
}

/// A call that runs; dropping it says that it ended, in whatever way.
pub struct Call(Seen, (i32, i64), bool);

impl Seen {
    pub fn begin(&self, record: &ConsumerRecord) -> Call {
        let place = (record.partition().0, record.offset().0);
        let mut book = self.0.lock().unwrap();
        book.begun.push(place);
        book.now += 1;
        book.most = book.most.max(book.now);
        Call(self.clone(), place, false)
    }

    pub fn begun(&self) -> Vec<(i32, i64)> {
        self.0.lock().unwrap().begun.clone()
    }

    pub fn ended(&self) -> Vec<(i32, i64)> {
        self.0.lock().unwrap().ended.clone()
    }

    /// How many ran at once at most.
    pub fn most_at_once(&self) -> usize {
        self.0.lock().unwrap().most
    }

    pub fn running(&self) -> usize {
        self.0.lock().unwrap().now
    }

    /// The offsets of each partition, in the order in which they were begun.
    pub fn by_partition(&self) -> BTreeMap<i32, Vec<i64>> {
        let mut by_partition: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for (partition, offset) in self.begun() {
            by_partition.entry(partition).or_default().push(offset);
        }
        by_partition
    }
}

impl Call {
    pub fn end(mut self) {
        self.2 = true;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut book = self.0.0.lock().unwrap();
        book.now -= 1;
        if self.2 {
            book.ended.push(self.1);
        }
    }
}

/// Runs a runner for this long; what stopped it, if anything did.
pub async fn for_a_while<H: Handler>(runner: &mut Runner<H>, time: Duration) -> Option<Error> {
    match tokio::time::timeout(time, runner.run()).await {
        Ok(Ok(())) => panic!("nobody closed it"),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    }
}
