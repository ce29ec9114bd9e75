//! No file names a path of the machine on which it was written.

use super::report::Violation;

/// What no file may hold. Put together here, so that this file does not hold them itself.
const FORBIDDEN: &[&str] = &[concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];

/// Checks the text of any file.
pub(crate) fn check(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(word) = FORBIDDEN.iter().find(|word| opens_with(line, word)) {
            found.push(Violation::at(path, index + 1, format!("names `{word}`, a path of one machine")));
        }
    }
    found
}

/// Whether a line holds the word as the beginning of a path, and not within one.
fn opens_with(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found() {
        let line = format!("data = \"{}a.csv\"", FORBIDDEN[0]);
        assert_eq!(check("notes.md", &line).len(), 1);
        assert_eq!(check("notes.md", &format!("/usr{} and net{}", FORBIDDEN[0], FORBIDDEN[0])), []);
    }
}
