//! What it was measured on.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{ci, workspace};

/// The machine and the versions of everything that was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    /// Name and value, as they are printed.
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl Host {
    /// This one.
    pub(crate) fn of_this(root: &Path) -> Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpuinfo = read("/proc/cpuinfo");
        let cpu = field(&cpuinfo, "model name").unwrap_or("unknown");
        let memory = field(&read("/proc/meminfo"), "MemTotal").map_or(0, kibibytes) / (1 << 20);
        let lock = std::fs::read_to_string(root.join("bench/Cargo.lock"))?;
        let modules = std::fs::read_to_string(root.join("bench/clients/franz-go/go.mod"))?;
        let version = |name: &str| locked(&lock, name).unwrap_or("?").to_owned();
        let facts = vec![
            ("CPU", format!("{cores} cores of {cpu}")),
            ("memory", format!("{memory} GiB")),
            ("kernel", format!("Linux {}", read("/proc/sys/kernel/osrelease").trim())),
            ("Rust", first_line("rustc", &["--version"])),
            ("Courant", commit(root)),
            (
                "rdkafka",
                format!("{} (librdkafka {})", version("rdkafka"), librdkafka(&version("rdkafka-sys"))),
            ),
            ("krafka", version("krafka")),
            ("rskafka", version("rskafka")),
            ("confluent-kafka", version("confluent-kafka")),
            ("franz-go", format!("{}, {}", franz(&modules).unwrap_or("?"), first_line("go", &["version"]))),
            ("kafka-clients", format!("{}, {}", ci::KAFKA_VERSION, first_line("java", &["--version"]))),
        ];
        Ok(Self { facts })
    }
}

/// The load average of the last minute.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("0").to_owned()
}

/// The value of a line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// The number of `123 kB`.
fn kibibytes(text: &str) -> u64 {
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let line = format!("name = \"{name}\"");
    let (_, rest) = lock.split_once(&format!("{line}\n"))?;
    rest.lines().next()?.strip_prefix("version = \"")?.strip_suffix('"')
}

/// The C library's version behind the plus.
fn librdkafka(version: &str) -> &str {
    version.split_once('+').map_or(version, |(_, library)| library)
}

/// franz-go's version in the module file.
fn franz(modules: &str) -> Option<&str> {
    modules.lines().find_map(|line| line.trim().strip_prefix("github.com/twmb/franz-go v"))
}

/// Which commit is measured, and whether the work tree differs from it.
fn commit(root: &Path) -> String {
    let git = |arguments: &[&str]| workspace::git(root, arguments).unwrap_or_default().trim().to_owned();
    let head = git(&["rev-parse", "--short", "HEAD"]);
    match git(&["status", "--porcelain", "--", "*.rs", "*Cargo.*"]).is_empty() {
        true => format!("commit {head}"),
        false => format!("commit {head} and changes"),
    }
}

/// What a program says about itself.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = workspace::capture(Command::new(program).args(arguments)).unwrap_or_default();
    output.lines().next().unwrap_or("not installed").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"rdkafka\"\nversion = \"0.39.0\"\n\n[[package]]\nname = \"rdkafka-sys\"\nversion = \"4.10.0+2.12.1\"\n";
        assert_eq!(locked(lock, "rdkafka"), Some("0.39.0"));
        assert_eq!(locked(lock, "rdkafka-sys").map(librdkafka), Some("2.12.1"));
        assert_eq!(locked(lock, "krafka"), None);
        assert_eq!(franz("require (\n\tgithub.com/twmb/franz-go v1.22.2\n"), Some("1.22.2"));
    }

    #[test]
    fn fields_of_proc_files_are_found() {
        assert_eq!(
            field("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n", "model name"),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(field("MemTotal:       24576000 kB\n", "MemTotal").map(kibibytes), Some(24_576_000));
    }
}
