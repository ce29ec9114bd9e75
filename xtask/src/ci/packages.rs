//! What a user of the published crates gets: packages that build, features that may be off, a small tree.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::check::{cargo, one};
use crate::steps::Count;
use crate::workspace;

/// How many crates the default client may bring into a build.
const TREE_CRATES_MAX: usize = 65;
/// The default client: what talks to Kafka, without the mock.
const CLIENT_FEATURES: &str = "producer,consumer,admin,gzip,snappy,lz4,zstd";

/// The names of the crates that are published, in the workspace's order.
pub(crate) fn published(root: &Path) -> Result<Vec<String>> {
    let (published, _) = split(&workspace::metadata(root)?)?;
    Ok(published)
}

/// Builds every published crate from its package.
///
/// Each run gets a folder of its own: cargo unpacks what is packaged once for a folder and version and keeps that, so
/// in the same folder a later run would build against the crates of an earlier one.
pub(crate) fn package(root: &Path) -> Result<Count> {
    let (published, tools) = split(&workspace::metadata(root)?)?;
    let target =
        tempfile::Builder::new().prefix("courant-package-").tempdir().context("no folder for packages")?;
    let mut command = cargo(root, &["package", "--workspace", "--allow-dirty", "--target-dir"]);
    command.arg(target.path());
    for name in &tools {
        command.args(["--exclude", name]);
    }
    one(&mut command)?;
    Ok(Count { passed: published.len(), failed: 0 })
}

/// Checks one published crate at a time without its default features, so that no other crate turns them on.
pub(crate) fn without_default_features(root: &Path) -> Result<Count> {
    let mut count = Count::default();
    for name in published(root)? {
        let command = ["clippy", "-p", &name, "--no-deps", "--no-default-features", "--", "-D", "warnings"];
        match one(&mut cargo(root, &command)) {
            Ok(one) => count.add(one),
            Err(error) => {
                println!("{name} without default features: {error:#}");
                count.failed += 1;
            }
        }
    }
    Ok(count)
}

/// Counts the crates that the default client brings into a build.
pub(crate) fn tree(root: &Path) -> Result<Count> {
    let features = ["--no-default-features", "--features", CLIENT_FEATURES];
    let client = crates_in_tree(root, &features)?;
    let facade = crates_in_tree(root, &[])?;
    println!(
        "{} crates for the default client, {} with the mock; at most {TREE_CRATES_MAX}",
        client.len(),
        facade.len()
    );
    if client.len() > TREE_CRATES_MAX {
        bail!(
            "the default client's tree has {} crates: {}",
            client.len(),
            client.into_iter().collect::<Vec<_>>().join(" ")
        );
    }
    Ok(Count::ONE)
}

/// The names in the facade's tree of normal dependencies.
fn crates_in_tree(root: &Path, features: &[&str]) -> Result<BTreeSet<String>> {
    let mut command =
        cargo(root, &["tree", "-p", "courant", "-e", "normal", "--prefix", "none", "--no-dedupe"]);
    let text = workspace::capture(command.args(features))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

/// The published crates and the tools.
fn split(metadata: &Value) -> Result<(Vec<String>, Vec<String>)> {
    let packages =
        metadata.get("packages").and_then(Value::as_array).context("cargo metadata lists no packages")?;
    let (mut published, mut tools) = (Vec::new(), Vec::new());
    for package in packages {
        let name =
            package.get("name").and_then(Value::as_str).context("a package without a name")?.to_owned();
        // `publish = false` is an empty list of registries.
        if package.get("publish").is_none_or(Value::is_null) { &mut published } else { &mut tools }
            .push(name);
    }
    Ok((published, tools))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tools_are_told_from_what_is_published() -> Result<()> {
        let metadata = json!({"packages": [{"name": "courant", "publish": null}, {"name": "courant-xtask", "publish": []}]});
        assert_eq!(split(&metadata)?, (vec!["courant".to_owned()], vec!["courant-xtask".to_owned()]));
        Ok(())
    }
}
