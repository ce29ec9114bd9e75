//! What a consumer's own process needs for a thousand partitions of batches that decompress to a hundred times their size,
//! by the operating system's count; the brokers are another process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test panics")]
mod batches;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};

use batches::Spec;
use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_consumer::Consumer;
use courant_protocol::compression::Codec;

const PARTITIONS: i32 = 1000;
const RECORDS: usize = 10;
const RECORD_BYTES: usize = 1 << 20;
const BUDGET: u64 = 64 << 20;

/// Set in the process that serves.
const SERVES: &str = "COURANT_TEST_SERVES";

/// The brokers, which end with this.
struct Brokers {
    child: Child,
    _open: ChildStdin,
}

impl Drop for Brokers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts this program once more as a mock cluster; gives its addresses too.
fn brokers() -> (Brokers, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_brokers", "--nocapture"])
        .env(SERVES, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let open = child.stdin.take().unwrap();
    let brokers = Brokers { child, _open: open };
    let mut lines = out.lines().map(|line| line.expect("the brokers start"));
    let bootstrap = lines.find_map(|line| line.split_once("bootstrap ").map(|(_, all)| all.to_owned()));
    (brokers, bootstrap.expect("the brokers say where they are"))
}

/// Not a test but the other process's program: it serves until its standard input ends.
#[test]
fn the_brokers() {
    if std::env::var_os(SERVES).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let partitions = usize::try_from(PARTITIONS).unwrap();
        let cluster = MockCluster::builder()
            .brokers(3)
            .topic_with("a", partitions, None, [("retention.ms", "-1")])
            .request_log(0)
            .build()
            .unwrap();
        let spec = (0..RECORDS).fold(Spec::at(0), |spec, _| spec.value(vec![b'x'; RECORD_BYTES]));
        let batch = spec.codec(Codec::Zstd).bytes();
        for partition in 0..PARTITIONS {
            cluster.append_raw("a", partition, batch.clone()).unwrap();
        }
        cluster.listen(0).await.unwrap();
        println!("bootstrap {}", cluster.bootstrap());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    });
}

/// A line of `/proc/self/status`, in bytes.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kib: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}

#[test]
fn a_thousand_partitions_of_compressible_batches_stay_inside_the_budget() {
    if std::env::var_os(SERVES).is_some() || !std::path::Path::new("/proc/self/status").exists() {
        return;
    }
    let (_brokers, bootstrap) = brokers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let kafka = Kafka::builder().bootstrap(bootstrap).connect().await.unwrap();
        let before = memory("VmRSS");
        let mut consumer = Consumer::builder(&kafka)
            .assign((0..PARTITIONS).map(|partition| ("a", partition)))
            .auto_offset_reset("earliest")
            .fetch_buffer_bytes(BUDGET)
            .start()
            .await
            .unwrap();
        let mut records = 0;
        while records < PARTITIONS as usize * RECORDS {
            let batch = consumer.poll().await.unwrap().unwrap();
            assert!(
                batch.iter().all(|record| record.value().is_some_and(|value| value.len() == RECORD_BYTES))
            );
            records += batch.len();
        }
        let grown = memory("VmHWM").saturating_sub(before);
        eprintln!("{grown} bytes more at the peak");
        assert!(grown <= BUDGET + BUDGET / 10, "{grown} bytes more at the peak");
    });
}
