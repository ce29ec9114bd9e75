//! The program: builds the cluster, says when it is ready, and waits for the signal to end.
use std::io::{self, Write};
use std::process::ExitCode;

use courant_broker_mock::MockCluster;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Args;

/// Where Kafka listens by default.
const DEFAULT_PORT: u16 = 9092;

pub(crate) fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(serve(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("courant-broker-mock: {error}");
    ExitCode::FAILURE
}

async fn serve(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    // Whoever ends the program right after its first line is heard, so the signals come first.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let brokers = args.brokers.unwrap_or(1);
    // A program that runs for days keeps no requests.
    let mut builder = MockCluster::builder().brokers(brokers).seed(args.seed).request_log(0);
    for (name, value) in &args.configs {
        builder = builder.config(name, value);
    }
    for (name, partitions) in &args.topics {
        builder = builder.topic(name, *partitions);
    }
    for (name, password) in &args.users {
        builder = builder.user(name, password);
    }
    let cluster = builder.build()?;
    let port_base = args.port_base.unwrap_or(DEFAULT_PORT);
    cluster
        .listen(port_base)
        .await
        .map_err(|error| format!("cannot listen from port {port_base} on: {error}"))?;
    announce(&cluster.bootstrap(), args.ready_json)?;
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    cluster.shutdown().await;
    Ok(())
}

fn announce(bootstrap: &str, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{{\"bootstrap\":\"{bootstrap}\"}}")?;
    } else {
        writeln!(out, "serving on {bootstrap}")?;
    }
    out.flush()
}
