//! Where a stream stands inside the records that it holds, and when it must not go on with them.
//!
//! What a stream holds was handed out by the word of [`Reading::end_turn`]; what it has not given out yet is taken back from
//! that by what stands here, for positions and commits alike.
use std::time::Instant;

use super::partition::Stage;
use super::position::{Position, Token};
use super::reading::Reading;
use crate::error::ErrorKind;
use courant_protocol::types::TopicPartition;

impl Reading {
    /// A stream says how far it has come in the records that it holds, which were taken since `origin`.
    pub(crate) fn note_streamed(&mut self, partition: &TopicPartition, origin: Token, position: Position) {
        self.streaming = Some((partition.clone(), origin, position));
    }

    /// A stream has handed out everything that it held.
    pub(crate) fn end_streamed(&mut self) {
        self.streaming = None;
    }

    /// A stream gives back what it did not hand out: the partition goes on from there.
    pub(crate) fn give_back(&mut self) {
        let Some((partition, origin, position)) = self.streaming.take() else { return };
        let new = self.subscription.new_token();
        if let Some(state) = self.subscription.since_mut(&partition, origin) {
            let position = state.capped(position);
            let stage = match &state.stage {
                Stage::Validate(_) if position.offset_epoch.is_some() => Stage::Validate(position),
                // The application decides where to go on in another log. To a batch that cannot be read it comes again.
                Stage::Failed { error, reported, .. }
                    if matches!(error.kind(), ErrorKind::LogTruncated | ErrorKind::TopicRecreated) =>
                {
                    Stage::Failed { error: error.clone(), position: Some(position), reported: *reported }
                }
                _ => Stage::Fetching(position),
            };
            state.restart(new, stage);
            if let Some(outstanding) = &mut state.outstanding {
                outstanding.move_to(Some(position));
            }
            self.buffer.discard(&partition);
            self.handed_out.retain(|(handed_out, _, _)| *handed_out != partition);
            self.handed_out.push((partition, origin, position));
        }
    }

    /// The application asks a stream for the next record: what was given out before, up to `given`, is finished, and the
    /// application is not silent. False where the stream must not go on with what it holds, which is given back then: it was
    /// put elsewhere, paused or taken away, or there is a change to be told of first.
    pub(crate) fn go_on_streaming(&mut self, now: Instant, given: Option<Position>) -> bool {
        let may_go_on = self.may_go_on(given);
        if may_go_on {
            self.end_group_poll(now);
        } else {
            self.give_back();
        }
        may_go_on
    }

    fn may_go_on(&mut self, given: Option<Position>) -> bool {
        let is_undisturbed = !self.is_closed() && !self.has_notice() && !self.is_lost();
        let Some((partition, origin, position)) = &mut self.streaming else { return false };
        let Some(state) = self.subscription.since_mut(partition, *origin) else { return false };
        if let Some(given) = given {
            *position = given;
            state.finish(given);
        }
        is_undisturbed && !state.paused && !state.held && state.capped(*position) == *position
    }
}
