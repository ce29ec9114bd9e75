//! What a broker answers for one partition of a produce request.
use courant_client::{Error, ErrorKind};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::ProduceResponse;
use courant_protocol::messages::produce::{PartitionProduceResponse, TopicProduceResponse};
use courant_protocol::types::{LeaderEpoch, NodeId, Offset, UnixMillis};

use super::partition::Place;

/// One partition's part of a `ProduceResponse`.
#[derive(Clone, Debug)]
pub(crate) struct PartitionAnswer {
    pub(crate) code: ErrorCode,
    pub(crate) base_offset: Offset,
    pub(crate) log_append_time: Option<UnixMillis>,
    pub(crate) log_start_offset: Offset,
    /// Who leads now, from version 10 on (KIP-951).
    pub(crate) leader: Option<(NodeId, LeaderEpoch)>,
    /// Which records were at fault, sorted, from version 8 on (KIP-467).
    record_errors: Vec<(u32, Option<String>)>,
    message: Option<String>,
}

impl PartitionAnswer {
    /// The part of `response` that concerns `place`. Topics go by id from version 13 on, by name before.
    pub(crate) fn find(response: &ProduceResponse, place: &Place) -> Option<Self> {
        let is_topic = |topic: &&TopicProduceResponse| match topic.topic_id.is_zero() {
            true => topic.name == *place.topic,
            false => topic.topic_id == place.topic_id,
        };
        let mut partitions =
            response.responses.iter().filter(is_topic).flat_map(|topic| &topic.partition_responses);
        partitions.find(|partition| partition.index == place.partition.0).map(Self::read)
    }

    fn read(partition: &PartitionProduceResponse) -> Self {
        let hint = &partition.current_leader;
        let mut record_errors: Vec<(u32, Option<String>)> = partition
            .record_errors
            .iter()
            .filter_map(|at| Some((u32::try_from(at.batch_index).ok()?, text(&at.batch_index_error_message))))
            .collect();
        record_errors.sort_by_key(|(index, _)| *index);
        Self {
            code: ErrorCode(partition.error_code),
            base_offset: Offset(partition.base_offset.max(-1)),
            log_append_time: (partition.log_append_time_ms >= 0)
                .then_some(UnixMillis(partition.log_append_time_ms)),
            log_start_offset: Offset(partition.log_start_offset.max(-1)),
            leader: (hint.leader_id >= 0).then_some((NodeId(hint.leader_id), LeaderEpoch(hint.leader_epoch))),
            record_errors,
            message: text(&partition.error_message),
        }
    }

    /// The refusal as an error, with the broker's own words.
    pub(crate) fn error(&self) -> Error {
        let what = match &self.message {
            Some(message) => format!("the broker did not take the record ({message})"),
            None => "the broker did not take the record".to_owned(),
        };
        Error::from_code(self.code, what)
    }

    /// `error` for the records at fault, each with the broker's words for it; the others hear that they only shared
    /// the batch with one of those, and may be sent again. Of several at fault nobody knows which has the code of the
    /// answer, so that all of them have the general one, as in Java.
    pub(crate) fn share_among_records(&self, error: Error) -> (Error, Vec<(u32, Error)>) {
        if self.record_errors.is_empty() {
            return (error, Vec::new());
        }
        let code = if self.record_errors.len() == 1 { self.code } else { ErrorCode::INVALID_RECORD };
        let at = |shared: Error| {
            let shared = shared.maybe_written(error.possibly_written());
            match (error.topic(), error.partition()) {
                (Some(topic), Some(partition)) => shared.at_partition(topic.clone(), partition),
                _ => shared,
            }
        };
        let own = |(index, message): &(u32, Option<String>)| {
            let what = match message.as_ref().or(self.message.as_ref()) {
                Some(message) => format!("the broker refused this record ({message})"),
                None => "the broker refused this record".to_owned(),
            };
            (*index, at(Error::from_code(code, what)))
        };
        let what = "another record of the same batch was refused; this one may be sent again";
        let neighbour = at(Error::new(ErrorKind::NeighbourRefused, what).because(error.clone()));
        (neighbour, self.record_errors.iter().map(own).collect())
    }
}

fn text(message: &Option<courant_protocol::wire::Str>) -> Option<String> {
    message.as_ref().map(String::from)
}
