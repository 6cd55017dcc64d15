// SPDX-License-Identifier: GPL-3.0-or-later
//! Tor's points in time.

/// Reads a point in time as Tor writes it, `YYYY-MM-DD HH:MM:SS` or with a `T` in between, in UTC: the seconds since
/// 1970. `None` also for the empty text that Tor has where nothing is known.
///
/// # Examples
/// ```
/// use tails_server::torctl::parse_time;
///
/// assert_eq!(parse_time("2026-11-22 06:01:19"), Some(1_795_327_279));
/// assert_eq!(parse_time(""), None);
/// ```
// control-spec, ISOTime and ISOTime2
#[must_use]
pub fn parse_time(text: &str) -> Option<u64> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    // A leap second is 60.
    let is_real =
        year >= 1970 && (1..=*lengths.get(month)?).contains(&day) && hour <= 23 && minute <= 59 && second <= 60;
    if !is_real {
        return None;
    }
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let days =
        (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + lengths.iter().take(month).sum::<u64>() + day - 1;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Three numbers of these lengths, and nothing else.
fn numbers(text: &str, separator: char, lengths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let digits = parts.next()?;
        if digits.len() != length || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = digits.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_known() {
        // date --utc --date "…" +%s
        for (text, seconds) in [
            ("1970-01-01 00:00:00", 0),
            ("1972-02-29 00:00:00", 68_169_600),
            ("1999-12-31 23:59:59", 946_684_799),
            ("2000-02-29 12:00:00", 951_825_600),
            ("2000-03-01 00:00:00", 951_868_800),
            ("2024-12-31T23:59:59", 1_735_689_599),
            ("2026-11-24T15:31:06", 1_795_534_266),
            ("2100-03-01 00:00:00", 4_107_542_400),
            ("9999-12-31 23:59:59", 253_402_300_799),
        ] {
            assert_eq!(parse_time(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "2026-11-24",
            "2026-11-24 15:31",
            "2026-13-01 00:00:00",
            "2026-00-01 00:00:00",
            "2026-02-29 00:00:00",
            "2100-02-29 00:00:00",
            "2026-11-31 00:00:00",
            "2026-11-00 00:00:00",
            "2026-11-24 24:00:00",
            "2026-11-24 00:60:00",
            "1969-12-31 23:59:59",
            "02026-11-24 00:00:00",
            "2026-11-24 00:00:00 ",
            "2026-11-24 +1:00:00",
            "2026-11-24-01 00:00:00",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reading_panic(text in "[0-9]{0,5}[-:. T]?[0-9]{0,3}-[0-9]{0,3}[ T][0-9]{0,3}:.{0,8}") {
            let _ = parse_time(&text);
        }

        #[test]
        fn later_is_more(year in 1970_u64..9999, month in 1..=12, day in 1..=27) {
            let time = |day| parse_time(&format!("{year:04}-{month:02}-{day:02} 00:00:00")).unwrap();
            proptest::prop_assert_eq!(time(day) + 86_400, time(day + 1));
        }
    }
}
