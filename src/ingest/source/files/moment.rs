//! Dates and times as ISO 8601 writes them, exactly or not at all.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// `2024-01-31` and nothing else, as days.
pub(super) fn date(text: &str) -> Option<i32> {
    i32::try_from(day(text)?.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// `2024-01-31` and nothing else.
fn day(text: &str) -> Option<NaiveDate> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    // There is no year 0 for most who read dates.
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day).filter(|_| year > 0)
}

/// `2024-01-31T12:34:56.789` or with a space, as microseconds, and whether it has a zone; in UTC if it has.
pub(super) fn time(text: &str) -> Option<(i64, bool)> {
    let date = day(text.get(..10)?)?;
    let rest = text.get(10..)?.strip_prefix([' ', 'T'])?;
    let clock = rest.get(..8)?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let rest = rest.get(8..)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("0", rest),
    };
    // More digits than the lake holds may only be zeros.
    let kept = fraction.trim_end_matches('0');
    if fraction.is_empty() || kept.len() > 6 {
        return None;
    }
    let micros = format!("{kept:0<6}").parse().ok()?;
    let time = date.and_time(NaiveTime::from_hms_micro_opt(hour, minute, second, micros)?);
    match zone {
        "" => Some((micros_of(time), false)),
        "Z" => Some((micros_of(time), true)),
        zone => Some((micros_of(time.checked_sub_signed(offset(zone)?)?), true)),
    }
}

/// `+02:00`, `+0200` or `+02`.
fn offset(zone: &str) -> Option<TimeDelta> {
    let (is_behind, digits) = match zone.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, zone.strip_prefix('+')?),
    };
    let digits = digits.replacen(':', "", 1);
    let (hours, minutes) = match (digits.len(), zone.contains(':')) {
        (2, false) => (digits.as_str(), "0"),
        (4, _) => digits.split_at_checked(2)?,
        _ => return None,
    };
    let all_digits = hours.bytes().chain(minutes.bytes()).all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    if !all_digits || hours > 18 || minutes > 59 {
        return None;
    }
    let minutes = hours * 60 + minutes;
    Some(TimeDelta::minutes(if is_behind { -minutes } else { minutes }))
}

/// Numbers of exactly so many digits each.
fn numbers(text: &str, between: char, lengths: [usize; 3]) -> Option<[u32; 3]> {
    let mut parts = text.split(between);
    let mut found = [0; 3];
    for (number, length) in found.iter_mut().zip(lengths) {
        let part = parts.next()?;
        if part.len() != length || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn micros_of(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp_micros()
}
