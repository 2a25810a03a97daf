//! Texts to values.

use std::time::Duration;

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// `250ms`, `30s`, `5m`, `12h`, `30d`. A bare number is refused: it does not say of what.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let invalid =
        || format!("{text:?} is not a duration: a number and a unit, as in 250ms, 30s, 5m, 12h, 30d");
    let of = |number: u64, unit: u64| number.checked_mul(unit).map(Duration::from_secs).ok_or_else(invalid);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(invalid)?;
    let number: u64 = number.parse().map_err(|_| invalid())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => of(number, 60),
        "h" => of(number, 3600),
        "d" => of(number, 24 * 3600),
        _ => Err(invalid()),
    }
}
