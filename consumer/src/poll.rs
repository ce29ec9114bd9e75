//! Handing out: records and changes of the assignment, to the task that asks for them.
use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};

use courant_protocol::types::TopicPartition;

use crate::backing::Backing;
use crate::consumer::Consumer;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::event::Event;
use crate::listener::Change;
#[cfg(doc)]
use crate::listener::RebalanceListener;
use crate::machine::position::Token;
use crate::machine::reading::{Reading, Turn};
use crate::machine::stretch::{Slice, Taken};
use crate::record::Batch;
use crate::shared::Shared;
use crate::stream::RecordStream;

/// Records.
impl Consumer {
    /// The next records, at most `max.poll.records`; waits until there are some. `None` once the consumer is closed.
    ///
    /// In a group, changes of the assignment are dealt with on the way: the [`RebalanceListener`] hears of them here, in this
    /// task. Between two polls lie at most `max.poll.interval.ms`, or the group goes on without this member.
    ///
    /// Calling it says that the records of earlier polls are finished, unless they are acknowledged one by one
    /// ([`Consumer::acks`]). Records come in order within a partition; which
    /// partition comes next is a matter of what was fetched and of fairness.
    ///
    /// # Errors
    /// What stops one partition is told once and does not stop the others: [`ErrorKind::CorruptRecord`],
    /// [`ErrorKind::LogTruncated`], [`ErrorKind::OffsetOutOfRange`], [`ErrorKind::NoOffset`],
    /// [`ErrorKind::TopicRecreated`]; that partition goes on after a seek. [`ErrorKind::UnknownTopic`] and missing
    /// rights are told while the consumer keeps trying. If every partition has stopped, its error is told again.
    /// [`ErrorKind::Membership`] says that the group refuses this member, [`ErrorKind::Assignor`] that its strategy failed:
    /// the next poll tries again. [`ErrorKind::Fenced`] is for good. [`ErrorKind::Listener`] brings what a listener said.
    ///
    /// # Cancel safety
    /// No record is lost: one counts as handed out only if the batch is returned. A listener that runs is gone on with by
    /// the next poll.
    pub async fn poll(&mut self) -> Result<Option<Batch>, Error> {
        loop {
            match self.next_event().await? {
                Some(Event::Batch(batch)) => return Ok(Some(batch)),
                Some(Event::Assigned(partitions)) => self.call_listener(Change::Assigned, partitions),
                Some(Event::Revoked(partitions)) => self.call_listener(Change::Revoked, partitions),
                Some(Event::Lost(partitions)) => self.call_listener(Change::Lost, partitions),
                None => return Ok(None),
            }
        }
    }

    /// The next records, or the next change of the assignment; waits until there is one. `None` once the consumer is
    /// closed.
    ///
    /// It is what [`Consumer::poll`] is made of. Calling it says that whatever the event before brought is dealt with:
    /// records are finished, revoked partitions may go, records of assigned ones may come. The listener is not called.
    ///
    /// # Errors
    /// As [`Consumer::poll`].
    ///
    /// # Cancel safety
    /// No event is lost: one counts as given only if it is returned.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    /// # runtime.block_on(async {
    /// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
    /// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
    /// # writer.append(7.into(), Some(b"42"), Some(b"open"), courant_protocol::record::NO_HEADERS)?;
    /// # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
    /// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
    /// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
    /// use courant_consumer::{Consumer, Event};
    /// # use std::time::Duration;
    ///
    /// let mut orders =
    ///     Consumer::builder(&kafka).group("billing").subscribe(["orders"]).auto_offset_reset("earliest").start().await?;
    /// # let mut told = 0;
    /// while let Some(event) = orders.next_event().await? {
    ///     match event {
    ///         Event::Assigned(partitions) => println!("mine as well: {partitions:?}"),
    ///         Event::Revoked(partitions) => {
    ///             println!("still mine, but not for long: {partitions:?}");
    ///             orders.commit().await?;
    ///         }
    ///         Event::Lost(partitions) => println!("another's already: {partitions:?}"),
    ///         Event::Batch(batch) => println!("{} records", batch.len()),
    ///         _ => {}
    ///     }
    /// #   told += 1;
    /// #   if told == 2 { break }
    /// }
    /// orders.close(Duration::from_secs(5)).await?;
    /// # assert_eq!(mock.group("billing").map(|group| group.members.len()), Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn next_event(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|cx| self.poll_calling(cx)).await?;
        let mut poll = self.begin_poll();
        let _idle = self.wait_begins();
        poll_fn(|cx| self.poll_event(cx, &mut poll, Wanted::Everything)).await
    }

    /// The next change of the assignment; hands out no records, so that an application that has enough to work on still takes
    /// part in rebalances. `None` once the consumer is closed.
    ///
    /// In all else it is [`Consumer::next_event`]: what the event before brought is dealt with. While it waits the time of
    /// `max.poll.interval.ms` stands still, although records may lie ready. Without a group nothing ever changes.
    ///
    /// # Errors
    /// As [`Consumer::poll`].
    ///
    /// # Cancel safety
    /// No change is lost: one counts as given only if it is returned.
    pub async fn next_change(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|cx| self.poll_calling(cx)).await?;
        self.begin_poll();
        self.shared.reading().want_changes_only();
        let _idle = self.wait_begins();
        let next = poll_fn(|cx| self.poll_wanted(cx, true, Wanted::Changes)).await?;
        Ok(next.and_then(Next::into_change))
    }

    /// The next records of partitions that stay, while what was revoked is not dealt with yet: unlike
    /// [`Consumer::next_event`] it does not say that the event before is. So an application that still works on records of
    /// revoked partitions can go on with all others meanwhile. `None` once the consumer is closed.
    ///
    /// The group waits for this member until the next event is asked for, up to `max.poll.interval.ms` from when the event
    /// before was given.
    ///
    /// # Errors
    /// As [`Consumer::poll`].
    ///
    /// # Cancel safety
    /// No record is lost: one counts as handed out only if the batch is returned.
    pub async fn next_retained(&mut self) -> Result<Option<Batch>, Error> {
        poll_fn(|cx| self.poll_calling(cx)).await?;
        let mut poll = self.begin_hand_out(&mut self.shared.reading());
        match poll_fn(|cx| self.poll_event(cx, &mut poll, Wanted::Records)).await? {
            Some(Event::Batch(batch)) => Ok(Some(batch)),
            _ => Ok(None),
        }
    }

    /// The records one by one, as values of their own.
    ///
    /// Asking for the next record says that the one before is finished. What the stream holds and did not give out when it
    /// is dropped is not lost: the next poll, or stream, begins with it. For commits and the like while it runs see
    /// [`RecordStream::consumer`].
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("orders", 2).build()?;
    /// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
    /// # writer.append(7.into(), Some(b"42"), Some(b"open"), courant_protocol::record::NO_HEADERS)?;
    /// # writer.append(8.into(), Some(b"42"), Some(b"paid"), courant_protocol::record::NO_HEADERS)?;
    /// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
    /// # mock.append_raw("orders", 0, sealed.to_bytes(&Default::default()))?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
    /// use courant_consumer::Consumer;
    /// use futures_util::StreamExt;
    ///
    /// let mut orders = Consumer::builder(&kafka).assign([("orders", 0)]).auto_offset_reset("earliest").start().await?;
    /// let mut stream = orders.stream();
    /// let first = stream.next().await.ok_or("the consumer is open")??;
    /// assert_eq!((first.key(), first.value()), (Some(&b"42"[..]), Some(&b"open"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream(&mut self) -> RecordStream<'_> {
        RecordStream::new(self)
    }

    /// What was handed out before is finished; gives the number of this poll.
    pub(crate) fn begin_poll(&mut self) -> u64 {
        let mut reading = self.shared.reading();
        let poll = self.begin_hand_out(&mut reading);
        if reading.group.is_some() && reading.begin_group_poll(self.backing.now()) {
            self.shared.kick_driver();
        }
        poll
    }

    fn begin_hand_out(&self, reading: &mut Reading) -> u64 {
        reading.give_back();
        let poll = reading.begin_poll();
        self.tell_of_room(reading);
        poll
    }

    /// The application waits; when what is returned is dropped it does so no more.
    fn wait_begins(&self) -> Waiting {
        self.shared.reading().counts.poll_begins(self.backing.now());
        Waiting { shared: Arc::clone(&self.shared), backing: self.backing.clone() }
    }

    /// Begins a call of the listener; the next poll waits for it.
    fn call_listener(&mut self, change: Change, partitions: Vec<TopicPartition>) {
        if let Some(listener) = &self.listener {
            let calling = Arc::clone(listener).call(self.for_listener(), change, partitions);
            *self.calling.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(calling);
        }
    }

    /// Goes on with a call of the listener, if there is one.
    pub(crate) fn poll_calling(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let calling = self.calling.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(call) = calling else { return Poll::Ready(Ok(())) };
        let done = ready!(call.as_mut().poll(cx));
        *calling = None;
        Poll::Ready(done.map_err(Error::listener))
    }

    fn poll_event(
        &mut self,
        cx: &Context<'_>,
        poll: &mut u64,
        wanted: Wanted,
    ) -> Poll<Result<Option<Event>, Error>> {
        let mut taken = Taken::default();
        let rules = self.settings.read_rules();
        while taken.has_room(self.settings.max_poll_records, &rules) {
            match self.poll_wanted(cx, taken.records == 0, wanted) {
                Poll::Ready(Ok(Some(Next::Turn(turn)))) => self.read(turn, &mut taken),
                Poll::Ready(Ok(Some(change))) => return Poll::Ready(Ok(change.into_change())),
                Poll::Ready(Ok(None)) => return Poll::Ready(Ok(None)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if taken.records == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if !self.intercept(&mut taken) {
            *poll = self.begin_poll();
            // Nobody wakes the task for what lies ready already.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let receipt = Some((Arc::clone(&self.shared), *poll));
        Poll::Ready(Ok(Some(Event::Batch(Batch::new(taken.slices, taken.records, receipt)))))
    }

    /// A change of the assignment, or the partition whose turn it is; with `wait`, errors are told and the task is woken
    /// when there is something.
    fn poll_next(&mut self, cx: &Context<'_>, wait: bool) -> Poll<Result<Option<Next>, Error>> {
        self.poll_wanted(cx, wait, Wanted::Everything)
    }

    fn poll_wanted(
        &mut self,
        cx: &Context<'_>,
        wait: bool,
        wanted: Wanted,
    ) -> Poll<Result<Option<Next>, Error>> {
        let now = self.backing.now();
        let (found, outcome) = ready!(self.shared.poll_until(cx, |reading| {
            if reading.is_closed() {
                return Some((reading.last_word().map(|()| None), None));
            }
            if reading.has_notice() && wanted != Wanted::Records {
                // Records that are being gathered go out first.
                let (change, partitions, outcome) =
                    if wait { reading.take_notice(now)? } else { return None };
                return Some((Ok(Some(Next::Change(change, partitions))), outcome));
            }
            if let Some(error) = if wait { reading.poll_error(now) } else { None } {
                return Some((Err(error), None));
            }
            match wanted {
                Wanted::Changes => None,
                // Nothing more of what is lost, though it was not told yet.
                Wanted::Records if reading.is_lost() => None,
                _ => reading.take_turn().map(|turn| (Ok(Some(Next::Turn(turn))), None)),
            }
        }));
        if let Ok(Some(Next::Change(..))) = &found {
            self.shared.kick_driver();
        }
        if let Some(outcome) = outcome {
            outcome.tell();
        }
        Poll::Ready(found)
    }

    /// Reads the records of a turn, outside the lock; nothing is added where the partition was moved meanwhile.
    fn read(&mut self, mut turn: Turn, taken: &mut Taken) {
        let (slices, records, bytes) = (taken.slices.len(), taken.records, taken.bytes);
        let Turn { partition, position, stretch, .. } = &mut turn;
        let max_records = self.settings.max_poll_records;
        let error = stretch.take(partition, position, max_records, &mut self.scratch, taken).err();
        let mut reading = self.shared.reading();
        let new = taken.slices.get(slices..).unwrap_or_default();
        if reading.end_turn(turn, new, taken.bytes - bytes, error) {
            reading.counts.handed_out(taken.records - records, taken.bytes - bytes);
        } else {
            taken.slices.truncate(slices);
            (taken.records, taken.bytes) = (records, bytes);
        }
        self.tell_of_room(&mut reading);
    }

    /// One slice for a stream, which then holds its records; `None` once the consumer is closed.
    pub(crate) fn poll_slices(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<TakenSlices>, Error>> {
        loop {
            let turn = match ready!(self.poll_next(cx, true))? {
                Some(Next::Turn(turn)) => turn,
                Some(Next::Change(change, partitions)) => {
                    self.call_listener(change, partitions);
                    ready!(self.poll_calling(cx))?;
                    self.begin_poll();
                    continue;
                }
                None => return Poll::Ready(Ok(None)),
            };
            let (partition, origin, before) = (turn.partition.clone(), turn.origin, turn.position);
            let mut taken = Taken::default();
            self.read(turn, &mut taken);
            if taken.records > 0 && !self.intercept(&mut taken) {
                self.begin_poll();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if taken.records > 0 {
                let mut reading = self.shared.reading();
                reading.note_streamed(&partition, origin, before);
                reading.end_group_poll(self.backing.now());
                return Poll::Ready(Ok(Some((taken.slices, origin))));
            }
        }
    }

    /// Lets interceptors see what was taken; false if they left nothing.
    fn intercept(&self, taken: &mut Taken) -> bool {
        if let Some(interceptors) = &self.shared.interceptors {
            interceptors.on_consume(taken);
            // Nobody else can acknowledge what the application does not get to see.
            self.shared.reading().acknowledge_all(&taken.left_out);
        }
        taken.records > 0
    }

    /// Tells the driver where it waits for room.
    fn tell_of_room(&self, reading: &mut Reading) {
        if std::mem::take(&mut reading.fetcher.starved) {
            self.shared.kick_driver();
        }
    }
}

/// What the application asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Everything,
    Changes,
    /// While a change is not dealt with yet.
    Records,
}

/// The next thing to hand out.
#[expect(
    clippy::large_enum_variant,
    reason = "a turn is moved once or twice; a box would be an allocation for each"
)]
enum Next {
    Turn(Turn),
    Change(Change, Vec<TopicPartition>),
}

impl Next {
    fn into_change(self) -> Option<Event> {
        match self {
            Self::Turn(_) => None,
            Self::Change(Change::Assigned, partitions) => Some(Event::Assigned(partitions)),
            Self::Change(Change::Revoked, partitions) => Some(Event::Revoked(partitions)),
            Self::Change(Change::Lost, partitions) => Some(Event::Lost(partitions)),
        }
    }
}

/// What a stream takes at a time: records of one partition, in a row, with the origin of its position.
pub(crate) type TakenSlices = (Vec<Slice>, Token);

/// The application waits in a poll as long as this lives.
struct Waiting {
    shared: Arc<Shared>,
    backing: Backing,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let now = self.backing.now();
        let mut reading = self.shared.reading();
        reading.counts.poll_ends(now);
        reading.end_group_poll(now);
    }
}
