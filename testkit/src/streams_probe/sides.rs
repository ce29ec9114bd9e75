//! Runs the topologies, on both sides.
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use courant_admin::{Admin, NewTopic};
use courant_client::Kafka;
use courant_streams::StreamsApp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::case::{Case, Side};

/// One topology takes no longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// Creates the topics that are written to.
pub(crate) async fn create_outputs(kafka: &Kafka, cases: &[Case]) -> Result<()> {
    let mut topics = Vec::new();
    for case in cases {
        for sink in case.sinks()? {
            for side in [Side::Java, Side::Ours] {
                let name = format!("{}{sink}", case.outputs(side));
                topics.push(NewTopic::new(name).partitions(case.inputs.partitions()));
            }
        }
    }
    Admin::new(kafka).create_topics(topics).await.all()?;
    Ok(())
}

/// Lets Kafka Streams run all of them, one after the other in one process.
pub(crate) async fn java(command: &[String], bootstrap: &str, cases: &[Case]) -> Result<()> {
    let (program, arguments) = command.split_first().context("Java's command is missing")?;
    let mut child = Command::new(program)
        .args(arguments)
        .args(["run", bootstrap])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("Java cannot be started")?;
    let mut input = child.stdin.take().context("no standard input")?;
    let mut output = BufReader::new(child.stdout.take().context("no standard output")?).lines();
    for case in cases {
        let (application, outputs) = (case.application(Side::Java), case.outputs(Side::Java));
        let line = format!("{application}\t{}\t{}\t{outputs}\n", case.name, case.inputs.prefix());
        input.write_all(line.as_bytes()).await?;
        input.flush().await?;
        let said = timeout(PATIENCE, output.next_line()).await;
        let said = said.with_context(|| format!("Kafka Streams takes too long for {}", case.name))??;
        ensure!(said.as_deref() == Some("done"), "Kafka Streams said {said:?} of {}", case.name);
    }
    drop(input);
    let status = timeout(PATIENCE, child.wait()).await.context("Java does not end")??;
    ensure!(status.success(), "Java ended with {status}");
    Ok(())
}

/// Runs one of them ourselves, with the settings that Java's has.
pub(crate) async fn ours(kafka: &Kafka, case: &Case) -> Result<()> {
    let app = StreamsApp::builder(case.application(Side::Ours), kafka)
        .set("commit.interval.ms", 200)
        .set("max.task.idle.ms", 3_000)
        .set("repartition.purge.interval.ms", 3_600_000)
        .set("producer.linger.ms", 5)
        .start(case.topology(Side::Ours)?)
        .await?;
    let done = timeout(PATIENCE, async {
        // A task that just got its partitions may not know yet that there is something in them.
        let mut quiet = 0;
        while quiet < 3 {
            quiet = if app.lag().await? == 0 { quiet + 1 } else { 0 };
            sleep(Duration::from_millis(200)).await;
        }
        anyhow::Ok(())
    });
    done.await.context("it takes too long")??;
    app.close(Duration::from_secs(20)).await?;
    Ok(())
}
