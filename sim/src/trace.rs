//! What happened in a run, one line per event: two runs with the same seed must agree byte for byte.
use std::collections::VecDeque;
use std::fmt::Arguments;
use std::time::Duration;

/// The last events of a run and a hash over all of them.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
    count: u64,
    hash: u64,
}

impl Trace {
    pub(crate) fn push(&mut self, at: Duration, event: Arguments<'_>) {
        let line = format!("{:>10}.{:06} {event}", at.as_secs(), at.subsec_micros());
        // FNV-1a, line by line: the hash covers what the window has lost.
        self.hash = line.bytes().fold(self.hash ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.count += 1;
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The last `most` lines, with a note of how many stood before them.
    pub(crate) fn tail(&self, most: usize) -> String {
        let from = self.lines.len().saturating_sub(most);
        let mut text = String::new();
        let lost = self.count - (self.lines.len() - from) as u64;
        if lost > 0 {
            text.push_str(&format!("… {lost} events before\n"));
        }
        for line in self.lines.iter().skip(from) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

const LINES_KEPT: usize = 20_000;
