//! The program: prints its address, serves until it is told to end, and prints what was asked of it, as its second line.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bench_harness::Codec;
use bench_null_broker::{Broker, Config};
use clap::Parser;
use kafka_protocol::records::Compression;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// The program's options.
#[derive(Debug, Parser)]
#[command(about = "A Kafka endpoint that costs next to nothing; prints host:port and serves until SIGTERM")]
struct Options {
    /// The port; 0 for any
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Partitions of every topic
    #[arg(long, default_value_t = 6)]
    partitions: i32,
    /// Bytes of a value in the batch that answers fetches
    #[arg(long, default_value_t = 100)]
    value_size: usize,
    /// Bytes of a key in it; 0 for none
    #[arg(long, default_value_t = 0)]
    key_size: usize,
    /// Records in it
    #[arg(long, default_value_t = 1000)]
    batch_records: usize,
    /// Its codec
    #[arg(long, value_enum, default_value = "none")]
    compression: Codec,
    /// How many bytes of records a fetch gets for a partition at most
    #[arg(long, default_value_t = 1 << 20)]
    fetch_bytes: usize,
    /// Keeps what it is sent, and lets fetches wait for it
    #[arg(long)]
    store: bool,
    /// Threads; 1 for a single-threaded runtime
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Ends by itself after so many seconds
    #[arg(long, default_value_t = 600)]
    max_secs: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut builder = match options.threads {
        0 | 1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder.enable_all().build()?.block_on(serve(options))
}

async fn serve(options: Options) -> Result<()> {
    let limit = Duration::from_secs(options.max_secs);
    let (broker, listener) = Broker::bind(config(options)).await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
        () = tokio::time::sleep(limit) => {}
        ended = Arc::clone(&broker).serve(listener) => ended?,
    }
    println!("null-broker {}", broker.stats());
    Ok(())
}

fn config(options: Options) -> Config {
    Config {
        host: "127.0.0.1".to_owned(),
        port: options.port,
        partitions: options.partitions,
        value_size: options.value_size,
        key_size: options.key_size,
        batch_records: options.batch_records,
        compression: match options.compression {
            Codec::None => Compression::None,
            Codec::Gzip => Compression::Gzip,
            Codec::Snappy => Compression::Snappy,
            Codec::Lz4 => Compression::Lz4,
            Codec::Zstd => Compression::Zstd,
        },
        fetch_bytes: options.fetch_bytes,
        store: options.store,
    }
}
