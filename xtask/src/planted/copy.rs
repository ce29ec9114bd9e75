//! The scratch copy into which defects are planted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace;

/// A copy of the workspace's files that is brought up to date rather than made anew: a file that is already right
/// keeps its time, and cargo builds nothing again for it.
pub(crate) struct Copy {
    /// Where the copy stands.
    pub(crate) root: PathBuf,
}

impl Copy {
    /// Makes `to` equal to the files of `from`.
    pub(crate) fn of(from: &Path, to: &Path) -> Result<Self> {
        std::fs::create_dir_all(to)?;
        let copy = Self { root: to.to_path_buf() };
        let files: BTreeSet<String> = workspace::files(from)?.into_iter().collect();
        for path in &files {
            copy.write(path, &std::fs::read(from.join(path))?)?;
        }
        copy.remove_others(to, &files)?;
        Ok(copy)
    }

    /// Writes a file unless it is already right.
    fn write(&self, path: &str, content: &[u8]) -> Result<()> {
        let file = self.root.join(path);
        if std::fs::read(&file).is_ok_and(|present| present == content) {
            return Ok(());
        }
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Removes what an earlier copy had and this one has not.
    fn remove_others(&self, folder: &Path, files: &BTreeSet<String>) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let relative = path.strip_prefix(&self.root)?.to_string_lossy().into_owned();
            if path.is_dir() {
                self.remove_others(&path, files)?;
            } else if !files.contains(&relative) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Applies a patch; the error is git's.
    pub(crate) fn apply(&self, patch: &Path) -> Result<()> {
        // The copy lies inside a repository: without a ceiling git would take that one's root for the patch's.
        let mut command = Command::new("git");
        command.arg("apply").arg(patch).current_dir(&self.root);
        command.env("GIT_CEILING_DIRECTORIES", self.root.parent().unwrap_or(&self.root));
        workspace::capture(&mut command).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(root: &Path) -> Result<()> {
        std::fs::create_dir_all(root.join("src"))?;
        std::fs::write(root.join("src/lib.rs"), "//! One.\n")?;
        workspace::git(root, &["init", "--quiet"])?;
        workspace::git(root, &["add", "--all"])?;
        Ok(())
    }

    #[test]
    fn a_copy_is_brought_up_to_date_and_keeps_what_is_right() -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        repository(&from)?;
        Copy::of(&from, &to)?;
        let written = std::fs::metadata(to.join("src/lib.rs"))?.modified()?;
        std::fs::write(from.join("src/more.rs"), "//! More.\n")?;
        std::fs::write(to.join("left over.rs"), "")?;
        Copy::of(&from, &to)?;
        assert_eq!(std::fs::metadata(to.join("src/lib.rs"))?.modified()?, written);
        assert!(to.join("src/more.rs").is_file() && !to.join("left over.rs").exists());
        Ok(())
    }

    #[test]
    fn a_patch_applies_inside_another_repository() -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let from = scratch.path().join("from");
        repository(&from)?;
        let to = from.join("target/copy");
        let copy = Copy::of(&from, &to)?;
        let patch = scratch.path().join("a.patch");
        std::fs::write(
            &patch,
            "# test: x\n--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1 +1 @@\n-//! One.\n+//! Two.\n",
        )?;
        copy.apply(&patch)?;
        assert_eq!(std::fs::read_to_string(to.join("src/lib.rs"))?, "//! Two.\n");
        assert_eq!(std::fs::read_to_string(from.join("src/lib.rs"))?, "//! One.\n");
        Ok(())
    }
}
