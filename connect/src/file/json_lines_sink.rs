//! The sink that writes records as lines of JSON.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use schemars::JsonSchema;
use serde::Deserialize;

use super::file_error;
use super::json_line::{JsonLine, LineContent, is_whole};
use super::line_writer::{LineWriter, OpenFile};
use crate::api::{Config, ConnectorContext, Flushed, Sink, SinkContext, SinkRecord, SinkTask, Verdicts};
use crate::error::{Error, Result};

/// What [`JsonLinesSink`] can be told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct JsonLinesSinkConfig {
    /// The file to write; it is made if there is none, and grows if there is one.
    pub file: String,
    /// What a line holds: the record's `value`, or the `record` with topic, partition, offset, timestamp, key, value and headers.
    #[serde(default)]
    pub line: LineContent,
}

impl Config for JsonLinesSinkConfig {
    async fn check(&self) -> Vec<(String, String)> {
        let path = Path::new(&self.file);
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let problem = |text: String| vec![("file".to_owned(), text)];
        if !folder.is_dir() {
            return problem(format!("cannot be written: there is no folder {}", folder.display()));
        }
        match path.is_dir() || path.file_name().is_none() {
            true => problem(format!("cannot be written: {} is a folder", path.display())),
            false => Vec::new(),
        }
    }
}

/// Writes each record as a line of JSON, without schemas.
///
/// Offsets are committed once the lines survive a crash of the machine, so nothing is lost; after a crash the records
/// since the last commit come again. A line is whole or not there: what a full disk or a crash has cut short is removed.
/// With more than one task each has a file of its own: `out.jsonl`, `out-1.jsonl`, ….
#[derive(Debug)]
pub struct JsonLinesSink {
    config: JsonLinesSinkConfig,
}

impl Sink for JsonLinesSink {
    const NAME: &'static str = "JsonLinesSink";
    type Config = JsonLinesSinkConfig;
    type Task = JsonLinesSinkTask;

    async fn new(config: JsonLinesSinkConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config })
    }

    async fn open(&self, context: SinkContext) -> Result<JsonLinesSinkTask> {
        let path: Arc<Path> = Arc::from(path_of_task(Path::new(&self.config.file), context.task()));
        let opening = Arc::clone(&path);
        let opened = context.connector().blocking(move || LineWriter::open(&opening, is_whole)).await?;
        let writer = opened.map_err(|error| file_error("write", &path, error))?;
        let line = JsonLine::new(self.config.line);
        Ok(JsonLinesSinkTask { context, path, line, writer: Arc::new(Mutex::new(writer)) })
    }
}

/// The file of a task: the first has the file that is configured.
fn path_of_task(path: &Path, task: usize) -> PathBuf {
    if task == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{task}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{task}"),
    };
    path.with_file_name(name)
}

/// What writes the lines.
#[derive(Debug)]
pub struct JsonLinesSinkTask {
    context: SinkContext,
    path: Arc<Path>,
    line: JsonLine,
    /// A write that nobody waits for any more still ends before the next one begins.
    writer: Arc<Mutex<LineWriter<OpenFile>>>,
}

impl SinkTask for JsonLinesSinkTask {
    async fn write(&mut self, batch: &[SinkRecord]) -> Result<Verdicts> {
        let mut verdicts = Verdicts::accepted();
        let mut block = BytesMut::new();
        for (at, record) in batch.iter().enumerate() {
            let whole_lines = block.len();
            if let Err(error) = self.line.write(record, &mut block) {
                block.truncate(whole_lines);
                verdicts.reject(at, error);
            }
        }
        let (writer, block) = (Arc::clone(&self.writer), block.freeze());
        let written = self
            .context
            .connector()
            .blocking(move || writer.lock().unwrap_or_else(PoisonError::into_inner).append(&block))
            .await?;
        written.map_err(|error| file_error("write", &self.path, error))?;
        Ok(verdicts)
    }

    async fn flush(&mut self) -> Result<Flushed> {
        let writer = Arc::clone(&self.writer);
        let synced = self
            .context
            .connector()
            .blocking(move || writer.lock().unwrap_or_else(PoisonError::into_inner).sync())
            .await?;
        // Not to be tried again: see `LineWriter::sync`. The records since the last commit come again to the next task.
        synced
            .map_err(|error| Error::fatal(format!("cannot write {}", self.path.display())).because(error))?;
        Ok(Flushed::All)
    }
}
