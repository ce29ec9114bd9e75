//! A send that waits: its record stands among the append room's arrivals, or in its line, where the driver finds it.
//!
//! The driver accepts the record when its turn has come, whether or not anybody polls the send meanwhile, and enters
//! whoever waits among those whom the delivery wakes. So the many sends of a task that awaits them one after the other
//! travel as full batches. The driver also tells those that have waited for too long: one timer serves them all, and a
//! send that waits for space costs one allocation.
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use courant_client::{Error, Kafka};
use courant_runtime::moment_after;

use crate::append::{Applicant, Arrival, Claim, Permit, Place, Refusal, Room, Supplies};
use crate::interceptor::Intercepted;
use crate::producer::{Shared, no_space};
use crate::{DeliveryFuture, Producer, Record, RecordMetadata, SendError};

/// A record on its way in, and the interceptors that have to hear of it.
///
/// It travels in a box, as an application may let a hundred thousand wait, but stands in [`Waits`] itself: the driver, which
/// takes it from there, would free a box of another thread, and the two threads meet at the allocator's lock.
pub(crate) struct Entering {
    record: Record,
    intercepted: Option<Intercepted>,
    claim: Claim,
    /// How long it may wait, once it has begun to.
    deadline: Option<Instant>,
}

/// How a wait ended.
pub(crate) enum Entered {
    /// The record was accepted.
    Accepted(DeliveryFuture),
    /// It was not. Offered again, it is accepted or told why not.
    Back(Box<Entering>),
    /// It has waited for as long as it may.
    TimedOut(Box<Entering>),
}

/// A record that did not get in, and why.
type Refused = (Box<Entering>, Error);

impl Producer {
    /// Sends a record that something other than missing space stands in the way of. Its future is boxed wherever it is
    /// awaited, so that the future of a record that does not wait stays small.
    pub(crate) async fn send_slowly(&self, mut entering: Box<Entering>) -> Result<RecordMetadata, SendError> {
        let Some(kafka) = self.kafka() else {
            let Entering { record, claim, .. } = *entering;
            return Box::pin(self.enqueue_slowly(record, claim)).await?.await;
        };
        let mut original = None;
        if let Some(interceptors) = &self.shared().interceptors {
            original = Some(Box::new(entering.record.clone()));
            entering.intercepted = Some(interceptors.on_send(&mut entering.record));
        }
        match self.enter(kafka, entering).await {
            Ok(delivery) => delivery.await,
            Err((entering, error)) => {
                let Entering { record, intercepted, .. } = *entering;
                if let Some(intercepted) = intercepted {
                    intercepted.refused(&error);
                }
                Err(SendError { error, record: Some(original.unwrap_or_else(|| Box::new(record))) })
            }
        }
    }

    async fn enter(&self, kafka: &Kafka, mut entering: Box<Entering>) -> Result<DeliveryFuture, Refused> {
        let deadline = entering.begin_to_wait(kafka.world().now(), self.shared());
        loop {
            let Entering { record, claim, .. } = &mut *entering;
            let refusal = match self.offer(record, claim) {
                Ok(delivery) => return Ok(entering.accepted(delivery)),
                Err(refusal) => refusal,
            };
            let waiting = match refusal {
                Refusal::NeedsBytes(_) => WaitingSend::new(self, *entering),
                Refusal::UnknownTopic => {
                    let topic = record.topic.clone();
                    let waiting = WaitingSend::new(self, *entering);
                    waiting.stand_among_arrivals(deadline);
                    Box::pin(self.arrive(kafka, &waiting, topic.as_str(), deadline)).await?;
                    waiting
                }
                refusal => match Box::pin(self.wait_for(kafka, record, refusal, deadline, claim)).await {
                    Ok(()) => continue,
                    Err(error) => return Err((entering, error)),
                },
            };
            match poll_fn(|cx| waiting.poll_entered(cx)).await {
                Entered::Accepted(delivery) => return Ok(delivery),
                Entered::Back(back) => entering = back,
                Entered::TimedOut(entering) => {
                    let error = no_space(&entering.record, self.shared().max_block);
                    return Err((entering, error));
                }
            }
        }
    }

    /// What a record comes to that has waited in vain.
    pub(crate) fn timed_out(&self, entering: Entering) -> SendError {
        let error = no_space(&entering.record, self.shared().max_block);
        SendError::refused(error, entering.record)
    }

    /// Waits until the record's topic is known, and all that waited for it stands in the line.
    async fn arrive(
        &self,
        kafka: &Kafka,
        waiting: &WaitingSend<'_>,
        topic: &str,
        deadline: Instant,
    ) -> Result<(), Refused> {
        let mut learning = pin!(self.learn_topic(kafka, topic, deadline));
        let learnt = poll_fn(|cx| match waiting.poll_over(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => learning.as_mut().poll(cx),
        });
        let Err(error) = learnt.await else { return Ok(()) };
        match waiting.take_back() {
            Some(entering) => Err((entering, error)),
            None => Ok(()),
        }
    }
}

/// The sender's side; dropping it takes the record back, unless that was accepted.
pub(crate) struct WaitingSend<'a> {
    producer: &'a Producer,
    waits: Arc<Waits>,
}

/// What a waiting send shares with the driver. Its lock comes before those of the room.
struct Waits {
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    waker: Waker,
    standing: Option<Standing>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "the driver would free a box of another thread, see `Entering`"
)]
enum Phase {
    Entering(Entering),
    Over(Entered),
    /// The sender has what it waited for, or is gone.
    Left,
}

/// Where it stands; dropping this gives the place up.
enum Standing {
    Arriving { _place: Arrival, deadline: Instant },
    InLine(Place),
}

impl Entering {
    pub(crate) fn new(record: Record, claim: Claim) -> Self {
        Self { record, intercepted: None, claim, deadline: None }
    }

    /// Until when it may wait; it does from now on, unless it has before.
    fn begin_to_wait(&mut self, now: Instant, shared: &Shared) -> Instant {
        *self.deadline.get_or_insert_with(|| moment_after(now, shared.max_block))
    }

    /// The record was accepted.
    fn accepted(self, delivery: DeliveryFuture) -> DeliveryFuture {
        if let Some(intercepted) = self.intercepted {
            intercepted.accepted(&delivery);
        }
        delivery
    }
}

impl<'a> WaitingSend<'a> {
    pub(crate) fn new(producer: &'a Producer, entering: Entering) -> Self {
        let state = State { phase: Phase::Entering(entering), waker: Waker::noop().clone(), standing: None };
        Self { producer, waits: Arc::new(Waits { state: Mutex::new(state) }) }
    }

    pub(crate) fn producer(&self) -> &'a Producer {
        self.producer
    }

    /// Waits until the room knows the record's topic, and then in the line.
    fn stand_among_arrivals(&self, deadline: Instant) {
        let Shared { room, .. } = self.producer.shared();
        let mut state = self.waits.lock();
        let Phase::Entering(entering) = &state.phase else { return };
        let topic = entering.record.topic.to_name();
        let place = room.arrivals.enter(topic, Arc::clone(&self.waits) as Arc<dyn Applicant>);
        state.stand(place.map(|place| Standing::Arriving { _place: place, deadline }));
    }

    /// Pending as long as the record waits. Once it was accepted nobody is woken before its outcome is there. The first
    /// poll offers a record that waits nowhere yet; if space is all that is missing, it stands in the line from then on.
    pub(crate) fn poll_entered(&self, cx: &mut Context<'_>) -> Poll<Entered> {
        let mut state = self.waits.lock();
        let has_to_ring = state.standing.is_none() && self.enter(&mut state);
        let over = state.poll_over(cx);
        let phase = over.map(|()| std::mem::replace(&mut state.phase, Phase::Left));
        drop(state);
        // Who waits must not wait for batches to linger: the driver closes them all. It knows of a line that it serves.
        if has_to_ring {
            self.producer.shared().room.supplies.bell.ring();
        }
        match ready!(phase) {
            Phase::Over(entered) => Poll::Ready(entered),
            Phase::Entering(_) | Phase::Left => Poll::Pending,
        }
    }

    /// Offers the record, and says whether the driver has to hear that it stands in the line now.
    fn enter(&self, state: &mut State) -> bool {
        let Phase::Entering(entering) = &mut state.phase else { return false };
        let shared = self.producer.shared();
        match (self.producer.offer(&entering.record, &mut entering.claim), self.producer.kafka()) {
            (Ok(delivery), _) => state.accept(delivery),
            (Err(Refusal::NeedsBytes(missing)), Some(kafka)) => {
                let since = kafka.world().now();
                let deadline = entering.begin_to_wait(since, shared);
                let applicant = Arc::clone(&self.waits) as Arc<dyn Applicant>;
                let place = Place::take(&shared.room.supplies.permits, missing, since..deadline, applicant);
                let has_to_ring = place.as_ref().is_some_and(|place| place.has_to_ring);
                state.stand(place.map(Standing::InLine));
                return has_to_ring;
            }
            (Err(_), _) => state.send_back(),
        }
        false
    }

    /// Ready once the wait is over.
    fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        self.waits.lock().poll_over(cx)
    }

    /// Stops waiting for the topic, unless that is over.
    fn take_back(&self) -> Option<Box<Entering>> {
        let mut state = self.waits.lock();
        let Some(Standing::Arriving { .. }) = state.standing else { return None };
        let entering = state.take_entering()?;
        let arrival = state.standing.take();
        drop(state);
        drop(arrival);
        Some(Box::new(entering))
    }
}

impl Drop for WaitingSend<'_> {
    fn drop(&mut self) {
        let mut state = self.waits.lock();
        let left = (std::mem::replace(&mut state.phase, Phase::Left), state.standing.take());
        drop(state);
        // This may call a program's own code.
        drop(left);
    }
}

impl Waits {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn poll_over(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.phase {
            Phase::Over(_) => Poll::Ready(()),
            Phase::Entering(_) | Phase::Left => {
                self.waker.clone_from(cx.waker());
                Poll::Pending
            }
        }
    }

    fn take_entering(&mut self) -> Option<Entering> {
        match std::mem::replace(&mut self.phase, Phase::Left) {
            Phase::Entering(entering) => Some(entering),
            phase => {
                self.phase = phase;
                None
            }
        }
    }

    /// It has a place, or nobody serves those who wait any more.
    fn stand(&mut self, standing: Option<Standing>) {
        self.standing = standing;
        if self.standing.is_none() {
            self.send_back();
        }
    }

    fn send_back(&mut self) {
        if let Some(entering) = self.take_entering() {
            self.end(Entered::Back(Box::new(entering)));
        }
    }

    fn end(&mut self, entered: Entered) {
        self.phase = Phase::Over(entered);
        self.waker.wake_by_ref();
    }

    fn accept(&mut self, delivery: DeliveryFuture) {
        if let Some(entering) = self.take_entering() {
            self.phase = Phase::Over(Entered::Accepted(entering.accepted(delivery)));
        }
    }

    /// Whoever serves the line takes its place from it.
    fn leave_line(&mut self) {
        if let Some(Standing::InLine(place)) = self.standing.take() {
            place.served();
        }
    }
}

impl Applicant for Waits {
    fn apply(&self, room: &Room, permit: Option<Permit>) -> Result<(), usize> {
        let mut state = self.lock();
        let Phase::Entering(Entering { record, claim, .. }) = &mut state.phase else { return Ok(()) };
        if room.has_to_ask(record.destination(), claim) {
            // The program's own code runs in the task that sends.
            state.send_back();
            return Ok(());
        }
        claim.permit = permit;
        match room.append_in_turn(record.destination(), &record.payload(), claim) {
            Err(Refusal::NeedsBytes(missing)) => return Err(missing),
            Err(_) => state.send_back(),
            Ok(appended) => {
                state.leave_line();
                let mut delivery = DeliveryFuture::new(appended);
                if Pin::new(&mut delivery).poll(&mut Context::from_waker(&state.waker)).is_ready() {
                    state.waker.wake_by_ref();
                }
                state.accept(delivery);
            }
        }
        Ok(())
    }

    fn expire(&self) {
        let mut state = self.lock();
        if let Some(entering) = state.take_entering() {
            state.leave_line();
            state.end(Entered::TimedOut(Box::new(entering)));
        }
    }

    fn join_line(self: Arc<Self>, room: &Room) {
        let Supplies { permits, .. } = &room.supplies;
        let since = room.supplies.look_at_clock().now;
        let mut state = self.lock();
        let (Phase::Entering(_), Some(Standing::Arriving { deadline, .. })) = (&state.phase, &state.standing)
        else {
            return;
        };
        // Nothing is known to be missing: its turn will tell.
        let place = Place::take(permits, 0, since..*deadline, Arc::clone(&self) as Arc<dyn Applicant>);
        let arrival = state.standing.take();
        state.stand(place.map(Standing::InLine));
        drop(state);
        drop(arrival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_waiting_send_holds_is_hardly_more_than_its_record() {
        assert!(size_of::<Entering>() <= size_of::<Record>() + 104);
        assert!(size_of::<Waits>() <= size_of::<Entering>() + 72);
    }
}
