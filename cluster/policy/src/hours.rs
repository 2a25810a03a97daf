//! Times of the week at which a rule holds.

use std::fmt;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u32 = 24 * 60;

/// Some days, from one minute to another. Never beyond midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hours {
    /// Monday first.
    days: [bool; 7],
    /// Minutes of the day: the first in it, and the first after it.
    from: u32,
    to: u32,
}

impl Hours {
    /// From `days` such as `mon`, `mon-fri` or `sat`, and times such as `08:00`.
    ///
    /// # Errors
    /// What can't be read, or is empty.
    pub(crate) fn parse(days: &[String], from: Option<&str>, to: Option<&str>) -> Result<Self, String> {
        let from = from.map_or(Ok(0), minute)?;
        let to = to.map_or(Ok(DAY), minute)?;
        if from >= to {
            return Err("from is not before to: split what goes beyond midnight in two".to_owned());
        }
        let mut set = [days.is_empty(); 7];
        for text in days {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (day(first)?, day(last)?);
            if first > last {
                return Err(format!("{text:?} goes beyond Sunday: split it in two"));
            }
            set.iter_mut().take(last + 1).skip(first).for_each(|day| *day = true);
        }
        Ok(Self { days: set, from, to })
    }

    /// Whether they hold at a time, in seconds since 1970, on clocks that are so many seconds ahead of UTC.
    pub(crate) fn hold_at(&self, time: u64, ahead: i32) -> bool {
        let minutes = time.saturating_add_signed(ahead.into()) / 60;
        let (days, minute) = (minutes / u64::from(DAY), minutes % u64::from(DAY));
        // The first day of 1970 was a Thursday.
        let day = usize::try_from((days + 3) % 7).unwrap_or(0);
        self.days.get(day) == Some(&true) && (u64::from(self.from)..u64::from(self.to)).contains(&minute)
    }

    /// Whether some minute of the week is in both.
    pub(crate) fn overlap(&self, other: &Self) -> bool {
        let same_day = self.days.iter().zip(&other.days).any(|(one, other)| *one && *other);
        same_day && self.from < other.to && other.from < self.to
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> =
            DAYS.iter().zip(&self.days).filter(|(_, on)| **on).map(|(day, _)| *day).collect();
        let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{} {} to {}", days.join(" "), time(self.from), time(self.to))
    }
}

fn day(text: &str) -> Result<usize, String> {
    let found = DAYS.iter().position(|day| *day == text);
    found.ok_or_else(|| format!("{text:?} is no day: expected {}", DAYS.join(", ")))
}

fn minute(text: &str) -> Result<u32, String> {
    let bad = || format!("{text:?} is no time of day: expected 00:00 to 24:00");
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let number = |text: &str, most: u32| -> Option<u32> {
        let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| fits && *number <= most)
    };
    let (hour, minute) = (number(hour, 24).ok_or_else(bad)?, number(minute, 59).ok_or_else(bad)?);
    let minutes = hour * 60 + minute;
    if minutes > DAY { Err(bad()) } else { Ok(minutes) }
}

/// Seconds that clocks are ahead of UTC, from a text such as `+02:00`.
pub(crate) fn offset(text: &str) -> Result<i32, String> {
    let bad = || format!("{text:?} is no distance from UTC: expected -14:00 to +14:00");
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(bad()),
    };
    let minutes = minute(rest).map_err(|_| bad())?;
    if minutes > 14 * 60 {
        return Err(bad());
    }
    i32::try_from(minutes * 60).map(|seconds| sign * seconds).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Saturday, 2026-11-21 12:00:00 UTC.
    const SATURDAY_NOON: u64 = 1_795_262_400;

    fn hours(days: &[&str], from: &str, to: &str) -> Result<Hours, String> {
        let days: Vec<String> = days.iter().map(|day| (*day).to_owned()).collect();
        Hours::parse(&days, Some(from), Some(to))
    }

    #[test]
    fn hours_hold_from_their_first_minute_to_before_their_last() {
        let saturday = hours(&["sat"], "12:00", "13:00").unwrap();
        for (time, holds) in [(0, true), (-1, false), (3599, true), (3600, false), (86_400, false)] {
            assert_eq!(saturday.hold_at(SATURDAY_NOON.saturating_add_signed(time), 0), holds, "{time}");
        }
        let week = hours(&["mon-fri"], "00:00", "24:00").unwrap();
        assert!(!week.hold_at(SATURDAY_NOON, 0) && week.hold_at(SATURDAY_NOON - 86_400, 0));
        assert!(Hours::parse(&[], None, None).unwrap().hold_at(SATURDAY_NOON, 0));
    }

    #[test]
    fn clocks_ahead_of_utc_come_to_the_next_day_sooner() {
        let sunday = hours(&["sun"], "00:00", "24:00").unwrap();
        assert!(!sunday.hold_at(SATURDAY_NOON, offset("+11:59").unwrap()));
        assert!(sunday.hold_at(SATURDAY_NOON, offset("+12:00").unwrap()));
        assert!(!sunday.hold_at(SATURDAY_NOON, offset("-12:00").unwrap()));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (days, from, to) in [
            (&["monday"][..], "08:00", "18:00"),
            (&["fri-mon"], "08:00", "18:00"),
            (&["mon-"], "08:00", "18:00"),
            (&["mon"], "18:00", "08:00"),
            (&["mon"], "08:00", "08:00"),
            (&["mon"], "8:00", "18:00"),
            (&["mon"], "08:60", "18:00"),
            (&["mon"], "08:00", "24:01"),
            (&["mon"], "+8:00", "18:00"),
            (&["mon"], "08", "18:00"),
        ] {
            assert!(hours(days, from, to).is_err(), "{days:?} {from} {to}");
        }
        for bad in ["", "02:00", "+15:00", "+2", "UTC", "-1:00"] {
            assert!(offset(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_hours_overlap_if_a_minute_is_in_both() {
        let week = hours(&["mon-fri"], "08:00", "12:00").unwrap();
        assert!(week.overlap(&hours(&["fri-sun"], "11:59", "13:00").unwrap()));
        assert!(!week.overlap(&hours(&["fri-sun"], "12:00", "13:00").unwrap()));
        assert!(!week.overlap(&hours(&["sat"], "08:00", "12:00").unwrap()));
        assert_eq!(week.to_string(), "mon tue wed thu fri 08:00 to 12:00");
    }
}
