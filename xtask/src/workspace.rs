//! Where the workspace is, which files belong to it, and what its version control says.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The workspace's root: the folder above this crate's.
pub(crate) fn root() -> Result<PathBuf> {
    let output =
        capture(Command::new("cargo").args(["locate-project", "--workspace", "--message-format", "plain"]))?;
    let manifest = PathBuf::from(output.trim());
    Ok(manifest.parent().context("cargo locates no workspace")?.to_path_buf())
}

/// Every file that is committed or could be, relative to the root, in order.
pub(crate) fn files(root: &Path) -> Result<Vec<String>> {
    let listed = git(root, &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut files: Vec<String> =
        listed.lines().map(str::to_owned).filter(|path| root.join(path).is_file()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// What `cargo metadata` says about the workspace's own packages.
pub(crate) fn metadata(root: &Path) -> Result<serde_json::Value> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root);
    serde_json::from_str(&capture(&mut command)?).context("cargo metadata is not JSON")
}

/// Where cargo builds: `CARGO_TARGET_DIR`, or `target`.
pub(crate) fn target(root: &Path) -> PathBuf {
    root.join(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

/// Runs git in the workspace and gives its output.
pub(crate) fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    capture(Command::new("git").args(arguments).current_dir(root))
}

/// Runs a command to its end and gives its standard output; its standard error becomes the error.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {}", command.get_program().display(), output.status, error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
