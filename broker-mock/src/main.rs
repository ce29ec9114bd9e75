//! `courant-broker-mock`: an in-memory Kafka cluster on TCP, for any client.
mod args;
mod serve;

use std::process::ExitCode;

use args::Command;

fn main() -> ExitCode {
    match args::parse(lexopt::Parser::from_env()) {
        Ok(Command::Help) => {
            println!("{}", args::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("courant-broker-mock {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Command::Serve(args)) => serve::run(args),
        Err(error) => {
            eprintln!("courant-broker-mock: {error}\nSee courant-broker-mock --help");
            ExitCode::from(2)
        }
    }
}
