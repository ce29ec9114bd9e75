//! Records one by one, as a [`Stream`](futures_core::Stream) of values of their own.
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use courant_protocol::record::RecordMark;
use courant_protocol::types::Offset;
use futures_core::Stream;

use crate::consumer::Consumer;
use crate::error::Error;
use crate::machine::position::{Position, Token};
use crate::machine::stretch::Slice;
use crate::record::ConsumerRecord;

/// Records one by one; made by [`Consumer::stream`].
///
/// It takes records from the consumer in slices and gives them out one at a time. What it has not given out counts as not
/// handed out: positions and commits leave it aside, and dropping the stream gives it back. So does a change of the
/// assignment, which is told at the next call, and a seek or a pause of the partition.
pub struct RecordStream<'a> {
    consumer: &'a mut Consumer,
    chunk: Option<Chunk>,
}

/// Records of one partition, in a row.
struct Chunk {
    slices: std::vec::IntoIter<Slice>,
    current: Option<(Slice, RecordMark)>,
    /// By which the partition knows whether what was given out still counts.
    origin: Token,
    /// Behind the last record that was given out.
    position: Option<Position>,
}

impl<'a> RecordStream<'a> {
    pub(crate) fn new(consumer: &'a mut Consumer) -> Self {
        consumer.shared().reading().give_back();
        Self { consumer, chunk: None }
    }

    /// The consumer, to commit, pause or ask for positions with while the stream runs. Records that the stream has given
    /// out count as handed out.
    pub fn consumer(&mut self) -> &Consumer {
        self.note_progress();
        self.consumer
    }

    /// Gives back what it holds where the partition was put elsewhere, paused or taken away, or there is a change to tell.
    fn let_go_if_disturbed(&mut self) {
        let Some(chunk) = &self.chunk else { return };
        let now = self.consumer.backing.now();
        if !self.consumer.shared().reading().go_on_streaming(now, chunk.position) {
            self.chunk = None;
        }
    }

    fn note_progress(&self) {
        let Some(chunk) = &self.chunk else { return };
        let (Some(position), Some((slice, _))) = (chunk.position, &chunk.current) else { return };
        self.consumer.shared().reading().note_streamed(&slice.partition, chunk.origin, position);
    }
}

impl Chunk {
    fn next(&mut self) -> Option<ConsumerRecord> {
        loop {
            if let Some((slice, mark)) = &mut self.current
                && slice.count > 0
            {
                let mut records = slice.records.iter_from(*mark);
                // The slice was read through when it was taken, so this cannot fail.
                let view = records.next()?.ok()?;
                *mark = records.mark(&slice.records);
                slice.count -= 1;
                let epoch = slice.records.header().leader_epoch;
                self.position = Some(Position::after(Offset(view.offset.0.saturating_add(1)), epoch));
                return Some(ConsumerRecord::new(slice, &view));
            }
            let slice = self.slices.next()?;
            let from = slice.from;
            self.current = Some((slice, from));
        }
    }
}

impl Stream for RecordStream<'_> {
    type Item = Result<ConsumerRecord, Error>;

    /// # Cancel safety
    /// A record is given out only if it is returned; dropping the stream loses none.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            this.let_go_if_disturbed();
            if let Some(chunk) = &mut this.chunk {
                if let Some(record) = chunk.next() {
                    return Poll::Ready(Some(Ok(record)));
                }
                // Everything was given out, and the application asks for more: all of it is finished.
                this.consumer.shared().reading().end_streamed();
                this.chunk = None;
            }
            ready!(this.consumer.poll_calling(cx))?;
            this.consumer.begin_poll();
            match this.consumer.poll_slices(cx) {
                Poll::Ready(Ok(Some((slices, origin)))) => {
                    this.chunk =
                        Some(Chunk { slices: slices.into_iter(), current: None, origin, position: None });
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(None),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for RecordStream<'_> {
    fn drop(&mut self) {
        self.note_progress();
        let now = self.consumer.backing.now();
        let mut reading = self.consumer.shared().reading();
        reading.give_back();
        reading.end_group_poll(now);
    }
}

impl fmt::Debug for RecordStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordStream").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}
