//! From the command line to the row.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use crate::{COLUMNS, Measured, Parameters, Row};

/// A driver's `main`: reads the parameters, runs, prints the row. `--header` prints the names of the columns.
pub fn run(drive: impl FnOnce(&Parameters) -> Result<Measured>) -> ExitCode {
    if std::env::args().any(|argument| argument == "--header") {
        println!("{COLUMNS}");
        return ExitCode::SUCCESS;
    }
    let parameters = Parameters::parse();
    match drive(&parameters) {
        Ok(measured) => {
            println!("{}", Row::new(&parameters, &measured));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}: {error:#}", parameters.client);
            ExitCode::FAILURE
        }
    }
}

/// The runtime of asynchronous clients.
///
/// # Errors
/// The system gives no thread.
pub fn runtime(parameters: &Parameters) -> Result<Runtime> {
    let mut builder = match parameters.threads {
        0 | 1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    Ok(builder.enable_all().build()?)
}

/// What a driver answers to a client or an operation that it does not have.
///
/// # Errors
/// Always.
pub fn no_driver(parameters: &Parameters) -> Result<Measured> {
    Err(anyhow!("there is no `{}` of `{}` here", parameters.op.name(), parameters.client))
}
