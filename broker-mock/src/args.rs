//! The command line.
use std::ffi::OsString;

use lexopt::{Arg, Parser};

pub(crate) const HELP: &str = "\
An in-memory Apache Kafka cluster that speaks the real wire protocol.

Usage: courant-broker-mock [OPTIONS]

Options:
  --brokers N            how many brokers (1)
  --port-base P          broker 1 listens on P, broker 2 on P+1, and so on; 0 takes free ports (9092)
  --topic NAME:N         a topic with N partitions, there from the start; may be given again
  --config NAME=VALUE    a broker property under Kafka's name, such as num.partitions=6; may be given again
  --user NAME:PASSWORD   a user of SASL PLAIN; with one, nobody is served without; may be given again
  --seed N               what ids are drawn from (0)
  --ready-json           print {\"bootstrap\":\"…\"} when it serves, and nothing else, on standard output
  --help                 print this
  --version              print the version

It listens on 127.0.0.1 and ends on SIGTERM or SIGINT with exit code 0. Nothing is kept on disk.";

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Version,
    Serve(Args),
}

/// What to serve.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) brokers: Option<usize>,
    pub(crate) port_base: Option<u16>,
    pub(crate) topics: Vec<(String, usize)>,
    pub(crate) configs: Vec<(String, String)>,
    pub(crate) users: Vec<(String, String)>,
    pub(crate) seed: u64,
    pub(crate) ready_json: bool,
}

pub(crate) fn parse(mut parser: Parser) -> Result<Command, lexopt::Error> {
    let mut args = Args::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("brokers") => args.brokers = Some(number(&mut parser, "--brokers")?),
            Arg::Long("port-base") => args.port_base = Some(number(&mut parser, "--port-base")?),
            Arg::Long("topic") => {
                let (name, partitions) = split(&mut parser, ':', "--topic NAME:N")?;
                let partitions =
                    partitions.parse().map_err(|_| format!("--topic {name}: `{partitions}` is no number"))?;
                args.topics.push((name, partitions));
            }
            Arg::Long("config") => args.configs.push(split(&mut parser, '=', "--config NAME=VALUE")?),
            Arg::Long("user") => args.users.push(split(&mut parser, ':', "--user NAME:PASSWORD")?),
            Arg::Long("seed") => args.seed = number(&mut parser, "--seed")?,
            Arg::Long("ready-json") => args.ready_json = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("version") | Arg::Short('V') => return Ok(Command::Version),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Serve(args))
}

fn number<N: std::str::FromStr>(parser: &mut Parser, option: &str) -> Result<N, lexopt::Error> {
    let value = text(parser.value()?)?;
    value.parse().map_err(|_| format!("{option}: `{value}` is no number in its range").into())
}

fn split(parser: &mut Parser, at: char, form: &str) -> Result<(String, String), lexopt::Error> {
    let value = text(parser.value()?)?;
    match value.split_once(at) {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{value}` is not of the form {form}").into()),
    }
}

fn text(value: OsString) -> Result<String, lexopt::Error> {
    value.into_string().map_err(lexopt::Error::NonUnicodeValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command, lexopt::Error> {
        parse(Parser::from_args(args))
    }

    #[test]
    fn every_option_is_read() {
        let line = "--brokers 3 --port-base 19092 --topic a:6 --topic b:1 --config num.partitions=6 --user u:p:q --ready-json";
        let Ok(Command::Serve(args)) = parsed(&line.split(' ').collect::<Vec<_>>()) else {
            panic!("refused")
        };
        assert_eq!((args.brokers, args.port_base, args.ready_json), (Some(3), Some(19092), true));
        assert_eq!(args.topics, [("a".to_owned(), 6), ("b".to_owned(), 1)]);
        assert_eq!(args.configs, [("num.partitions".to_owned(), "6".to_owned())]);
        assert_eq!(args.users, [("u".to_owned(), "p:q".to_owned())]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("--topic orders", "NAME:N"),
            ("--topic orders:six", "no number"),
            ("--port-base 70000", "no number in its range"),
            ("--config num.partitions", "NAME=VALUE"),
            ("--nonsense", "nonsense"),
        ] {
            let error = parsed(&line.split(' ').collect::<Vec<_>>()).unwrap_err().to_string();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
