//! The program: its first line, its end, and how it answers wrong use.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// Ends the program if a test fails before it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_courant-broker-mock"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn it_says_where_it_serves_and_ends_on_sigterm_with_0() {
    let args = ["--brokers", "3", "--port-base", "0", "--topic", "orders:6", "--ready-json", "--user", "a:b"];
    let mut running = Running(program(&args).spawn().unwrap());
    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let addresses: Vec<&str> = json["bootstrap"].as_str().unwrap().split(',').collect();
    assert_eq!(addresses.len(), 3);
    for address in addresses {
        std::net::TcpStream::connect(address).unwrap();
    }
    let killed = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "nothing else on standard output");
}

#[test]
fn wrong_use_is_answered_with_what_is_wrong() {
    for (args, code, said) in [
        (&["--topic", "orders"][..], 2, "NAME:N"),
        (&["--brokers", "none"], 2, "no number"),
        (&["--config", "num.partition=3"], 1, "num.partition"),
        (&["--brokers", "0"], 1, "0 brokers"),
        (&["--topic", "bad name:1"], 1, "bad name"),
    ] {
        let output = program(args).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(said), "{args:?}: {text}");
    }
}

#[test]
fn help_names_every_option() {
    let output = program(&["--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for option in ["--brokers", "--port-base", "--topic", "--config", "--user", "--ready-json"] {
        assert!(text.contains(option), "{option}");
    }
}
