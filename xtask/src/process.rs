//! Commands with a time limit, whose output is shown while it is kept.

use std::io::{BufRead, BufReader, Read, Write};
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
    /// Standard output alone.
    pub(crate) stdout: Vec<String>,
}

impl Outcome {
    /// Whether it ended well.
    pub(crate) fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Its last lines, for a message.
    pub(crate) fn tail(&self) -> String {
        self.lines.get(self.lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
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

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
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
    command.stdin(Stdio::null());
    finish(spawn(command)?, limit, show)
}

/// Runs a command with a text as its input and gives the lines of its standard output.
pub(crate) fn pipe(command: &mut Command, input: String, limit: Duration) -> Result<Vec<String>> {
    let name = spelled(command);
    command.stdin(Stdio::piped());
    let mut child = spawn(command)?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // A thread of its own: the child may stop reading until somebody reads what it writes.
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let outcome = finish(child, limit, Show::Nothing)?;
    if !outcome.succeeded() {
        bail!("`{name}` {}:\n{}", outcome.ending(), outcome.tail());
    }
    writer.join().ok().context("the input's thread panicked")??;
    Ok(outcome.stdout)
}

/// Starts a command in a process group of its own.
fn spawn(command: &mut Command) -> Result<Child> {
    let name = command.get_program().display().to_string();
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command.spawn().with_context(|| format!("cannot start {name}"))
}

/// Reads a child's lines until it ends or the time is up.
fn finish(mut child: Child, limit: Duration, show: Show) -> Result<Outcome> {
    let lines = readers(&mut child)?;
    let deadline = Instant::now() + limit;
    let mut outcome = Outcome { code: None, timed_out: false, lines: Vec::new(), stdout: Vec::new() };
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((stream, line)) => {
                if show == Show::All {
                    println!("{line}");
                }
                if stream == Stream::Stdout {
                    outcome.stdout.push(line.clone());
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
        bail!("`{name}` {}:\n{}", outcome.ending(), outcome.tail());
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
fn readers(child: &mut Child) -> Result<Receiver<(Stream, String)>> {
    let (sender, lines) = channel();
    let stdout = child.stdout.take().context("no standard output")?;
    let stderr = child.stderr.take().context("no standard error")?;
    let other = sender.clone();
    thread::spawn(move || forward(stdout, Stream::Stdout, &sender));
    thread::spawn(move || forward(stderr, Stream::Stderr, &other));
    Ok(lines)
}

/// Sends a stream's lines until it ends.
fn forward(input: impl Read, stream: Stream, lines: &Sender<(Stream, String)>) {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    while matches!(input.read_until(b'\n', &mut line), Ok(n) if n > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        if lines.send((stream, text)).is_err() {
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
    fn input_goes_in_and_standard_output_alone_comes_out() -> Result<()> {
        let big = "a line of some length\n".repeat(20_000);
        let lines = pipe(&mut shell("echo warning >&2; cat"), big, Duration::from_secs(60))?;
        assert_eq!(lines.len(), 20_000);
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
