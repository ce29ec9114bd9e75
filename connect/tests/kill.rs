//! A worker's process is killed again and again, by the signal that nothing can catch: nothing is lost, and what is read or
//! written again lies behind what was stored before the kill.
//!
//! This program is two: the cluster, which keeps the books and kills, and with `COURANT_KILLED` set the worker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_connect::Worker;
use courant_connect::file::{JsonLinesSink, LineSource};
use courant_consumer::Consumer;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};

const LINES: usize = 40_000;
const TOPIC: &str = "lines";
const KILLS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match std::env::var("COURANT_KILLED") {
        Ok(told) => {
            let (bootstrap, folder) = told.split_once(' ').unwrap();
            runtime.block_on(work(bootstrap, Path::new(folder))).unwrap();
        }
        Err(_) => {
            runtime.block_on(kill_again_and_again());
            println!("test a_killed_worker_loses_nothing ... ok");
        }
    }
}

/// The process that is killed: a file into a topic, the topic into a file, until all is there.
async fn work(bootstrap: &str, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let kafka = Kafka::connect(bootstrap).await?;
    let source = [
        ("file", file("in")),
        ("topic", TOPIC.to_owned()),
        ("batch.max.records", "20".to_owned()),
        // Many small requests: there is time to kill it between two of them.
        ("producer.override.batch.size", "400".to_owned()),
    ];
    // A static member takes its place again at once; a dynamic one would wait for the session of the dead to end.
    let sink = [
        ("file", file("out")),
        ("topics", TOPIC.to_owned()),
        ("consumer.override.group.instance.id", "the-sink".to_owned()),
        ("consumer.override.max.poll.records", "50".to_owned()),
    ];
    let worker = Worker::builder(&kafka)
        .flush_interval(Duration::from_millis(20))
        .set("value.converter", "StringConverter")
        .source::<LineSource>("in", source)
        .sink::<JsonLinesSink>("out", sink)
        .start()
        .await?;
    worker.caught_up("in").await?;
    let consumer = Consumer::builder(&kafka).start().await?;
    let ends = consumer.end_offsets([(TOPIC, 0)]).await?;
    worker.delivered("out", ends).await?;
    worker.stop(Duration::from_secs(10)).await?;
    Ok(())
}

async fn kill_again_and_again() {
    let cluster = MockCluster::builder().brokers(3).topic(TOPIC, 1).build().unwrap();
    cluster.listen(0).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..LINES).map(|nth| format!("{}\n", line(nth))).collect();
    std::fs::write(folder.path().join("in"), lines).unwrap();
    let mut stored = vec![0];
    for _ in 0..KILLS {
        let mut child = spawn(&cluster, folder.path());
        let before = stored.last().copied();
        wait(&mut child, || Some(stored_lines(&cluster)) > before).await;
        assert_eq!(child.try_wait().unwrap(), None, "the worker was done before it could be killed");
        // What is stored when the signal is sent is stored for good.
        stored.push(stored_lines(&cluster));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut child = spawn(&cluster, folder.path());
    let ended = wait(&mut child, || false).await.expect("the last run ends by itself");
    assert!(ended.success(), "{ended}");
    let topic = numbers(&values(&cluster, TOPIC));
    all_there("the topic", &topic);
    // Each run begins where the last one had stored its offset, or behind that.
    let starts = steps_back(&topic);
    assert!(starts.len() <= KILLS, "more repeats than kills: {starts:?}");
    // The nth step back follows the nth kill or a later one, and what was stored never goes back.
    for (start, stored) in starts.iter().zip(&stored[1..]) {
        assert!(start >= stored, "line {start} was read again, {stored} were stored");
    }
    let out = std::fs::read_to_string(folder.path().join("out")).unwrap();
    let out: Vec<String> = out.lines().map(|line| line.trim_matches('"').to_owned()).collect();
    all_there("the file", &numbers(&out));
    cluster.shutdown().await;
}

fn spawn(cluster: &MockCluster, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env("COURANT_KILLED", format!("{} {}", cluster.bootstrap(), folder.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits for something, or for the end of the child.
async fn wait(child: &mut Child, done: impl Fn() -> bool) -> Option<ExitStatus> {
    let started = Instant::now();
    while !done() {
        if let Some(ended) = child.try_wait().unwrap() {
            return Some(ended);
        }
        if started.elapsed() > PATIENCE {
            child.kill().ok();
            panic!("nothing came of it within {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

fn line(nth: usize) -> String {
    format!("line-{nth:0>8}")
}

fn numbers(values: &[String]) -> Vec<usize> {
    values.iter().map(|value| value.trim_start_matches("line-").parse().unwrap_or(usize::MAX)).collect()
}

/// How many lines the stored offset lies behind.
fn stored_lines(cluster: &MockCluster) -> usize {
    let partitions = cluster.partition_count("connect-offsets").unwrap_or(0) as i32;
    let all = (0..partitions).flat_map(|partition| values_of(cluster, "connect-offsets", partition));
    let position = all.last().map_or(0, |value| {
        let offset: serde_json::Value = serde_json::from_str(&value).unwrap();
        offset["position"].as_u64().unwrap()
    });
    position as usize / (line(0).len() + 1)
}

fn values(cluster: &MockCluster, topic: &str) -> Vec<String> {
    values_of(cluster, topic, 0)
}

fn values_of(cluster: &MockCluster, topic: &str, partition: i32) -> Vec<String> {
    let (mut scratch, mut values) = (CompressionScratch::default(), Vec::new());
    for stored in cluster.log(topic, partition) {
        for batch in Batches::new(stored.bytes, ReadOptions::default()) {
            for record in batch.unwrap().records(&mut scratch).unwrap().iter() {
                values.push(String::from_utf8_lossy(record.unwrap().value.unwrap_or_default()).into_owned());
            }
        }
    }
    values
}

/// Every line, in order but for steps back.
fn all_there(place: &str, numbers: &[usize]) {
    let mut next = 0;
    for number in numbers {
        assert!(*number <= next, "{place}: line {next} is missing before line {number}");
        next = next.max(number + 1);
    }
    assert_eq!(next, LINES, "{place}: the last lines are missing");
}

/// Where the numbers begin again after a step back.
fn steps_back(numbers: &[usize]) -> Vec<usize> {
    numbers.windows(2).filter(|pair| pair[1] <= pair[0]).map(|pair| pair[1]).collect()
}
