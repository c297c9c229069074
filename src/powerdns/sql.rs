//! Statements with their values in them. But for the audit's, none is prepared: that would cost a round trip for
//! each list that is as long as none before, and a prepared statement goes to the server alone.

use mysql_async::Value;
use std::fmt::Write as _;

/// The longest list: beyond it MariaDB's plans tip into full scans (measured at 1200).
pub(super) const LIST: usize = 500;

/// The longest list of tuples: each row is compared with each tuple in turn (measured: a thousand guarded
/// deletes with their endings take 0.6 s by 500).
pub(super) const TUPLES: usize = 64;

/// A text parameter.
pub(super) fn text(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

/// `n` question marks with commas.
pub(super) fn marks(n: usize) -> String {
    vec!["?"; n].join(",")
}

/// `n` bracketed tuples of `width` question marks with commas.
pub(super) fn tuples(n: usize, width: usize) -> String {
    let tuple = format!("({})", marks(width));
    let mut out = String::with_capacity(n * (tuple.len() + 1));
    for at in 0..n {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(out, "{comma}{tuple}");
    }
    out
}

/// A statement, complete, and how many rows it has to find.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) what: &'static str,
    pub(super) sql: String,
    /// So many of these must be found, or the database is not what the plan saw.
    pub(super) wanted: Option<(usize, &'static str)>,
}

impl Statement {
    /// Puts each value where its question mark is.
    pub(super) fn new(what: &'static str, sql: &str, values: &[Value]) -> Self {
        assert_eq!(sql.matches('?').count(), values.len(), "{sql}");
        let mut parts = sql.split('?');
        let texts: usize =
            values.iter().map(|value| if let Value::Bytes(text) = value { text.len() } else { 8 }).sum();
        let mut out = String::with_capacity(sql.len() + texts + 2 * values.len());
        out.push_str(parts.next().unwrap_or_default());
        for (value, part) in values.iter().zip(parts) {
            // Our sessions' sql_mode leaves the backslash its meaning, and their character set has one octet
            // a character: no text ends its own quotes.
            push(&mut out, value);
            out.push_str(part);
        }
        Self { what, sql: out, wanted: None }
    }

    /// It has to find exactly so many of these.
    pub(super) fn finds(self, wanted: usize, of: &'static str) -> Self {
        Self { wanted: Some((wanted, of)), ..self }
    }
}

/// What the client library's `as_sql` says; for most values, of which a first fill has millions, without a text
/// between.
fn push(out: &mut String, value: &Value) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\');
    match value {
        Value::UInt(number) => drop(write!(out, "{number}")),
        Value::Int(number) => drop(write!(out, "{number}")),
        Value::Bytes(bytes) => match str::from_utf8(bytes) {
            Ok(text) if bytes.iter().all(plain) => {
                out.push('\'');
                out.push_str(text);
                out.push('\'');
            }
            _ => out.push_str(&value.as_sql(false)),
        },
        _ => out.push_str(&value.as_sql(false)),
    }
}

/// A text for LIKE that stands for itself.
pub(super) fn like(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_their_marks_are_and_no_text_leaves_its_quotes() {
        let sql = format!("IN ({}) AND x = {}", tuples(1, 2), marks(1));
        let filled = |value: &str| Statement::new("testing", &sql, &[text(value), Value::NULL, 7.into()]).sql;
        assert_eq!(filled("a?b"), "IN (('a?b',NULL)) AND x = 7");
        assert_eq!(
            filled("'; DROP TABLE records; -- "),
            r"IN (('\'; DROP TABLE records; -- ',NULL)) AND x = 7"
        );
        assert_eq!(filled(r"\"), r"IN (('\\',NULL)) AND x = 7");
    }

    #[test]
    fn every_value_reads_as_the_library_writes_it() {
        let texts =
            ["", "a.example.org", "it's", "\"", r"a\b", "\n\r\0\x1a", "\x7f", "\u{e9}", "~ "].map(text);
        let numbers = [Value::NULL, 0.into(), (-1).into(), u64::MAX.into(), Value::Double(0.5)];
        for value in texts.into_iter().chain(numbers).chain([Value::Bytes(vec![0xff, b'x'])]) {
            let mut out = String::new();
            push(&mut out, &value);
            assert_eq!(out, value.as_sql(false));
        }
    }

    #[test]
    fn like_takes_an_underscore_for_itself() {
        assert_eq!(like("_x.a%b"), "\\_x.a\\%b");
    }
}
