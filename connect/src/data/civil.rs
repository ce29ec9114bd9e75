//! Days and times of the Gregorian calendar, in UTC, carried back before 1582 as ISO 8601 has it.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Year, month from 1, day from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

/// Hour, minute, second, millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    pub(crate) ms: u32,
}

impl Day {
    /// The day that lies so many days after 1970-01-01.
    ///
    /// A year begins in March here, so that the leap day is its last; an era is the 400 years after which the calendar
    /// repeats.
    pub(crate) fn from_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month: month as u32, day: day as u32 }
    }

    /// How many days lie between 1970-01-01 and this day; `None` if there is no such day.
    pub(crate) fn to_days(self) -> Option<i64> {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        ((1..=12).contains(&self.month) && Self::from_days(days) == self).then_some(days)
    }
}

impl Clock {
    /// The time that lies so many milliseconds after midnight.
    pub(crate) fn from_ms(ms: i64) -> Self {
        let part = |unit: i64, count: i64| (ms / unit).rem_euclid(count) as u32;
        Self {
            hour: part(3_600_000, 25),
            minute: part(60_000, 60),
            second: part(1_000, 60),
            ms: part(1, 1_000),
        }
    }
}

/// Day and time of day of a point in time.
pub(crate) fn split(unix_ms: i64) -> (Day, Clock) {
    (Day::from_days(unix_ms.div_euclid(DAY_MS)), Clock::from_ms(unix_ms.rem_euclid(DAY_MS)))
}

/// `2013-01-31`.
pub(crate) fn date_text(days: i64) -> String {
    let Day { year, month, day } = Day::from_days(days);
    match year {
        0..=9_999 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:+05}-{month:02}-{day:02}"),
    }
}

/// `10:15:00.000`.
pub(crate) fn time_text(ms: i64) -> String {
    let Clock { hour, minute, second, ms } = Clock::from_ms(ms);
    format!("{hour:02}:{minute:02}:{second:02}.{ms:03}")
}

/// `2013-01-31T10:15:00.000Z`.
pub(crate) fn timestamp_text(unix_ms: i64) -> String {
    format!("{}T{}Z", date_text(unix_ms.div_euclid(DAY_MS)), time_text(unix_ms.rem_euclid(DAY_MS)))
}

/// Reads a point in time as RFC 3339 writes it: `2013-01-31T10:15:00Z`, with a fraction, with an offset such as
/// `+01:00`. Digits behind the milliseconds are cut off. A leap second is the last second of its minute.
pub(crate) fn read_timestamp(text: &str) -> Option<i64> {
    let (day, rest) = (text.get(..10)?, text.get(10..)?);
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let days = read_date(day)?;
    let (clock, rest) = (rest.get(..8)?, rest.get(8..)?);
    let mut parts = clock.split(':').map(two_digits);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix('.') {
        None => ("", rest),
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            (rest.get(..end).filter(|digits| !digits.is_empty())?, rest.get(end..)?)
        }
    };
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let local = days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second.min(59) * 1_000 + ms;
    Some(local - read_zone(zone)? * 60_000)
}

/// Reads a day: `2013-01-31`.
pub(crate) fn read_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let year = parts.next().filter(|year| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()))?;
    let (month, day) = (two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    if parts.next().is_some() {
        return None;
    }
    Day { year: year.parse().ok()?, month: month as u32, day: day as u32 }.to_days()
}

/// Minutes east of Greenwich.
fn read_zone(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn two_digits(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_those_of_the_gregorian_calendar() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (15_706, "2013-01-01"),
            (-141_428, "1582-10-14"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
            (2_932_897, "+10000-01-01"),
        ] {
            assert_eq!(date_text(days), text);
        }
        for text in
            ["2013-02-29", "2013-13-01", "2013-00-01", "2013-01-00", "13-01-01", "2013-1-1", "2013-01-01-"]
        {
            assert_eq!(read_date(text), None, "{text}");
        }
    }

    #[test]
    fn points_in_time_are_read_as_rfc_3339_writes_them() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2013-01-01T10:15:00Z", 1_357_035_300_000),
            ("2013-01-01t10:15:00.5z", 1_357_035_300_500),
            ("2013-01-01 11:15:00.123456+01:00", 1_357_035_300_123),
            ("2013-01-01T05:45:00-04:30", 1_357_035_300_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!(read_timestamp(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "2013-01-01",
            "2013-01-01?10:15:00Z",
            "2013-01-01T10:15:00",
            "2013-01-01T24:00:00Z",
            "2013-01-01T10:15Z",
            "2013-01-01T10:15:00.Z",
            "2013-01-01T10:15:00+1:00",
            "2013-01-01T10:15:00Zz",
            "２013-01-01T10:15:00Z",
        ] {
            assert_eq!(read_timestamp(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in -62_167_219_200_000_i64..253_402_300_800_000) {
            prop_assert_eq!(read_timestamp(&timestamp_text(ms)), Some(ms));
        }
    }
}
