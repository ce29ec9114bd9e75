//! `cargo xtask instructions`: what a record costs on the hot paths, in instructions, which no other work on the machine
//! changes. `bench/instructions/counts.csv` holds what is committed; a path that needs 5 % more fails.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::check::cargo;
use crate::steps::Count;
use crate::{process, workspace};

/// The paths that `bench/instructions/src/main.rs` knows.
const PATHS: [&str; 4] = ["encode", "enqueue", "enqueue-keyed", "deliver"];
/// Records of the two runs of a path; starting costs the same in both.
const RECORDS: [u64; 2] = [20_000, 60_000];
/// Instructions that a path may need, in hundredths of what is committed.
const MOST: f64 = 105.0;
/// Below this share, in hundredths, the committed figure no longer guards anything.
const STALE: f64 = 95.0;
/// What is committed, from the root.
const COUNTS: &str = "bench/instructions/counts.csv";
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Counts every path and compares it with what is committed, or commits to it.
pub(crate) fn run(root: &Path, bless: bool) -> Result<Count> {
    let folder = root.join("bench");
    process::quietly(&mut cargo(&folder, &["build", "--release", "--package", "bench-instructions"]), LIMIT)?;
    let file = root.join(COUNTS);
    let committed = if bless { String::new() } else { std::fs::read_to_string(&file).context(COUNTS)? };
    let mut table = "path,instructions per record\n".to_owned();
    let mut count = Count::default();
    for path in PATHS {
        let counted = per_record(&folder, path)?;
        writeln!(table, "{path},{counted:.0}")?;
        if bless {
            println!("{path}: {counted:.0} instructions a record");
            count.passed += 1;
            continue;
        }
        let figure = figure(&committed, path)?;
        let (passed, verdict) = judge(counted, figure);
        println!("{path}: {counted:.0} instructions a record, {figure:.0} are committed: {verdict}");
        count.add(if passed { Count::ONE } else { Count { passed: 0, failed: 1 } });
    }
    if bless {
        std::fs::write(&file, table)?;
    }
    Ok(count)
}

/// What one more record of a path costs.
fn per_record(folder: &Path, path: &str) -> Result<f64> {
    let [few, many] = RECORDS;
    let more = instructions(folder, path, many)?.saturating_sub(instructions(folder, path, few)?);
    Ok(more as f64 / (many - few) as f64)
}

/// The instructions of one run.
fn instructions(folder: &Path, path: &str, records: u64) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(workspace::target(folder).join("release/instructions"));
    command.args([path, &records.to_string()]).current_dir(folder);
    let outcome = process::quietly(&mut command, LIMIT).context("is valgrind installed?")?;
    collected(&outcome.lines).with_context(|| format!("callgrind told no count:\n{}", outcome.tail()))
}

/// The count that callgrind prints at its end: `==7== Collected : 123`.
fn collected(lines: &[String]) -> Option<u64> {
    lines.iter().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// What is committed for a path.
fn figure(table: &str, path: &str) -> Result<f64> {
    let Some((_, figure)) =
        table.lines().filter_map(|line| line.split_once(',')).find(|(name, _)| *name == path)
    else {
        bail!("{COUNTS} has no line for `{path}`: cargo xtask instructions --bless writes it")
    };
    figure.parse().with_context(|| format!("`{figure}` in {COUNTS}"))
}

/// Whether a count is within its limit, and what to say of it.
fn judge(counted: f64, figure: f64) -> (bool, String) {
    let share = counted / figure * 100.0;
    let bless = "`cargo xtask instructions --bless` commits to it";
    match share {
        share if share > MOST => {
            (false, format!("{share:.1} %, and {MOST} % is the limit; if it is worth it, {bless}"))
        }
        share if share < STALE => (true, format!("{share:.1} %, a gain that nothing guards: {bless}")),
        share => (true, format!("{share:.1} %")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_among_what_callgrind_says() {
        let lines = ["==7== Events    : Ir", "==7== Collected : 1234567", "==7=="].map(str::to_owned);
        assert_eq!(collected(&lines), Some(1_234_567));
        assert_eq!(collected(&lines[..1]), None);
    }

    #[test]
    fn a_path_may_become_five_hundredths_dearer() {
        assert!(judge(105.0, 100.0).0);
        assert!(!judge(105.1, 100.0).0);
        let (passed, verdict) = judge(90.0, 100.0);
        assert!(passed && verdict.contains("--bless"), "{verdict}");
    }

    #[test]
    fn a_path_without_a_figure_is_an_error() {
        let table = "path,instructions per record\nencode,120\n";
        assert_eq!(figure(table, "encode").unwrap(), 120.0);
        assert!(figure(table, "enqueue").unwrap_err().to_string().contains("--bless"));
    }
}
