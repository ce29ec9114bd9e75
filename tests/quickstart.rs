//! The main job, run as a user runs it.
#![allow(clippy::expect_used)]
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The example that `cargo test` builds beside this test; `cargo test --test quickstart` alone does not, so it is built.
fn quickstart() -> Command {
    let here = std::env::current_exe().expect("the test's own path");
    let profile = here.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    let example = profile.join("examples").join("quickstart");
    if !example.exists() {
        let target = profile.parent().expect("a target folder");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "quickstart", "--target-dir"]).arg(target);
        assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs").success());
    }
    let mut command = Command::new(example);
    command.env_remove("BOOTSTRAP_SERVERS");
    command
}

fn departures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/departures-2013-01.csv")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn summary(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", stderr(output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(stdout.lines().last().expect("a last line")).expect("a line of JSON")
}

/// Count and sum of the delays by carrier and day, without Kafka.
fn reference(csv: &str) -> BTreeMap<(String, String), (u64, i64)> {
    let mut sums = BTreeMap::new();
    for row in csv.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        if let Ok(delay) = fields[6].parse::<i64>() {
            let sum: &mut (u64, i64) =
                sums.entry((fields[1].to_owned(), fields[0][..10].to_owned())).or_default();
            *sum = (sum.0 + 1, sum.1 + delay);
        }
    }
    sums
}

#[test]
fn the_daily_means_are_those_of_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("means.jsonl");
    let output = quickstart().args(["--json", "--out"]).arg(&out).output().expect("it runs");
    let summary = summary(&output);
    assert_eq!((&summary["read"], &summary["produced"]), (&27_004.into(), &27_004.into()), "{summary}");
    assert_eq!(summary["dead_letters"], 0);
    let csv = std::fs::read_to_string(departures()).expect("the data");
    let expected = reference(&csv);
    let lines = std::fs::read_to_string(&out).expect("the result");
    assert_eq!(summary["delivered"], lines.lines().count(), "each change of a window is a line");
    let mut means = BTreeMap::new();
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let text = |name: &str| line[name].as_str().expect("text").to_owned();
        means.insert((text("key"), text("window_start")[..10].to_owned()), line);
    }
    assert_eq!(means.len(), expected.len());
    for (window, line) in means {
        let (count, sum) = expected[&window];
        assert_eq!(line["count"], count, "{line}");
        let mean = line["mean"].as_f64().expect("a number");
        assert!((mean - sum as f64 / count as f64).abs() < 1e-9, "{line}");
    }
}

#[test]
fn malformed_rows_become_dead_letters_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rows.csv");
    let rows = [
        "at,who,what",
        "2020-01-01T00:00:00Z,a,1",
        "2020-01-01T00:00:00Z,a",            // a column is missing
        "yesterday,a,1",                     // no time
        "2020-01-01T00:00:00Z,a,many",       // no number
        "2020-01-01T00:00:00Z,\"a,1",        // a quote that does not close
        "2020-01-01T00:00:00Z,\"a\"\"b\",3", // a quote inside a quoted field is fine
        "2020-01-01T00:00:00Z,a,",           // without a value, but a row
    ];
    std::fs::write(&file, rows.join("\r\n")).expect("written");
    let columns = ["--key", "who", "--time", "at", "--value", "what", "--window", "1h", "--json"];
    let summary = summary(&quickstart().arg(&file).args(columns).output().expect("it runs"));
    assert_eq!((&summary["read"], &summary["dead_letters"]), (&7.into(), &4.into()), "{summary}");
    assert_eq!((&summary["produced"], &summary["windows"]), (&3.into(), &2.into()), "{summary}");
}

#[test]
fn a_missing_file_is_named() {
    let output = quickstart().arg("nowhere/missing.csv").output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let expected = "error: cannot open nowhere/missing.csv: No such file or directory (os error 2)\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn a_missing_column_is_named_beside_those_there_are() {
    let output = quickstart().arg(departures()).args(["--value", "delay"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(error.contains("there is no column `delay`") && error.contains("delay_minutes"), "{error}");
}

#[test]
fn a_cluster_that_does_not_answer_is_named() {
    let output = quickstart().env("BOOTSTRAP_SERVERS", "127.0.0.1:1").output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(error.contains("cannot reach the cluster") && error.contains("127.0.0.1:1"), "{error}");
}
