//! The command line of `cargo xtask kafka`.

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::cluster::{Cluster, Plan};
use super::configs::configs;

/// What to do with a cluster of real Kafka nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetches jars, formats storage, starts nodes on free ports and prints the bootstrap servers
    Start(Start),
    /// Stops every node
    Stop(Named),
    /// Ends a node as kill -9 does
    Kill(Node),
    /// Starts a node again, with its storage and its ports
    Restart(Node),
    /// Prints every property of Java's clients: client/tests/golden/config-4.3.1.txt
    Configs {
        /// Kafka's version
        #[arg(long, default_value = "4.3.1")]
        version: String,
    },
}

/// Which cluster.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The cluster's name
    #[arg(long, default_value = "default")]
    name: String,
}

/// Which node.
#[derive(Debug, Args)]
pub(crate) struct Node {
    #[command(flatten)]
    cluster: Named,
    /// The node, from 1
    #[arg(long, default_value_t = 1)]
    node: usize,
}

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    cluster: Named,
    /// Kafka's version
    #[arg(long, default_value = "4.3.1")]
    version: String,
    /// How many nodes
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// A further broker property; may be given several times
    #[arg(long = "config", value_name = "NAME=VALUE")]
    config: Vec<String>,
}

/// Carries a command out.
pub(crate) fn run(root: &Path, command: Command) -> Result<()> {
    match command {
        Command::Start(Start { cluster, version, nodes, config }) => {
            let cluster = Cluster::start(root, &Plan { name: cluster.name, version, nodes, config })?;
            println!("{}", cluster.bootstrap());
        }
        Command::Stop(Named { name }) => Cluster::open(root, &name)?.stop()?,
        Command::Kill(Node { cluster, node }) => Cluster::open(root, &cluster.name)?.kill(node)?,
        Command::Restart(Node { cluster, node }) => Cluster::open(root, &cluster.name)?.restart(node)?,
        Command::Configs { version } => print!("{}", configs(root, &version)?),
    }
    Ok(())
}
