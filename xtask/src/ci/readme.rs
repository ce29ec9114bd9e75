//! The README's own commands: what it tells users to type is what ci runs.

use anyhow::{Context, Result, ensure};

/// The two commands that do all the set-up, as the README gives them.
pub(crate) fn commands(readme: &str) -> Result<(String, String)> {
    let mut found = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("```") {
            let body: Vec<&str> =
                lines.by_ref().take_while(|line| !line.trim_start().starts_with("```")).collect();
            found.push((line.trim().to_owned(), body.join("\n").trim().to_owned()));
        }
    }
    let mut found = found.into_iter();
    let mut command = |name: &str, needs: &str| -> Result<String> {
        let (fence, text) =
            found.next().with_context(|| format!("the README has no fence for its {name} command"))?;
        ensure!(
            fence == "```sh" && text.lines().count() == 1,
            "the {name} command does not stand alone in a `sh` fence"
        );
        ensure!(text.contains(needs), "the README's {name} command is `{text}`; it should hold `{needs}`");
        Ok(text)
    };
    Ok((command("first", "--example quickstart")?, command("second", "cargo test --workspace")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_fences_hold_a_command_each() -> Result<()> {
        let readme = "# Courant\n\n```sh\ncargo run --release --example quickstart\n```\n\ntext\n\n```sh\ncargo test --workspace\n```\n";
        let expected =
            ("cargo run --release --example quickstart".to_owned(), "cargo test --workspace".to_owned());
        assert_eq!(commands(readme)?, expected);
        Ok(())
    }

    #[test]
    fn another_fence_before_them_is_an_error() {
        let readme = "```rust\nlet a = 1;\n```\n```sh\ncargo run --release --example quickstart\n```\n";
        assert!(commands(readme).is_err());
        assert!(commands("# Courant\n").is_err());
    }
}
