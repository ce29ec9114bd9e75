//! A sink that keeps each record as a file, named after the place where it was read.
use courant::connect::{Config, ConnectorContext, Result, Sink, SinkContext, SinkRecord, SinkTask, Verdicts};
use std::path::Path;

/// What the sink can be told.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
pub(crate) struct Archive {
    /// The folder that the files go to.
    pub(crate) folder: String,
}

impl Config for Archive {
    async fn check(&self) -> Vec<(String, String)> {
        let problem = ("folder".to_owned(), format!("is no folder: {}; make it first", self.folder));
        if Path::new(&self.folder).is_dir() { Vec::new() } else { vec![problem] }
    }
}

impl Sink for Archive {
    const NAME: &'static str = "Archive";
    type Config = Self;
    type Task = ArchiveTask;

    async fn new(config: Self, _: ConnectorContext) -> Result<Self> {
        Ok(config)
    }

    async fn open(&self, context: SinkContext) -> Result<ArchiveTask> {
        Ok(ArchiveTask(self.folder.clone(), context))
    }
}

pub(crate) struct ArchiveTask(String, SinkContext);

impl SinkTask for ArchiveTask {
    async fn write(&mut self, batch: &[SinkRecord]) -> Result<Verdicts> {
        let (mut verdicts, mut files) = (Verdicts::accepted(), Vec::new());
        for (index, record) in batch.iter().enumerate() {
            match record.value().value.to_text() {
                // A record that comes again finds its file, so after a crash nothing is there twice.
                Ok(text) => {
                    files.push((format!("{}/{}@{}", self.0, record.origin, record.origin_offset), text))
                }
                Err(bad) => verdicts.reject(index, bad.into()),
            }
        }
        let write = move || files.iter().try_for_each(|(name, text)| std::fs::write(name, text));
        self.1.connector().blocking(write).await??;
        Ok(verdicts)
    }
}
