//! Answers on their way to the socket: small encoded pieces between shared slices of records.

use std::collections::VecDeque;
use std::io::IoSlice;

use anyhow::Result;
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Answers waiting to be written.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// The answer that is being encoded; empty between requests.
    pub(crate) encoding: BytesMut,
    /// Shared bytes of that answer, and where in `encoding` they belong.
    pub(crate) inserts: Vec<(usize, Bytes)>,
    segments: VecDeque<Bytes>,
    total: usize,
}

impl Output {
    /// Ends the answer that is being encoded.
    pub(crate) fn seal(&mut self) {
        let mut done = 0;
        for (at, shared) in self.inserts.drain(..) {
            self.segments.push_back(self.encoding.split_to(at - done).freeze());
            done = at;
            self.total += shared.len();
            self.segments.push_back(shared);
        }
        self.total += done + self.encoding.len();
        if !self.encoding.is_empty() {
            self.segments.push_back(self.encoding.split().freeze());
        }
    }

    /// Forgets the answer that is being encoded.
    pub(crate) fn discard(&mut self) {
        self.encoding.clear();
        self.inserts.clear();
    }

    /// Writes everything.
    pub(crate) async fn flush(&mut self, socket: &mut TcpStream) -> Result<()> {
        while self.total > 0 {
            socket.write_all_buf(self).await?;
        }
        Ok(())
    }
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.total
    }

    fn chunk(&self) -> &[u8] {
        self.segments.front().map_or(&[], |segment| segment)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            *slice = IoSlice::new(segment);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        self.total -= count;
        while let Some(first) = self.segments.front_mut().filter(|_| count > 0) {
            if first.len() > count {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_stand_where_they_belong() {
        let mut output = Output::default();
        output.encoding.extend_from_slice(b"abcd");
        output.inserts.push((1, Bytes::from_static(b"11")));
        output.inserts.push((3, Bytes::from_static(b"222")));
        output.seal();
        assert_eq!(output.remaining(), 9);
        let mut start = [0; 4];
        output.copy_to_slice(&mut start);
        assert_eq!(&start, b"a11b");
        assert_eq!(output.copy_to_bytes(5), Bytes::from_static(b"c222d"));
        assert_eq!(output.remaining(), 0);
    }
}
