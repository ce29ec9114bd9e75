//! Functions of at most 70 lines, files of at most 800, inline test modules of at most 150.
//!
//! Counted over lines and not over the syntax tree, so that a function inside a macro counts too. The code is formatted by
//! rustfmt, so a body ends at the indentation it began at.

use super::report::Violation;
use super::source::{Source, is_cfg_test};
use syn::spanned::Spanned;

/// The longest function without a reason.
pub(crate) const FUNCTION_LINES_MAX: usize = 70;
/// The longest file, its inline test module not counted.
pub(crate) const FILE_LINES_MAX: usize = 800;
/// The longest inline test module.
pub(crate) const INLINE_TESTS_LINES_MAX: usize = 150;
/// How many functions of the whole workspace may be long for a reason.
pub(crate) const EXCUSED_MAX: usize = 10;

/// A function's place and length, from the line of its `fn` to the line of its closing brace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`, from 1.
    pub(crate) line: usize,
    /// How many lines it takes.
    pub(crate) lines: usize,
}

/// What a long function gives as its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excuse {
    /// Its body is one match or one table: exempt.
    OneTable,
    /// `// tidy: long because …`: allowed ten times.
    Reason,
}

/// What the sizes of a file are, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    /// Lines of the file up to its inline test module.
    pub(crate) code_lines: usize,
    /// Every function.
    pub(crate) functions: Vec<Function>,
    /// Long functions that give a reason.
    pub(crate) excused: Vec<Violation>,
    /// What breaks the rules.
    pub(crate) violations: Vec<Violation>,
}

/// Measures a file.
pub(crate) fn measure(source: &Source) -> Sizes {
    if source.is_generated() {
        return Sizes::default();
    }
    let lines = source.lines();
    let mut sizes =
        Sizes { code_lines: code_lines(&lines), functions: functions(&lines), ..Sizes::default() };
    // A folder of tests may hold long files: a story is read from top to bottom.
    if sizes.code_lines > FILE_LINES_MAX && !source.path.contains("tests/") {
        let text =
            format!("{} lines; {FILE_LINES_MAX} are the limit: find the second idea", sizes.code_lines);
        sizes.violations.push(Violation::of(&source.path, text));
    }
    for function in sizes.functions.iter().filter(|function| function.lines > FUNCTION_LINES_MAX) {
        let text = format!("`{}` has {} lines", function.name, function.lines);
        match excuse(&lines, function) {
            Some(Excuse::OneTable) => {}
            Some(Excuse::Reason) => sizes.excused.push(Violation::at(&source.path, function.line, text)),
            None => {
                let text = format!("{text}; {FUNCTION_LINES_MAX} are the limit: split it by idea");
                sizes.violations.push(Violation::at(&source.path, function.line, text));
            }
        }
    }
    sizes.violations.extend(long_inline_tests(source));
    sizes
}

/// The lines before the inline test module.
fn code_lines(lines: &[&str]) -> usize {
    let opens_tests =
        |pair: &[&str]| matches!(pair, [a, b] if a.trim() == "#[cfg(test)]" && b.starts_with("mod tests {"));
    lines.windows(2).position(opens_tests).unwrap_or(lines.len())
}

/// Every function with a body of more than one line.
fn functions(lines: &[&str]) -> Vec<Function> {
    let mut open: Vec<(usize, usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if let Some((indent, name)) = opens_function(line) {
            // Whatever was open at this depth has no body: a method of a trait that only declares it.
            open.retain(|(_, outer, _)| *outer < indent);
            if !line.trim_end().ends_with([';', '}']) {
                open.push((index, indent, name));
            }
        } else if let Some(&(start, indent, name)) = open.last() {
            let at_depth = line.len() > indent && line.chars().take(indent).all(|c| c == ' ');
            let rest = if at_depth { line.get(indent..).unwrap_or_default().trim_end() } else { "" };
            if rest.starts_with(')') && rest.ends_with(';') {
                open.pop();
            } else if rest == "}" {
                found.push(Function { name: name.to_owned(), line: start + 1, lines: index - start + 1 });
                open.pop();
            }
        }
    }
    found
}

/// The indentation and the name, when a line opens a function.
fn opens_function(line: &str) -> Option<(usize, &str)> {
    let mut rest = line.trim_start();
    let indent = line.len() - rest.len();
    if let Some(after) = rest.strip_prefix("pub") {
        rest = match after.strip_prefix('(') {
            Some(scope) => scope.split_once(')')?.1,
            None => after,
        };
        rest = rest.strip_prefix(' ')?.trim_start();
    }
    while let Some(after) = ["const ", "async ", "unsafe "].iter().find_map(|word| rest.strip_prefix(word)) {
        rest = after.trim_start();
    }
    let name = rest.strip_prefix("fn ")?.trim_start();
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    (end > 0).then(|| (indent, name.get(..end).unwrap_or_default()))
}

/// The reason that stands in the three lines above a function or inside it.
fn excuse(lines: &[&str], function: &Function) -> Option<Excuse> {
    let start = function.line - 1;
    let near = lines.get(start.saturating_sub(3)..start + function.lines - 1).unwrap_or_default();
    near.iter().find_map(|line| {
        let (_, reason) = line.split_once("// tidy: ")?;
        match reason {
            r if r.starts_with("one match") || r.starts_with("one table") => Some(Excuse::OneTable),
            r if r.starts_with("long because") => Some(Excuse::Reason),
            _ => None,
        }
    })
}

/// Inline test modules that belong into a sibling file.
fn long_inline_tests(source: &Source) -> Vec<Violation> {
    let Some(file) = source.whole() else { return Vec::new() };
    let mut found = Vec::new();
    for item in &file.items {
        if let syn::Item::Mod(module) = item
            && module.content.is_some()
            && module.attrs.iter().any(is_cfg_test)
        {
            let span = module.mod_token.span().start().line..=module.span().end().line;
            let lines = span.end() - span.start() + 1;
            if lines > INLINE_TESTS_LINES_MAX {
                let text = format!(
                    "the inline tests take {lines} lines; above {INLINE_TESTS_LINES_MAX} they move to a sibling file"
                );
                found.push(Violation::at(&source.path, *span.start(), text));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;

    fn function(body_lines: usize, above: &str, name: &str) -> String {
        format!(
            "{above}\n    pub(crate) async fn {name}(\n        &self,\n    ) {{\n{}    }}\n",
            "        a();\n".repeat(body_lines)
        )
    }

    fn measured(text: String) -> Result<Sizes> {
        Ok(measure(&Source::parse("client/src/a.rs", format!("struct A;\nimpl A {{\n{text}}}\n"))?))
    }

    #[test]
    fn a_function_counts_from_its_fn_to_its_brace() -> Result<()> {
        let sizes = measured(function(66, "", "fits") + &function(67, "", "too_long"))?;
        let lengths: Vec<_> = sizes.functions.iter().map(|f| (f.name.as_str(), f.lines)).collect();
        assert_eq!(lengths, [("fits", 70), ("too_long", 71)]);
        assert_eq!(sizes.violations.len(), 1);
        assert_eq!(sizes.violations[0].text, "`too_long` has 71 lines; 70 are the limit: split it by idea");
        assert_eq!(sizes.violations[0].line, 75);
        Ok(())
    }

    #[test]
    fn a_long_match_is_exempt_and_a_long_reason_is_listed() -> Result<()> {
        let table = function(90, "    // tidy: one match\n    #[must_use]", "table");
        let reason = function(90, "    // tidy: long because the order is the point", "story");
        let sizes = measured(table + &reason)?;
        assert_eq!(sizes.violations, []);
        assert_eq!(sizes.excused.len(), 1);
        assert_eq!(sizes.excused[0].text, "`story` has 94 lines");
        Ok(())
    }

    #[test]
    fn declarations_without_a_body_are_not_functions() {
        let lines = [
            "trait A {",
            "    fn a();",
            "    fn b(",
            "        x: u8,",
            "    ) -> u8;",
            "    fn c()",
            "    where",
            "        Self: Sized;",
            "}",
        ];
        assert_eq!(functions(&lines), []);
    }

    #[test]
    fn nested_functions_each_have_their_own_length() {
        let lines = ["fn outer() {", "    fn inner() {", "        a();", "    }", "}"];
        let lengths: Vec<_> = functions(&lines).into_iter().map(|f| (f.name, f.lines)).collect();
        assert_eq!(lengths, [("inner".to_owned(), 3), ("outer".to_owned(), 5)]);
    }

    #[test]
    fn a_file_counts_up_to_its_inline_tests() -> Result<()> {
        let tests = "#[cfg(test)]\nmod tests {\n}\n";
        let fits = Source::parse("client/src/a.rs", "const A: u8 = 1;\n".repeat(800) + tests)?;
        assert_eq!(measure(&fits).violations, []);
        let long = Source::parse("client/src/a.rs", "const A: u8 = 1;\n".repeat(801) + tests)?;
        assert_eq!(measure(&long).violations[0].text, "801 lines; 800 are the limit: find the second idea");
        let story = Source::parse("client/tests/a.rs", "const A: u8 = 1;\n".repeat(801))?;
        assert_eq!(measure(&story).violations, []);
        Ok(())
    }

    #[test]
    fn inline_tests_have_a_limit_of_their_own() -> Result<()> {
        let text = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    const A: u8 = 1;\n".repeat(149));
        let sizes = measure(&Source::parse("client/src/a.rs", text)?);
        assert_eq!(sizes.violations.len(), 1);
        assert!(sizes.violations[0].text.starts_with("the inline tests take 151 lines"));
        Ok(())
    }
}
