//! The source that reads the lines of a file.
use std::path::Path;
use std::sync::Arc;

use courant_protocol::types::TopicName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::csv_config::line_max_bytes;
use super::line_file::{LastLine, LineFile, ReadOn, check_readable};
use super::lines::Line;
use super::position::{FilePartition, FilePosition};
use crate::api::{Batch, Config, ConnectorContext, Source, SourceContext, SourceRecord, SourceTask};
use crate::data::{Data, Schema};
use crate::error::Result;

/// What [`LineSource`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct LineSourceConfig {
    /// The file to read.
    pub file: String,
    /// The topic that the lines go to.
    pub topic: String,
    /// How many lines are read at once, at most.
    #[serde(rename = "batch.size", default = "batch_size")]
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// What is done with a last line that has no line end: `wait` for it, or `take` the line as it stands.
    #[serde(rename = "last.line", default)]
    pub last_line: LastLine,
    /// The longest line that is a record, in bytes.
    #[serde(rename = "line.max.bytes", default = "line_max_bytes")]
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub line_max_bytes: usize,
}

fn batch_size() -> usize {
    2_000
}

impl Config for LineSourceConfig {
    async fn check(&self) -> Vec<(String, String)> {
        check_readable(&self.file).await.into_iter().collect()
    }
}

/// Reads the lines of a file: each is a record whose value is the text, without key, as from Java's `FileStreamSource`.
///
/// What is no UTF-8, or longer than `line.max.bytes`, is bad input, with the headers `line` and `error`.
#[derive(Debug)]
pub struct LineSource {
    config: Arc<LineSourceConfig>,
}

impl Source for LineSource {
    const NAME: &'static str = "LineSource";
    const ALIASES: &'static [&'static str] = &[
        "FileStreamSource",
        "FileStreamSourceConnector",
        "org.apache.kafka.connect.file.FileStreamSourceConnector",
    ];
    type Config = LineSourceConfig;
    type Split = ();
    type Partition = FilePartition;
    type Offset = FilePosition;
    type Task = LineSourceTask;

    async fn new(config: LineSourceConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config: Arc::new(config) })
    }

    async fn plan(&self, _tasks_max: usize) -> Result<Vec<()>> {
        Ok(vec![()])
    }

    async fn open(
        &self,
        (): (),
        context: SourceContext<FilePartition, FilePosition>,
    ) -> Result<LineSourceTask> {
        let config = Arc::clone(&self.config);
        let partition = FilePartition { filename: config.file.clone() };
        let stored = context.offset(&partition).copied();
        let path = Path::new(&config.file);
        let file = LineFile::open(context.connector(), path, stored, config.last_line, config.line_max_bytes)
            .await?;
        let topic = TopicName::from(&*config.topic);
        Ok(LineSourceTask { config, topic, partition, file, schema: Schema::string().shared() })
    }
}

/// What reads the lines.
#[derive(Debug)]
pub struct LineSourceTask {
    config: Arc<LineSourceConfig>,
    topic: TopicName,
    partition: FilePartition,
    file: LineFile,
    schema: Arc<Schema>,
}

impl LineSourceTask {
    fn take(&self, line: &Line, batch: &mut Batch<FilePartition, FilePosition>) {
        let partition = self.partition.clone();
        let text = self.file.content(line).and_then(|bytes| {
            std::str::from_utf8(bytes)
                .map_err(|wrong| format!("not UTF-8 after byte {}", wrong.valid_up_to()))
        });
        match text {
            Ok(text) => {
                let position = self.file.position_behind(line);
                let value = Data::new(Arc::clone(&self.schema), text);
                batch.push(SourceRecord::to(self.topic.clone(), partition, position).value(value));
            }
            Err(wrong) => batch.push_bad(self.file.bad_line(partition, line, wrong)),
        }
    }
}

impl SourceTask for LineSourceTask {
    type Partition = FilePartition;
    type Offset = FilePosition;

    async fn next_batch(&mut self, batch: &mut Batch<FilePartition, FilePosition>) -> Result<()> {
        loop {
            let room = |batch: &Batch<_, _>| !batch.is_full() && batch.len() < self.config.batch_size;
            while room(batch)
                && let Some(line) = self.file.next_line()
            {
                self.take(&line, batch);
            }
            if !room(batch) {
                return Ok(());
            }
            match self.file.read_on().await? {
                ReadOn::More => {}
                ReadOn::Last(line) => self.take(&line, batch),
                ReadOn::End => return Ok(()),
            }
        }
    }
}
