//! Moments in UTC, written as RFC 3339 says, with milliseconds.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::text::serde_as_text;

/// Length of a moment in text: `2026-01-31T23:59:59.999Z`.
pub(crate) const TEXT: usize = 24;
const DAY: u64 = 86_400_000;

/// A moment in UTC in whole milliseconds, between the years 1970 and 9999: `2026-01-31T23:59:59.999Z` in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last moment of the year 9999.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// So many milliseconds after 1970 began; nothing after [`Timestamp::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Option<Self> {
        if millis <= Self::MAX.0 { Some(Self(millis)) } else { None }
    }

    /// Milliseconds since 1970 began.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The moment that is written in these bytes, in the one form that [`fmt::Display`] has.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let &[
            y0,
            y1,
            y2,
            y3,
            b'-',
            m0,
            m1,
            b'-',
            d0,
            d1,
            b'T', //
            h0,
            h1,
            b':',
            n0,
            n1,
            b':',
            s0,
            s1,
            b'.',
            f0,
            f1,
            f2,
            b'Z',
        ] = text
        else {
            return None;
        };
        let (year, month, day) = (number(&[y0, y1, y2, y3])?, number(&[m0, m1])?, number(&[d0, d1])?);
        let (hour, minute, second) = (number(&[h0, h1])?, number(&[n0, n1])?, number(&[s0, s1])?);
        let is_moment = year >= 1970
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !is_moment {
            return None;
        }
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Self(seconds * 1000 + number(&[f0, f1, f2])?))
    }
}

impl From<SystemTime> for Timestamp {
    /// To the millisecond below; what lies outside the years is moved to the nearest moment inside.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        u64::try_from(since).ok().and_then(Self::from_millis).unwrap_or(Self::MAX)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / DAY);
        let (seconds, millis) = (self.0 % DAY / 1000, self.0 % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        Self::parse(text.as_bytes()).ok_or(InvalidTimestamp)
    }
}

serde_as_text!(Timestamp);

impl BorshDeserialize for Timestamp {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let millis = u64::deserialize_reader(reader)?;
        Self::from_millis(millis)
            .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "a time after the year 9999"))
    }
}

/// Not a moment as it is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: expected UTC with milliseconds, such as 2026-01-31T23:59:59.999Z")]
pub struct InvalidTimestamp;

fn number(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar not before it. The year is counted from March, so that
/// the leap day is its last; 400 years are 146,097 days.
const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day.saturating_sub(1);
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}

/// The date so many days after 1970-01-01.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_they_are_known() {
        // By `date -u -d @… +%FT%T`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_164_799, "2024-02-28T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            let moment = Timestamp::from_millis(seconds * 1000).unwrap();
            assert_eq!(moment.to_string(), text);
            assert_eq!(text.parse(), Ok(moment));
        }
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(Timestamp::MAX.millis() + 1), None);
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)).millis(), 0);
    }

    #[test]
    fn every_day_is_read_as_it_is_written() {
        let mut before = String::new();
        for day in 0..=(Timestamp::MAX.millis() / DAY) {
            let moment = Timestamp(day * DAY + 45_296_789);
            let text = moment.to_string();
            assert_eq!(text.len(), TEXT);
            assert!(text > before, "{text} after {before}");
            assert_eq!(text.parse(), Ok(moment));
            before = text;
        }
    }

    #[test]
    fn other_ways_to_write_a_moment_are_refused() {
        for text in [
            "2026-01-31T23:59:59Z",
            "2026-01-31T23:59:59.999+00:00",
            "2026-01-31 23:59:59.999Z",
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-31T24:00:00.000Z",
            "2026-01-31T23:59:60.000Z",
            "1969-12-31T23:59:59.999Z",
            "0000-01-01T00:00:00.000Z",
            "2026-01-31T23:59:59.99xZ",
            "",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn a_moment_has_one_encoding() {
        let moment = Timestamp(1_800_000_000_123);
        assert_eq!(borsh::from_slice::<Timestamp>(&borsh::to_vec(&moment).unwrap()).unwrap(), moment);
        assert!(borsh::from_slice::<Timestamp>(&u64::MAX.to_le_bytes()).is_err());
        assert_eq!(serde_json::to_string(&moment).unwrap(), r#""2027-01-15T08:00:00.123Z""#);
    }
}
