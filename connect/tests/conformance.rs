//! The connectors of this crate stand the suite that authors run on theirs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use courant_connect::file::{CsvSource, JsonLinesSink, LineSource};
use courant_connect::harness::{SinkBench, SourceBench, check_sink, check_source};
use tempfile::TempDir;

/// A file in a folder of its own.
struct File {
    folder: TempDir,
    lines: usize,
}

impl File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), lines: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn properties(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let file = ("file".to_owned(), self.path().to_str().unwrap().to_owned());
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        std::iter::once(file).chain(more).collect()
    }
}

struct Lines(File);

impl SourceBench for Lines {
    type Source = LineSource;

    fn properties(&self) -> Vec<(String, String)> {
        self.0.properties(&[("topic", "lines")])
    }

    fn feed(&mut self, count: usize) -> Vec<String> {
        let first = self.0.lines;
        self.0.lines += count;
        let lines: Vec<String> = (first..first + count).map(|nth| format!("line {nth}")).collect();
        self.0.append(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        lines
    }
}

struct Rows(File);

impl SourceBench for Rows {
    type Source = CsvSource;

    fn properties(&self) -> Vec<(String, String)> {
        let json = ("value.converter", "JsonConverter");
        self.0.properties(&[("topic", "rows"), json, ("value.converter.schemas.enable", "false")])
    }

    fn feed(&mut self, count: usize) -> Vec<String> {
        if self.0.lines == 0 {
            self.0.append("id,name\r\n");
        }
        let first = self.0.lines;
        self.0.lines += count;
        self.0.append(
            &(first..first + count).map(|nth| format!("{nth},\"na\"\"me, {nth}\"\r\n")).collect::<String>(),
        );
        (first..first + count).map(|nth| format!(r#"{{"id":"{nth}","name":"na\"me, {nth}"}}"#)).collect()
    }
}

struct Out(File);

impl SinkBench for Out {
    type Sink = JsonLinesSink;

    fn properties(&self) -> Vec<(String, String)> {
        self.0.properties(&[])
    }

    fn delivered(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn the_line_source_conforms() {
    check_source(|| Lines(File::new())).unwrap();
}

#[test]
fn the_csv_source_conforms() {
    check_source(|| Rows(File::new())).unwrap();
}

#[test]
fn the_json_lines_sink_conforms() {
    check_sink(|| Out(File::new())).unwrap();
}

/// Connectors with the faults that the suite is for.
mod faulty {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    use courant_connect::harness::{SinkBench, SourceBench};
    use courant_connect::{
        Batch, Config, ConnectorContext, Flushed, Result, Sink, SinkContext, SinkRecord, SinkTask, Source,
        SourceContext, SourceRecord, SourceTask, Verdicts,
    };
    use serde::{Deserialize, Serialize};

    static WORLDS: Mutex<BTreeMap<String, Arc<Mutex<Vec<String>>>>> = Mutex::new(BTreeMap::new());

    #[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
    pub(crate) struct Outside {
        world: String,
    }

    impl Config for Outside {}

    impl Outside {
        fn values(&self) -> Arc<Mutex<Vec<String>>> {
            let mut worlds = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(worlds.entry(self.world.clone()).or_default())
        }
    }

    pub(crate) struct Bench<C>(Outside, std::marker::PhantomData<C>);

    impl<C> Bench<C> {
        pub(crate) fn new() -> Self {
            let nth = WORLDS.lock().unwrap_or_else(PoisonError::into_inner).len();
            let outside = Outside { world: format!("{}-{nth}", std::any::type_name::<C>()) };
            outside.values();
            Self(outside, std::marker::PhantomData)
        }
    }

    impl SourceBench for Bench<Hasty> {
        type Source = Hasty;

        fn properties(&self) -> Vec<(String, String)> {
            vec![("world".to_owned(), self.0.world.clone())]
        }

        fn feed(&mut self, count: usize) -> Vec<String> {
            let values = self.0.values();
            let mut values = values.lock().unwrap();
            let first = values.len();
            values.extend((first..first + count).map(|nth| nth.to_string()));
            values[first..].to_vec()
        }
    }

    impl SinkBench for Bench<Forgetful> {
        type Sink = Forgetful;

        fn properties(&self) -> Vec<(String, String)> {
            vec![("world".to_owned(), self.0.world.clone())]
        }

        fn delivered(&self) -> Vec<String> {
            self.0.values().lock().unwrap().clone()
        }
    }

    /// Moves its position, waits, and only then gives the record: what is dropped in between is lost.
    pub(crate) struct Hasty(Outside, ConnectorContext);
    pub(crate) struct HastyTask(Outside, ConnectorContext, usize);

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    pub(crate) struct At {
        at: usize,
    }

    impl Source for Hasty {
        const NAME: &'static str = "Hasty";
        type Config = Outside;
        type Split = ();
        type Partition = At;
        type Offset = At;
        type Task = HastyTask;

        async fn new(config: Outside, context: ConnectorContext) -> Result<Self> {
            Ok(Self(config, context))
        }

        async fn plan(&self, _: usize) -> Result<Vec<()>> {
            Ok(vec![()])
        }

        async fn open(&self, (): (), context: SourceContext<At, At>) -> Result<HastyTask> {
            let at = context.offset(&At { at: 0 }).map_or(0, |offset| offset.at);
            Ok(HastyTask(self.0.clone(), self.1.clone(), at))
        }
    }

    impl SourceTask for HastyTask {
        type Partition = At;
        type Offset = At;

        async fn next_batch(&mut self, batch: &mut Batch<At, At>) -> Result<()> {
            let Some(value) = self.0.values().lock().unwrap().get(self.2).cloned() else { return Ok(()) };
            self.2 += 1;
            self.1.sleep(Duration::from_millis(3)).await;
            batch.push(SourceRecord::to("hasty", At { at: 0 }, At { at: self.2 }).value(value));
            Ok(())
        }
    }

    /// Says that everything is flushed while it still holds the last records in memory.
    pub(crate) struct Forgetful(Outside);
    pub(crate) struct ForgetfulTask(Outside, Vec<String>);

    impl Sink for Forgetful {
        const NAME: &'static str = "Forgetful";
        type Config = Outside;
        type Task = ForgetfulTask;

        async fn new(config: Outside, _: ConnectorContext) -> Result<Self> {
            Ok(Self(config))
        }

        async fn open(&self, _: SinkContext) -> Result<ForgetfulTask> {
            Ok(ForgetfulTask(self.0.clone(), Vec::new()))
        }
    }

    impl SinkTask for ForgetfulTask {
        async fn write(&mut self, batch: &[SinkRecord]) -> Result<Verdicts> {
            self.0.values().lock().unwrap().append(&mut self.1);
            self.1 = batch
                .iter()
                .map(|record| record.value().value.as_str().unwrap_or_default().to_owned())
                .collect();
            Ok(Verdicts::accepted())
        }

        async fn flush(&mut self) -> Result<Flushed> {
            Ok(Flushed::All)
        }

        async fn close(mut self) {
            self.0.values().lock().unwrap().append(&mut self.1);
        }
    }
}

#[test]
fn a_source_that_loses_records_when_its_call_is_dropped_does_not_pass() {
    let failure = check_source(faulty::Bench::<faulty::Hasty>::new).unwrap_err();
    assert!(failure.scenario().starts_with("pauses"), "{failure}");
}

#[test]
fn a_sink_that_commits_what_it_has_not_written_does_not_pass() {
    let failure = check_sink(faulty::Bench::<faulty::Forgetful>::new).unwrap_err();
    assert!(
        failure.to_string().contains("the target holds") || failure.to_string().contains("lost"),
        "{failure}"
    );
}
