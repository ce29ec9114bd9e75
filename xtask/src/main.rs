//! The workspace's own tools: `cargo xtask <command>`.
//!
//! | command | what it does |
//! |---|---|
//! | `codegen` | writes the generated messages of `protocol` |
//! | `tidy` | checks the house rules that the compiler does not know |
//! | `check` | the three minutes before a commit |
//! | `ci` | everything that `.ci/run` requires |
//! | `soak` | what runs before an issue is closed |
//! | `kafka` | starts and stops real Apache Kafka |
//! | `interop` | foreign clients against the mock |
//! | `planted` | proves that each planted defect fails its test |

mod codegen;

use clap::{Parser, Subcommand};

/// `cargo xtask`.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The workspace's own tools")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// One tool.
#[derive(Debug, Subcommand)]
enum Command {
    /// Writes protocol/src/messages from protocol/schemas
    Codegen {
        /// Writes nothing; fails when a committed file differs from what the tables give
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Codegen { check } => codegen::run(check),
    }
}
