//! A file that grows by whole lines, whatever happens to the disk.
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What a line writer needs of a file; tests put a disk that fails in its place.
pub(super) trait Target: Send {
    /// Appends some of the bytes and says how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts everything off behind `length` bytes.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Makes everything that was appended survive a crash of the machine.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file, or what only looks like one: a device or a pipe cannot be cut and has nothing to sync.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    is_regular: bool,
}

impl Target for OpenFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if self.is_regular { self.file.set_len(length) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.is_regular { self.file.sync_data() } else { Ok(()) }
    }
}

/// Appends blocks of lines, each whole or not at all.
#[derive(Debug)]
pub(super) struct LineWriter<T> {
    target: T,
    /// How many bytes of whole blocks there are.
    length: u64,
    /// There may be more bytes than `length`, and they could not be cut off yet.
    torn: bool,
    /// Something was appended since the last sync.
    unsynced: bool,
}

impl LineWriter<OpenFile> {
    /// Opens a file at its end, and makes one if there is none. A last line that a crash has cut short is removed: its
    /// record was not committed and comes again. `is_whole` says whether a last line without line end is whole all the same.
    pub(super) fn open(path: &Path, is_whole: fn(&[u8]) -> bool) -> io::Result<Self> {
        let new = !path.exists();
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let (length, is_regular) = (file.metadata()?.len(), file.metadata()?.is_file());
        let tail = unfinished_line(&mut file, length)?;
        let mut writer = Self::new(OpenFile { file, is_regular }, length);
        if new && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // The entry in the folder must survive too.
            File::open(folder)?.sync_all()?;
        }
        if is_whole(&tail) {
            writer.append(b"\n")?;
        } else if !tail.is_empty() {
            let shown = path.display();
            tracing::warn!(target: "courant::connect", file = %shown, bytes = tail.len(), "a line that was cut short is removed");
            writer.length = length - tail.len() as u64;
            writer.target.cut(writer.length)?;
        }
        Ok(writer)
    }
}

impl<T: Target> LineWriter<T> {
    fn new(target: T, length: u64) -> Self {
        Self { target, length, torn: false, unsynced: false }
    }

    /// Appends a block of lines. If that fails half-way, what was written of it is taken back, so that the block can be
    /// appended again.
    pub(super) fn append(&mut self, block: &[u8]) -> io::Result<()> {
        self.mend()?;
        let mut left = block;
        while !left.is_empty() {
            // Set first: if this call does not return, the block is torn.
            (self.torn, self.unsynced) = (true, true);
            match self.target.append(left) {
                Ok(0) => return self.take_back(io::Error::from(io::ErrorKind::WriteZero)),
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.take_back(error),
            }
        }
        self.torn = false;
        self.length += block.len() as u64;
        Ok(())
    }

    /// Makes everything that was appended survive a crash of the machine. Where it fails it must not be tried again: the
    /// system may have dropped what it could not write, and a second attempt would only seem to succeed.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.mend()?;
        if std::mem::take(&mut self.unsynced) {
            self.target.sync()?;
        }
        Ok(())
    }

    fn take_back(&mut self, error: io::Error) -> io::Result<()> {
        // Where this fails as well it is tried again before the next block.
        let _ = self.mend();
        Err(error)
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.target.cut(self.length)?;
            self.torn = false;
        }
        Ok(())
    }
}

/// What stands behind the last line end.
fn unfinished_line(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    const STEP: u64 = 64 * 1024;
    let mut tail = Vec::new();
    let mut start = length;
    while start > 0 {
        let from = start.saturating_sub(STEP);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        Read::by_ref(file).take(start - from).read_to_end(&mut block)?;
        if let Some(line_end) = block.iter().rposition(|byte| *byte == b'\n') {
            tail.splice(..0, block.split_off(line_end + 1));
            break;
        }
        tail.splice(..0, block);
        start = from;
    }
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so much room.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
        cuts_fail: bool,
        syncs: usize,
    }

    impl Target for Disk {
        fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room - self.bytes.len());
            if fits == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.bytes.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            if self.cuts_fail {
                return Err(io::Error::other("broken"));
            }
            self.bytes.truncate(usize::try_from(length).unwrap());
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.syncs += 1;
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_the_block_can_be_written_again() {
        let mut writer = LineWriter::new(Disk { room: 10, ..Disk::default() }, 0);
        writer.append(b"{\"a\":1}\n").unwrap();
        let error = writer.append(b"{\"b\":2}\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(writer.target.bytes, b"{\"a\":1}\n");
        writer.target.room = 100;
        writer.append(b"{\"b\":2}\n").unwrap();
        assert_eq!(writer.target.bytes, b"{\"a\":1}\n{\"b\":2}\n");
    }

    #[test]
    fn what_could_not_be_taken_back_is_taken_back_before_the_next_block() {
        let mut writer = LineWriter::new(Disk { room: 5, cuts_fail: true, ..Disk::default() }, 0);
        writer.append(b"123456\n").unwrap_err();
        assert_eq!(writer.target.bytes, b"12345");
        writer.target.room = 100;
        writer.append(b"a\n").unwrap_err();
        writer.sync().unwrap_err();
        writer.target.cuts_fail = false;
        writer.append(b"a\n").unwrap();
        assert_eq!(writer.target.bytes, b"a\n");
    }

    #[test]
    fn only_what_was_appended_is_synced() {
        let mut writer = LineWriter::new(Disk { room: 100, ..Disk::default() }, 0);
        writer.sync().unwrap();
        writer.append(b"a\n").unwrap();
        writer.sync().unwrap();
        writer.sync().unwrap();
        assert_eq!(writer.target.syncs, 1);
    }
}
