//! Codecs: those that we use, and the C library of lz4 beside ours.

use std::hint::black_box;
use std::io::{Read, Write};

use anyhow::{Result, ensure};
use bench_harness::json_value;

use crate::timing::{best, row};

/// Compresses or decompresses.
type Transform<'a> = &'a mut dyn FnMut(&[u8]) -> Result<Vec<u8>>;

pub(crate) fn measure() -> Result<()> {
    // `VALUE=1024 micro codec` sets the size of the values.
    let value_size = std::env::var("VALUE").ok().and_then(|size| size.parse().ok()).unwrap_or(200);
    for size in [16 << 10, 128 << 10, 1 << 20] {
        let mut data: Vec<u8> = (0..).flat_map(|index| json_value(index, value_size)).take(size).collect();
        data.shrink_to_fit();
        lz4(&data)?;
        others(&data)?;
    }
    Ok(())
}

fn lz4(data: &[u8]) -> Result<()> {
    let size = data.len();
    both("lz4_flex block", data, &mut |data| Ok(lz4_flex::block::compress(data)), &mut |packed| {
        Ok(lz4_flex::block::decompress(packed, size)?)
    })?;
    let mut output = vec![0; lz4_flex::block::get_maximum_output_size(size)];
    let secs = best(|| {
        black_box(lz4_flex::block::compress_into(black_box(data), &mut output).is_ok());
    });
    row("codec", "lz4_flex block compress into a kept buffer", size, size as f64 / secs / 1e6, "MB/s");
    let frame = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
    both(
        "lz4_flex frame of 64 KiB blocks",
        data,
        &mut |data| {
            let output = Vec::with_capacity(size / 2);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame.clone(), output);
            encoder.write_all(data)?;
            Ok(encoder.finish()?)
        },
        &mut |packed| read_all(lz4_flex::frame::FrameDecoder::new(packed), size),
    )?;
    let fast = lz4::block::CompressionMode::FAST(1);
    both(
        "lz4 in C, block",
        data,
        &mut |data| Ok(lz4::block::compress(data, Some(fast), false)?),
        &mut |packed| Ok(lz4::block::decompress(packed, Some(i32::try_from(size)?))?),
    )?;
    both(
        "lz4 in C, frame of 64 KiB blocks",
        data,
        &mut |data| {
            let mut builder = lz4::EncoderBuilder::new();
            builder.level(0).block_size(lz4::BlockSize::Max64KB).checksum(lz4::ContentChecksum::NoChecksum);
            let mut encoder = builder.build(Vec::with_capacity(size / 2))?;
            encoder.write_all(data)?;
            let (output, ended) = encoder.finish();
            ended?;
            Ok(output)
        },
        &mut |packed| read_all(lz4::Decoder::new(packed)?, size),
    )
}

fn others(data: &[u8]) -> Result<()> {
    let size = data.len();
    both("snappy raw", data, &mut |data| Ok(snap::raw::Encoder::new().compress_vec(data)?), &mut |packed| {
        Ok(snap::raw::Decoder::new().decompress_vec(packed)?)
    })?;
    for level in [1, 3] {
        let mut compressor = zstd::bulk::Compressor::new(level)?;
        let mut decompressor = zstd::bulk::Decompressor::new()?;
        both(
            &format!("zstd-{level}, context kept"),
            data,
            &mut |data| Ok(compressor.compress(data)?),
            &mut |packed| Ok(decompressor.decompress(packed, size)?),
        )?;
    }
    let secs = best(|| {
        black_box(zstd::stream::encode_all(black_box(data), 3).is_ok());
    });
    row("codec", "zstd-3 compress, a context per batch", size, size as f64 / secs / 1e6, "MB/s");
    for level in [1, 6] {
        both(
            &format!("gzip-{level}"),
            data,
            &mut |data| {
                let output = Vec::with_capacity(size / 2);
                let mut encoder = flate2::write::GzEncoder::new(output, flate2::Compression::new(level));
                encoder.write_all(data)?;
                Ok(encoder.finish()?)
            },
            &mut |packed| read_all(flate2::read::GzDecoder::new(packed), size),
        )?;
    }
    Ok(())
}

/// There and back.
fn both(name: &str, data: &[u8], compress: Transform<'_>, decompress: Transform<'_>) -> Result<()> {
    let size = data.len();
    let packed = compress(data)?;
    ensure!(decompress(&packed)? == data, "{name} does not give back what it was given");
    let rate = |seconds: f64| size as f64 / seconds / 1e6;
    let secs = best(|| {
        black_box(compress(black_box(data)).is_ok());
    });
    row("codec", &format!("{name} compress"), size, rate(secs), "MB/s");
    let secs = best(|| {
        black_box(decompress(black_box(&packed)).is_ok());
    });
    row("codec", &format!("{name} decompress"), size, rate(secs), "MB/s");
    row("codec", &format!("{name} ratio"), size, size as f64 / packed.len() as f64, "x");
    Ok(())
}

fn read_all(mut reader: impl Read, size: usize) -> Result<Vec<u8>> {
    let mut output = Vec::with_capacity(size);
    reader.read_to_end(&mut output)?;
    Ok(output)
}
