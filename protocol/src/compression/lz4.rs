//! lz4 frames as Java writes and reads them (`Lz4BlockOutputStream`, `Lz4BlockInputStream`).
//!
//! ```text
//! 04 22 4d 18   magic, u32 little-endian
//! 60            flags: version 01, blocks independent, no checksums, no content size
//! 40            largest block: 64 KiB
//! 82            header checksum: second byte of xxh32 over the descriptor
//! { size u32 LE (bit 31: stored as it is), block of that size [, checksum u32] } …
//! 00 00 00 00   end mark [, content checksum u32]
//! ```
use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into, get_maximum_output_size,
};

use super::codec::LZ4_DEFAULT_LEVEL;
use super::output::Output;
use super::scratch::HeaderChecksum;
use super::xxh32::xxh32;
use super::{Codec, CompressionError};

const MAGIC: u32 = 0x184d_2204;
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];

/// The block size that Java's header byte 0x40 stands for.
const BLOCK_BYTES: usize = 64 << 10;

/// Bit 31 of a block's size: the block is stored, not compressed.
const STORED: u32 = 1 << 31;

/// No valid block grows more: each byte of a long match length makes 255 bytes.
const MAX_RATIO: usize = 255;

/// The compressor's hash table.
#[derive(Default)]
pub(super) struct Lz4 {
    table: Option<CompressTable>,
}

impl Lz4 {
    pub(super) fn compress(
        &mut self,
        level: Option<i32>,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        output.extend_from_slice(&HEADER);
        for block in input.chunks(BLOCK_BYTES) {
            let at = output.len();
            output.resize(at + 4 + get_maximum_output_size(block.len()), 0);
            let room = output.get_mut(at + 4..).unwrap_or_default();
            let size = match level.filter(|level| *level != LZ4_DEFAULT_LEVEL) {
                #[cfg(feature = "lz4-hc")]
                Some(level) => compress_thoroughly(level, block, room)?,
                _ => self.compress_fast(block, room)?,
            };
            let stored = size >= block.len();
            let (size, flag) = if stored { (block.len(), STORED) } else { (size, 0) };
            output.truncate(at + 4 + if stored { 0 } else { size });
            if let Some(field) = output.get_mut(at..at + 4) {
                field.copy_from_slice(&(size as u32 | flag).to_le_bytes());
            }
            if stored {
                output.extend_from_slice(block);
            }
        }
        output.extend_from_slice(&[0; 4]);
        Ok(())
    }

    fn compress_fast(&mut self, block: &[u8], room: &mut [u8]) -> Result<usize, CompressionError> {
        let table = self.table.get_or_insert_with(CompressTable::large);
        compress_into_with_table(block, room, table).map_err(failed)
    }
}

#[cfg(feature = "lz4-hc")]
fn compress_thoroughly(level: i32, block: &[u8], room: &mut [u8]) -> Result<usize, CompressionError> {
    let mode = lz4::block::CompressionMode::HIGHCOMPRESSION(level);
    lz4::block::compress_to_buffer(block, Some(mode), false, room).map_err(failed)
}

fn failed(error: impl ToString) -> CompressionError {
    CompressionError::Failed { codec: Codec::Lz4, reason: error.to_string() }
}

/// Decompresses one frame.
pub(super) fn decompress(
    input: &[u8],
    limit: usize,
    output: &mut Vec<u8>,
    checksum: HeaderChecksum,
) -> Result<(), CompressionError> {
    let mut output = Output::new(Codec::Lz4, output, limit);
    let mut frame = Input { rest: input };
    let descriptor = descriptor(&mut frame, checksum)?;
    loop {
        let size = frame.u32()?;
        if size == 0 {
            break;
        }
        let length = (size & !STORED) as usize;
        if length > descriptor.block_bytes {
            return Err(malformed("a block is longer than the frame allows"));
        }
        let block = frame.take(length)?;
        if descriptor.block_checksums && frame.u32()? != xxh32(block) {
            return Err(malformed("the checksum of a block is wrong"));
        }
        if size & STORED != 0 {
            output.room_for(length)?.copy_from_slice(block);
            output.advance(length);
        } else {
            compressed_block(block, descriptor.block_bytes, &mut output)?;
        }
    }
    // Java skips the content checksum too; the batch's CRC covers it.
    if descriptor.content_checksum {
        frame.u32()?;
    }
    if !frame.rest.is_empty() {
        return Err(malformed("bytes follow the end mark"));
    }
    output.finish()
}

fn compressed_block(
    block: &[u8],
    block_bytes: usize,
    output: &mut Output<'_>,
) -> Result<(), CompressionError> {
    let most = block_bytes.min(block.len().saturating_mul(MAX_RATIO));
    let left = output.left();
    let room = output.room_for(most.min(left))?;
    match decompress_into(block, room) {
        Ok(written) => {
            output.advance(written);
            Ok(())
        }
        Err(DecompressError::OutputTooSmall { .. }) if left < most => Err(output.too_large()),
        Err(DecompressError::OutputTooSmall { .. }) => {
            Err(malformed("a block grows beyond the frame's size"))
        }
        Err(error) => Err(malformed(error.to_string())),
    }
}

/// What the frame's header says.
struct Descriptor {
    block_bytes: usize,
    block_checksums: bool,
    content_checksum: bool,
}

fn descriptor(frame: &mut Input<'_>, checksum: HeaderChecksum) -> Result<Descriptor, CompressionError> {
    if frame.u32()? != MAGIC {
        return Err(malformed("it does not begin with the frame magic"));
    }
    let start = frame.rest;
    let flags = frame.u8()?;
    let block_descriptor = frame.u8()?;
    if flags >> 6 != 1 {
        return Err(malformed("the frame version is not 1"));
    }
    if flags & 0b10_0000 == 0 {
        return Err(malformed("dependent blocks, which Kafka does not read either"));
    }
    if flags & 0b11 != 0 || block_descriptor & 0b1000_1111 != 0 {
        return Err(malformed("reserved bits or a dictionary"));
    }
    let block_bytes = match block_descriptor >> 4 {
        4 => 64 << 10,
        5 => 256 << 10,
        6 => 1 << 20,
        7 => 4 << 20,
        _ => return Err(malformed("the block size is unknown")),
    };
    let content_size = flags & 0b1000 != 0;
    if content_size {
        frame.take(8)?;
    }
    let described = start.get(..if content_size { 10 } else { 2 }).unwrap_or_default();
    let expected = (xxh32(described) >> 8) as u8;
    if frame.u8()? != expected && checksum == HeaderChecksum::Checked {
        return Err(malformed("the header checksum is wrong"));
    }
    Ok(Descriptor {
        block_bytes,
        block_checksums: flags & 0b1_0000 != 0,
        content_checksum: flags & 0b100 != 0,
    })
}

/// What is left of the frame.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8], CompressionError> {
        let (taken, rest) =
            self.rest.split_at_checked(size).ok_or_else(|| malformed("it ends in the middle"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, CompressionError> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or_else(|| malformed("it ends in the middle"))?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*taken))
    }

    fn u8(&mut self) -> Result<u8, CompressionError> {
        let (taken, rest) = self.rest.split_first().ok_or_else(|| malformed("it ends in the middle"))?;
        self.rest = rest;
        Ok(*taken)
    }
}

fn malformed(reason: impl Into<std::borrow::Cow<'static, str>>) -> CompressionError {
    CompressionError::Malformed { codec: Codec::Lz4, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(flags: u8, block_descriptor: u8, rest: &[u8]) -> Vec<u8> {
        let descriptor = [flags, block_descriptor];
        let mut frame = MAGIC.to_le_bytes().to_vec();
        frame.extend_from_slice(&descriptor);
        frame.push((xxh32(&descriptor) >> 8) as u8);
        frame.extend_from_slice(rest);
        frame
    }

    #[test]
    fn the_header_is_the_one_that_java_writes() {
        let mut output = Vec::new();
        Lz4::default().compress(None, b"", &mut output).unwrap();
        assert_eq!(output, frame(0x60, 0x40, &[0; 4]));
    }

    #[cfg(feature = "lz4-hc")]
    #[test]
    fn thorough_levels_make_less_of_it_and_the_default_is_the_fast_way() {
        let text: Vec<u8> = (0..3000)
            .flat_map(|n| format!("{{\"order\":{},\"total\":{}}}", n, n * n % 977).into_bytes())
            .collect();
        let packed = |level| {
            let mut output = Vec::new();
            Lz4::default().compress(level, &text, &mut output).unwrap();
            let mut unpacked = Vec::new();
            decompress(&output, text.len(), &mut unpacked, HeaderChecksum::Checked).unwrap();
            assert_eq!(unpacked, text);
            output
        };
        assert_eq!(packed(None), packed(Some(9)));
        assert!(packed(Some(12)).len() < packed(Some(3)).len());
        assert!(packed(Some(3)).len() < packed(None).len());
        assert_eq!(packed(Some(17)), packed(Some(12)));
    }

    #[test]
    fn linked_blocks_are_refused_as_java_refuses_them() {
        let mut output = Vec::new();
        let error =
            decompress(&frame(0x40, 0x40, &[0; 4]), 100, &mut output, HeaderChecksum::Checked).unwrap_err();
        assert_eq!(
            error.to_string(),
            "lz4 data is malformed: dependent blocks, which Kafka does not read either"
        );
    }

    #[test]
    fn a_wrong_header_checksum_counts_except_in_magic_0() {
        let mut bytes = frame(0x60, 0x40, &[3, 0, 0, 0x80, b'a', b'b', b'c', 0, 0, 0, 0]);
        bytes[6] ^= 1;
        let mut output = Vec::new();
        assert!(decompress(&bytes, 100, &mut output, HeaderChecksum::Checked).is_err());
        decompress(&bytes, 100, &mut output, HeaderChecksum::Ignored).unwrap();
        assert_eq!(output, b"abc");
    }

    #[test]
    fn block_checksums_count_and_a_content_checksum_is_skipped() {
        let mut rest = vec![3, 0, 0, 0x80, b'a', b'b', b'c'];
        rest.extend_from_slice(&xxh32(b"abc").to_le_bytes());
        rest.extend_from_slice(&[0, 0, 0, 0, 9, 9, 9, 9]);
        let mut output = Vec::new();
        decompress(&frame(0x74, 0x70, &rest), 100, &mut output, HeaderChecksum::Checked).unwrap();
        assert_eq!(output, b"abc");
        rest[8] ^= 1;
        let error =
            decompress(&frame(0x74, 0x70, &rest), 100, &mut output, HeaderChecksum::Checked).unwrap_err();
        assert_eq!(error.to_string(), "lz4 data is malformed: the checksum of a block is wrong");
    }
}
