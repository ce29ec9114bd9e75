//! The parts that run: a source connector, the pipeline, a sink connector.
use std::time::{Duration, Instant};

use anyhow::Context;
use courant::Kafka;
use courant::connect::file::{CsvSource, JsonLinesSink};
use courant::connect::{self, Worker};
use courant::streams::StreamsApp;

use crate::args::Args;
use crate::means;
use crate::progress::Progress;
use crate::topics::{DEAD, DEPARTURES, MEANS, Topics};

const SOURCE: &str = "departures-csv";
const PIPELINE: &str = "departures-means";
const SINK: &str = "departures-out";
/// How often progress is shown.
const PAUSE: Duration = Duration::from_millis(50);

/// All parts.
pub(crate) struct House {
    connectors: Worker,
    pipeline: StreamsApp,
    has_sink: bool,
}

/// What the parts did in this run.
pub(crate) struct Counts {
    pub(crate) source: connect::Progress,
    pub(crate) sink: connect::Progress,
}

impl House {
    /// Starts the parts from the last one to the first, so that each finds the next one ready.
    pub(crate) async fn start(kafka: &Kafka, args: &Args, progress: &Progress) -> anyhow::Result<Self> {
        let seen = progress.windows();
        let topology = means::topology(&args.value, args.window, move |mean| seen.changed(mean))?;
        progress.show_house(args, &topology.describe());
        let connectors = Worker::builder(kafka)
            .set("key.converter", "StringConverter")
            .set("value.converter", "JsonConverter")
            .set("value.converter.schemas.enable", false)
            .set("offset.flush.interval.ms", 1_000)
            .start()
            .await?;
        if let Some(out) = &args.out {
            let properties = [("topics", MEANS), ("file", text(out)?)];
            connectors.start_sink::<JsonLinesSink>(SINK, properties).await?;
        }
        let pipeline = StreamsApp::builder(PIPELINE, kafka)
            .commit_interval(Duration::from_secs(1))
            .set("auto.offset.reset", "earliest")
            // What the pipeline keeps is as old as its events.
            .set("topic.retention.ms", -1)
            .start(topology)
            .await?;
        let file = std::fs::canonicalize(&args.file).unwrap_or_else(|_| args.file.clone());
        let types = format!("{}:float64", args.value);
        let properties = [
            ("file", text(&file)?),
            ("topic", DEPARTURES),
            ("key.column", &args.key),
            ("timestamp.column", &args.time),
            ("column.types", &types),
            ("last.line", "take"),
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", DEAD),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ];
        connectors.start_source::<CsvSource>(SOURCE, properties).await?;
        Ok(Self { connectors, pipeline, has_sink: args.out.is_some() })
    }

    /// Runs until the input is read, the pipeline has processed it, and the sink has delivered what came of it.
    pub(crate) async fn finish(&self, topics: &Topics, progress: &Progress) -> anyhow::Result<()> {
        let done = async {
            self.connectors.caught_up(SOURCE).await?;
            self.pipeline.caught_up().await?;
            if self.has_sink {
                self.connectors.delivered(SINK, topics.ends_of_means().await?).await?;
            }
            anyhow::Ok(())
        };
        let shown = async {
            loop {
                progress.show(&self.counts());
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            biased;
            done = done => done,
            failed = self.pipeline.ended() => failed.context("the pipeline ended"),
            never = shown => never,
        }
    }

    /// Ends the parts from the first to the last: each stores how far it came.
    pub(crate) async fn stop(&self, timeout: Duration) -> anyhow::Result<Counts> {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        let source = self.connectors.stop_connector(SOURCE, left()).await;
        let pipeline = self.pipeline.close(left()).await;
        let sink = match self.has_sink {
            true => self.connectors.stop_connector(SINK, left()).await,
            false => Ok(connect::Progress::default()),
        };
        pipeline.context("the pipeline did not end well")?;
        Ok(Counts {
            source: source.context("the source did not end well")?,
            sink: sink.context("the sink did not end well")?,
        })
    }

    fn counts(&self) -> Counts {
        let progress = |name| self.connectors.status(name).map(|status| status.progress());
        Counts { source: progress(SOURCE).unwrap_or_default(), sink: progress(SINK).unwrap_or_default() }
    }
}

fn text(path: &std::path::Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}
