//! What has already been found out about a commit.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use crate::steps::Count;
use crate::workspace;

/// The results of one commit's parts.
pub(crate) struct Memory {
    folder: PathBuf,
    /// Nothing is remembered about files that no commit holds.
    clean: bool,
}

impl Memory {
    /// The memory of the commit that is checked out.
    pub(crate) fn of_head(root: &Path) -> Result<Self> {
        let commit = workspace::git(root, &["rev-parse", "HEAD"])?.trim().to_owned();
        let clean = workspace::git(root, &["status", "--porcelain"])?.trim().is_empty();
        Ok(Self { folder: workspace::target(root).join("soak").join(commit), clean })
    }

    /// What a part said, if it has finished well for this commit.
    pub(crate) fn recall(&self, part: &str) -> Option<Count> {
        let text = std::fs::read_to_string(self.file(part)).ok().filter(|_| self.clean)?;
        let result: Value = serde_json::from_str(&text).ok()?;
        let passed = result.get("passed")?.as_u64()?;
        Some(Count { passed: usize::try_from(passed).ok()?, failed: 0 })
    }

    /// Remembers a part that finished well.
    pub(crate) fn remember(&self, part: &str, count: Count) -> Result<()> {
        if self.clean && count.failed == 0 {
            std::fs::create_dir_all(&self.folder)?;
            std::fs::write(self.file(part), json!({ "passed": count.passed }).to_string())?;
        }
        Ok(())
    }

    fn file(&self, part: &str) -> PathBuf {
        self.folder.join(format!("{part}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_finished_well_on_a_clean_tree_is_remembered() -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let memory = |clean| Memory { folder: scratch.path().join("4d1bc8b"), clean };
        memory(false).remember("seeds", Count { passed: 9, failed: 0 })?;
        memory(true).remember("planted", Count { passed: 9, failed: 1 })?;
        assert_eq!((memory(true).recall("seeds"), memory(true).recall("planted")), (None, None));
        memory(true).remember("seeds", Count { passed: 9, failed: 0 })?;
        assert_eq!(memory(true).recall("seeds"), Some(Count { passed: 9, failed: 0 }));
        assert_eq!(memory(false).recall("seeds"), None);
        Ok(())
    }
}
