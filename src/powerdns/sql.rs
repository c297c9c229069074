//! Lists of values in statements of few different lengths, so that prepared statements are found again.

use mysql_async::Value;
use std::fmt::Write as _;

/// The longest list: beyond it MariaDB's plans tip into full scans (measured at 1200).
pub(super) const LIST: usize = 500;

/// The longest list of tuples: each row is compared with each tuple in turn (measured: a thousand guarded
/// deletes with their endings take 0.6 s by 500).
pub(super) const TUPLES: usize = 64;

/// The lengths that lists are padded to.
const LENGTHS: [usize; 4] = [1, 8, 64, LIST];

/// How many rows one INSERT takes, largest first: any number is a sum of few of them, since an INSERT
/// cannot be padded.
const INSERTS: [usize; 5] = [256, 64, 16, 4, 1];

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

/// Repeats the last `width` values until a length is reached that is prepared already; returns how
/// many tuples of `width` there are then. At most [`LIST`] tuples, at least one.
pub(super) fn pad(values: &mut Vec<Value>, width: usize) -> usize {
    let have = values.len() / width;
    let want = LENGTHS.into_iter().find(|length| *length >= have).unwrap_or(have);
    let last = values[values.len() - width..].to_vec();
    for _ in have..want {
        values.extend_from_slice(&last);
    }
    want
}

/// Cuts what is to be inserted into pieces of few different lengths.
pub(super) fn pieces<T>(mut items: &[T]) -> Vec<&[T]> {
    let mut out = Vec::new();
    for length in INSERTS {
        while items.len() >= length {
            let (piece, rest) = items.split_at(length);
            out.push(piece);
            items = rest;
        }
    }
    out
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
    fn lists_are_padded_by_their_last_tuple() {
        let mut values: Vec<Value> = (1..=6).map(Value::Int).collect();
        assert_eq!(pad(&mut values, 2), 8);
        assert_eq!(values.len(), 16);
        assert_eq!(values[14..], [Value::Int(5), Value::Int(6)]);
        assert_eq!(tuples(2, 2), "(?,?),(?,?)");
    }

    #[test]
    fn pieces_hold_everything_in_order() {
        let items: Vec<u32> = (0..343).collect();
        let pieces = pieces(&items);
        assert_eq!(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [256, 64, 16, 4, 1, 1, 1]);
        assert_eq!(pieces.concat(), items);
    }

    #[test]
    fn like_takes_an_underscore_for_itself() {
        assert_eq!(like("_x.a%b"), "\\_x.a\\%b");
    }
}
