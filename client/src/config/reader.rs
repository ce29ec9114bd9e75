//! The `.properties` format, as `java.util.Properties.load` reads it.
//!
//! A logical line is a natural line and, while it ends in an odd number of `\`, the next one without its leading white
//! space. Blank lines and lines that start with `#` or `!` count for nothing. The name ends at the first `=`, `:` or white
//! space that no `\` precedes; white space and one `=` or `:` stand between it and the value, which reaches to the line's
//! end, trailing white space included. `\t`, `\n`, `\r`, `\f` and `\uXXXX` (UTF-16) stand for characters, `\` before
//! anything else for that.
use super::{ConfigError, ConfigErrorKind};
use std::iter::Peekable;
use std::str::Chars;

/// A property of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    /// The number of its first line, from 1.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// Reads a whole file; a name that comes twice comes out twice, in order.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    logical_lines(text).into_iter().map(|(line, text)| entry(line, &text)).collect()
}

fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in natural_lines(text).enumerate() {
        let content = natural.trim_start_matches(BLANKS);
        let (line, mut logical) = match open.take() {
            Some(open) => open,
            None if content.is_empty() || content.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        let backslashes = content.len() - content.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            logical.push_str(content.strip_suffix('\\').unwrap_or(content));
            open = Some((line, logical));
        } else {
            logical.push_str(content);
            lines.push((line, logical));
        }
    }
    // A continuation at the end of the file continues with nothing.
    lines.extend(open);
    lines
}

/// Lines that end in `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn entry(line: usize, text: &str) -> Result<Entry, ConfigError> {
    let mut rest = text.chars().peekable();
    let name = unescape(&mut rest, line, |c| BLANKS.contains(&c) || c == '=' || c == ':')?;
    skip_blanks(&mut rest);
    if rest.next_if(|&c| c == '=' || c == ':').is_some() {
        skip_blanks(&mut rest);
    }
    let value = unescape(&mut rest, line, |_| false)?;
    Ok(Entry { line, name, value })
}

fn skip_blanks(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| BLANKS.contains(c)).is_some() {}
}

fn unescape(
    rest: &mut Peekable<Chars<'_>>,
    line: usize,
    ends: impl Fn(char) -> bool,
) -> Result<String, ConfigError> {
    // `\u` escapes are UTF-16 code units, of which two may make one character.
    let mut units: Vec<u16> = Vec::new();
    while let Some(c) = rest.next_if(|&c| !ends(c)) {
        if c != '\\' {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        match rest.next() {
            Some('u') => {
                units.push(unicode(rest).ok_or_else(|| broken(line, "`\\u` needs four hexadecimal digits"))?)
            }
            Some(c) => units.extend(escaped(c).encode_utf16(&mut [0; 2]).iter()),
            None => {}
        }
    }
    String::from_utf16(&units).map_err(|_| broken(line, "a `\\u` escape is half of a surrogate pair"))
}

fn unicode(rest: &mut Peekable<Chars<'_>>) -> Option<u16> {
    let mut unit: u16 = 0;
    for _ in 0..4 {
        let digit = rest.next()?.to_digit(16)?;
        unit = unit << 4 | u16::try_from(digit).ok()?;
    }
    Some(unit)
}

fn escaped(c: char) -> char {
    match c {
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'f' => '\x0c',
        other => other,
    }
}

fn broken(line: usize, what: &str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::File, format!("line {line}"), format!("line {line}: {what}"))
}

const BLANKS: [char; 3] = [' ', '\t', '\x0c'];

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        read(text).unwrap().into_iter().map(|entry| (entry.name, entry.value)).collect()
    }

    #[test]
    fn every_separator_of_javas_format_is_read() {
        let text = "a=1\nb:2\nc 3\nd\t=\t4\ne = = 5\nf\n  g : 6  \nh==7\n=8\n";
        let expected = [
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
            ("d", "4"),
            ("e", "= 5"),
            ("f", ""),
            ("g", "6  "),
            ("h", "=7"),
            ("", "8"),
        ];
        assert_eq!(pairs(text), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn comments_and_blank_lines_count_for_nothing() {
        let entries = read("\u{feff}# one\n\n  ! two \\\nkey=1\r\n\t\r#three=3\rlast=2").unwrap();
        let found: Vec<_> = entries.iter().map(|e| (e.line, e.name.as_str(), e.value.as_str())).collect();
        assert_eq!(found, [(4, "key", "1"), (7, "last", "2")]);
    }

    #[test]
    fn a_line_continues_after_an_odd_number_of_backslashes() {
        assert_eq!(
            pairs("list=a,\\\n   b,\\\n   # c\nnext=1"),
            [("list".to_owned(), "a,b,# c".to_owned()), ("next".to_owned(), "1".to_owned()),]
        );
        assert_eq!(
            pairs("path=c:\\\\\nnext=1\\"),
            [("path".to_owned(), "c:\\".to_owned()), ("next".to_owned(), "1".to_owned()),]
        );
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        assert_eq!(
            pairs("a\\=b\\ c=\\t\\n\\r\\f\\q\\u00e4\\uD83D\\ude00ü"),
            [("a=b c".to_owned(), "\t\n\r\x0cqä😀ü".to_owned())]
        );
    }

    #[test]
    fn a_broken_unicode_escape_names_its_line() {
        let said = |text| read(text).unwrap_err().to_string();
        assert_eq!(said("a=1\nb=\\u12x4"), "line 2: `\\u` needs four hexadecimal digits");
        assert_eq!(said("b=\\u12"), "line 1: `\\u` needs four hexadecimal digits");
        assert_eq!(said("b=\\ud83d"), "line 1: a `\\u` escape is half of a surrogate pair");
    }
}
