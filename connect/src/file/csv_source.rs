//! The source that reads the rows of a CSV file.
use std::path::Path;
use std::sync::Arc;

use courant_protocol::types::TopicName;

use super::csv_config::CsvSourceConfig;
use super::csv_row::{Columns, Wanted};
use super::line_file::{LineFile, ReadOn};
use super::lines::Line;
use super::position::{FilePartition, FilePosition};
use crate::api::{Batch, ConnectorContext, Source, SourceContext, SourceRecord, SourceTask};
use crate::error::{Error, Result};

/// Reads a CSV file: each row is a record whose value is a struct with a field for each column.
///
/// The first line names the columns (or the property `columns` does). Rows that cannot be read are bad input, with the
/// headers `line` and `error`: `errors.tolerance=all` sends them to the dead-letter topic and goes on. Reading resumes at
/// the byte behind the last row that is safe in Kafka. A quoted field closes on its own line.
#[derive(Debug)]
pub struct CsvSource {
    config: Arc<CsvSourceConfig>,
}

impl Source for CsvSource {
    const NAME: &'static str = "CsvSource";
    type Config = CsvSourceConfig;
    type Split = ();
    type Partition = FilePartition;
    type Offset = FilePosition;
    type Task = CsvSourceTask;

    async fn new(config: CsvSourceConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config: Arc::new(config) })
    }

    async fn plan(&self, _tasks_max: usize) -> Result<Vec<()>> {
        Ok(vec![()])
    }

    async fn open(
        &self,
        (): (),
        context: SourceContext<FilePartition, FilePosition>,
    ) -> Result<CsvSourceTask> {
        CsvSourceTask::open(Arc::clone(&self.config), &context).await
    }
}

/// What reads the rows.
#[derive(Debug)]
pub struct CsvSourceTask {
    config: Arc<CsvSourceConfig>,
    topic: TopicName,
    partition: FilePartition,
    file: LineFile,
    /// None until the first line is there.
    columns: Option<Columns>,
}

impl CsvSourceTask {
    async fn open(
        config: Arc<CsvSourceConfig>,
        context: &SourceContext<FilePartition, FilePosition>,
    ) -> Result<Self> {
        let partition = FilePartition { filename: config.file.clone() };
        let stored = context.offset(&partition).copied();
        let path = Path::new(&config.file);
        let file = LineFile::open(context.connector(), path, stored, config.last_line, config.line_max_bytes)
            .await?;
        let mut task =
            Self { topic: TopicName::from(&*config.topic), config, partition, file, columns: None };
        if !task.config.columns.is_empty() {
            let named = Columns::named(&task.config.columns, &task.wanted());
            task.columns =
                Some(named.map_err(|wrong| Error::config(format!("property `columns`: {wrong}")))?);
        } else if let Some(header) = task.file.first_line().await? {
            task.take_header(&header)?;
        }
        Ok(task)
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            key: self.config.key_column.as_deref(),
            timestamp: self.config.timestamp_column.as_deref(),
            types: &self.config.column_types,
            delimiter: self.config.delimiter,
        }
    }

    fn take_header(&mut self, line: &Line) -> Result<()> {
        let columns = Columns::from_header(&line.bytes, &self.wanted()).map_err(|wrong| {
            Error::fatal(format!("the header line of {}: {wrong}", self.file.path().display()))
        })?;
        self.columns = Some(columns);
        Ok(())
    }

    /// Puts what a line is into the batch. The line was taken from the file already, so nothing may be awaited here.
    fn take(&mut self, line: &Line, batch: &mut Batch<FilePartition, FilePosition>) -> Result<()> {
        if line.start == 0 && self.config.columns.is_empty() {
            return self.take_header(line);
        }
        let Some(columns) = self.columns.as_ref().filter(|_| !line.bytes.is_empty()) else {
            return Ok(());
        };
        let partition = self.partition.clone();
        match self.file.content(line).and_then(|bytes| columns.row(bytes)) {
            Ok(row) => {
                let position = self.file.position_behind(line);
                let record = SourceRecord::to(self.topic.clone(), partition, position);
                let mut record = record.key(row.key).value(row.value);
                record.record.timestamp = row.timestamp;
                batch.push(record);
            }
            Err(wrong) => batch.push_bad(self.file.bad_line(partition, line, wrong)),
        }
        Ok(())
    }
}

impl SourceTask for CsvSourceTask {
    type Partition = FilePartition;
    type Offset = FilePosition;

    async fn next_batch(&mut self, batch: &mut Batch<FilePartition, FilePosition>) -> Result<()> {
        loop {
            while !batch.is_full()
                && let Some(line) = self.file.next_line()
            {
                self.take(&line, batch)?;
            }
            if batch.is_full() {
                return Ok(());
            }
            match self.file.read_on().await? {
                ReadOn::More => {}
                ReadOn::Last(line) => self.take(&line, batch)?,
                ReadOn::End => return Ok(()),
            }
        }
    }
}
