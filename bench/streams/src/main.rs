//! What a stream pipeline costs: `stateless` (a filter that keeps nine of ten, then a changed copy of each value) and
//! `count` (a count per key in memory, with its changelog), from a topic that was filled before to one of its own.
//!
//! The null broker has no groups, so this needs a real broker, whose CPU time is shown and not counted.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bench_harness::{Measured, Operation, Parameters, Part, Snapshot, no_driver, run, runtime};
use courant_admin::{Admin, IsolationLevel, NewTopic, OffsetSpec};
use courant_client::Kafka;
use courant_streams::codec::{I64Be, Raw, RawVec};
use courant_streams::{Store, StreamsApp, StreamsAppBuilder, StreamsBuilder, Topology};
use tokio::sync::Notify;

fn main() -> ExitCode {
    run(|parameters| runtime(parameters)?.block_on(drive(parameters)))
}

async fn drive(parameters: &Parameters) -> Result<Measured> {
    if parameters.op != Operation::Streams {
        return no_driver(parameters);
    }
    let application = format!("bench-{}-{}", parameters.client, std::process::id());
    let output = format!("{application}-out");
    let kafka = Kafka::builder().bootstrap(&parameters.brokers).client_id("bench").connect().await?;
    let admin = Admin::new(&kafka);
    let partitions = i32::try_from(parameters.partitions)?;
    let topic = NewTopic::new(output.as_str()).partitions(partitions).replication_factor(1);
    admin.create_topics([topic]).await.all()?;

    let progress = Arc::new(Progress::new(parameters));
    let topology = topology(&parameters.client, &parameters.topic, &output, &progress)?;
    let app = settings(StreamsApp::builder(application, &kafka), parameters).start(topology).await?;
    let measured = tokio::select! {
        biased;
        measured = progress.measure(parameters) => measured?,
        ended = app.ended() => bail!("the application ended: {ended:?}"),
    };
    app.caught_up().await?;
    app.close(Duration::from_secs(60)).await?;

    let ends =
        parameters.all_partitions().map(|partition| ((output.as_str(), partition), OffsetSpec::Latest));
    let ends = admin.list_offsets(ends, IsolationLevel::ReadUncommitted).await.all()?;
    let written: i64 = ends.iter().filter_map(|(_, end)| end.offset).map(|offset| offset.0).sum();
    let kept = progress.kept.load(Ordering::Relaxed);
    ensure!(u64::try_from(written)? == kept, "{kept} records were to be written, {written} were");
    admin.delete_topics([output.as_str()]).await.all()?;
    Ok(measured)
}

/// At least once, a commit a second. Tuned: what the parameters say, and room for much at a time.
fn settings(builder: StreamsAppBuilder, parameters: &Parameters) -> StreamsAppBuilder {
    let builder = builder.commit_interval(Duration::from_secs(1)).set("auto.offset.reset", "earliest");
    let mut builder =
        parameters.properties.iter().fold(builder, |builder, (name, value)| builder.set(name, value));
    if let Some(linger) = parameters.linger() {
        builder = builder.set("producer.linger.ms", linger.as_millis());
    }
    if parameters.defaults {
        return builder;
    }
    builder
        .set("producer.batch.size", parameters.batch_size)
        .set("producer.buffer.memory", parameters.buffer_memory)
        .set("main.consumer.max.poll.records", parameters.max_poll)
        .set("main.consumer.max.partition.fetch.bytes", 2 << 20)
        .set("main.consumer.fetch.min.bytes", 64 << 10)
        .set("main.consumer.fetch.max.wait.ms", parameters.max_wait_ms)
        .set("buffered.records.per.partition", 10_000)
}

fn topology(name: &str, input: &str, output: &str, progress: &Arc<Progress>) -> Result<Topology> {
    let builder = StreamsBuilder::new();
    let (seen, kept) = (Arc::clone(progress), Arc::clone(progress));
    match name {
        "stateless" => builder
            .stream::<Vec<u8>, Vec<u8>>(input, (RawVec, RawVec))
            .filter(move |_, value| {
                seen.count();
                value.first() != Some(&b'0')
            })
            .map_values(move |_, value| {
                kept.kept.fetch_add(1, Ordering::Relaxed);
                let mut changed = value.clone();
                if let Some(last) = changed.last_mut() {
                    *last = last.wrapping_add(1);
                }
                changed
            })
            .to(output, (RawVec, RawVec)),
        "count" => builder
            .stream(input, (Raw, Raw))
            .group_by_key()
            .count(Store::named("counts", (Raw, I64Be)))
            .to_stream()
            .peek(move |_, _| {
                kept.kept.fetch_add(1, Ordering::Relaxed);
                seen.count();
            })
            .to(output, (Raw, I64Be)),
        _ => bail!("there is `stateless` and `count`"),
    }
    builder.build().context("the topology")
}

/// How far the pipeline is.
struct Progress {
    seen: AtomicU64,
    kept: AtomicU64,
    warmup: u64,
    total: u64,
    reached: Notify,
}

impl Progress {
    fn new(parameters: &Parameters) -> Self {
        Self {
            seen: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            warmup: parameters.warmup,
            total: parameters.warmup + parameters.records,
            reached: Notify::new(),
        }
    }

    fn count(&self) {
        let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if seen == self.warmup || seen == self.total {
            self.reached.notify_one();
        }
    }

    async fn measure(&self, parameters: &Parameters) -> Result<Measured> {
        self.reached.notified().await;
        let start = Snapshot::take(parameters)?;
        self.reached.notified().await;
        let end = Snapshot::take(parameters)?;
        let part = Part { records: self.total - self.warmup, errors: 0 };
        Ok(Measured { start, end, part, latencies_micros: Vec::new() })
    }
}
