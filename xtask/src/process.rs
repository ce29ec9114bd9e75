//! Commands with a time limit, whose output is shown while it is kept.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its exit code; `None` when a signal or the time limit ended it.
    pub(crate) code: Option<i32>,
    /// Whether the time limit ended it.
    pub(crate) timed_out: bool,
    /// Standard output and standard error, line by line as they came.
    pub(crate) lines: Vec<String>,
}

impl Outcome {
    /// Whether it ended well.
    pub(crate) fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// How it ended, for a message.
    pub(crate) fn ending(&self) -> String {
        match (self.timed_out, self.code) {
            (true, _) => "exceeded its time limit".to_owned(),
            (false, Some(code)) => format!("ended with exit code {code}"),
            (false, None) => "was ended by a signal".to_owned(),
        }
    }
}

/// Whether a command's lines are printed while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// Each line as it comes.
    All,
    /// None.
    Nothing,
}

/// Runs a command in a process group of its own; the whole group ends with the time limit.
pub(crate) fn run(command: &mut Command, limit: Duration, show: Show) -> Result<Outcome> {
    let name = command.get_program().display().to_string();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let lines = readers(&mut child)?;
    let deadline = Instant::now() + limit;
    let mut outcome = Outcome { code: None, timed_out: false, lines: Vec::new() };
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if show == Show::All {
                    println!("{line}");
                }
                outcome.lines.push(line);
            }
            Err(RecvTimeoutError::Timeout) => {
                outcome.timed_out = true;
                kill_group(&child);
                break;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    outcome.code = wait(&mut child, deadline, &mut outcome.timed_out)?.filter(|_| !outcome.timed_out);
    Ok(outcome)
}

/// Runs a command, shows its output and fails unless it succeeds.
pub(crate) fn require(command: &mut Command, limit: Duration) -> Result<Outcome> {
    let name = spelled(command);
    let outcome = run(command, limit, Show::All)?;
    if !outcome.succeeded() {
        bail!("`{name}` {}", outcome.ending());
    }
    Ok(outcome)
}

/// Runs a command silently and fails with its last lines unless it succeeds.
pub(crate) fn quietly(command: &mut Command, limit: Duration) -> Result<Outcome> {
    let name = spelled(command);
    let outcome = run(command, limit, Show::Nothing)?;
    if !outcome.succeeded() {
        let tail = outcome.lines.iter().rev().take(20).rev().cloned().collect::<Vec<_>>().join("\n");
        bail!("`{name}` {}:\n{tail}", outcome.ending());
    }
    Ok(outcome)
}

/// A command as it would be typed.
fn spelled(command: &Command) -> String {
    let mut text = command.get_program().display().to_string();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// One thread per stream; the channel closes when both streams have ended.
fn readers(child: &mut Child) -> Result<Receiver<String>> {
    let (sender, lines) = channel();
    let stdout = child.stdout.take().context("no standard output")?;
    let stderr = child.stderr.take().context("no standard error")?;
    let other = sender.clone();
    thread::spawn(move || forward(stdout, &sender));
    thread::spawn(move || forward(stderr, &other));
    Ok(lines)
}

/// Sends a stream's lines until it ends.
fn forward(stream: impl Read, lines: &Sender<String>) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(stream.read_until(b'\n', &mut line), Ok(n) if n > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        if lines.send(text).is_err() {
            return;
        }
        line.clear();
    }
}

/// Waits for the process itself, which may outlive its streams.
fn wait(child: &mut Child, deadline: Instant, timed_out: &mut bool) -> Result<Option<i32>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if Instant::now() >= deadline && !*timed_out {
            *timed_out = true;
            kill_group(child);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Kills a child and everything it started.
fn kill_group(child: &Child) {
    // The standard library can open a process group but not signal one.
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_streams_and_the_exit_code_are_kept() -> Result<()> {
        let outcome = run(&mut shell("echo a; echo b >&2; exit 3"), Duration::from_secs(60), Show::Nothing)?;
        let mut lines = outcome.lines.clone();
        lines.sort();
        assert_eq!((outcome.code, lines), (Some(3), vec!["a".to_owned(), "b".to_owned()]));
        Ok(())
    }

    #[test]
    fn the_time_limit_ends_the_whole_group() -> Result<()> {
        let outcome =
            run(&mut shell("echo started; sleep 600 & wait"), Duration::from_millis(300), Show::Nothing)?;
        assert!(outcome.timed_out && !outcome.succeeded());
        assert_eq!(outcome.lines, ["started"]);
        Ok(())
    }

    #[test]
    fn a_failure_says_what_was_run_and_what_it_said() {
        let error = quietly(&mut shell("echo no such thing; exit 1"), Duration::from_secs(60))
            .map(|_| ())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c echo no such thing; exit 1` ended with exit code 1:\nno such thing"
        );
    }
}
