//! As much of MySQL's protocol as it takes to find the commands: packets, and which prepared statement an
//! execution runs.

use std::collections::HashMap;

/// The transaction was rolled back, and may be tried again.
pub(super) const DEADLOCK: u16 = 1213;
/// The server shuts down: the last that a connection hears.
pub(super) const SHUTDOWN: u16 = 1053;

const QUIT: u8 = 0x01;
const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
/// These two are not answered.
const LONG_DATA: u8 = 0x18;
const CLOSE: u8 = 0x19;

/// The length of the first packet with its head, once its head is there.
pub(super) fn packet_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.first_chunk::<4>()?;
    Some(4 + usize::from(head[0]) + (usize::from(head[1]) << 8) + (usize::from(head[2]) << 16))
}

fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("packets made here are short").to_le_bytes();
    [&length[..3], &[number], payload].concat()
}

/// The command that runs a statement.
pub(super) fn query(sql: &str) -> Vec<u8> {
    packet(0, &[&[QUERY], sql.as_bytes()].concat())
}

/// The answer that a command has failed.
pub(super) fn error(code: u16) -> Vec<u8> {
    let state = if code == DEADLOCK { "#40001" } else { "#HY000" };
    let text = format!("{state}refused on the wire as error {code}");
    packet(1, &[&[0xff][..], &code.to_le_bytes(), text.as_bytes()].concat())
}

/// What one connection has prepared.
#[derive(Default)]
pub(super) struct Commands {
    statements: HashMap<[u8; 4], String>,
    preparing: Option<String>,
}

impl Commands {
    /// The text of the command that a client's packet begins, if it is one that is answered.
    pub(super) fn request(&mut self, packet: &[u8]) -> Option<String> {
        // Any other number is a part of the login, or of what came before.
        let (&command, rest) = packet.get(4..)?.split_first().filter(|_| packet[3] == 0)?;
        let text = || String::from_utf8_lossy(rest).into_owned();
        self.preparing = None;
        match command {
            QUIT | LONG_DATA | CLOSE => None,
            QUERY => Some(text()),
            PREPARE => {
                self.preparing = Some(text());
                Some(format!("PREPARE {}", text()))
            }
            EXECUTE => {
                let known = rest.first_chunk::<4>().and_then(|id| self.statements.get(id)).cloned();
                Some(known.unwrap_or_else(|| "a statement nobody has prepared".into()))
            }
            other => Some(format!("command {other}")),
        }
    }

    /// Notes the number of a statement that was prepared.
    pub(super) fn answer(&mut self, packet: &[u8]) {
        if let Some(sql) = self.preparing.take()
            && packet.get(4) == Some(&0)
            && let Some(id) = packet.get(5..).and_then(|rest| rest.first_chunk::<4>())
        {
            self.statements.insert(*id, sql);
        }
    }
}
