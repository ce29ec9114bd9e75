//! What is given up: a partition whose topic is gone, everything at the end, and what is past its time.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use courant_client::{Error, ErrorKind};
use courant_protocol::error_code::ErrorCode;

use super::super::batch::Batch;
use super::super::identity::Identity;
use super::super::partition::Partition;
use super::{Sender, failed};

impl Sender {
    /// Gives up a partition's batches, because its topic is gone. The partition itself is forgotten.
    pub(crate) fn give_up_partition(&mut self, number: usize, error: &Error) {
        let Some(partition) = self.partitions.remove(&number) else { return };
        for mut batch in partition.queue {
            let possibly = batch.possibly_written;
            batch.fail(error.clone().maybe_written(possibly), Vec::new());
        }
        self.active.remove(&number);
        for (_, batch) in
            self.requests.values_mut().flat_map(|r| &mut r.batches).filter(|(n, _)| *n == number)
        {
            batch.fail(error.clone().maybe_written(true), Vec::new());
        }
    }

    /// Gives up everything and tells how many records of which partitions that was.
    pub(crate) fn give_up_all(&mut self, error: &Error) -> BTreeMap<String, u64> {
        let mut lost: BTreeMap<String, u64> = BTreeMap::new();
        let in_flight = self.requests.values_mut().flat_map(|request| std::mem::take(&mut request.batches));
        let queued = self.partitions.values_mut().flat_map(|partition| {
            let number = partition.place.number;
            std::mem::take(&mut partition.queue).into_iter().map(move |batch| (number, batch))
        });
        let mut batches: Vec<(usize, Batch, bool)> =
            in_flight.map(|(number, batch)| (number, batch, true)).collect();
        batches.extend(queued.map(|(number, batch)| (number, batch, false)));
        for (number, mut batch, sent) in batches {
            if batch.is_undecided()
                && let Some(partition) = self.partitions.get(&number)
            {
                let name = format!("{}-{}", partition.place.topic, partition.place.partition);
                *lost.entry(name).or_default() += u64::from(batch.sealed.count());
                let possibly = sent || batch.possibly_written;
                let error =
                    error.clone().at_partition(partition.place.topic.clone(), partition.place.partition);
                batch.fail(error.maybe_written(possibly), Vec::new());
            }
        }
        self.requests.clear();
        self.active.clear();
        lost
    }

    /// Gives up what waits for a producer id. What has one goes on, and what is on its way waits for its answer.
    pub(super) fn give_up_what_needs_identity(&mut self, error: &Error) {
        for number in self.active.clone() {
            let Some(partition) = self.partitions.get_mut(&number).filter(|p| p.needs_identity()) else {
                continue;
            };
            for mut batch in std::mem::take(&mut partition.queue) {
                partition.note_given_up(&batch);
                let place = &partition.place;
                let error = error.clone().at_partition(place.topic.clone(), place.partition);
                let error = error.maybe_written(batch.possibly_written);
                self.notices.push_back(failed(place, &batch, &error));
                batch.fail(error, Vec::new());
            }
            self.after_answer(number);
        }
    }

    /// Gives up everything that there is and that will come: the producer is of no further use.
    pub(super) fn refuse_everything(&mut self, error: Error) {
        let error = error.maybe_fatal(true);
        self.give_up_all(&error);
        self.requests_by_node.clear();
        for partition in self.partitions.values_mut() {
            partition.in_flight.clear();
        }
        self.identity = Identity::Refused(error);
    }

    pub(super) fn expire_queued(&mut self, now: Instant, number: usize) {
        let timeout = self.settings.delivery_timeout;
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        // Batches stand in the order in which they were opened, so that the expired ones are in front.
        while partition.queue.front().is_some_and(|batch| batch.opened_at + timeout <= now) {
            let Some(mut batch) = partition.queue.pop_front() else { return };
            partition.note_given_up(&batch);
            let error = expired(partition, &batch, timeout);
            self.notices.push_back(failed(&partition.place, &batch, &error));
            batch.fail(error, Vec::new());
        }
    }
}

/// An earlier attempt of the batch may still arrive, behind one of unknown fate; a copy under a new epoch would double it.
pub(super) fn abandoned(partition: &Partition, batch: &Batch) -> Error {
    let what = "nobody knows whether the record was written, nor whether one before it was";
    Error::new(ErrorKind::Timeout, what)
        .at_partition(partition.place.topic.clone(), partition.place.partition)
        .after_attempts(batch.attempts)
        .maybe_written(true)
        .hinting("a longer delivery.timeout.ms gives up fewer records in doubt")
}

pub(super) fn expired(partition: &Partition, batch: &Batch, timeout: Duration) -> Error {
    let place = &partition.place;
    let what = match batch.attempts {
        0 => "the record could not be sent in time",
        _ => "the record was not acknowledged in time",
    };
    let error = Error::new(ErrorKind::Timeout, what)
        .at_partition(place.topic.clone(), place.partition)
        .after_attempts(batch.attempts)
        .after(timeout)
        .maybe_written(batch.possibly_written)
        .hinting("delivery.timeout.ms sets how long a record may take");
    match (&partition.trouble, partition.leader) {
        (Some(trouble), _) => error.because(trouble.clone()),
        (None, None) => error.because(Error::new(
            ErrorKind::Broker(ErrorCode::LEADER_NOT_AVAILABLE),
            "the partition has no leader",
        )),
        (None, Some(_)) => error,
    }
}
