//! Stories of files: they grow, are cut, renamed, replaced; reading stops and goes on.
use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use courant_protocol::types::{Offset, PartitionId, TopicPartition};
use courant_runtime::{World, watch};
use proptest::prelude::*;

use super::*;
use crate::api::{
    Batch, ConnectRecord, ConnectorContext, Item, Sink, SinkCommands, SinkContext, SinkRecord, SinkTask,
    Source, SourceContext, SourceTask,
};
use crate::config;
use crate::data::{Data, Value};
use crate::error::{ErrorKind, Result};

/// A folder with one file in it, and what reads it.
struct Bench {
    folder: tempfile::TempDir,
    properties: BTreeMap<String, String>,
}

/// What a line became: its number where it was bad, its text, and where to go on.
type Seen = (Option<u64>, String, FilePosition);

impl Bench {
    fn new(text: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), properties: BTreeMap::new() };
        fs::write(bench.path(), text).unwrap();
        let file = bench.path().to_str().unwrap().to_owned();
        bench.with("file", &file).with("topic", "rows")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn append(&self, text: &str) {
        fs::OpenOptions::new().append(true).open(self.path()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    async fn open<S: Source<Partition = FilePartition, Offset = FilePosition, Split = ()>>(
        &self,
        stored: Option<FilePosition>,
    ) -> Result<S::Task> {
        let connector = connector();
        let source = S::new(config::read(&self.properties, &[])?, connector.clone()).await?;
        let partition = FilePartition { filename: self.properties["file"].clone() };
        let offsets = stored.map(|stored| (partition, stored)).into_iter().collect();
        source.open((), SourceContext::new(connector, 0, offsets)).await
    }

    fn lines(&self, stored: Option<FilePosition>) -> Result<LineSourceTask> {
        block_on(self.open::<LineSource>(stored))
    }

    fn rows(&self, stored: Option<FilePosition>) -> Result<CsvSourceTask> {
        block_on(self.open::<CsvSource>(stored))
    }
}

fn connector() -> ConnectorContext {
    connector_in(World::builder().blocking_inline().build())
}

fn connector_in(world: World) -> ConnectorContext {
    ConnectorContext::new("files", world, Arc::new(watch::channel(0).0))
}

/// All work happens inline, so nothing has to be waited for.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something"),
    }
}

fn read<T: SourceTask<Partition = FilePartition, Offset = FilePosition>>(task: &mut T) -> Vec<Seen> {
    let mut batch = Batch::new(1_000);
    block_on(task.next_batch(&mut batch)).unwrap();
    seen(batch)
}

fn seen(batch: Batch<FilePartition, FilePosition>) -> Vec<Seen> {
    let item = |item| match item {
        Item::Record(record) => {
            let value: Value = record.record.value.value;
            (None, value.to_text().unwrap(), record.source_offset)
        }
        Item::Bad(bad) => {
            let header = |name: &str| {
                let found = bad.headers.iter().find(|(known, _)| known == name).unwrap();
                String::from_utf8(found.1.to_vec()).unwrap()
            };
            assert!(bad.error.message().ends_with(&header("error")), "{}", bad.error);
            (Some(header("line").parse().unwrap()), header("error"), bad.source_offset)
        }
    };
    batch.items.into_iter().map(item).collect()
}

fn texts(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|(_, text, _)| text.as_str()).collect()
}

fn last(seen: &[Seen]) -> Option<FilePosition> {
    seen.last().map(|(_, _, position)| *position)
}

#[test]
fn a_file_that_grows_is_read_on_and_its_unfinished_line_waits() {
    let bench = Bench::new("one\ntw");
    let mut task = bench.lines(None).unwrap();
    assert_eq!(texts(&read(&mut task)), ["one"]);
    assert_eq!(texts(&read(&mut task)), [""; 0]);
    bench.append("o\r\n\nthr");
    let more = read(&mut task);
    assert_eq!(texts(&more), ["two", ""]);
    let mut again = bench.lines(last(&more)).unwrap();
    bench.append("ee\n");
    assert_eq!(texts(&read(&mut again)), ["three"]);
    assert_eq!(texts(&read(&mut task)), ["three"]);
}

#[test]
fn a_last_line_that_is_taken_is_not_read_again_when_its_end_comes() {
    let bench = Bench::new("h\na").with("last.line", "take");
    let mut task = bench.rows(None).unwrap();
    let first = read(&mut task);
    assert_eq!(texts(&first), ["Struct{h=a}"]);
    bench.append("\nb\nc");
    let more = read(&mut bench.rows(last(&first)).unwrap());
    assert_eq!(more, read(&mut task));
    assert_eq!(texts(&more), ["Struct{h=b}", "Struct{h=c}"]);
    assert_eq!(last(&more).map(|position| position.line), Some(4));
}

#[test]
fn bad_rows_carry_their_line_and_the_reason_and_the_rest_goes_on() {
    let bench = Bench::new("k,n\na,1\nb\n\nc,x\n\"d,4\ne,5\n")
        .with("key.column", "k")
        .with("column.types", "n:int64");
    let rows = read(&mut bench.rows(None).unwrap());
    let shown: Vec<_> = rows.iter().map(|(line, text, _)| (*line, text.as_str())).collect();
    assert_eq!(
        shown,
        [
            (None, "Struct{k=a,n=1}"),
            (Some(3), "1 columns instead of 2"),
            (Some(5), "column n: \"x\" is not a whole number of 64 bits"),
            (Some(6), "a quoted field does not close on its line"),
            (None, "Struct{k=e,n=5}"),
        ]
    );
    for (at, (_, _, position)) in rows.iter().enumerate() {
        assert_eq!(read(&mut bench.rows(Some(*position)).unwrap()), rows[at + 1..]);
    }
}

#[test]
fn a_line_that_is_too_long_is_bad_input_and_not_the_end_of_memory() {
    let bench = Bench::new(&format!("{}\nshort\n", "x".repeat(1_000_000))).with("line.max.bytes", "100");
    let lines = read(&mut bench.lines(None).unwrap());
    assert_eq!(texts(&lines), ["longer than line.max.bytes=100", "short"]);
    assert_eq!((lines[0].0, lines[0].2.position), (Some(1), 1_000_001));
}

#[test]
fn a_file_that_was_cut_is_read_from_its_start() {
    let bench = Bench::new("one\ntwo\nthree\n");
    let mut task = bench.lines(None).unwrap();
    let before = read(&mut task);
    fs::write(bench.path(), "new\n").unwrap();
    assert_eq!(texts(&read(&mut task)), ["new"]);
    assert_eq!(texts(&read(&mut bench.lines(last(&before)).unwrap())), ["new"]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_one_that_took_its_name() {
    let bench = Bench::new("one\n");
    let mut task = bench.lines(None).unwrap();
    assert_eq!(texts(&read(&mut task)), ["one"]);
    let renamed = bench.folder.path().join("file.1");
    fs::rename(bench.path(), &renamed).unwrap();
    assert_eq!(texts(&read(&mut task)), [""; 0]);
    fs::write(bench.path(), "").unwrap();
    fs::OpenOptions::new().append(true).open(&renamed).unwrap().write_all(b"two\nthree").unwrap();
    assert_eq!(texts(&read(&mut task)), ["two"], "the new file is empty: the old one may grow on");
    bench.append("four\n");
    let more = read(&mut task);
    assert_eq!(texts(&more), ["three", "four"]);
    assert_eq!(last(&more).map(|position| (position.position, position.line)), Some((5, 1)));
}

#[test]
fn a_position_belongs_to_the_content_and_not_to_the_name() {
    let bench = Bench::new("a,1\nb,2\nc,3\n");
    let lines = read(&mut bench.lines(None).unwrap());
    let stored = Some(lines[1].2);
    // A copy has another inode and the same content, such as after a restore.
    let copy = bench.folder.path().join("copy");
    fs::copy(bench.path(), &copy).unwrap();
    fs::rename(&copy, bench.path()).unwrap();
    assert_eq!(texts(&read(&mut bench.lines(stored).unwrap())), ["c,3"]);
    fs::write(bench.path(), "x,1\ny,2\nz,3\n").unwrap();
    assert_eq!(texts(&read(&mut bench.lines(stored).unwrap())), ["x,1", "y,2", "z,3"]);
    // Java's file source stores the position alone.
    let of_java = serde_json::from_str::<FilePosition>(r#"{"position":4}"#).unwrap();
    assert_eq!(texts(&read(&mut bench.lines(Some(of_java)).unwrap())), ["y,2", "z,3"]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_fatal_error_with_its_name() {
    let bench = Bench::new("");
    let gone = bench.folder.path().join("gone.csv");
    let bench = bench.with("file", gone.to_str().unwrap());
    let error = bench.rows(None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("gone.csv"), "{error}");
    let folder = bench.folder.path().to_str().unwrap().to_owned();
    let error = bench.with("file", &folder).rows(None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal, "{error}");
}

#[test]
fn a_header_without_a_wanted_column_fails_before_anything_is_read() {
    let bench = Bench::new("a,b\n1,2\n").with("key.column", "c");
    let error = bench.rows(None).unwrap_err();
    assert!(error.to_string().ends_with("there is no column `c`; there are a, b"), "{error}");
}

#[test]
fn a_read_that_was_dropped_loses_and_repeats_nothing() {
    let text: String = (0..200_000).map(|line| format!("{line}\n")).collect();
    let bench = Bench::new(&text);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connector = connector_in(World::tokio());
        let config: LineSourceConfig = config::read(&bench.properties, &[]).unwrap();
        let source = LineSource::new(config, connector.clone()).await.unwrap();
        let mut task = source.open((), SourceContext::new(connector, 0, BTreeMap::new())).await.unwrap();
        let mut all = Vec::new();
        for polls in 0.. {
            let mut batch = Batch::new(70_001);
            // Each round drops the future after one poll more than the round before.
            let ended = {
                let mut reading = pin!(task.next_batch(&mut batch));
                let mut left = polls % 4;
                std::future::poll_fn(|cx| match (reading.as_mut().poll(cx), left) {
                    (Poll::Ready(result), _) => Poll::Ready(Some(result)),
                    (Poll::Pending, 0) => Poll::Ready(None),
                    (Poll::Pending, _) => {
                        left -= 1;
                        Poll::Pending
                    }
                })
                .await
            };
            let done = ended.is_some() && batch.is_empty();
            all.extend(seen(batch));
            if done {
                break;
            }
        }
        let expected: Vec<String> = (0..200_000).map(|line| line.to_string()).collect();
        assert_eq!(texts(&all), expected);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn reading_that_stops_anywhere_and_resumes_gives_each_row_once(
        rows in prop::collection::vec("[a-zé]{0,6}(,[a-z]{0,3})?", 0..20),
        stops in prop::collection::vec((1..5_usize, 0..30_usize), 1..8),
    ) {
        let text: String = std::iter::once("h,i\n".to_owned()).chain(rows.iter().map(|row| format!("{row}\n"))).collect();
        let whole = read(&mut Bench::new(&text).rows(None).unwrap());
        let bench = Bench::new("");
        let (mut written, mut stored, mut all) = (0_usize, None, Vec::new());
        for (max, bytes) in stops.into_iter().chain([(1_000, usize::MAX)]) {
            let end = text.len().min(written.max(4).saturating_add(bytes));
            fs::write(bench.path(), &text.as_bytes()[..end]).unwrap();
            written = end;
            let mut task = bench.rows(stored).unwrap();
            let mut batch = Batch::new(max);
            block_on(task.next_batch(&mut batch)).unwrap();
            all.extend(seen(batch));
            stored = last(&all).or(stored);
        }
        let mut task = bench.rows(stored).unwrap();
        all.extend(read(&mut task));
        prop_assert_eq!(all, whole);
    }
}

/// A sink's task on a file.
fn sink(path: &Path, task: usize) -> Result<JsonLinesSinkTask> {
    let properties = BTreeMap::from([("file".to_owned(), path.to_str().unwrap().to_owned())]);
    block_on(async {
        let sink = JsonLinesSink::new(config::read(&properties, &[])?, connector()).await?;
        sink.open(SinkContext::new(connector(), task, SinkCommands::default())).await
    })
}

fn records(values: &[&str]) -> Vec<SinkRecord> {
    let record = |(offset, value): (i64, &&str)| {
        let mut record = ConnectRecord::to("out");
        record.value = Data::schemaless(*value);
        SinkRecord::new(TopicPartition::new("out", PartitionId(0)), Offset(offset), record)
    };
    (0..).zip(values).map(record).collect()
}

fn write(task: &mut JsonLinesSinkTask, values: &[&str]) {
    assert!(block_on(task.write(&records(values))).unwrap().failed().is_empty());
    block_on(task.flush()).unwrap();
}

#[test]
fn the_sink_goes_on_at_the_end_of_its_file_and_removes_what_a_crash_has_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    write(&mut sink(&path, 0).unwrap(), &["a", "b"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "\"a\"\n\"b\"\n");
    for (left, then) in [("\"c", "\"a\"\n\"b\"\n\"d\"\n"), ("\"c\"", "\"a\"\n\"b\"\n\"c\"\n\"d\"\n")] {
        fs::write(&path, format!("\"a\"\n\"b\"\n{left}")).unwrap();
        write(&mut sink(&path, 0).unwrap(), &["d"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), then);
    }
    write(&mut sink(&path, 1).unwrap(), &["e"]);
    assert_eq!(fs::read_to_string(folder.path().join("out-1.jsonl")).unwrap(), "\"e\"\n");
}

#[test]
fn a_record_without_json_is_rejected_and_the_others_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let mut task = sink(&path, 0).unwrap();
    let mut batch = records(&["a", "b", "c"]);
    batch[1].record.value = Data::schemaless(Value::Date(1));
    let verdicts = block_on(task.write(&batch)).unwrap();
    assert_eq!(verdicts.failed().len(), 1);
    assert_eq!((verdicts.failed()[0].0, verdicts.failed()[0].1.kind()), (1, ErrorKind::Data));
    assert_eq!(fs::read_to_string(&path).unwrap(), "\"a\"\n\"c\"\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_retriable_error_that_names_the_file() {
    let mut task = sink(Path::new("/dev/full"), 0).unwrap();
    let error = block_on(task.write(&records(&["a"]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable);
    assert!(error.to_string().contains("/dev/full") && error.to_string().contains("make room"), "{error}");
}

#[test]
fn a_sink_without_a_folder_is_told_by_the_check_of_its_configuration() {
    use crate::Config;
    let config = |file: &str| {
        config::read::<JsonLinesSinkConfig>(&[("file", file)].map(|(n, v)| (n.into(), v.into())).into(), &[])
    };
    let problems = block_on(config("/no/such/folder/out.jsonl").unwrap().check());
    assert_eq!(problems[0].0, "file");
    assert!(problems[0].1.contains("/no/such/folder"), "{problems:?}");
    assert_eq!(block_on(config("out.jsonl").unwrap().check()), []);
}
