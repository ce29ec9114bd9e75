//! Groups of foreign clients: each by itself, ours and theirs in one group, and Java's calls step by step.
//!
//! | file | idea |
//! |---|---|
//! | `program` | a client that can be a member, as a command |
//! | `member` | such a process: what it is told and what it says |
//! | `group` | several members, and waiting until they have divided the partitions |
//! | `run` | the stories |
//! | `steps` | the Java program that counts its steps |

mod group;
mod member;
mod program;
mod run;
mod steps;

pub(crate) use program::Program;
pub(crate) use run::{mixed, single, topics};
pub(crate) use steps::steps;
