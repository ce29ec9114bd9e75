//! A send that waits: its record stands among the append room's arrivals, or in its line, where the driver finds it.
//!
//! The driver accepts the record when its turn has come, whether or not anybody polls the send meanwhile, and enters
//! whoever waits among those whom the delivery wakes. So the many sends of a task that awaits them one after the other
//! travel as full batches.
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use courant_client::{Error, Kafka};

use crate::append::{Appended, Applicant, Arrival, Claim, Permit, Place, Refusal, Room, Supplies};
use crate::control::Control;
use crate::interceptor::Intercepted;
use crate::producer::{Shared, no_space, refused};
use crate::{DeliveryFuture, Producer, Record, RecordMetadata, SendError};

/// A record on its way in, and the interceptors that have to hear of it.
///
/// It travels in a box, as an application may let a hundred thousand wait, but stands in [`Waits`] itself: the driver, which
/// takes it from there, would free a box of another thread, and the two threads meet at the allocator's lock.
pub(crate) struct Entering {
    record: Record,
    intercepted: Option<Intercepted>,
    claim: Claim,
}

/// How a wait ended.
enum Entered {
    /// The record was accepted.
    Accepted(DeliveryFuture),
    /// It was not. Offered again, it is accepted or told why not.
    Back(Box<Entering>),
}

/// A record that did not get in, and why.
type Refused = (Box<Entering>, Error);

impl Producer {
    /// Sends a record that something stands in the way of. Its future is boxed wherever it is awaited, so that the future
    /// of a record that does not wait stays small.
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
        let Shared { room, control, max_block, .. } = self.shared();
        let started = kafka.world().now();
        let deadline = started + *max_block;
        let mut now = started;
        loop {
            let Entering { record, claim, .. } = &mut *entering;
            let refusal = match self.offer(record, claim) {
                Ok(delivery) => return Ok(entering.accepted(delivery)),
                Err(refusal) => refusal,
            };
            let waiting = match refusal {
                Refusal::NeedsBytes(missing) => WaitingSend::in_line(entering, missing, room, now, control),
                Refusal::UnknownTopic => {
                    let topic = record.topic.clone();
                    let waiting = WaitingSend::arriving(entering, room, control);
                    Box::pin(self.arrive(kafka, &waiting, topic.as_str(), deadline)).await?;
                    waiting
                }
                refusal => {
                    match Box::pin(self.wait_for(kafka, record, refusal, started, deadline, claim)).await {
                        Ok(()) => {
                            now = kafka.world().now();
                            continue;
                        }
                        Err(error) => return Err((entering, error)),
                    }
                }
            };
            match self.wait_in_line(kafka, &waiting, started, deadline).await? {
                Entered::Accepted(delivery) => return Ok(delivery),
                Entered::Back(back) => entering = back,
            }
            now = kafka.world().now();
        }
    }

    /// Waits until the record's topic is known, and all that waited for it stands in the line.
    async fn arrive(
        &self,
        kafka: &Kafka,
        waiting: &WaitingSend,
        topic: &str,
        deadline: Instant,
    ) -> Result<(), Refused> {
        let mut learning = pin!(self.learn_topic(kafka, topic, deadline));
        let learnt = poll_fn(|cx| match waiting.poll_over(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => learning.as_mut().poll(cx),
        });
        let Err(error) = learnt.await else { return Ok(()) };
        match waiting.take_back(kafka.world().now()) {
            Some(entering) => Err((entering, error)),
            None => Ok(()),
        }
    }

    /// Waits until the record's turn has come.
    async fn wait_in_line(
        &self,
        kafka: &Kafka,
        waiting: &WaitingSend,
        started: Instant,
        deadline: Instant,
    ) -> Result<Entered, Refused> {
        let mut timeout = kafka.world().sleep_until(deadline);
        poll_fn(|cx| {
            if let Poll::Ready(entered) = waiting.poll_entered(cx) {
                return Poll::Ready(Ok(entered));
            }
            ready!(Pin::new(&mut timeout).poll(cx));
            let Some(entering) = waiting.take_back(kafka.world().now()) else {
                return waiting.poll_entered(cx).map(Ok);
            };
            let error = match self.shared().control.is_closing() {
                true => refused(&entering.record, Refusal::Closed),
                false => no_space(&entering.record, deadline.saturating_duration_since(started)),
            };
            Poll::Ready(Err((entering, error)))
        })
        .await
    }
}

/// The sender's side; dropping it takes the record back, unless that was accepted.
struct WaitingSend(Arc<Waits>);

/// What a waiting send shares with the driver. Its lock comes before those of the room.
struct Waits {
    control: Arc<Control>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    waker: Waker,
    standing: Option<Standing>,
}

enum Phase {
    Entering(Entering),
    Over(Entered),
    /// The sender has what it waited for, or is gone.
    Left,
}

/// Where it stands; dropping this gives the place up.
enum Standing {
    Arriving { _place: Arrival },
    InLine { place: Place, since: Instant },
}

impl Entering {
    pub(crate) fn new(record: Record, claim: Claim) -> Box<Self> {
        Box::new(Self { record, intercepted: None, claim })
    }

    /// The record was accepted.
    fn accepted(self, delivery: DeliveryFuture) -> DeliveryFuture {
        if let Some(intercepted) = self.intercepted {
            intercepted.accepted(&delivery);
        }
        delivery
    }
}

impl WaitingSend {
    /// Waits until the room knows the record's topic, and then in the line.
    fn arriving(entering: Box<Entering>, room: &Room, control: &Arc<Control>) -> Self {
        let topic = entering.record.topic.to_name();
        Self::standing(entering, control, |shared| {
            room.arrivals.enter(topic, shared).map(|place| Standing::Arriving { _place: place })
        })
    }

    /// Waits in the line, as so many bytes are missing.
    fn in_line(
        entering: Box<Entering>,
        missing: usize,
        room: &Room,
        now: Instant,
        control: &Arc<Control>,
    ) -> Self {
        let mut is_first = false;
        let waiting = Self::standing(entering, control, |shared| {
            let place = Place::take(&room.supplies.permits, missing, shared)?;
            is_first = place.is_first;
            Some(Standing::InLine { place, since: now })
        });
        // Who waits must not wait for batches to linger: the driver closes them all. It knows of a line that it serves.
        if is_first {
            room.supplies.bell.ring();
        }
        waiting
    }

    fn standing(
        entering: Box<Entering>,
        control: &Arc<Control>,
        stand: impl FnOnce(Arc<Waits>) -> Option<Standing>,
    ) -> Self {
        let state = State { phase: Phase::Entering(*entering), waker: Waker::noop().clone(), standing: None };
        let shared = Arc::new(Waits { control: Arc::clone(control), state: Mutex::new(state) });
        let mut state = shared.lock();
        state.standing = stand(Arc::clone(&shared));
        if state.standing.is_none() {
            state.send_back();
        }
        drop(state);
        Self(shared)
    }

    /// Pending as long as the record waits. Once it was accepted nobody is woken before its outcome is there.
    fn poll_entered(&self, cx: &mut Context<'_>) -> Poll<Entered> {
        ready!(self.poll_over(cx));
        let mut state = self.0.lock();
        match std::mem::replace(&mut state.phase, Phase::Left) {
            Phase::Over(entered) => Poll::Ready(entered),
            Phase::Entering(_) | Phase::Left => Poll::Pending,
        }
    }

    /// Ready once the wait is over.
    fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        match state.phase {
            Phase::Over(_) => Poll::Ready(()),
            Phase::Entering(_) | Phase::Left => {
                state.waker.clone_from(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Stops waiting, unless that is over.
    fn take_back(&self, now: Instant) -> Option<Box<Entering>> {
        let mut state = self.0.lock();
        let entering = state.take_entering()?;
        let standing = state.standing.take();
        drop(state);
        if let Some(Standing::InLine { since, .. }) = standing {
            self.0.control.waits().note(now.saturating_duration_since(since), false);
        }
        Some(Box::new(entering))
    }
}

impl Drop for WaitingSend {
    fn drop(&mut self) {
        let mut state = self.0.lock();
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
    fn take_entering(&mut self) -> Option<Entering> {
        match std::mem::replace(&mut self.phase, Phase::Left) {
            Phase::Entering(entering) => Some(entering),
            phase => {
                self.phase = phase;
                None
            }
        }
    }

    fn send_back(&mut self) {
        if let Some(entering) = self.take_entering() {
            self.phase = Phase::Over(Entered::Back(Box::new(entering)));
            self.waker.wake_by_ref();
        }
    }

    fn accept(&mut self, appended: Appended) {
        let Some(entering) = self.take_entering() else { return };
        let mut delivery = entering.accepted(DeliveryFuture::new(appended));
        if Pin::new(&mut delivery).poll(&mut Context::from_waker(&self.waker)).is_ready() {
            self.waker.wake_by_ref();
        }
        self.phase = Phase::Over(Entered::Accepted(delivery));
    }
}

impl Applicant for Waits {
    fn apply(&self, room: &Room, now: Instant, permit: Option<Permit>) -> Result<(), usize> {
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
                if let Some(Standing::InLine { place, since }) = state.standing.take() {
                    place.served();
                    self.control.waits().note(now.saturating_duration_since(since), true);
                }
                state.accept(appended);
            }
        }
        Ok(())
    }

    fn join_line(self: Arc<Self>, room: &Room) {
        let Supplies { permits, .. } = &room.supplies;
        let since = room.supplies.look_at_clock().now;
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Entering(_)) {
            return;
        }
        // Nothing is known to be missing: its turn will tell.
        let place = Place::take(permits, 0, Arc::clone(&self) as Arc<dyn Applicant>);
        let in_line = place.map(|place| Standing::InLine { place, since });
        if in_line.is_none() {
            state.send_back();
        }
        let arrival = std::mem::replace(&mut state.standing, in_line);
        drop(state);
        drop(arrival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: impl Fn(&'static Producer, Box<Entering>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_a_waiting_send_holds_is_hardly_more_than_its_record() {
        let future = size_of_future(|producer, entering| producer.send_slowly(entering));
        assert!(future <= 400, "{future} bytes");
        assert!(size_of::<Entering>() <= size_of::<Record>() + 88);
        assert!(size_of::<Waits>() <= size_of::<Entering>() + 80);
    }
}
