//! A file that is followed line by line: it may grow, be cut, be renamed and replaced.
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Deserialize;

use super::file_error;
use super::lines::{Line, Lines};
use super::position::{FilePartition, FilePosition, HEAD_BYTES, Head};
use crate::api::{BadInput, ConnectorContext};
use crate::error::{Error, Result};

/// What is done with a last line that has no line end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LastLine {
    /// It waits until its end is written: whoever writes the file may be in the midst of it.
    #[default]
    Wait,
    /// It is taken as it stands: nobody writes the file any more. A line end that is added later is no new line.
    Take,
}

/// How many bytes are read at once.
const READ_BYTES: usize = 256 * 1024;

/// The file, and how far it was read.
#[derive(Debug)]
pub(super) struct LineFile {
    context: ConnectorContext,
    path: Arc<Path>,
    open: Open,
    lines: Lines,
    last_line: LastLine,
    line_max_bytes: usize,
}

/// An open file.
#[derive(Debug)]
struct Open {
    /// Reading moves the file's own cursor, so each read sets it first: a read that nobody waited for does no harm.
    file: Arc<Mutex<File>>,
    identity: Identity,
    head: Head,
}

/// What a file is whatever it is called; nothing where the system does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(Option<(u64, u64)>);

/// What a read found.
enum Found {
    Bytes(Vec<u8>),
    End,
    /// The file is shorter than what was read of it.
    Cut,
    /// Another file has the name now.
    Replaced(Open),
}

impl LineFile {
    /// Opens the file and goes on from where it was left, if it still is the same file.
    ///
    /// # Errors
    /// If it cannot be opened, or is no regular file.
    pub(super) async fn open(
        context: &ConnectorContext,
        path: &Path,
        stored: Option<FilePosition>,
        last_line: LastLine,
        line_max_bytes: usize,
    ) -> Result<Self> {
        let path: Arc<Path> = Arc::from(path);
        let opening = Arc::clone(&path);
        let opened = context.blocking(move || resume(&opening, stored)).await?;
        let (open, at, continues) = opened.map_err(|error| file_error("read", &path, error))?;
        if stored.is_some_and(|stored| stored != at) {
            let file = path.display();
            tracing::warn!(target: "courant::connect", %file, "the file is not the one that was read before; it is read from its start");
        }
        let lines = Lines::new(at.position, at.line, continues, line_max_bytes);
        Ok(Self { context: context.clone(), path, open, lines, last_line, line_max_bytes })
    }

    /// The file's name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The first line of the file, whatever was read; `None` if it has no end yet.
    pub(super) async fn first_line(&self) -> Result<Option<Line>> {
        let file = Arc::clone(&self.open.file);
        let max = self.line_max_bytes;
        let last_line = self.last_line;
        let read = self.context.blocking(move || first_line(&file, max, last_line)).await?;
        read.map_err(|error| file_error("read", &self.path, error))
    }

    /// The next line that is at hand.
    pub(super) fn next_line(&mut self) -> Option<Line> {
        self.lines.next_line()
    }

    /// Where to go on behind a line.
    pub(super) fn position_behind(&self, line: &Line) -> FilePosition {
        FilePosition { position: line.end, line: line.number, checksum: self.open.head.checksum(line.end) }
    }

    /// A line's bytes, or why they are not all there.
    pub(super) fn content<'a>(&self, line: &'a Line) -> std::result::Result<&'a [u8], String> {
        match line.too_long {
            true => Err(format!("longer than line.max.bytes={}", self.line_max_bytes)),
            false => Ok(&line.bytes),
        }
    }

    /// A line that is no record, with its number and what is wrong with it as headers.
    pub(super) fn bad_line(
        &self,
        partition: FilePartition,
        line: &Line,
        wrong: String,
    ) -> BadInput<FilePartition, FilePosition> {
        let place = format!("line {} of {}: {wrong}", line.number, self.path.display());
        let bad =
            BadInput::new(partition, self.position_behind(line), line.bytes.clone(), Error::data(place));
        bad.header("line", line.number.to_string()).header("error", wrong)
    }

    /// Reads on once all lines at hand were taken. The line that it gives is a last one without line end.
    ///
    /// # Cancel safety
    /// Nothing is lost in a dropped future: the next call reads the same bytes again.
    pub(super) async fn read_on(&mut self) -> Result<ReadOn> {
        let (file, path) = (Arc::clone(&self.open.file), Arc::clone(&self.path));
        let (identity, at) = (self.open.identity, self.lines.read_position());
        let found = self.context.blocking(move || read_at(&file, &path, identity, at)).await?;
        match found.map_err(|error| file_error("read", &self.path, error))? {
            Found::Bytes(bytes) => {
                self.open.head.read(at, &bytes);
                self.lines.push(&bytes);
                Ok(ReadOn::More)
            }
            Found::End if self.last_line == LastLine::Take => Ok(self.rest_or(ReadOn::End)),
            Found::End => Ok(ReadOn::End),
            Found::Cut => {
                let file = self.path.display();
                tracing::warn!(target: "courant::connect", %file, position = at, "the file was cut; it is read from its start");
                self.open.head = Head::default();
                self.lines = Lines::new(0, 0, false, self.line_max_bytes);
                Ok(ReadOn::More)
            }
            // Nobody writes on in a file that was renamed, so its last line is whole. The name is looked at again behind it.
            Found::Replaced(open) => match self.rest_or(ReadOn::More) {
                ReadOn::Last(line) => Ok(ReadOn::Last(line)),
                end => {
                    self.open = open;
                    self.lines = Lines::new(0, 0, false, self.line_max_bytes);
                    Ok(end)
                }
            },
        }
    }

    fn rest_or(&mut self, otherwise: ReadOn) -> ReadOn {
        self.lines.take_rest().map_or(otherwise, ReadOn::Last)
    }
}

/// What reading on came to.
#[derive(Debug)]
pub(super) enum ReadOn {
    /// There may be lines now.
    More,
    /// A last line without line end.
    Last(Line),
    /// The file ends here, for now.
    End,
}

/// Opens a file where it was left: the file, the position, and whether it lies inside a line.
fn resume(path: &Path, stored: Option<FilePosition>) -> io::Result<(Open, FilePosition, bool)> {
    let open = open(path)?;
    let Some(stored) = stored.filter(|stored| stored.position > 0 && open.head.matches(stored)) else {
        return Ok((open, FilePosition::default(), false));
    };
    let mut before = [0];
    let mut file = lock(&open.file);
    let whole = file.metadata()?.len() >= stored.position;
    file.seek(SeekFrom::Start(stored.position - 1))?;
    let read = if whole { file.read(&mut before)? } else { 0 };
    drop(file);
    Ok(match read {
        0 => (open, FilePosition::default(), false),
        _ => (open, stored, before != *b"\n"),
    })
}

fn open(path: &Path) -> io::Result<Open> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::with_capacity(HEAD_BYTES);
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut bytes)?;
    let mut head = Head::default();
    head.read(0, &bytes);
    Ok(Open { file: Arc::new(Mutex::new(file)), identity: Identity::of(&metadata), head })
}

fn read_at(file: &Mutex<File>, path: &Path, identity: Identity, at: u64) -> io::Result<Found> {
    let mut bytes = Vec::new();
    let mut file = lock(file);
    file.seek(SeekFrom::Start(at))?;
    (&mut *file).take(READ_BYTES as u64).read_to_end(&mut bytes)?;
    if !bytes.is_empty() {
        return Ok(Found::Bytes(bytes));
    }
    if file.metadata()?.len() < at {
        return Ok(Found::Cut);
    }
    drop(file);
    match std::fs::metadata(path) {
        // While the new file is empty its writer may still write to the old one.
        Ok(metadata) if Identity::of(&metadata) != identity && metadata.len() > 0 => {
            open(path).map(Found::Replaced)
        }
        // It was renamed and the new file is not there yet, or was removed: what is open is read on.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(Found::End),
    }
}

fn first_line(file: &Mutex<File>, max_bytes: usize, last_line: LastLine) -> io::Result<Option<Line>> {
    let mut lines = Lines::new(0, 0, false, max_bytes);
    let mut file = lock(file);
    file.seek(SeekFrom::Start(0))?;
    loop {
        let mut bytes = Vec::new();
        (&mut *file).take(READ_BYTES as u64).read_to_end(&mut bytes)?;
        lines.push(&bytes);
        match lines.next_line() {
            None if bytes.is_empty() && last_line == LastLine::Take => return Ok(lines.take_rest()),
            None if bytes.is_empty() => return Ok(None),
            None => {}
            line => return Ok(line),
        }
    }
}

fn lock(file: &Mutex<File>) -> std::sync::MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(Some((metadata.dev(), metadata.ino())))
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self(None)
    }
}

/// Whether a file can be read, for the check of a configuration.
pub(super) async fn check_readable(file: &str) -> Option<(String, String)> {
    let error = open(Path::new(file)).err()?;
    Some(("file".to_owned(), format!("cannot be read: {file}: {error}")))
}
