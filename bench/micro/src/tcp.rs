//! Sockets of this machine, by tokio.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use crate::timing::{cpu_secs, row};

pub(crate) fn measure() -> Result<()> {
    for chunk in [16 << 10, 128 << 10, 1 << 20] {
        let (mut rate, mut cost) = (0_f64, f64::MAX);
        for _ in 0..5 {
            let (start, cpu) = (Instant::now(), cpu_secs()?);
            stream(chunk)?;
            let bytes = STREAM_BYTES as f64;
            rate = rate.max(bytes / start.elapsed().as_secs_f64() / 1e6);
            cost = cost.min((cpu_secs()? - cpu) / (bytes / 1e9));
        }
        row("tcp", "one connection, a thread at each end", chunk, rate, "MB/s");
        row("tcp", "CPU of both ends", chunk, cost, "s/GB");
    }
    let mut times = ping_pong()?;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    row("tcp", "200 B there and back, p50", PING_BYTES, at(0.5), "us");
    row("tcp", "200 B there and back, p99", PING_BYTES, at(0.99), "us");
    Ok(())
}

/// Writes many bytes in chunks to a thread that reads them.
fn stream(chunk: usize) -> Result<()> {
    let (address, reading) = accept(async |mut socket| {
        let mut buffer = vec![0; 256 << 10];
        let mut read = 0;
        loop {
            match socket.read(&mut buffer).await? {
                0 => return Ok(read),
                bytes => read += bytes,
            }
        }
    })?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut socket = TcpStream::connect(address).await?;
        let buffer = vec![1; chunk];
        for _ in 0..STREAM_BYTES / chunk {
            socket.write_all(&buffer).await?;
        }
        anyhow::Ok(socket.shutdown().await?)
    })?;
    let read = join(reading)?;
    ensure!(read == STREAM_BYTES, "{read} bytes arrived");
    Ok(())
}

/// Microseconds of small requests and answers.
fn ping_pong() -> Result<Vec<f64>> {
    let (address, answering) = accept(async |mut socket| {
        socket.set_nodelay(true)?;
        let mut buffer = [0; PING_BYTES];
        loop {
            match socket.read(&mut buffer).await? {
                0 => return Ok(0),
                bytes => socket.write_all(buffer.get(..bytes).unwrap_or_default()).await?,
            }
        }
    })?;
    let times = Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut buffer = [0; PING_BYTES];
        let mut times = Vec::new();
        for _ in 0..20_000 {
            let start = Instant::now();
            socket.write_all(&buffer).await?;
            socket.read_exact(&mut buffer).await?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        anyhow::Ok(times)
    })?;
    join(answering)?;
    Ok(times)
}

/// A thread that accepts one connection.
fn accept(
    serve: impl AsyncFnOnce(TcpStream) -> Result<usize> + Send + 'static,
) -> Result<(SocketAddr, JoinHandle<Result<usize>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let thread = std::thread::spawn(move || {
        Builder::new_current_thread().enable_all().build()?.block_on(async {
            let (socket, _) = tokio::net::TcpListener::from_std(listener)?.accept().await?;
            serve(socket).await
        })
    });
    Ok((address, thread))
}

fn join(thread: JoinHandle<Result<usize>>) -> Result<usize> {
    thread.join().map_err(|_| anyhow!("the other end panicked"))?
}

const STREAM_BYTES: usize = 2 << 30;
const PING_BYTES: usize = 200;
