//! Many records at once: one future for all of them, and a result for each.
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use courant_client::Error;
use courant_protocol::types::UnixMillis;
use courant_runtime::BoxFuture;

use crate::append::Claim;
use crate::{DeliveryFuture, Producer, Record, RecordMetadata, SendError};

impl Producer {
    /// Sends many records, in order, and waits for all of them. One future stands for them all: it keeps a handle for each
    /// run of records that went into the same batch, and none for a single record.
    ///
    /// Each record is accepted whole or not at all, as by [`enqueue`](Self::enqueue), and one that fails does not stop
    /// those behind it. Nothing happens until the future is polled.
    ///
    /// # Errors
    /// [`SendBatchError`] with every record that failed: its place among the records, and its own [`SendError`].
    ///
    /// # Cancel safety
    /// A record is accepted in the poll that takes it out of the future. A dropped future has sent what
    /// [`accepted`](SendBatch::accepted) counts, and nothing of the rest; [`into_rest`](SendBatch::into_rest) gives that
    /// back instead. To be able to ask, poll it by reference.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let cluster = courant_broker_mock::MockCluster::builder().topic("orders", 1).build()?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
    /// use courant_producer::{Producer, Record};
    ///
    /// let producer = Producer::builder(&kafka).start().await?;
    /// let record = |n: i64| Record::to("orders").value(n.to_string());
    /// let sent = producer.send_batch((0..1000).map(record)).await?;
    /// assert_eq!(sent[999].offset, 999);
    ///
    /// let failed = producer.send_batch([record(0), record(1).timestamp(-1), record(2)]).await.unwrap_err();
    /// assert_eq!(failed.failures[0].0, 1);
    /// assert_eq!(failed.written, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_batch(&self, records: impl IntoIterator<Item = Record>) -> SendBatch {
        let rest: VecDeque<Record> = records.into_iter().collect();
        let results = Vec::with_capacity(rest.len());
        SendBatch {
            producer: self.clone(),
            rest,
            entering: None,
            runs: VecDeque::new(),
            accepted: 0,
            current: None,
            results,
        }
    }
}

/// The future of many records; [`Producer::send_batch`] makes one.
#[must_use = "nothing is sent until it is awaited"]
pub struct SendBatch {
    producer: Producer,
    rest: VecDeque<Record>,
    /// The front of `rest`, which waits to be accepted.
    entering: Option<BoxFuture<'static, Result<DeliveryFuture, SendError>>>,
    runs: VecDeque<Run>,
    accepted: usize,
    /// The delivery that is waited for now.
    current: Option<DeliveryFuture>,
    results: Vec<Result<RecordMetadata, SendError>>,
}

/// Records that came one after the other and share what they became of.
enum Run {
    /// In one batch, one after the other: the first one's delivery, and the times of those that still have to be asked for.
    Accepted { first: DeliveryFuture, asked: u32, timestamps: VecDeque<UnixMillis> },
    /// One that was not accepted.
    Refused(SendError),
}

impl SendBatch {
    /// How many records were accepted so far; they are on their way, whatever becomes of this future.
    pub fn accepted(&self) -> usize {
        self.accepted
    }

    /// Gives up waiting, and gives back the records that were not accepted yet.
    pub fn into_rest(self) -> Vec<Record> {
        self.rest.into()
    }

    fn poll_accepted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let accepted = match &mut self.entering {
                Some(entering) => ready!(entering.as_mut().poll(cx)),
                None => {
                    let Some(record) = self.rest.front() else { return Poll::Ready(()) };
                    let mut claim = Claim::default();
                    match self.producer.accept_at_once(record, &mut claim) {
                        Some(delivery) => Ok(delivery),
                        None => {
                            let (producer, record) = (self.producer.clone(), record.clone());
                            self.entering =
                                Some(Box::pin(async move { producer.enqueue_slowly(record, claim).await }));
                            continue;
                        }
                    }
                }
            };
            self.entering = None;
            self.rest.pop_front();
            match accepted {
                Ok(delivery) => self.note_accepted(delivery),
                Err(refused) => self.runs.push_back(Run::Refused(refused)),
            }
        }
    }

    fn note_accepted(&mut self, delivery: DeliveryFuture) {
        self.accepted += 1;
        match self.runs.back_mut() {
            Some(Run::Accepted { first, timestamps, .. })
                if delivery.comes_after(first, timestamps.len()) =>
            {
                timestamps.push_back(delivery.timestamp());
            }
            _ => {
                let timestamps = VecDeque::from([delivery.timestamp()]);
                self.runs.push_back(Run::Accepted { first: delivery, asked: 0, timestamps });
            }
        }
    }

    fn poll_delivered(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(current) = &mut self.current {
                let result = ready!(Pin::new(current).poll(cx));
                self.current = None;
                self.results.push(result);
            }
            match self.runs.front_mut() {
                None => return Poll::Ready(()),
                Some(Run::Accepted { first, asked, timestamps }) => match timestamps.pop_front() {
                    Some(timestamp) => {
                        self.current = Some(first.neighbour(*asked, timestamp));
                        *asked += 1;
                    }
                    None => drop(self.runs.pop_front()),
                },
                Some(Run::Refused(_)) => {
                    if let Some(Run::Refused(refused)) = self.runs.pop_front() {
                        self.results.push(Err(refused));
                    }
                }
            }
        }
    }
}

impl Future for SendBatch {
    type Output = Result<Vec<RecordMetadata>, SendBatchError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(this.poll_accepted(cx));
        ready!(this.poll_delivered(cx));
        let results = std::mem::take(&mut this.results);
        if results.iter().all(Result::is_ok) {
            return Poll::Ready(Ok(results.into_iter().flatten().collect()));
        }
        let records = results.len();
        let failed = results.into_iter().enumerate().filter_map(|(nth, result)| Some((nth, result.err()?)));
        let failures: Vec<(usize, SendError)> = failed.collect();
        Poll::Ready(Err(SendBatchError { written: records - failures.len(), failures }))
    }
}

impl fmt::Debug for SendBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBatch")
            .field("accepted", &self.accepted)
            .field("rest", &self.rest.len())
            .finish_non_exhaustive()
    }
}

/// Some of many records were not delivered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SendBatchError {
    /// The records that failed: each one's place among those that were sent, and why. There is at least one.
    pub failures: Vec<(usize, SendError)>,
    /// How many were written.
    pub written: usize,
}

impl fmt::Display for SendBatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failures.len();
        write!(f, "{failed} of {} records were not delivered", failed + self.written)?;
        match self.failures.first() {
            Some((nth, error)) => write!(f, "; record {nth}: {error}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SendBatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failures.first().map(|(_, error)| error as &(dyn std::error::Error + 'static))
    }
}

impl From<SendBatchError> for Error {
    /// The first failure.
    fn from(error: SendBatchError) -> Self {
        let what = error.to_string();
        match error.failures.into_iter().next() {
            Some((_, first)) => {
                let (possibly_written, fatal) = (first.possibly_written(), first.is_fatal());
                let summary = Self::new(first.kind(), what).maybe_written(possibly_written);
                summary.maybe_fatal(fatal).because(first)
            }
            None => Self::new(courant_client::ErrorKind::Internal, what),
        }
    }
}
