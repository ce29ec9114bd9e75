//! Each dependency has its reason beside it, and published crates say what they are.

use super::report::Violation;

/// Checks the text of one `Cargo.toml`.
pub(crate) fn check(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut inside = false;
    let mut above = "";
    // An entry that goes on over several lines ends with the bracket that it opened.
    let mut depth = 0_i32;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if depth == 0 && trimmed.starts_with('[') {
            inside = trimmed
                .trim_matches(['[', ']'])
                .rsplit('.')
                .next()
                .is_some_and(|name| name.ends_with("dependencies"));
        } else if depth == 0 && inside && !trimmed.is_empty() && !trimmed.starts_with('#') {
            let name = trimmed.split(['=', '.', ' ']).next().unwrap_or_default();
            let own = name.starts_with("courant") && path == "Cargo.toml";
            if !own && comment(line).is_none() && !above.trim().starts_with('#') {
                let text = format!("dependency `{name}` has no reason beside it");
                found.push(Violation::at(path, index + 1, text));
            }
        }
        let code = line.split_once(" #").map_or(line, |(code, _)| code);
        if inside && !trimmed.starts_with('#') {
            let count = |marks: [char; 2]| i32::try_from(code.matches(marks).count()).unwrap_or(0);
            depth += count(['[', '{']) - count([']', '}']);
            depth = depth.max(0);
        }
        above = line;
    }
    found
}

/// What a line says behind its `#`.
fn comment(line: &str) -> Option<&str> {
    let (_, text) = line.rsplit_once(" # ")?;
    (!text.trim().is_empty() && !text.contains('"')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        check("client/Cargo.toml", text).into_iter().map(|violation| violation.to_string()).collect()
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let text = "[dependencies]\nbytes = { workspace = true }  # payloads\ntokio = { workspace = true }\n";
        assert_eq!(texts(text), ["client/Cargo.toml:3: dependency `tokio` has no reason beside it"]);
    }

    #[test]
    fn a_reason_may_stand_above_or_behind_a_long_entry() {
        let text = "[package]\nname = \"a\"\n\n[dev-dependencies]\n# Virtual time.\ntokio = { workspace = true, features = [\n    \"rt\",\n] }\n\
                    csv = \"1\" # input\n\n[features]\na = []\n";
        assert_eq!(texts(text), [""; 0]);
    }
}
