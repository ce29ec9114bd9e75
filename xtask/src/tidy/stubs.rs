//! Nothing unfinished, nothing switched off, nothing unsafe, no banner and no name that says nothing.

use super::report::Violation;
use super::source::Source;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Checks one file. The tools' own files may hold what they look for.
pub(crate) fn check(source: &Source) -> Vec<Violation> {
    if source.path.starts_with("xtask/") || source.is_generated() {
        return Vec::new();
    }
    let mut found: Vec<_> = source
        .text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some(Violation::at(&source.path, index + 1, line_problem(line)?)))
        .collect();
    found.extend(names(source));
    found
}

/// What a single line shows to be wrong.
fn line_problem(line: &str) -> Option<&'static str> {
    let trimmed = line.trim_start();
    if calls_macro(line, "todo") || calls_macro(line, "unimplemented") {
        return Some("unfinished code");
    }
    if trimmed.starts_with("#[ignore") {
        return Some("an ignored test: mend it or take it out");
    }
    if !trimmed.starts_with("//") && says_unsafe(line) {
        return Some("`unsafe` code");
    }
    let comment = trimmed.strip_prefix("//").map(|text| text.trim_start_matches(['/', '!']).trim());
    match comment {
        Some(text) if is_banner(text) => Some("a banner: let the file's order speak"),
        Some(text) if ["TODO", "FIXME", "XXX"].iter().any(|word| text.starts_with(word)) => {
            Some("a note to oneself: file an issue instead")
        }
        _ => None,
    }
}

/// Whether a line calls a macro of this name with parentheses.
fn calls_macro(line: &str, name: &str) -> bool {
    occurrences(line, name).any(|(before, after)| {
        let called = after.strip_prefix('!').is_some_and(|rest| rest.trim_start().starts_with('('));
        called && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

/// Whether a line opens an unsafe block, function or impl.
fn says_unsafe(line: &str) -> bool {
    occurrences(line, "unsafe").any(|(before, after)| {
        let rest = after.trim_start();
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && (rest.starts_with('{') || rest.starts_with("fn") || rest.starts_with("impl"))
    })
}

/// The text before and after each occurrence of a word.
fn occurrences<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    line.match_indices(word).map(move |(at, _)| {
        (line.get(..at).unwrap_or_default(), line.get(at + word.len()..).unwrap_or_default())
    })
}

/// A row of dashes, equals signs or the like. A table in a doc comment has bars.
fn is_banner(text: &str) -> bool {
    text.len() >= 4 && ["-", "=", "*", "#", "~"].iter().any(|mark| text.starts_with(&mark.repeat(4)))
}

/// Names that say nothing: a `get_` before a noun; types called after their duty to manage or help.
fn names(source: &Source) -> Vec<Violation> {
    let Some(file) = source.product() else { return Vec::new() };
    let mut names = Names { path: &source.path, found: Vec::new() };
    names.visit_file(file);
    let stem = source
        .path
        .trim_end_matches("/mod.rs")
        .trim_end_matches(".rs")
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if ["common", "utils", "util", "helpers", "helper", "core", "misc"].contains(&stem) {
        names.found.push(Violation::of(&source.path, "a module named after nothing: name the idea"));
    }
    names.found
}

/// Collects bad names.
struct Names<'a> {
    path: &'a str,
    found: Vec<Violation>,
}

impl Names<'_> {
    fn type_name(&mut self, name: &syn::Ident) {
        let text = name.to_string();
        if ["Manager", "Helper", "Util", "Utils"].iter().any(|end| text.ends_with(end)) {
            let text = format!("`{text}` is named after no thing of Kafka's");
            self.found.push(Violation::at(self.path, name.span().start().line, text));
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if signature.ident.to_string().starts_with("get_") {
            let text = format!("`{}`: leave the `get_` out", signature.ident);
            self.found.push(Violation::at(self.path, signature.span().start().line, text));
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.type_name(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.type_name(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.type_name(&item.ident);
        syn::visit::visit_item_trait(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;

    fn texts(text: &str) -> Result<Vec<String>> {
        Ok(check(&Source::parse("client/src/a.rs", text)?)
            .into_iter()
            .map(|violation| violation.to_string())
            .collect())
    }

    #[test]
    fn unfinished_code_and_ignored_tests_are_found() -> Result<()> {
        assert_eq!(texts("fn a() { todo!(\"later\") }")?, ["client/src/a.rs:1: unfinished code"]);
        assert_eq!(texts("fn a() { unimplemented! () }")?, ["client/src/a.rs:1: unfinished code"]);
        assert_eq!(
            texts("#[test]\n#[ignore]\nfn a() {}")?,
            ["client/src/a.rs:2: an ignored test: mend it or take it out"]
        );
        assert_eq!(texts("fn a() { my_todo!(1) }")?, [""; 0]);
        Ok(())
    }

    #[test]
    fn unsafe_code_is_found_and_the_word_is_not() -> Result<()> {
        assert_eq!(texts("fn a() { unsafe { b() } }")?, ["client/src/a.rs:1: `unsafe` code"]);
        assert_eq!(texts("unsafe impl Send for A {}")?, ["client/src/a.rs:1: `unsafe` code"]);
        assert_eq!(texts("#![forbid(unsafe_code)]\n// It would be unsafe {\nfn a() {}")?, [""; 0]);
        Ok(())
    }

    #[test]
    fn banners_and_notes_to_oneself_are_found() -> Result<()> {
        assert_eq!(
            texts("// --------\nfn a() {}")?,
            ["client/src/a.rs:1: a banner: let the file's order speak"]
        );
        assert_eq!(
            texts("// TODO: more\nfn a() {}")?,
            ["client/src/a.rs:1: a note to oneself: file an issue instead"]
        );
        assert_eq!(texts("//! | a | b |\n//! |---|---|\nfn a() {}")?, [""; 0]);
        Ok(())
    }

    #[test]
    fn names_that_say_nothing_are_found() -> Result<()> {
        assert_eq!(
            texts("pub fn get_offset() {}")?,
            ["client/src/a.rs:1: `get_offset`: leave the `get_` out"]
        );
        assert_eq!(
            texts("struct LinkManager;")?,
            ["client/src/a.rs:1: `LinkManager` is named after no thing of Kafka's"]
        );
        let found = check(&Source::parse("client/src/utils/mod.rs", "//! Doc.")?);
        assert_eq!(found[0].text, "a module named after nothing: name the idea");
        Ok(())
    }
}
