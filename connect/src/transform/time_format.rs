//! Times in the letters of Java's `SimpleDateFormat`, in UTC.
use crate::data::civil::{self, Clock, Day};

/// A format: letters that stand for a part of the time, and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimeFormat(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A letter, and how often it stands there.
    Letter(char, usize),
}

impl TimeFormat {
    /// Reads a format. Text stands between single quotes; two of them are one.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let piece = match c {
                '\'' => {
                    let inner = rest.get(1..).unwrap_or_default();
                    let end = inner
                        .find('\'')
                        .ok_or_else(|| format!("`{text}` opens a quote that nothing closes"))?;
                    rest = inner.get(end + 1..).unwrap_or_default();
                    Piece::Text(if end == 0 {
                        "'".to_owned()
                    } else {
                        inner.get(..end).unwrap_or_default().to_owned()
                    })
                }
                'y' | 'M' | 'd' | 'H' | 'm' | 's' | 'S' => {
                    let count = rest.chars().take_while(|other| *other == c).count();
                    rest = rest.get(count..).unwrap_or_default();
                    if c == 'M' && count > 2 {
                        return Err("names of months (`MMM`) are not known; `MM` is the number".to_owned());
                    }
                    Piece::Letter(c, count)
                }
                c if c.is_ascii_alphabetic() => {
                    return Err(format!(
                        "the letter `{c}` is not known; there are y M d H m s S, and text in quotes"
                    ));
                }
                c => {
                    rest = rest.get(c.len_utf8()..).unwrap_or_default();
                    Piece::Text(c.to_string())
                }
            };
            pieces.push(piece);
        }
        Ok(Self(pieces))
    }

    /// A point in time by this format.
    pub(super) fn write(&self, unix_ms: i64) -> String {
        let (day, clock) = civil::split(unix_ms);
        self.0.iter().map(|piece| piece.write(day, clock)).collect()
    }
}

impl Piece {
    fn write(&self, day: Day, clock: Clock) -> String {
        let (letter, width) = match self {
            Self::Text(text) => return text.clone(),
            Self::Letter(letter, width) => (*letter, *width),
        };
        let number = match letter {
            'y' if width == 2 => day.year.rem_euclid(100),
            'y' => day.year,
            'M' => i64::from(day.month),
            'd' => i64::from(day.day),
            'H' => i64::from(clock.hour),
            'm' => i64::from(clock.minute),
            's' => i64::from(clock.second),
            _ => i64::from(clock.ms),
        };
        format!("{number:0width$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_as_java_writes_them() {
        // 2013-02-03T04:05:06.007Z
        let at = 1_359_864_306_007;
        for (format, text) in [
            ("yyyyMMdd", "20130203"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2013-02-03T04:05:06.007"),
            ("yy.M.d H''m", "13.2.3 4'5"),
            ("y/dd", "2013/03"),
        ] {
            assert_eq!(TimeFormat::read(format).unwrap().write(at), text);
        }
        for format in ["MMM", "yyyy'", "EEE", "hh"] {
            TimeFormat::read(format).unwrap_err();
        }
    }
}
