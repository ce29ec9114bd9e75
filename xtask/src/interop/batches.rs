//! The headers of the batches in a log, read by requests of our own.
//!
//! No client shows which codec a batch has: each unpacks it. So the log is fetched as bytes and the attributes are
//! read from their place in the header. Written by hand, so that neither our codec nor anybody else's is trusted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// No answer is longer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Bytes of a batch before its length counts: base offset and the length itself.
const BATCH_PREFIX_BYTES: usize = 12;

/// The codec names by their bits in a batch's attributes.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// What a batch's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Its first offset.
    pub(crate) base_offset: i64,
    /// Its codec's name.
    pub(crate) codec: &'static str,
    /// How many records it holds.
    pub(crate) count: i32,
}

/// Every batch of a partition.
pub(crate) fn read(bootstrap: &str, topic: &str, partition: i32) -> Result<Vec<Batch>> {
    let leader = leader(bootstrap, topic, partition)?;
    let mut connection = Connection::open(&leader)?;
    let mut batches: Vec<Batch> = Vec::new();
    loop {
        let next = batches.last().map_or(0, |batch| batch.base_offset + i64::from(batch.count));
        let found = parse(&connection.fetch(topic, partition, next)?)?;
        if found.is_empty() {
            return Ok(batches);
        }
        batches.extend(found);
    }
}

/// The address of a partition's leader.
fn leader(bootstrap: &str, topic: &str, partition: i32) -> Result<String> {
    let first = bootstrap.split(',').next().unwrap_or_default();
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.extend(string(topic)?);
    let answer = Connection::open(first)?.ask(3, 1, &body)?;
    let mut answer = Cursor(&answer);
    let mut brokers = Vec::new();
    for _ in 0..answer.i32()? {
        let (node, host, port) = (answer.i32()?, answer.string()?, answer.i32()?);
        answer.string()?;
        brokers.push((node, format!("{host}:{port}")));
    }
    answer.i32()?;
    ensure!(answer.i32()? == 1 && answer.i16()? == 0, "no metadata of {topic}");
    answer.string()?;
    answer.take(1)?;
    for _ in 0..answer.i32()? {
        let (error, index, leader) = (answer.i16()?, answer.i32()?, answer.i32()?);
        for _ in 0..2 {
            let replicas = usize::try_from(answer.i32()?)?;
            answer.take(replicas * 4)?;
        }
        if index == partition {
            let found = brokers.into_iter().find(|(node, _)| *node == leader);
            return Ok(found.with_context(|| format!("{topic}-{partition} has no leader, error {error}"))?.1);
        }
    }
    bail!("{topic} has no partition {partition}")
}

/// The headers of the batches in a fetched log; the tail may be incomplete.
fn parse(mut log: &[u8]) -> Result<Vec<Batch>> {
    let mut batches = Vec::new();
    while log.len() > BATCH_PREFIX_BYTES {
        let mut header = Cursor(log);
        let (base_offset, length) = (header.i64()?, usize::try_from(header.i32()?)?);
        let Some(rest) = log.get(BATCH_PREFIX_BYTES + length..) else { break };
        header.take(4)?;
        let magic = header.take(1)?;
        ensure!(magic == [2], "the batch at {base_offset} has magic {magic:?}");
        header.take(4)?;
        let bits = usize::try_from(header.i16()? & 7)?;
        // Last offset delta, both times, producer id, epoch and sequence.
        header.take(4 + 8 + 8 + 8 + 2 + 4)?;
        let codec = CODECS
            .get(bits)
            .copied()
            .with_context(|| format!("the batch at {base_offset} has codec bits {bits}"))?;
        batches.push(Batch { base_offset, codec, count: header.i32()? });
        log = rest;
    }
    Ok(batches)
}

/// A connection that asks one thing at a time.
struct Connection(TcpStream);

impl Connection {
    fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(stream))
    }

    /// Fetch v4 of one partition: the bytes of its records.
    fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        body.extend((-1_i32).to_be_bytes());
        body.extend(200_i32.to_be_bytes());
        body.extend(1_i32.to_be_bytes());
        body.extend((32_i32 << 20).to_be_bytes());
        body.push(0);
        body.extend(1_i32.to_be_bytes());
        body.extend(string(topic)?);
        body.extend(1_i32.to_be_bytes());
        body.extend(partition.to_be_bytes());
        body.extend(offset.to_be_bytes());
        body.extend((32_i32 << 20).to_be_bytes());
        let answer = self.ask(1, 4, &body)?;
        let mut answer = Cursor(&answer);
        answer.i32()?;
        ensure!(answer.i32()? == 1, "one topic was asked for");
        answer.string()?;
        ensure!(answer.i32()? == 1 && answer.i32()? == partition, "one partition was asked for");
        let error = answer.i16()?;
        ensure!(error == 0, "the fetch of {topic}-{partition} at {offset} got error {error}");
        answer.take(16)?;
        let aborted = usize::try_from(answer.i32()?.max(0))?;
        answer.take(aborted * 16)?;
        let bytes = usize::try_from(answer.i32()?.max(0))?;
        Ok(answer.take(bytes)?.to_vec())
    }

    /// Sends a request with header v1 and gives the body of the answer.
    fn ask(&mut self, key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>> {
        let mut frame = Vec::new();
        frame.extend(key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(1_i32.to_be_bytes());
        frame.extend(string("batches")?);
        frame.extend(body);
        self.0.write_all(&u32::try_from(frame.len())?.to_be_bytes())?;
        self.0.write_all(&frame)?;
        let mut size = [0; 4];
        self.0.read_exact(&mut size)?;
        let size = usize::try_from(u32::from_be_bytes(size))?;
        ensure!((4..=ANSWER_BYTES_MAX).contains(&size), "an answer of {size} bytes");
        let mut answer = vec![0; size];
        self.0.read_exact(&mut answer)?;
        Ok(answer.split_off(4))
    }
}

/// A string with its length.
fn string(text: &str) -> Result<Vec<u8>> {
    let mut bytes = i16::try_from(text.len())?.to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

/// Reads big-endian values one after another.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the answer is too short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A string that may be null.
    fn string(&mut self) -> Result<String> {
        let length = self.i16()?;
        let bytes = self.take(usize::try_from(length.max(0))?)?;
        Ok(String::from_utf8(bytes.to_vec())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base_offset: i64, attributes: i16, count: i32) -> Vec<u8> {
        let mut body = vec![0; 4];
        body.push(2);
        body.extend([0; 4]);
        body.extend(attributes.to_be_bytes());
        body.extend([0; 34]);
        body.extend(count.to_be_bytes());
        body.extend(b"records");
        let mut bytes = base_offset.to_be_bytes().to_vec();
        bytes.extend(i32::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn codec_bits_are_the_lowest_three_of_the_attributes() -> Result<()> {
        let mut log = batch(0, 0, 3);
        // Transactional, with zstd.
        log.extend(batch(3, 0x10 | 4, 2));
        let whole = log.len();
        log.extend(batch(5, 1, 1));
        log.truncate(whole + 30);
        let expected = [
            Batch { base_offset: 0, codec: "none", count: 3 },
            Batch { base_offset: 3, codec: "zstd", count: 2 },
        ];
        assert_eq!(parse(&log)?, expected);
        assert!(parse(&batch(0, 7, 1)).is_err());
        Ok(())
    }
}
