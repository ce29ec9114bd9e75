//! What a consumer knows and decides, without I/O, clock or tasks: [`reading::Reading`] and its parts.
//!
//! | file | what it decides |
//! |---|---|
//! | `subscription`, `partition`, `position` | which partitions there are, where each stands, what each waits for |
//! | `reset` | where to start without a valid offset |
//! | `fetcher`, `fetch_session` | which broker is asked for what, and how much |
//! | `buffer`, `stretch`, `isolation` | what is parked, whose turn it is, which records go out |
//! | `streaming` | how far a stream has come in what it holds, and when it must let go of that |
//! | `acks` | what is outstanding where each record is acknowledged, and so what may be committed |
//! | `commit` | in which order offsets reach the coordinator |
//! | `group`, `rebalance`, `election` | what the group gives and takes, what the application hears of it, how a leader divides |
//! | `returning` | whether what a group was given before its static leader came back is everything |
//! | `counts` | how much there was of all that, and how long it took |
//! | `pattern` | which topics are subscribed to where they are chosen by their names |
pub(crate) mod acks;
pub(crate) mod buffer;
pub(crate) mod commit;
pub(crate) mod counts;
pub(crate) mod election;
pub(crate) mod fetch_session;
pub(crate) mod fetcher;
pub(crate) mod group;
pub(crate) mod isolation;
pub(crate) mod partition;
pub(crate) mod pattern;
pub(crate) mod position;
pub(crate) mod reading;
mod rebalance;
pub(crate) mod reset;
pub(crate) mod returning;
mod streaming;
pub(crate) mod stretch;
pub(crate) mod subscription;

#[cfg(test)]
mod tests;
