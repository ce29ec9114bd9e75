//! Puts the generated files in their places, or tells which are out of date.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::schema::Api;
use super::{index, names, parse, tests, types};

/// Generates every file; with `check` it writes nothing and fails when a committed file differs.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent folder")?;
    let protocol = root.join("protocol");
    let apis = tables(&protocol.join("schemas"))?;
    let scratch = tempfile::tempdir()?;
    let files = formatted(files(&apis)?, root, scratch.path())?;
    let stale: Vec<PathBuf> = files
        .iter()
        .filter(|(path, text)| std::fs::read_to_string(protocol.join(path)).ok().as_ref() != Some(text))
        .map(|(path, _)| path.clone())
        .collect();
    if check {
        ensure!(stale.is_empty(), "out of date, run `cargo xtask codegen`: {stale:?}");
        return Ok(());
    }
    for path in &stale {
        let target = protocol.join(path);
        std::fs::create_dir_all(target.parent().context("a file has a folder")?)?;
        std::fs::write(&target, files.get(path).map_or("", String::as_str))?;
    }
    println!("{} files, {} of them written", files.len(), stale.len());
    Ok(())
}

/// All tables, by key.
fn tables(folder: &Path) -> Result<Vec<Api>> {
    let mut apis = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        apis.push(parse::parse(&text).with_context(|| path.display().to_string())?);
    }
    apis.sort_by_key(|api| api.key);
    for (place, api) in apis.iter().enumerate() {
        ensure!(usize::try_from(api.key)? == place, "key {place} has no table of its own");
    }
    Ok(apis)
}

/// Every generated file, by its path in `protocol`.
fn files(apis: &[Api]) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    files.insert(PathBuf::from("src/messages/mod.rs"), index::modules(apis)?);
    files.insert(PathBuf::from("src/messages/any.rs"), index::any(apis)?);
    files.insert(PathBuf::from("src/api/keys.rs"), index::keys(apis)?);
    for api in apis {
        let text = types::file(api).with_context(|| api.name.clone())?;
        files.insert(PathBuf::from(format!("src/messages/{}.rs", names::snake(&api.name))), text);
    }
    files.extend(tests::files(apis)?);
    Ok(files)
}

/// The files as rustfmt leaves them.
fn formatted(
    files: BTreeMap<PathBuf, String>,
    root: &Path,
    scratch: &Path,
) -> Result<BTreeMap<PathBuf, String>> {
    let flat = |path: &Path| scratch.join(path.to_string_lossy().replace('/', "-"));
    for (path, text) in &files {
        // Without its modules beside it rustfmt would look for them.
        std::fs::write(flat(path), text.replace("\nmod ", "\n//mod ").replace("\npub mod ", "\n//pub mod "))?;
    }
    let output = Command::new("rustfmt")
        .arg("--config-path")
        .arg(root.join("rustfmt.toml"))
        .args(["--edition", "2024"])
        .args(files.keys().map(|path| flat(path)))
        .output()
        .context("rustfmt does not start")?;
    if !output.status.success() {
        bail!("rustfmt: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut formatted = BTreeMap::new();
    for path in files.into_keys() {
        let text = std::fs::read_to_string(flat(&path))?;
        formatted.insert(path, text.replace("\n//mod ", "\nmod ").replace("\n//pub mod ", "\npub mod "));
    }
    Ok(formatted)
}
