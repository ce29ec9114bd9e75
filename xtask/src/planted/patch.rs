//! A planted defect: a file `AREA-NN-name.patch` whose first line names the test that must catch it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// What the first line begins with.
const PREFIX: &str = "# test: cargo test ";

/// A planted defect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    /// The file's name without `.patch`.
    pub(crate) name: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// What follows `cargo test`, the test's own path left out.
    pub(crate) arguments: Vec<String>,
    /// The test's path, as the runner prints it.
    pub(crate) test: String,
}

impl Patch {
    /// Reads a patch's name and first line.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self> {
        let name =
            file.file_stem().and_then(|stem| stem.to_str()).context("a patch without a name")?.to_owned();
        check_name(&name)?;
        let first = text.lines().next().unwrap_or_default();
        let line = first
            .strip_prefix(PREFIX)
            .with_context(|| format!("{name}: the first line is not `{PREFIX}…`"))?;
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        words.retain(|word| word != "--" && word != "--exact");
        let test = words
            .pop()
            .filter(|word| !word.starts_with('-'))
            .with_context(|| format!("{name}: names no test"))?;
        ensure!(words.iter().any(|word| word == "-p"), "{name}: names no crate (`-p CRATE`)");
        ensure!(words.last().is_none_or(|word| word != "-p" && word != "--test"), "{name}: names no test");
        // Without a target cargo would build every integration test of the crate to run none of their tests.
        if !words
            .iter()
            .any(|word| ["--test", "--lib", "--bin", "--example", "--doc"].contains(&word.as_str()))
        {
            words.push("--lib".to_owned());
        }
        Ok(Self { name, file: file.to_path_buf(), arguments: words, test })
    }
}

/// `AREA-NN-name`: the part of the product, the trap's number, and what goes wrong.
fn check_name(name: &str) -> Result<()> {
    let mut parts = name.splitn(3, '-');
    let (area, number, rest) = (parts.next(), parts.next(), parts.next());
    let is_word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let is_number = |text: &str| text.len() >= 2 && text.chars().all(|c| c.is_ascii_digit());
    if !(area.is_some_and(is_word) && number.is_some_and(is_number) && rest.is_some_and(is_word)) {
        bail!("{name}: a patch is called AREA-NN-name.patch");
    }
    Ok(())
}

/// Every patch of a folder, by name.
pub(crate) fn all(folder: &Path) -> Result<Vec<Patch>> {
    let mut patches = Vec::new();
    if !folder.is_dir() {
        return Ok(patches);
    }
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "patch") {
            patches.push(Patch::parse(&file, &std::fs::read_to_string(&file)?)?);
        }
    }
    patches.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(patches)
}

/// Draws `count` patches by a commit's hash: the same commit draws the same ones, the next commit others.
pub(crate) fn draw(mut patches: Vec<Patch>, count: usize, commit: &str) -> Vec<Patch> {
    patches.sort_by_key(|patch| fnv(&[commit, &patch.name]));
    patches.truncate(count);
    patches.sort_by(|a, b| a.name.cmp(&b.name));
    patches
}

/// FNV-1a, finished so that its high bits depend on the last byte too.
fn fnv(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, first: &str) -> Result<Patch> {
        Patch::parse(
            Path::new(&format!("tests/planted/{name}.patch")),
            &format!("{first}\ndiff --git a/x b/x\n"),
        )
    }

    #[test]
    fn the_first_line_names_crate_and_test() -> Result<()> {
        let patch = parse(
            "producer-07-doubled-batch",
            "# test: cargo test -p courant-producer machine::sender::tests::a",
        )?;
        assert_eq!(
            (patch.name.as_str(), patch.test.as_str()),
            ("producer-07-doubled-batch", "machine::sender::tests::a")
        );
        assert_eq!(patch.arguments, ["-p", "courant-producer", "--lib"]);
        let patch =
            parse("client-28-a", "# test: cargo test -p courant-client --test story -- --exact a_story")?;
        assert_eq!(patch.arguments, ["-p", "courant-client", "--test", "story"]);
        assert_eq!(patch.test, "a_story");
        Ok(())
    }

    #[test]
    fn a_patch_without_a_test_or_with_a_free_name_is_refused() {
        assert!(parse("producer-07-a", "diff --git a/x b/x").is_err());
        assert!(parse("producer-07-a", "# test: cargo test -p courant-producer").is_err());
        assert!(parse("producer-07-a", "# test: cargo test -p courant-producer --test story").is_err());
        assert!(parse("doubled", "# test: cargo test -p courant-producer a::b").is_err());
        assert!(parse("producer-7-a", "# test: cargo test -p courant-producer a::b").is_err());
    }

    #[test]
    fn the_commit_draws_the_patches() -> Result<()> {
        let patches: Vec<_> = (10..40)
            .map(|number| parse(&format!("client-{number}-a"), "# test: cargo test -p courant-client a::b"))
            .collect::<Result<_>>()?;
        let drawn = draw(patches.clone(), 8, "4d1bc8b");
        assert_eq!(drawn.len(), 8);
        assert_eq!(drawn, draw(patches.clone(), 8, "4d1bc8b"));
        assert_ne!(drawn, draw(patches, 8, "0cf703b"));
        Ok(())
    }
}
