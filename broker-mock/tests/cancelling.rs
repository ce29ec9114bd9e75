//! Both async functions, dropped after every number of polls: nothing half begun stays, and the end comes all the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use courant_broker_mock::MockCluster;
use courant_protocol::messages::MetadataRequest;
use support::Client;

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

fn cluster() -> MockCluster {
    MockCluster::builder().brokers(3).build().unwrap()
}

fn addresses(cluster: &MockCluster) -> Vec<String> {
    cluster.bootstrap().split(',').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_dropped_listen_announces_nothing_and_can_be_asked_for_again() {
    for polls in 0.. {
        let cluster = cluster();
        let names = cluster.bootstrap();
        let listening = drop_after(polls, cluster.listen(0)).await;
        if listening.is_none() {
            assert_eq!(cluster.bootstrap(), names, "dropped after {polls} polls");
            cluster.listen(0).await.unwrap();
        }
        for address in addresses(&cluster) {
            let response = Client::tcp(&address).await.unwrap().call(&MetadataRequest::default(), 12).await;
            assert_eq!(response.brokers.len(), 3, "dropped after {polls} polls");
        }
        cluster.shutdown().await;
        if listening.is_some() {
            return;
        }
    }
}

#[tokio::test]
async fn a_dropped_shutdown_has_not_begun_or_goes_on_and_can_be_waited_for_again() {
    for polls in 0.. {
        let cluster = cluster();
        cluster.listen(0).await.unwrap();
        let addresses = addresses(&cluster);
        let mut client = Client::tcp(&addresses[0]).await.unwrap();
        client.call(&MetadataRequest::default(), 12).await;
        let ended = drop_after(polls, cluster.shutdown()).await.is_some();
        if polls == 0 {
            client.call(&MetadataRequest::default(), 12).await;
            Client::tcp(&addresses[2]).await.unwrap().call(&MetadataRequest::default(), 12).await;
        } else {
            let end = tokio::time::timeout(Duration::from_secs(10), client.receive_frame()).await;
            assert_eq!(end, Ok(None), "after {polls} polls the connection ends");
        }
        tokio::join!(cluster.shutdown(), cluster.shutdown());
        for address in &addresses {
            assert!(Client::tcp(address).await.is_err(), "after {polls} polls nobody listens any more");
        }
        if ended {
            assert!(polls > 1, "there was something to wait for");
            return;
        }
    }
}
