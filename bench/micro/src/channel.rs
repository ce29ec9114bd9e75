//! What it costs to hand a record to another task, and to tell its outcome.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use anyhow::Result;
use bench_harness::json_value;
use bytes::{Bytes, BytesMut};
use courant_protocol::record::{BatchWriter, NO_HEADERS, WriterOptions};
use courant_protocol::types::UnixMillis;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::timing::{best, row};

pub(crate) fn measure() -> Result<()> {
    let single = Builder::new_current_thread().enable_all().build()?;
    let multi = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    completions(&single);
    hand_over("same thread", &single)?;
    hand_over("two threads", &multi)?;
    primitives();
    Ok(())
}

/// Telling the outcome of each record of a batch.
fn completions(runtime: &Runtime) {
    let secs = best(|| {
        runtime.block_on(async {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..RECORDS).map(|_| oneshot::channel::<i64>()).unzip();
            for (offset, sender) in (0..).zip(senders) {
                let _ = sender.send(offset);
            }
            for receiver in receivers {
                black_box(receiver.await.is_ok());
            }
        });
    });
    per_record("tokio's oneshot per record", secs);
    let secs = best(|| {
        runtime.block_on(async {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..RECORDS).map(|_| futures::channel::oneshot::channel::<i64>()).unzip();
            for (offset, sender) in (0..).zip(senders) {
                let _ = sender.send(offset);
            }
            for receiver in receivers {
                black_box(receiver.await.is_ok());
            }
        });
    });
    per_record("futures' oneshot per record", secs);
    let secs = best(|| {
        runtime.block_on(async {
            let batch = Arc::new(Batch::default());
            let handles: Vec<_> = (0..RECORDS as i64).map(|index| (Arc::clone(&batch), index)).collect();
            let _ = batch.base_offset.set(42);
            batch.done.notify_waiters();
            for (batch, index) in handles {
                if batch.base_offset.get().is_none() {
                    batch.done.notified().await;
                }
                black_box(batch.base_offset.get().map(|base| base + index));
            }
        });
    });
    per_record("shared batch and index per record", secs);
}

/// The outcome of a batch.
#[derive(Debug, Default)]
struct Batch {
    base_offset: OnceLock<i64>,
    done: Notify,
}

/// Records through a channel.
fn hand_over(name: &str, runtime: &Runtime) -> Result<()> {
    let record = Bytes::from_static(&[7; 100]);
    let timed = |run: &dyn Fn() -> Result<()>| -> Result<f64> {
        let mut least = f64::MAX;
        for _ in 0..8 {
            let start = Instant::now();
            run()?;
            least = least.min(start.elapsed().as_secs_f64() / MANY as f64 * 1e9);
        }
        Ok(least)
    };
    let nanos = timed(&|| {
        let record = record.clone();
        runtime.block_on(async move {
            let (sender, mut receiver) = mpsc::channel::<(u32, Bytes)>(4096);
            let reading = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
            for index in 0..MANY {
                sender.send((index, record.clone())).await?;
            }
            drop(sender);
            Ok(reading.await?)
        })
    })?;
    row("channel", &format!("mpsc per record, {name}"), MANY as usize, nanos, "ns/record");
    let nanos = timed(&|| {
        let record = record.clone();
        runtime.block_on(async move {
            let (sender, mut receiver) = mpsc::channel::<Vec<(u32, Bytes)>>(16);
            let reading = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
            for first in (0..MANY).step_by(500) {
                let records = (first..first + 500).map(|index| (index, record.clone())).collect();
                sender.send(records).await?;
            }
            drop(sender);
            Ok(reading.await?)
        })
    })?;
    row("channel", &format!("mpsc per 500 records, {name}"), MANY as usize, nanos, "ns/record");
    let nanos = timed(&|| {
        let record = record.clone();
        runtime.block_on(async move {
            let (sender, mut receiver) = mpsc::channel::<(Bytes, oneshot::Sender<u32>)>(4096);
            let answering = tokio::spawn(async move {
                let mut offset = 0;
                while let Some((_, answer)) = receiver.recv().await {
                    let _ = answer.send(offset);
                    offset += 1;
                }
            });
            let mut window = VecDeque::new();
            for _ in 0..MANY {
                let (answer, outcome) = oneshot::channel();
                sender.send((record.clone(), answer)).await?;
                window.push_back(outcome);
                if window.len() > 4096
                    && let Some(oldest) = window.pop_front()
                {
                    oldest.await?;
                }
            }
            for outcome in window {
                outcome.await?;
            }
            drop(sender);
            Ok(answering.await?)
        })
    })?;
    row("channel", &format!("mpsc and oneshot per record, {name}"), MANY as usize, nanos, "ns/record");
    Ok(())
}

/// What a record costs at least.
fn primitives() {
    let buffer = BytesMut::with_capacity(256 * 1024);
    let writer = Mutex::new(BatchWriter::new(buffer, WriterOptions::default()));
    let value = json_value(3, 100);
    let secs = best(|| {
        for index in 0..RECORDS as i64 {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let value = Some(black_box(value.as_slice()));
            black_box(writer.append(UnixMillis(index), None, value, NO_HEADERS).is_ok());
        }
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let full =
            std::mem::replace(&mut *writer, BatchWriter::new(BytesMut::new(), WriterOptions::default()));
        *writer = BatchWriter::new(full.into_buffer(), WriterOptions::default());
    });
    per_record("lock and encode 100 B in place", secs);
    let secs = best(|| (0..RECORDS).for_each(|_| drop(black_box(Box::new([0_u8; 100])))));
    per_record("malloc and free of 100 B", secs);
    let secs = best(|| (0..RECORDS).for_each(|_| drop(black_box(String::from(black_box("my-topic-name"))))));
    per_record("a topic's name as a string", secs);
    let shared = Bytes::from(vec![0; 1000]).slice(10..110);
    let secs = best(|| (0..RECORDS).for_each(|_| drop(black_box(black_box(&shared).clone()))));
    per_record("shared bytes, cloned and dropped", secs);
    let secs = best(|| {
        for _ in 0..RECORDS {
            black_box(Instant::now());
        }
    });
    per_record("a look at the clock", secs);
    let counter = AtomicUsize::new(0);
    let secs = best(|| {
        for _ in 0..RECORDS {
            counter.fetch_add(1, Relaxed);
        }
    });
    per_record("an atomic addition", secs);
}

fn per_record(name: &str, secs: f64) {
    row("channel", name, RECORDS, secs / RECORDS as f64 * 1e9, "ns/record");
}

/// Records of a batch.
const RECORDS: usize = 1000;
/// Records through a channel.
const MANY: u32 = 500_000;
