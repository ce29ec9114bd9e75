//! Where a partition starts without a committed offset, or when its position has left the log.
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use courant_protocol::types::UnixMillis;

/// What to do where there is no valid offset (`auto.offset.reset`, KIP-1106).
///
/// ```
/// use courant_consumer::OffsetReset;
/// use std::time::Duration;
///
/// let day: OffsetReset = "by_duration:P1D".parse()?;
/// assert_eq!(day, OffsetReset::ByDuration(Duration::from_secs(86_400)));
/// assert!("erliest".parse::<OffsetReset>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetReset {
    /// Start with the oldest record.
    Earliest,
    /// Start with whatever is written from now on.
    #[default]
    Latest,
    /// Report an error and leave the choice to the application.
    None,
    /// Start with the first record that is at most this old; if there is none, at the end.
    ByDuration(Duration),
}

impl OffsetReset {
    /// The timestamp of the ListOffsets request that finds the offset; none where the application has to choose.
    pub(crate) fn timestamp(self, unix_now: UnixMillis) -> Option<UnixMillis> {
        match self {
            Self::Earliest => Some(EARLIEST),
            Self::Latest => Some(LATEST),
            Self::None => None,
            Self::ByDuration(age) => {
                let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                Some(UnixMillis(unix_now.0.saturating_sub(age_ms).max(0)))
            }
        }
    }
}

/// ListOffsets: the end of the log (the last stable offset where only committed records are read).
pub(crate) const LATEST: UnixMillis = UnixMillis(-1);
/// ListOffsets: the start of the log.
pub(crate) const EARLIEST: UnixMillis = UnixMillis(-2);

impl FromStr for OffsetReset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "none" => Ok(Self::None),
            _ => text.strip_prefix("by_duration:").and_then(iso_duration).map(Self::ByDuration).ok_or_else(
                || {
                    "expected earliest, latest, none, or by_duration: with a duration such as PT1H or P3DT12H"
                        .to_owned()
                },
            ),
        }
    }
}

impl fmt::Display for OffsetReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::None => f.write_str("none"),
            Self::ByDuration(age) => write!(f, "by_duration:PT{}S", age.as_secs_f64()),
        }
    }
}

/// Reads `PnDTnHnMn.nS`, what Java's `Duration.parse` takes, without signs: an age is not negative.
fn iso_duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('P')?;
    let (days, time) = text.split_once('T').map_or((text, None), |(days, time)| (days, Some(time)));
    let mut millis = 0_u64;
    let mut parts = 0;
    if !days.is_empty() {
        millis = days.strip_suffix('D')?.parse::<u64>().ok()?.checked_mul(86_400_000)?;
        parts += 1;
    }
    let mut rest = time.unwrap_or_default();
    if time.is_some() && rest.is_empty() {
        return None;
    }
    for (unit, unit_ms) in [('H', 3_600_000), ('M', 60_000)] {
        if let Some((number, after)) = rest.split_once(unit) {
            millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(unit_ms)?)?;
            rest = after;
            parts += 1;
        }
    }
    if !rest.is_empty() {
        millis = millis.checked_add(seconds_ms(rest.strip_suffix('S')?)?)?;
        parts += 1;
    }
    (parts > 0).then(|| Duration::from_millis(millis))
}

/// `5` or `5.25` seconds in milliseconds; finer digits are cut off.
fn seconds_ms(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_java_reads_them() {
        for (text, millis) in [
            ("PT1H", 3_600_000),
            ("P3D", 259_200_000),
            ("P1DT2H3M4.5S", 93_784_500),
            ("PT0.001S", 1),
            ("PT15M", 900_000),
        ] {
            let read: OffsetReset = format!("by_duration:{text}").parse().unwrap();
            assert_eq!(read, OffsetReset::ByDuration(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:1H",
            "by_duration:PT-1H",
            "erliest",
        ] {
            assert!(text.parse::<OffsetReset>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_age_becomes_a_time_that_is_never_before_1970() {
        let reset = OffsetReset::ByDuration(Duration::from_secs(10));
        assert_eq!(reset.timestamp(UnixMillis(15_000)), Some(UnixMillis(5_000)));
        assert_eq!(reset.timestamp(UnixMillis(5_000)), Some(UnixMillis(0)));
        assert_eq!(OffsetReset::None.timestamp(UnixMillis(0)), None);
    }
}
