//! `cargo xtask check`: the three minutes before a commit.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;
use crate::steps::{Count, Steps};
use crate::{tidy, workspace};

/// No part of a check takes longer.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Pages that are doc examples of a crate in another folder.
const GUIDES: [(&str, &str); 2] =
    [("docs/guide/connector.md", "courant-connect"), ("docs/guide/handlers.md", "courant-handlers")];

/// Formatting, lints, house rules, and the tests of the crates that differ from `base`.
pub(crate) fn run(root: &Path, base: Option<&str>) -> Result<()> {
    let mut steps = Steps::default();
    static_checks(root, &mut steps);
    let files = changed_files(root, base)?;
    let changed = crates_of(root, &workspace::metadata(root)?, &files)?;
    if files.iter().any(|file| file.starts_with("bench/")) {
        bench(root, &mut steps);
    }
    if changed.is_empty() {
        println!("\nno crate differs: no tests to run");
    } else {
        let names: Vec<_> = changed.iter().map(String::as_str).collect();
        steps.run(&format!("tests of {}", names.join(", ")), || {
            let mut command = cargo(root, &["test"]);
            changed.iter().for_each(|name| {
                command.args(["-p", name]);
            });
            tests(&mut command)
        });
    }
    steps.finish()
}

/// What needs no test run: `check` and `ci` begin with it.
pub(crate) fn static_checks(root: &Path, steps: &mut Steps) {
    steps.run("formatting", || {
        let mut count = one(&mut cargo(root, &["fmt", "--all", "--", "--check"]))?;
        count.add(one(&mut cargo(&root.join("bench"), &["fmt", "--all", "--", "--check"]))?);
        Ok(count)
    });
    steps.run("lints", || {
        one(&mut cargo(
            root,
            &["clippy", "--keep-going", "--workspace", "--all-targets", "--", "-D", "warnings"],
        ))
    });
    steps.run("house rules", || tidy::run(root).map(|()| Count::ONE));
}

/// Our part of the benchmark, which is a workspace of its own: its default members, without other people's clients.
pub(crate) fn bench(root: &Path, steps: &mut Steps) {
    let folder = root.join("bench");
    steps.run("lints of the benchmark", || {
        one(&mut cargo(&folder, &["clippy", "--all-targets", "--", "-D", "warnings"]))
    });
    steps.run("tests of the benchmark", || tests(&mut cargo(&folder, &["test"])));
}

/// `cargo` with arguments, in the workspace.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root);
    command
}

/// A command that is one thing to pass or fail.
pub(crate) fn one(command: &mut Command) -> Result<Count> {
    process::require(command, LIMIT).map(|_| Count::ONE)
}

/// A test command, whose tests are counted. One that tests nothing fails.
pub(crate) fn tests(command: &mut Command) -> Result<Count> {
    let outcome = process::run(command, LIMIT, process::Show::All)?;
    let mut count = Count::of_tests(&outcome.lines);
    if !outcome.succeeded() {
        println!("the tests' command {}", outcome.ending());
        count.failed = count.failed.max(1);
    }
    anyhow::ensure!(count != Count::default(), "no test ran");
    Ok(count)
}

/// The files that differ from the base, in a commit or in the work tree.
fn changed_files(root: &Path, base: Option<&str>) -> Result<Vec<String>> {
    let base = match base {
        Some(base) => base.to_owned(),
        None => default_base(root)?,
    };
    let mut files: Vec<String> = Vec::new();
    files.extend(workspace::git(root, &["diff", "--name-only", &base])?.lines().map(str::to_owned));
    let untracked = workspace::git(root, &["ls-files", "--others", "--exclude-standard"])?;
    files.extend(untracked.lines().map(str::to_owned));
    Ok(files)
}

/// Where the branch left `main`; on `main` itself the commit before, unless the work tree differs.
fn default_base(root: &Path) -> Result<String> {
    let revision = |name: &str| workspace::git(root, &["rev-parse", "--verify", "--quiet", name]);
    let head = revision("HEAD")?.trim().to_owned();
    let fork = workspace::git(root, &["merge-base", "HEAD", "main"]).unwrap_or_default().trim().to_owned();
    if !fork.is_empty() && fork != head {
        return Ok(fork);
    }
    let clean = workspace::git(root, &["status", "--porcelain"])?.trim().is_empty();
    if clean && let Ok(parent) = revision("HEAD~1") {
        return Ok(parent.trim().to_owned());
    }
    Ok(head)
}

/// The package whose folder is the longest prefix of each file, or whose examples it holds. The root package has every
/// other Rust file.
pub(crate) fn crates_of(root: &Path, metadata: &Value, files: &[String]) -> Result<BTreeSet<String>> {
    let packages =
        metadata.get("packages").and_then(Value::as_array).context("cargo metadata lists no packages")?;
    let mut folders = Vec::new();
    for package in packages {
        let field = |name: &str| {
            package.get(name).and_then(Value::as_str).with_context(|| format!("a package without {name}"))
        };
        let folder = Path::new(field("manifest_path")?).parent().context("a manifest without a folder")?;
        folders.push((folder.strip_prefix(root).unwrap_or(folder).to_path_buf(), field("name")?.to_owned()));
    }
    folders.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.components().count()));
    let crate_of = |file: &String| {
        if let Some((_, name)) = GUIDES.iter().find(|(page, _)| page == file) {
            return Some((*name).to_owned());
        }
        let (folder, name) = folders.iter().find(|(folder, _)| Path::new(file).starts_with(folder))?;
        // The benchmark is no part of the root package, in whose folder it lies.
        let built = !folder.as_os_str().is_empty()
            || file.ends_with(".rs") && !file.starts_with("bench/")
            || file == "README.md"
            || file == "Cargo.toml";
        built.then(|| name.clone())
    };
    Ok(files.iter().filter_map(crate_of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_belongs_to_the_nearest_package() -> Result<()> {
        let package = |name: &str, folder: &str| json!({"name": name, "manifest_path": format!("/ws{folder}/Cargo.toml")});
        let metadata = json!({"packages": [package("courant", ""), package("courant-client", "/client")]});
        let files = [
            "client/src/lib.rs",
            "src/lib.rs",
            "docs/design/0001.md",
            "tests/planted/a.patch",
            "bench/harness/src/lib.rs",
        ]
        .map(str::to_owned);
        let crates = crates_of(Path::new("/ws"), &metadata, &files)?;
        assert_eq!(crates.into_iter().collect::<Vec<_>>(), ["courant", "courant-client"]);
        assert!(crates_of(Path::new("/ws"), &metadata, &files[2..])?.is_empty());
        Ok(())
    }

    #[test]
    fn a_page_of_the_guide_belongs_to_the_crate_that_compiles_it() -> Result<()> {
        let metadata = json!({"packages": [{"name": "courant", "manifest_path": "/ws/Cargo.toml"}]});
        let files = ["docs/guide/handlers.md", "docs/guide/connector.md", "docs/guide/other.md"];
        let crates = crates_of(Path::new("/ws"), &metadata, &files.map(str::to_owned))?;
        assert_eq!(crates.into_iter().collect::<Vec<_>>(), ["courant-connect", "courant-handlers"]);
        for (page, name) in GUIDES {
            let (folder, file) = (name.trim_start_matches("courant-"), format!("../../{page}"));
            let guide = workspace::root()?.join(folder).join("src/guide.rs");
            assert!(std::fs::read_to_string(guide)?.contains(&file), "{name} compiles {page}");
        }
        Ok(())
    }
}
