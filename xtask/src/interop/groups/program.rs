//! A client that can be a member of a group, as a command.

use std::process::Command;

/// How a client's member program is started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Its name in lines, topics and groups.
    pub(crate) name: &'static str,
    /// The program and the arguments that come before the command's name.
    pub(crate) command: Vec<String>,
    /// A variable of its environment.
    pub(crate) variable: Option<(&'static str, String)>,
    /// The assignor that it is alone with.
    pub(crate) assignor: &'static str,
    /// Whether it can share a group with Java's clients.
    pub(crate) mixes: bool,
}

impl Program {
    /// The command that joins a group.
    pub(crate) fn member(&self, bootstrap: &str, group: &str, topic: &str, assignor: &str) -> Command {
        let (program, before) =
            self.command.split_first().map_or(("", &[][..]), |(it, rest)| (it.as_str(), rest));
        let mut command = Command::new(program);
        command.args(before).args(["member", bootstrap, group, topic, assignor]);
        if let Some((name, value)) = &self.variable {
            command.env(name, value);
        }
        command
    }
}
