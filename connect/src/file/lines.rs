//! Complete lines out of the bytes of a file, wherever the bytes were cut. Pure: no files, no time.
use bytes::{Buf, Bytes, BytesMut};

/// Splits what is read into lines and counts bytes and lines.
///
/// A line ends with LF or CRLF. What follows the last line end is kept until its end comes, or until
/// [`take_rest`](Self::take_rest) declares that it will not.
#[derive(Debug)]
pub(super) struct Lines {
    /// What was read and not yet given out; it begins at `position`.
    buffer: BytesMut,
    /// How many bytes of the buffer are known to hold no line end.
    searched: usize,
    position: u64,
    /// How many lines were given out.
    line: u64,
    /// The next bytes continue a line that was given out already.
    continues: bool,
    /// A line of more bytes is given out cut, as too long.
    max_bytes: usize,
    /// How many bytes of a line that is too long were let go, behind those in the buffer.
    let_go: u64,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number; the first is 1.
    pub(super) number: u64,
    /// Where it begins.
    pub(super) start: u64,
    /// Where the next one begins.
    pub(super) end: u64,
    /// Its bytes without the line end.
    pub(super) bytes: Bytes,
    /// It has more bytes than are kept.
    pub(super) too_long: bool,
}

impl Lines {
    /// Goes on at a position, behind so many lines. `continues` says that the byte before is no line end.
    pub(super) fn new(position: u64, line: u64, continues: bool, max_bytes: usize) -> Self {
        let (buffer, searched, let_go) = (BytesMut::new(), 0, 0);
        Self { buffer, searched, position, line, continues, max_bytes, let_go }
    }

    /// From where to read on.
    pub(super) fn read_position(&self) -> u64 {
        self.position + self.buffer.len() as u64 + self.let_go
    }

    /// Takes the bytes at [`read_position`](Self::read_position). All complete lines must have been taken out before.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete line.
    pub(super) fn next_line(&mut self) -> Option<Line> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(found) = unsearched.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                self.let_go_of_too_much();
                return None;
            };
            let content = self.searched + found;
            let line = self.give(content, 1);
            // The line end of a line that was given out without it.
            if !(line.continued && line.line.bytes.is_empty()) {
                return Some(line.line);
            }
        }
    }

    /// What stands behind the last line end, as a line: the file ends here. If it grows on nevertheless, what follows
    /// up to the next line end has the same number.
    pub(super) fn take_rest(&mut self) -> Option<Line> {
        if self.buffer.is_empty() {
            return None;
        }
        let given = self.give(self.buffer.len(), 0);
        self.continues = true;
        Some(given.line)
    }

    /// Gives out the first bytes of the buffer and drops as many of the line end behind them.
    fn give(&mut self, content: usize, line_end: usize) -> Given {
        let start = self.position;
        let mut bytes = self.buffer.split_to(content).freeze();
        self.buffer.advance(line_end);
        self.position += content as u64 + self.let_go + line_end as u64;
        let continued = std::mem::take(&mut self.continues);
        self.line += u64::from(!continued);
        let too_long = self.let_go > 0 || bytes.len() > self.max_bytes;
        bytes.truncate(self.max_bytes);
        if !too_long && bytes.last() == Some(&b'\r') {
            bytes.truncate(bytes.len() - 1);
        }
        (self.searched, self.let_go) = (0, 0);
        let line = Line { number: self.line, start, end: self.position, bytes, too_long };
        Given { line, continued }
    }

    /// Of a line without end only the beginning is kept: memory is bounded whatever the file holds.
    fn let_go_of_too_much(&mut self) {
        let kept = self.max_bytes + 1;
        if self.buffer.len() > kept {
            self.let_go += (self.buffer.len() - kept) as u64;
            self.buffer.truncate(kept);
            self.searched = kept;
        }
    }
}

struct Given {
    line: Line,
    continued: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(lines: &mut Lines, text: &[u8], chunk: usize) -> Vec<(u64, u64, String)> {
        let mut found = Vec::new();
        for bytes in text.chunks(chunk.max(1)) {
            lines.push(bytes);
            while let Some(line) = lines.next_line() {
                found.push((line.number, line.end, String::from_utf8_lossy(&line.bytes).into_owned()));
            }
        }
        found
    }

    #[test]
    fn the_last_line_waits_for_its_end() {
        let mut lines = Lines::new(0, 0, false, 100);
        assert_eq!(all(&mut lines, b"a\r\n\nb", 2), [(1, 3, "a".into()), (2, 4, String::new())]);
        assert_eq!((lines.line, lines.read_position()), (2, 5));
        lines.push("é\n".as_bytes());
        let line = lines.next_line().unwrap();
        assert_eq!((line.number, line.start, line.end, &line.bytes[..]), (3, 4, 8, "bé".as_bytes()));
        assert_eq!(lines.next_line(), None);
    }

    #[test]
    fn a_rest_that_was_taken_and_grows_on_keeps_its_number() {
        for (more, expected) in [
            (&b"\nnext\n"[..], vec![(2, 7, "next")]),
            (b"\r\nnext\n", vec![(2, 8, "next")]),
            (b"more\nnext\n", vec![(1, 6, "more"), (2, 11, "next")]),
        ] {
            let mut lines = Lines::new(0, 0, false, 100);
            lines.push(b"a");
            let rest = lines.take_rest().unwrap();
            assert_eq!((rest.number, rest.end, &rest.bytes[..]), (1, 1, &b"a"[..]));
            assert_eq!(lines.take_rest(), None);
            let found = all(&mut lines, more, 1);
            let expected: Vec<_> =
                expected.into_iter().map(|(n, end, text)| (n, end, text.to_owned())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let mut lines = Lines::new(0, 0, false, 4);
        for _ in 0..1_000 {
            lines.push(&[b'x'; 10]);
            assert_eq!(lines.next_line(), None);
            assert!(lines.buffer.len() <= 5);
        }
        lines.push(b"\nabcd\n");
        let line = lines.next_line().unwrap();
        assert_eq!((line.number, line.end, line.too_long, &line.bytes[..]), (1, 10_001, true, &b"xxxx"[..]));
        let line = lines.next_line().unwrap();
        assert_eq!((line.number, line.start, line.end, line.too_long), (2, 10_001, 10_006, false));
        assert_eq!(&line.bytes[..], b"abcd");
    }

    proptest! {
        #[test]
        fn lines_are_the_same_wherever_the_bytes_are_cut_and_wherever_reading_resumes(
            text in "([a-zé\"]{0,5}(\r\n|\n|\r)){0,12}[a-z]{0,3}", chunk in 1..9_usize, resume in any::<prop::sample::Index>(),
        ) {
            let text = text.as_bytes();
            let whole = all(&mut Lines::new(0, 0, false, 100), text, text.len());
            prop_assert_eq!(&all(&mut Lines::new(0, 0, false, 100), text, chunk), &whole);
            if !whole.is_empty() {
                let at = resume.index(whole.len());
                let (line, end, _) = whole[at];
                let rest = &text[usize::try_from(end).unwrap()..];
                prop_assert_eq!(&all(&mut Lines::new(end, line, false, 100), rest, chunk)[..], &whole[at + 1..]);
            }
        }
    }
}
