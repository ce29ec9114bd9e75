//! A member as a process: what it is told and what it says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Lines that are kept for a message.
const TAIL_LINES: usize = 12;
/// How long the last words of a process are waited for, if a child of its own still holds its output.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A running member; killed when dropped.
pub(crate) struct Member {
    /// Who it is.
    pub(crate) name: String,
    /// The partitions that it owns, once it has said so.
    pub(crate) owns: Option<BTreeSet<i32>>,
    /// Whether it owned something and then, for a moment, nothing.
    pub(crate) let_go_of_all: bool,
    /// The offsets that it read, by partition, in order.
    pub(crate) read: BTreeMap<i32, Vec<i64>>,
    /// How often it has committed.
    pub(crate) commits: usize,
    /// Whether it has left the group.
    pub(crate) left: bool,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    tail: VecDeque<String>,
}

impl Member {
    /// Starts a member.
    pub(crate) fn start(name: &str, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let stderr = child.stderr.take().context("no standard error")?;
        let (sender, lines) = channel();
        let errors = sender.clone();
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|it| sender.send(it))
        });
        thread::spawn(move || {
            let marked = |line| format!("! {line}");
            BufReader::new(stderr)
                .lines()
                .map_while(Result::ok)
                .map(marked)
                .try_for_each(|it| errors.send(it))
        });
        Ok(Self {
            name: name.to_owned(),
            owns: None,
            let_go_of_all: false,
            read: BTreeMap::new(),
            commits: 0,
            left: false,
            child,
            stdin,
            lines,
            tail: VecDeque::new(),
        })
    }

    /// Tells it to `commit` or to `leave`.
    pub(crate) fn tell(&mut self, command: &str) -> Result<()> {
        writeln!(self.stdin, "{command}")?;
        self.stdin.flush().with_context(|| format!("{} hears nothing", self.describe()))
    }

    /// Takes in what it has said; fails if it has ended without having left.
    pub(crate) fn update(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        while let Ok(line) = self.lines.try_recv() {
            self.hear(&line)?;
        }
        if ended.is_some() {
            // Its last words are read by another thread, which may be behind; the channel closes after them.
            while let Ok(line) = self.lines.recv_timeout(LAST_WORDS) {
                self.hear(&line)?;
            }
        }
        match ended {
            Some(status) if !self.left || !status.success() => {
                bail!("{} ended with {status}", self.describe())
            }
            _ => Ok(()),
        }
    }

    /// Ends it as kill -9 does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What it owns, and the last that it said.
    pub(crate) fn describe(&self) -> String {
        let read: usize = self.read.values().map(Vec::len).sum();
        let tail: Vec<&str> = self.tail.iter().map(String::as_str).collect();
        format!("{} (owns {:?}, read {read}; {})", self.name, self.owns, tail.join(" | "))
    }

    fn hear(&mut self, line: &str) -> Result<()> {
        let mut words = line.split(' ');
        match words.next() {
            Some("owns") => {
                let owns = words
                    .filter(|word| !word.is_empty())
                    .map(str::parse)
                    .collect::<Result<BTreeSet<i32>, _>>();
                let owns = owns.with_context(|| format!("{} said {line}", self.name))?;
                let had_some = self.owns.as_ref().is_some_and(|owns| !owns.is_empty());
                self.let_go_of_all |= owns.is_empty() && had_some;
                self.owns = Some(owns);
            }
            Some("read") => {
                let numbers: Vec<i64> = words.map(str::parse).collect::<Result<_, _>>()?;
                let &[partition, offset] = numbers.as_slice() else { bail!("{} said {line}", self.name) };
                ensure!(!self.left, "{} reads after it has left", self.name);
                self.read.entry(i32::try_from(partition)?).or_default().push(offset);
                return Ok(());
            }
            Some("committed") => self.commits += 1,
            Some("left") => self.left = true,
            _ => {}
        }
        self.tail.push_back(line.to_owned());
        if self.tail.len() > TAIL_LINES {
            self.tail.pop_front();
        }
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> Result<Member> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Member::start("shell", command)
    }

    fn until(member: &mut Member, done: impl Fn(&Member) -> bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done(member) && Instant::now() < deadline {
            member.update()?;
            thread::yield_now();
        }
        Ok(())
    }

    #[test]
    fn what_a_member_says_is_taken_in() -> Result<()> {
        let script = "echo owns 0 2; echo read 0 5; echo read 0 6; echo owns; echo owns 1; read it; echo committed; echo left";
        let mut member = shell(script)?;
        member.tell("commit")?;
        until(&mut member, |member| member.left)?;
        assert_eq!(member.owns, Some(BTreeSet::from([1])));
        assert!(member.let_go_of_all);
        assert_eq!(member.read, BTreeMap::from([(0, vec![5, 6])]));
        assert_eq!(member.commits, 1);
        Ok(())
    }

    #[test]
    fn a_member_that_ends_without_leaving_has_failed() -> Result<()> {
        let mut member = shell("echo why >&2")?;
        let error =
            until(&mut member, |_| false).map(|()| String::new()).unwrap_or_else(|error| error.to_string());
        assert!(error.contains("ended with exit status: 0"), "{error}");
        Ok(())
    }
}
