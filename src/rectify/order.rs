//! The order name of an owner name: what the `ordername` column says in each kind of zone.

use crate::model::{Dnssec, OwnerName, ZoneName};
use sha1::{Digest, Sha1};

/// RFC 4648, 7, in lower case, as PowerDNS stores hashes.
const BASE32HEX: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// What `ordername` says of a name that has one: NULL in unsigned and narrow zones and for a name
/// outside of the zone; the relative labels in reverse order, joined by blanks, in NSEC zones, where
/// the apex is the empty string and not NULL; the hash in NSEC3 zones.
///
/// Names below a delegation and insecure delegations under opt-out have none: see
/// [`rectify_zone`](super::rectify_zone).
pub fn order_name(zone: &ZoneName, dnssec: &Dnssec, name: &OwnerName) -> Option<Box<str>> {
    if !name.is_within(zone.as_str()) {
        return None;
    }
    match dnssec {
        Dnssec::Unsigned | Dnssec::Nsec3 { narrow: true, .. } => None,
        Dnssec::Nsec => Some(relative_reversed(zone, name)),
        Dnssec::Nsec3 { iterations, salt, .. } => Some(hash(*iterations, salt, name)),
    }
}

fn relative_reversed(zone: &ZoneName, name: &OwnerName) -> Box<str> {
    let head = &name.as_str()[..name.as_str().len() - zone.as_str().len()];
    let labels: Vec<&str> = head.split('.').filter(|label| !label.is_empty()).rev().collect();
    labels.join(" ").into()
}

/// RFC 5155, 5: `IH(0) = H(wire | salt)`, `IH(k) = H(IH(k-1) | salt)`.
fn hash(iterations: u16, salt: &[u8], name: &OwnerName) -> Box<str> {
    let mut sha1 = Sha1::new();
    for label in name.as_str().split('.') {
        // OwnerName has no label of more than 63 octets.
        sha1.update([u8::try_from(label.len()).unwrap_or(u8::MAX)]);
        sha1.update(label);
    }
    sha1.update([0]);
    sha1.update(salt);
    let mut digest = sha1.finalize();
    for _ in 0..iterations {
        digest = Sha1::new().chain_update(digest).chain_update(salt).finalize();
    }
    base32hex(&digest)
}

/// Five octets give eight characters; twenty give thirty-two, without padding.
fn base32hex(octets: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(octets.len() / 5 * 8);
    for five in octets.chunks(5) {
        let bits = five.iter().fold(0_u64, |bits, octet| (bits << 8) | u64::from(*octet));
        for at in (0..8).rev() {
            let digit = usize::try_from((bits >> (5 * at)) & 31).unwrap_or_default();
            text.push(char::from(BASE32HEX[digit]));
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reverse_name;

    fn name(text: &str) -> OwnerName {
        OwnerName::parse(text).unwrap()
    }

    fn nsec3(iterations: u16, salt: &[u8], opt_out: bool) -> Dnssec {
        Dnssec::Nsec3 { iterations, salt: salt.into(), opt_out, narrow: false }
    }

    #[test]
    fn nsec_order_is_by_relative_labels_in_reverse() {
        let reverse = |address: &str| reverse_name(address.parse().unwrap());
        for (zone, of, order) in [
            ("nsec.lab.test", name("www.nsec.lab.test"), "www"),
            ("nsec.lab.test", name("host.a.b.c.nsec.lab.test"), "c b a host"),
            ("nsec.lab.test", name("*.wild.nsec.lab.test"), "wild *"),
            ("nsec.lab.test", name("_x_y.deep.ent.nsec.lab.test"), "ent deep _x_y"),
            ("nsec.lab.test", name("nsec.lab.test"), ""),
            ("21.in-addr.arpa", reverse("21.3.2.1"), "3 2 1"),
            ("21.in-addr.arpa", reverse("21.0.0.254"), "0 0 254"),
            (
                "8.b.d.0.1.0.0.2.ip6.arpa",
                reverse("2001:db8::1"),
                "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1",
            ),
            (
                "8.b.d.0.1.0.0.2.ip6.arpa",
                reverse("2001:db8:0:1::dead:beef"),
                "0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 d e a d b e e f",
            ),
        ] {
            assert_eq!(order_name(&name(zone), &Dnssec::Nsec, &of).as_deref(), Some(order), "{of}");
        }
    }

    #[test]
    fn nsec3_order_is_the_hash_that_powerdns_and_rfc_5155_have() {
        let (plain, salted) = (nsec3(0, &[], false), nsec3(5, &[0xab, 0x12], false));
        let opt_out = nsec3(5, &[0xab, 0x12], true);
        let rfc = nsec3(12, &[0xaa, 0xbb, 0xcc, 0xdd], true);
        let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        for (zone, mode, of, hash) in [
            ("nsec3.test", &plain, "www.nsec3.test", "35jtmrqeffgoh561ojgvun7v8epbqv8b"),
            ("22.in-addr.arpa", &plain, "1.2.3.22.in-addr.arpa", "8en9ekebr2uaic3djh2ev0p1eiipgpag"),
            ("nsec3s.lab.test", &salted, "www.nsec3s.lab.test", "6m414a82eo309kvkqsa228tcohnvm88m"),
            ("nsec3s.lab.test", &salted, "nsec3s.lab.test", "mrkoah35pcb6ri5umpjj309fqv96ttjl"),
            ("nsec3s.lab.test", &salted, "a.b.c.nsec3s.lab.test", "b281fjj9fsgs3fbfboq9g73fm7s8n66v"),
            ("optout.test", &opt_out, "www.optout.test", "suc4mb0vohtehoq4snb723g4hkef73th"),
            ("8.b.d.0.1.0.0.2.ip6.arpa", &salted, v6, "eelcph8cshedombs021o1egfbeidhqpt"),
            ("example", &rfc, "example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            ("example", &rfc, "a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
        ] {
            assert_eq!(order_name(&name(zone), mode, &name(of)).as_deref(), Some(hash), "{of}");
        }
    }

    #[test]
    fn unsigned_and_narrow_zones_have_no_order() {
        let narrow = Dnssec::Nsec3 { iterations: 1, salt: [0xab].into(), opt_out: false, narrow: true };
        let (zone, www) = (name("example.org"), name("www.example.org"));
        assert_eq!(order_name(&zone, &Dnssec::Unsigned, &www), None);
        assert_eq!(order_name(&zone, &narrow, &www), None);
        assert_eq!(order_name(&zone, &Dnssec::Nsec, &name("www.example.net")), None);
    }
}
