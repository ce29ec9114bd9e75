//! The workspace's own tools: `cargo xtask <command>`.
//!
//! | command | what it does |
//! |---|---|
//! | `codegen` | writes the generated messages of `protocol` |
//! | `tidy` | checks the house rules that the compiler does not know |
//! | `check` | the three minutes before a commit |
//! | `ci` | everything that `.ci/run` requires |
//! | `soak` | what runs before a release or a large claim |
//! | `kafka` | starts and stops real Apache Kafka |
//! | `interop` | foreign clients against the mock |
//! | `planted` | proves that each planted defect fails its test |
//! | `bench` | our clients beside other people's |
//! | `instructions` | what a record costs, counted and compared with what was committed |

mod bench;
mod check;
mod ci;
mod codegen;
mod instructions;
mod interop;
mod kafka;
mod planted;
mod process;
mod soak;
mod steps;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
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
    /// Checks the house rules that the compiler does not know
    Tidy,
    /// Formatting, lints, house rules and the tests of changed crates
    Check {
        /// The commit to compare with; without it where the branch left main
        #[arg(long)]
        base: Option<String>,
    },
    /// Everything that must hold before a change lands
    Ci,
    /// What runs before a release or a large claim; every part unless some are named
    Soak {
        /// The parts to run
        parts: Vec<soak::Part>,
    },
    /// Foreign clients against the mock
    Interop {
        /// What is compared; everything unless some are named
        parts: Vec<interop::Part>,
        /// Real Kafka of this version instead of the mock
        #[arg(long, value_name = "VERSION")]
        kafka: Option<String>,
    },
    /// Starts and stops real Apache Kafka
    #[command(subcommand)]
    Kafka(kafka::Command),
    /// Our clients beside other people's; bench/README.md says how to read the figures
    Bench(bench::Options),
    /// Counts the instructions of the hot paths with callgrind; fails where one has become dearer
    Instructions {
        /// Commits to what is counted now
        #[arg(long)]
        bless: bool,
    },
    /// Proves that each planted defect fails its test
    Planted {
        /// Every defect
        #[arg(long)]
        all: bool,
        /// So many, drawn by the commit's hash
        #[arg(long, conflicts_with = "all")]
        count: Option<usize>,
        /// Those whose names begin so
        #[arg(conflicts_with_all = ["all", "count"])]
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A tool's reader wants the reason, not the stack of the tool.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one tool.
fn run(command: Command) -> Result<()> {
    let root = workspace::root()?;
    match command {
        Command::Codegen { check } => codegen::run(check),
        Command::Tidy => tidy::run(&root),
        Command::Check { base } => check::run(&root, base.as_deref()),
        Command::Ci => ci::run(&root),
        Command::Soak { parts } => soak::run(&root, &parts),
        Command::Interop { parts, kafka } => {
            let found = match parts.as_slice() {
                [] => interop::run(&root, kafka.as_deref())?,
                parts => interop::run_parts(&root, kafka.as_deref(), parts)?,
            };
            println!("{} passed, {} failed", found.passed, found.failed);
            anyhow::ensure!(found.failed == 0, "{} comparisons with foreign clients failed", found.failed);
            Ok(())
        }
        Command::Bench(options) => bench::run(&root, &options),
        Command::Instructions { bless } => {
            let paths = instructions::run(&root, bless)?;
            anyhow::ensure!(paths.failed == 0, "{} hot paths have become dearer", paths.failed);
            Ok(())
        }
        Command::Kafka(command) => kafka::run(&root, command),
        Command::Planted { all: _, count, names } => {
            let selection = match (count, names.is_empty()) {
                (Some(count), _) => planted::Selection::Drawn(count),
                (None, false) => planted::Selection::Named(names),
                (None, true) => planted::Selection::All,
            };
            let caught = planted::run(&root, &selection)?;
            anyhow::ensure!(caught.failed == 0, "{} planted defects were not shown", caught.failed);
            Ok(())
        }
    }
}
