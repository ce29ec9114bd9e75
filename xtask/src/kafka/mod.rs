//! `cargo xtask kafka`: real Apache Kafka on this machine, from Maven's jars, without an installation.
//!
//! | file | idea |
//! |---|---|
//! | `jars` | fetches a version's jars into `.kafka/` |
//! | `settings` | one node's `node.properties` |
//! | `cluster` | formats, starts, kills, restarts and stops nodes; its state is a file |
//! | `ready` | asks for metadata until every node is registered |
//! | `configs` | what the configurations of Java's clients say of themselves |
//! | `command` | the command line |

mod cluster;
mod command;
mod configs;
mod jars;
mod ready;
mod settings;

pub(crate) use cluster::{Cluster, Plan};
pub(crate) use command::{Command, run};
pub(crate) use configs::configs;
pub(crate) use jars::{
    fetch as jars, fetch_client as client_jars, fetch_connect as connect_jars, fetch_streams as streams_jars,
};
