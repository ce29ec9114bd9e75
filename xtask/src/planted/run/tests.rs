//! Defects planted in a crate of three lines.

use super::*;

const LIBRARY: &str = "pub fn next(offset: u64) -> u64 {
    offset + 1
}
#[cfg(test)]
mod tests {
    #[test]
    fn offsets_are_dense() {
        assert_eq!(super::next(1), 2);
    }
}
";

/// A small workspace under version control whose one function each patch breaks in its way.
fn workspace_with(patches: &[(&str, &str)]) -> Result<tempfile::TempDir> {
    let scratch = tempfile::tempdir()?;
    let write = |path: &str, text: &str| -> Result<()> {
        let file = scratch.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap_or(scratch.path()))?;
        Ok(std::fs::write(file, text)?)
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"pond\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
    )?;
    write("src/lib.rs", LIBRARY)?;
    write(".gitignore", "/target\n")?;
    for (name, line) in patches {
        let first =
            "# test: cargo test -p pond tests::offsets_are_dense\n--- a/src/lib.rs\n+++ b/src/lib.rs\n";
        let hunk = "@@ -1,3 +1,3 @@\n pub fn next(offset: u64) -> u64 {\n-    offset + 1\n+    LINE\n }\n";
        write(&format!("tests/planted/{name}.patch"), &(first.to_owned() + &hunk.replace("LINE", line)))?;
    }
    workspace::git(scratch.path(), &["init", "--quiet"])?;
    workspace::git(scratch.path(), &["add", "--all"])?;
    Ok(scratch)
}

/// What is said about every defect, by name.
fn planted(scratch: &tempfile::TempDir) -> Result<Vec<(String, String)>> {
    let patches = patch::all(&scratch.path().join("tests/planted"))?;
    let mut said = Vec::new();
    plant(scratch.path(), &scratch.path().join("target/planted"), &patches, |patch, _, outcome| {
        let text = outcome.as_ref().err().map_or_else(|| "caught".to_owned(), |error| format!("{error:#}"));
        said.push((patch.name.clone(), text));
    })?;
    Ok(said)
}

#[test]
fn a_defect_is_caught_only_when_its_test_fails_by_itself() -> Result<()> {
    let scratch = workspace_with(&[
        ("log-01-gap", "offset + 2"),
        ("log-02-harmless", "1 + offset"),
        ("log-03-does-not-build", "offset + \"1\""),
        ("log-04-aborts", "std::process::abort()"),
        ("log-05-gap-again", "offset + 3"),
    ])?;
    let expected = [
        "caught",
        "with the defect its test still passes",
        "with the defect its test does not build: error[E0277]",
        "with the defect its test gives no verdict",
        "caught",
    ];
    let said = planted(&scratch)?;
    assert_eq!(said.len(), expected.len());
    for ((name, said), expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{name}: {said}");
    }
    Ok(())
}

#[test]
fn a_patch_that_does_not_fit_or_names_no_test_is_not_shown() -> Result<()> {
    let scratch = workspace_with(&[("log-01-gap", "offset + 2")])?;
    let folder = scratch.path().join("tests/planted");
    let text = std::fs::read_to_string(folder.join("log-01-gap.patch"))?;
    std::fs::write(folder.join("log-02-elsewhere.patch"), text.replace("offset + 1", "offset + 5"))?;
    std::fs::write(folder.join("log-03-no-test.patch"), text.replace("are_dense", "are_sparse"))?;
    let said = planted(&scratch)?;
    assert_eq!(said[0].1, "caught");
    assert!(said[1].1.contains("patch does not apply"), "{said:?}");
    assert_eq!(said[2].1, "without the defect its test does not exist");
    Ok(())
}

#[test]
fn a_selection_by_name_takes_prefixes_and_refuses_unknown_ones() -> Result<()> {
    let scratch = workspace_with(&[("log-01-gap", "offset + 2"), ("log-02-harmless", "1 + offset")])?;
    let patches = patch::all(&scratch.path().join("tests/planted"))?;
    let named =
        |name: &str| select(scratch.path(), patches.clone(), &Selection::Named(vec![name.to_owned()]));
    assert_eq!(named("log-02")?.len(), 1);
    assert!(named("log-03").is_err());
    Ok(())
}
