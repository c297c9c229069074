//! Times as CloudStack writes them. Two formulas instead of a calendar crate: Howard Hinnant's
//! `days_from_civil` and `civil_from_days`, valid for the proleptic Gregorian calendar.

/// Reads `2026-03-04T10:15:01+0000` (also `Z`, `+00:00`, a fraction of a second, or a blank for the `T`)
/// as seconds since 1970.
pub(super) fn read(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = bytes.get(from..to)?;
        part.iter()
            .try_fold(0i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    if !(is(4, b'-') && is(7, b'-') && (is(10, b'T') || is(10, b' ')) && is(13, b':') && is(16, b':')) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds - offset(text.get(19..)?)?)
}

/// Reads the `Date` of an HTTP answer, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), as seconds since
/// 1970. The two older forms are not read: nobody sends them any more.
pub(super) fn read_http(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let fields: Vec<&str> = text.split_once(", ")?.1.split(' ').collect();
    let [day, month, year, time, "GMT"] = fields.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    read(&format!("{year}-{month:02}-{day}T{time}Z"))
}

/// The zone's offset in seconds east of Greenwich; a text without one is UTC.
fn offset(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let text = match text.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start(),
        None => text,
    };
    let (sign, digits) = match text.as_bytes().first() {
        None => return Some(0),
        Some(b'Z') if text.len() == 1 => return Some(0),
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        Some(_) => return None,
    };
    let digits = digits.replacen(':', "", 1);
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Writes seconds since 1970 as the `expires` parameter wants it.
pub(super) fn write(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+0000")
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_with_their_offset() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00+0000", 0),
            ("2026-03-04T10:15:01+0000", 1_772_619_301),
            ("2026-03-04T12:15:01+0200", 1_772_619_301),
            ("2026-03-04T04:45:01-05:30", 1_772_619_301),
            ("2026-03-04T10:15:01Z", 1_772_619_301),
            ("2026-03-04 10:15:01.250 +0000", 1_772_619_301),
            ("2026-03-04T10:15:01", 1_772_619_301),
            ("2000-02-29T23:59:59+0000", 951_868_799),
        ] {
            assert_eq!(read(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn the_date_of_an_answer_reads() {
        assert_eq!(read_http("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(read_http("Wed, 04 Mar 2026 10:15:01 GMT"), Some(1_772_619_301));
        for wrong in
            ["", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nix 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT"]
        {
            assert_eq!(read_http(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn text_that_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-13-04T10:15:01+0000",
            "2026-03-04T10:15:01 CET",
            "2026-03-04",
            "2026-03-04T10:15:01+é",
            "2026-03-04T10:15:01+00é",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_written_time_reads_back() {
        for seconds in [0, 951_868_799, 1_772_619_301, 1_893_456_000, 4_102_444_800] {
            assert_eq!(read(&write(seconds)), Some(seconds));
        }
        assert_eq!(write(1_893_456_000), "2030-01-01T00:00:00+0000");
    }
}
