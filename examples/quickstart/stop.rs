//! Ctrl-C.
use std::future::Future;
use std::task::Poll;

use courant::runtime::watch;

/// Whether Ctrl-C was pressed.
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from now on: the handler stands when this returns.
    pub(crate) async fn on_ctrl_c() -> Self {
        let (pressed, stop) = watch::channel(false);
        let mut signal = Box::pin(tokio::signal::ctrl_c());
        // The first poll installs the handler.
        let early = std::future::poll_fn(|cx| Poll::Ready(signal.as_mut().poll(cx))).await;
        tokio::spawn(async move {
            // Where there is no such handler, nobody ever stops the program by it.
            if early.is_ready() || signal.await.is_ok() {
                pressed.send_replace(true);
            }
            std::future::pending::<()>().await;
        });
        Self(stop)
    }

    /// What a future gives; nothing if Ctrl-C comes first, and then the future is dropped.
    pub(crate) async fn or<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.0.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|pressed| *pressed) => None,
            ended = future => Some(ended),
        }
    }
}
