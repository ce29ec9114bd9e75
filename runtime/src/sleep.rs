//! A timer that can be set again.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// A future that is ready once its deadline has passed, made by [`World::sleep_until`](crate::World::sleep_until).
///
/// It is `Unpin` and can be set to another deadline, so that a driver keeps one timer for its whole life. The timer is
/// registered when it is first polled, which must happen inside a tokio runtime that has its timers enabled.
pub struct Sleep {
    deadline: Instant,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Sleep {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { deadline, timer: None }
    }

    /// When it becomes ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Sets another deadline, earlier or later, whether or not the first has passed. Setting the same one again is free.
    ///
    /// The task is woken for the new deadline once it has polled the future again.
    pub fn reset(&mut self, deadline: Instant) {
        if deadline != self.deadline {
            self.deadline = deadline;
            if let Some(timer) = &mut self.timer {
                timer.as_mut().reset(deadline.into());
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        timer.as_mut().poll(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::Instant as TokioInstant;

    #[tokio::test(start_paused = true)]
    async fn a_timer_can_be_moved_to_a_later_and_to_an_earlier_time() {
        let start = TokioInstant::now();
        let at = |ms| start.into_std() + Duration::from_millis(ms);
        let mut sleep = Sleep::until(at(10));
        sleep.reset(at(30));
        (&mut sleep).await;
        assert_eq!(start.elapsed(), Duration::from_millis(30));

        sleep.reset(at(1_000));
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut sleep).await.is_err());
        sleep.reset(at(60));
        (&mut sleep).await;
        assert_eq!(start.elapsed(), Duration::from_millis(60));
    }
}
