//! The sending side as plain machines: handed the time, batches and answers, they hand back requests and outcomes.
//!
//! [`Linger`] says when an open batch has waited long enough; a [`Batch`] is sealed and knows its stamp; [`Sender`]
//! has a queue for each partition, and decides with the pure functions of [`identity`] what an answer means.
mod answer;
mod availability;
mod batch;
mod counts;
pub(crate) mod identity;
mod idle;
mod linger;
mod partition;
mod sender;
#[cfg(test)]
mod tests;

pub(crate) use availability::Availability;
pub(crate) use batch::Batch;
pub(crate) use counts::Counts;
pub(crate) use idle::IdleTopics;
pub(crate) use linger::Linger;
pub(crate) use partition::Place;
pub(crate) use sender::{Notice, Outgoing, RequestId, Sender, SenderSettings};
