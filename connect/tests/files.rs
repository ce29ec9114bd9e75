//! The file connectors on the embedded worker and a mock cluster, in virtual time: rows into a topic, a topic into lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_client::Kafka;
use courant_connect::file::{CsvSource, JsonLinesSink, LineSource};
use courant_connect::{ErrorKind, Worker};
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};
use courant_protocol::types::Offset;

const GRACE: Duration = Duration::from_secs(10);

/// A mock cluster, a folder with an input file, and the properties of a CSV source and a sink.
struct Stage {
    cluster: MockCluster,
    kafka: Kafka,
    folder: tempfile::TempDir,
    source: BTreeMap<String, String>,
    sink: BTreeMap<String, String>,
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(3600), test).await.expect("no hang") })
}

impl Stage {
    async fn new(text: &str) -> Self {
        let cluster = MockCluster::builder().brokers(1).topic("rows", 2).build().unwrap();
        let kafka =
            Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Self { cluster, kafka, folder, source: BTreeMap::new(), sink: BTreeMap::new() };
        fs::write(stage.input(), text).unwrap();
        let (input, output) = (stage.input().display().to_string(), stage.output().display().to_string());
        stage = stage.source("file", &input).source("topic", "rows").source("key.column", "k");
        stage.sink("file", &output).sink("topics", "rows")
    }

    fn source(mut self, name: &str, value: &str) -> Self {
        self.source.insert(name.to_owned(), value.to_owned());
        self
    }

    fn sink(mut self, name: &str, value: &str) -> Self {
        self.sink.insert(name.to_owned(), value.to_owned());
        self
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("in.csv")
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("out.jsonl")
    }

    fn append(&self, text: &str) {
        fs::OpenOptions::new().append(true).open(self.input()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    async fn start(&self) -> Worker {
        let builder = Worker::builder(&self.kafka).source::<CsvSource>("csv", self.source.clone());
        builder.start().await.unwrap()
    }

    /// Starts a source, lets it come to the end of its file, and stops it.
    async fn read_all(&self) -> u64 {
        let worker = self.start().await;
        let read = worker.caught_up("csv").await.unwrap().read;
        worker.stop(GRACE).await.unwrap();
        read
    }

    /// Starts a sink, lets it write all that is there, and stops it.
    async fn write_all(&self) {
        let builder = Worker::builder(&self.kafka).sink::<JsonLinesSink>("lines", self.sink.clone());
        let worker = builder.start().await.unwrap();
        worker.delivered("lines", self.ends()).await.unwrap();
        worker.stop(GRACE).await.unwrap();
    }

    /// Where the partitions of the topic end that have records.
    fn ends(&self) -> Vec<((&'static str, i32), Offset)> {
        let end = |partition| Some((("rows", partition), self.cluster.log_end("rows", partition)?));
        (0..2).filter_map(end).filter(|(_, end)| end.0 > 0).collect()
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            fs::read_to_string(self.output()).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Values and headers of a topic.
    fn stored(&self, topic: &str) -> Vec<(String, BTreeMap<String, String>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (mut scratch, mut stored) = (CompressionScratch::default(), Vec::new());
        for partition in 0..self.cluster.partition_count(topic).unwrap_or(0) as i32 {
            for log in self.cluster.log(topic, partition) {
                for batch in Batches::new(log.bytes, ReadOptions::default()) {
                    for record in batch.unwrap().records(&mut scratch).unwrap().iter() {
                        let record = record.unwrap();
                        let headers =
                            record.headers().map(|h| (text(h.key), text(h.value.unwrap_or_default())));
                        stored.push((text(record.value.unwrap_or_default()), headers.collect()));
                    }
                }
            }
        }
        stored
    }

    fn values(&self, topic: &str) -> Vec<String> {
        let mut values: Vec<String> = self.stored(topic).into_iter().map(|(value, _)| value).collect();
        values.sort();
        values
    }
}

#[test]
fn rows_go_from_a_file_through_a_topic_into_lines_and_nothing_is_read_twice() {
    run(async {
        let stage = Stage::new("k,n\na,1\nb,2\n").await.source("column.types", "n:int64");
        assert_eq!(stage.read_all().await, 2);
        stage.write_all().await;
        assert_eq!(stage.lines(), [r#"{"k":"a","n":1}"#, r#"{"k":"b","n":2}"#]);

        assert_eq!(stage.read_all().await, 0);
        stage.write_all().await;
        assert_eq!(stage.lines().len(), 2);

        stage.append("c,\nd,4");
        assert_eq!(stage.read_all().await, 1, "the last line has no end yet");
        stage.append("4\n");
        assert_eq!(stage.read_all().await, 1);
        stage.write_all().await;
        assert_eq!(stage.lines()[2..], [r#"{"k":"c","n":null}"#, r#"{"k":"d","n":44}"#]);
    });
}

#[test]
fn a_source_that_is_killed_repeats_at_most_what_was_not_stored_and_loses_nothing() {
    run(async {
        let text: String = (0..5_000).map(|row| format!("{row},x\n")).collect();
        let stage = Stage::new(&format!("k,n\n{text}")).await.source("batch.max.records", "100");
        for ms in [3, 5, 11, 40] {
            let worker = stage.start().await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            drop(worker);
        }
        stage.read_all().await;
        let mut values = stage.values("rows");
        values.dedup();
        assert_eq!(values.len(), 5_000);
    });
}

#[test]
fn bad_rows_become_dead_letters_with_their_line_and_the_reason() {
    run(async {
        let stage = Stage::new("k,at\na,2013-01-01T10:15:00Z\nb\nc,noon\nd,2013-01-02T10:15:00Z\n")
            .await
            .source("timestamp.column", "at")
            .source("errors.tolerance", "all")
            .source("errors.deadletterqueue.topic.name", "rows.dead")
            .source("errors.deadletterqueue.context.headers.enable", "true");
        assert_eq!(stage.read_all().await, 4);
        assert_eq!(stage.values("rows").len(), 2);
        let dead = stage.stored("rows.dead");
        let shown: Vec<_> =
            dead.iter().map(|(raw, headers)| (raw.as_str(), &*headers["line"], &*headers["error"])).collect();
        let noon = "column at: \"noon\" is not a time; write it as 2013-01-01T10:15:00Z";
        assert_eq!(shown, [("b", "3", "1 columns instead of 2"), ("c,noon", "4", noon)]);
        for (_, headers) in &dead {
            assert_eq!(headers["__connect.errors.connector.name"], "csv");
            assert_eq!(headers["__connect.errors.stage"], "TASK_POLL");
            assert!(headers["__connect.errors.exception.message"].contains(&headers["line"]), "{headers:?}");
        }
    });
}

#[test]
fn without_tolerance_a_bad_row_fails_the_task_and_the_rows_before_it_are_kept() {
    run(async {
        let stage = Stage::new("k,n\na,1\nb\nc,3\n").await;
        let worker = stage.start().await;
        let error = worker.caught_up("csv").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.to_string().contains("line 3 of") && error.to_string().contains("in.csv"), "{error}");
        worker.stop(GRACE).await.unwrap_err();
        assert_eq!(stage.values("rows"), [r#"{"k":"a","n":"1"}"#]);
        fs::write(stage.input(), "k,n\na,1\nb,2\nc,3\n").unwrap();
        assert_eq!(stage.read_all().await, 2, "it goes on behind the row that was kept");
    });
}

#[test]
fn connects_own_transforms_are_named_in_the_properties() {
    run(async {
        let stage = Stage::new("k,n\na,1\nb,2\n")
            .await
            .source("transforms", "mask,drop")
            .source("transforms.mask.type", "org.apache.kafka.connect.transforms.MaskField$Value")
            .source("transforms.mask.fields", "n")
            .source("transforms.drop.type", "Filter")
            .source("transforms.drop.predicate", "elsewhere")
            .source("predicates", "elsewhere")
            .source("predicates.elsewhere.type", "TopicNameMatches")
            .source("predicates.elsewhere.pattern", "other-.*");
        stage.read_all().await;
        assert_eq!(stage.values("rows"), [r#"{"k":"a","n":""}"#, r#"{"k":"b","n":""}"#]);
    });
}

#[test]
fn what_is_wrong_with_a_configuration_names_the_property_and_the_fix() {
    run(async {
        for (name, value, wanted) in [
            ("key.colum", "k", "did you mean `key.column`?"),
            ("error.tolerance", "all", "did you mean `errors.tolerance`?"),
            ("column.types", "n:int128", "property `column.types` cannot be `n:int128`"),
            ("last.line", "drop", "it takes wait or take"),
            ("line.max.bytes", "0", "it takes a whole number from 1"),
            ("file", "/no/such/file.csv", "/no/such/file.csv"),
            ("transforms.t.type", "Filter", "transforms.t.type"),
            ("key.column", "z", "there is no column `z`; there are k, n"),
        ] {
            let stage = Stage::new("k,n\na,1\n").await.source(name, value);
            let builder = Worker::builder(&stage.kafka).source::<CsvSource>("csv", stage.source.clone());
            let error = match builder.start().await {
                Ok(worker) => worker.caught_up("csv").await.unwrap_err(),
                Err(error) => error,
            };
            assert!(error.to_string().contains(wanted), "{name}={value}: {error}");
            assert!(
                matches!(error.kind(), ErrorKind::Config | ErrorKind::Fatal),
                "{name}={value}: {error:?}"
            );
        }
    });
}

#[test]
fn javas_file_source_is_known_by_its_class_and_its_properties() {
    run(async {
        let stage = Stage::new("one\n\ntwo\n").await.source("batch.size", "2");
        let mut properties = stage.source.clone();
        properties.remove("key.column");
        properties.insert(
            "value.converter".to_owned(),
            "org.apache.kafka.connect.storage.StringConverter".to_owned(),
        );
        let builder = Worker::builder(&stage.kafka).source::<LineSource>("lines", properties);
        let worker = builder.start().await.unwrap();
        assert_eq!(worker.caught_up("lines").await.unwrap().read, 3);
        worker.stop(GRACE).await.unwrap();
        assert_eq!(stage.values("rows"), ["", "one", "two"]);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_the_sink_with_its_name_and_loses_nothing() {
    run(async {
        let stage = Stage::new("k,n\na,1\nb,2\n").await;
        stage.read_all().await;
        let mut full = stage.sink.clone();
        full.insert("file".to_owned(), "/dev/full".to_owned());
        full.insert("errors.retry.timeout".to_owned(), "0".to_owned());
        let worker =
            Worker::builder(&stage.kafka).sink::<JsonLinesSink>("lines", full).start().await.unwrap();
        let error = worker.delivered("lines", stage.ends()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retriable, "{error}");
        assert!(error.to_string().contains("/dev/full"), "{error}");
        let place = error.topic_partition().map(ToString::to_string).zip(error.offset());
        assert_eq!(
            place,
            Some(("rows-0".to_owned(), Offset(0))),
            "the first record that is not written: {error}"
        );
        worker.stop(GRACE).await.unwrap_err();
        stage.write_all().await;
        assert_eq!(stage.lines(), [r#"{"k":"a","n":"1"}"#, r#"{"k":"b","n":"2"}"#]);
    });
}
