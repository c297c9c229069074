//! Hostile input for the property tests of every room that reads text from outside: samples with damage,
//! and texts that tenants would like to see taken for something else. PROPTEST_CASES makes runs longer.

use proptest::{collection::vec, prelude::*, sample::Index, string::string_regex};
use std::path::Path;

/// Words that mean something to JSON, SQL, HTML, terminals, DNS or CloudStack.
const WORDS: &[&str] = &[
    "",
    ".",
    "..",
    "*",
    "@",
    "-",
    "_",
    "/",
    "\\",
    "\\000",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\"",
    "'",
    "`",
    "';--",
    "' OR 1=1 -- ",
    "<script>",
    "{}",
    "[]",
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{0}",
    "ｗｗｗ",
    "wеb",
    "xn--",
    "arpa",
    "in-addr.arpa",
    "ROOT",
    "ROOT/",
    "%00",
    "${jndi:x}",
    "::ffff:127.0.0.1",
    "fe80::1%eth0",
    "0.0.0.0",
    "224.0.0.1",
    "errorcode",
    "errortext",
    "\"errorcode\":431,",
    "VM.DESTROY",
    "Expunging",
];

/// So many cases, or as many as PROPTEST_CASES says if that is more.
pub fn cases(least: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(least), ..asked }
}

/// The files of a folder below fixtures/, in the order of their names.
pub fn samples(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[derive(Debug, Clone)]
enum Damage {
    Byte(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index, usize),
    Insert(Index, String),
    Splice(Index, usize, Index),
    Swap(Index, Index),
}

/// One of the samples with up to eight damages: bytes changed, parts cut, repeated, swapped between members
/// and samples, hostile words put in, thousands of brackets.
pub fn damaged(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let at = any::<Index>;
    let damage = prop_oneof![
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        2 => (at(), at()).prop_map(|(from, to)| Damage::Cut(from, to)),
        1 => (at(), at(), 1..40_usize).prop_map(|(from, to, times)| Damage::Repeat(from, to, times)),
        3 => (at(), text()).prop_map(|(at, text)| Damage::Insert(at, text)),
        1 => (at(), 1..3000_usize, at()).prop_map(|(at, depth, of)| Damage::Splice(at, depth, of)),
        4 => (at(), at()).prop_map(|(one, other)| Damage::Swap(one, other)),
    ];
    (0..samples.len(), vec(damage, 0..8)).prop_map(move |(pick, damages)| {
        let mut bytes = samples[pick].clone();
        for damage in damages {
            apply(&mut bytes, damage, &samples);
        }
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, damage: Damage, samples: &[Vec<u8>]) {
    let range = |from: Index, to: Index, len: usize| {
        let (from, to) = (from.index(len), to.index(len));
        from.min(to)..from.max(to)
    };
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match damage {
        Damage::Byte(at, byte) => bytes[at.index(len)] = byte,
        Damage::Cut(from, to) => drop(bytes.drain(range(from, to, len))),
        Damage::Repeat(from, to, times) => {
            let range = range(from, to, len);
            let end = range.end;
            let part: Vec<u8> = bytes[range].iter().copied().take(200).collect();
            bytes.splice(end..end, part.repeat(times));
        }
        Damage::Insert(at, text) => {
            let at = at.index(len);
            bytes.splice(at..at, text.into_bytes());
        }
        Damage::Splice(at, depth, of) => {
            let at = at.index(len);
            let other = &samples[of.index(samples.len())];
            let part = if depth % 2 == 0 { b"[".repeat(depth) } else { other.clone() };
            bytes.splice(at..at, part);
        }
        // One value of the JSON in the place of another: the shape stays, the types do not.
        Damage::Swap(one, other) => {
            let values = values(bytes);
            if !values.is_empty() {
                let (one, other) = (one.index(values.len()), other.index(values.len()));
                let put = bytes[values[other].clone()].to_vec();
                bytes.splice(values[one].clone(), put);
            }
        }
    }
}

/// Where members' values seem to stand: from a colon to the next comma, brace or line's end.
fn values(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let colons = bytes.windows(2).enumerate().filter(|(_, pair)| *pair == b"\":").map(|(at, _)| at + 2);
    colons
        .map(|from| {
            let rest = bytes[from..].iter().position(|byte| b",}\n".contains(byte));
            from..rest.map_or(bytes.len(), |len| from + len)
        })
        .collect()
}

/// What somebody might type where a name belongs: words that mean something elsewhere, names, addresses,
/// bytes of any alphabet, and very much of each.
pub fn text() -> impl Strategy<Value = String> {
    let word = || prop::sample::select(WORDS).prop_map(str::to_owned);
    let label = || string_regex("[a-zA-Z0-9-]{1,64}").unwrap();
    prop_oneof![
        3 => word(),
        3 => label(),
        3 => vec(label(), 1..6).prop_map(|labels| labels.join(".")),
        2 => (label(), word(), label()).prop_map(|(before, word, after)| format!("{before}{word}{after}")),
        2 => any::<String>(),
        1 => (word(), 1..2000_usize).prop_map(|(word, times)| word.repeat(times)),
        1 => any::<std::net::IpAddr>().prop_map(|address| address.to_string()),
    ]
}
