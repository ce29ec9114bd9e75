//! `courant::connect`, dropped after every number of polls: whatever it has opened is closed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use courant::mock::MockCluster;
use tokio::runtime::Handle;

/// Polls so many times, whenever the future is woken, and drops it right after the last poll if it is not ready.
async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut done = 0;
    poll_fn(|cx| {
        if done == polls {
            return Poll::Ready(None);
        }
        done += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if done == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Lets every task go on until only so many are left: connections and drivers end by themselves.
async fn until_left(tasks: usize) {
    while Handle::current().metrics().num_alive_tasks() > tasks {
        tokio::task::yield_now().await;
    }
}

/// Connects in vain and at last with success; each time nothing may be left but the `tasks` from before.
async fn sweep(bootstrap: &str, tasks: usize) {
    for polls in 0.. {
        let connected = drop_after(polls, courant::connect(bootstrap)).await;
        let ended = connected.is_some();
        if let Some(kafka) = connected {
            kafka.unwrap().close(Duration::from_secs(5)).await.unwrap();
        }
        let left = tokio::time::timeout(Duration::from_secs(10), until_left(tasks)).await;
        assert!(left.is_ok(), "dropped after {polls} polls, a task lives on");
        if ended {
            assert!(polls > 1, "there was something to wait for");
            return;
        }
    }
}

#[tokio::test]
async fn a_dropped_connect_to_a_cluster_in_memory_leaves_nothing_behind() {
    sweep("mock://3", 0).await;
}

#[tokio::test]
async fn a_dropped_connect_by_tcp_leaves_nothing_behind() {
    let cluster = MockCluster::builder().brokers(3).build().unwrap();
    let listeners = cluster.listen(0).await.unwrap().len();
    sweep(&cluster.bootstrap(), listeners).await;
    cluster.shutdown().await;
    until_left(0).await;
}
