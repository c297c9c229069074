//! Where a name may be written, and what hangs on other names: design 3, 4 and 7 as tables, in the language of
//! [`bed`](super::bed).

use super::bed::check;

#[test]
fn where_writing_is_not_allowed_rows_stay() {
    check(&[
        (
            "a claim below a delegation is refused",
            "barrier delegation\nclaim 1 name .1",
            "1 name: refused: delegated away at domain.com",
        ),
        (
            "its rows are retired",
            "barrier delegation\nclaim 1 name .1\nrow #10 A .1\nentry 1 name A .1 #10",
            "1 name: retired: delegated away at domain.com",
        ),
        (
            "also when its VM is gone",
            "barrier dname\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 gone",
            "1 name: retired: below the DNAME at domain.com",
        ),
        (
            "a row that a delegation hides goes once its VM is served elsewhere",
            "barrier delegation\nrow #10 A .1\nentry 1 name A .1 #10",
            "- #10 A .1 (its VM no longer wants the name)\nlosses: 1",
        ),
        (
            "rows in a zone that is no longer allowed are retired",
            "forbidden 1\nrow #10 A .1\nentry 1 name A .1 #10",
            "1 name: retired: DNS_ZONES does not allow this zone for this VM",
        ),
        (
            "an unwritable zone keeps what it has",
            "barrier secondary\nclaim 1 name .2\nrow #10 A .1\nentry 1 name A .1 #10",
            "1 name: retired: the zone's type is Secondary: its contents come from elsewhere",
        ),
        (
            "a row that a longer zone hides is replaced",
            "zone 2 www.domain.com\nclaim 1 name .2\nrow #10 A .1 zone=1\nentry 1 name A .1 #10 zone=1",
            "- #10 A .1 (another zone answers for the name)
             + A .2 ttl=60 zone=2 for 1 name
             1 name: served",
        ),
        (
            "but not beside a foreign row there",
            "zone 2 www.domain.com\nclaim 1 name .1\nrow #10 A .1 zone=1\nrow #5 A .9 zone=2\nentry 1 name A .1 #10 zone=1",
            "- #10 A .1 (another zone answers for the name)\n1 name: blocked by A .9",
        ),
        (
            "where the old zone is no longer allowed, the new one is served all the same",
            "zone 2 www.domain.com\nforbidden 1\nclaim 1 name .1\nrow #10 A .1 zone=1\nentry 1 name A .1 #10 zone=1",
            "+ A .1 ttl=60 zone=2 for 1 name\n1 name: served",
        ),
        (
            "a hidden row of another VM stands in nobody's way",
            "zone 2 www.domain.com\nclaim 2 name .2\nrow #10 A .1 zone=1\nentry 1 name A .1 #10 zone=1\nvm 1 frozen",
            "+ A .2 ttl=60 zone=2 for 2 name\n2 name: served\n1 name: frozen",
        ),
    ]);
}

#[test]
fn zones_are_matched_by_name() {
    check(&[
        (
            "a zone that was made anew with its rows: the entry follows",
            "former 7 domain.com\nclaim 1 name .1\nrow #55 A .1\nentry 1 name A .1 #10 zone=7",
            "= 1 name A .1 #55 ttl=60
             end A .1 (its zone has another id)
             1 name: served",
        ),
        (
            "a zone that was made anew without them: the row comes back",
            "former 7 domain.com\nclaim 1 name .1\nentry 1 name A .1 #10 zone=7",
            "+ A .1 ttl=60 for 1 name
             end A .1 (deleted by hand)
             1 name: served",
        ),
        (
            "a zone that was made anew while the VM went",
            "former 7 domain.com\nrow #55 A .1\nentry 1 name A .1 #10 zone=7\nvm 1 gone",
            "- #55 A .1 (its VM is gone)",
        ),
        (
            "a longer zone that has gone: the claim is served above it at once",
            "former 7 www.domain.com\nclaim 1 name .1\nentry 1 name A .1 #10 zone=7",
            "+ A .1 ttl=60 for 1 name\n1 name: served",
        ),
    ]);
}

const REVERSE: &str = "name 1.2.0.192.in-addr.arpa\n";

#[test]
fn reverse_names_are_confirmed_by_forward_ones() {
    let with = |facts: &str| format!("{REVERSE}{facts}");
    let cases: Vec<(&str, String, &str)> = vec![
        (
            "the first forward name at which the address stands",
            with("claim 1 ptr .1 to=a.domain.com,b.domain.com\nstands b.domain.com .1"),
            "+ PTR b.domain.com ttl=60 for 1 ptr\n1 ptr: served",
        ),
        (
            "nothing is added unconfirmed",
            with("claim 1 ptr .1 to=a.domain.com\nstands a.domain.com .2"),
            "1 ptr: unconfirmed",
        ),
        (
            "what there is stays unconfirmed",
            with(
                "claim 1 ptr .1 to=a.domain.com\nrow #10 PTR a.domain.com\nentry 1 ptr PTR a.domain.com #10",
            ),
            "1 ptr: unconfirmed",
        ),
        (
            "another target replaces",
            with(
                "claim 1 ptr .1 to=b.domain.com\nstands b.domain.com .1\nrow #10 PTR a.domain.com
                 entry 1 ptr PTR a.domain.com #10\nvm 1 announced",
            ),
            "- #10 PTR a.domain.com (its address changed)
             + PTR b.domain.com ttl=60 for 1 ptr
             1 ptr: served",
        ),
        (
            "an equal foreign PTR satisfies",
            with("claim 1 ptr .1 to=a.domain.com\nstands a.domain.com .1\nrow #5 PTR A.domain.com."),
            "1 ptr: satisfied",
        ),
        (
            "another foreign PTR blocks",
            with("claim 1 ptr .1 to=a.domain.com\nstands a.domain.com .1\nrow #5 PTR x.domain.com"),
            "1 ptr: blocked by PTR x.domain.com",
        ),
        (
            "a CNAME blocks",
            with("claim 1 ptr .1 to=a.domain.com\nstands a.domain.com .1\nrow #5 CNAME 1.0.example.org"),
            "1 ptr: blocked by CNAME 1.0.example.org",
        ),
        (
            "a foreign address at a reverse name blocks nothing",
            with("claim 1 ptr .1 to=a.domain.com\nstands a.domain.com .1\nrow #5 A .9"),
            "+ PTR a.domain.com ttl=60 for 1 ptr\n1 ptr: served",
        ),
        (
            "a Shared network's address comes before an Isolated one's holder",
            with(
                "claim 1 ptr .1 to=a.domain.com\nclaim 2 ptr .1 to=b.domain.com shared
                 stands a.domain.com .1\nstands b.domain.com .1
                 row #10 PTR a.domain.com\nentry 1 ptr PTR a.domain.com #10",
            ),
            "- #10 PTR a.domain.com (another claim holds the name)
             + PTR b.domain.com ttl=60 for 2 ptr
             losses: 1
             1 ptr: waiting for 2
             2 ptr: served",
        ),
        (
            "but not while it is unconfirmed",
            with(
                "claim 1 ptr .1 to=a.domain.com\nclaim 2 ptr .1 to=b.domain.com shared
                 stands a.domain.com .1\nrow #10 PTR a.domain.com\nentry 1 ptr PTR a.domain.com #10",
            ),
            "1 ptr: waiting for 2\n2 ptr: unconfirmed",
        ),
        (
            "the reverse name of a VM that is gone goes",
            with("row #10 PTR a.domain.com\nentry 1 ptr PTR a.domain.com #10\nvm 1 gone"),
            "- #10 PTR a.domain.com (its VM is gone)",
        ),
        (
            "another TTL releases a reverse name",
            with(
                "claim 1 ptr .1 to=a.domain.com\nstands a.domain.com .1
                 row #10 PTR a.domain.com ttl=300\nentry 1 ptr PTR a.domain.com #10",
            ),
            "1 ptr: released: its TTL was changed",
        ),
        (
            "addresses and reverse names that share a name are decided apart",
            with(
                "claim 1 ptr .1 to=a.domain.com\nstands a.domain.com .1\nclaim 2 name .2
                 row #10 A .9\nentry 2 name A .1 #10",
            ),
            "+ PTR a.domain.com ttl=60 for 1 ptr
             2 name: released: it was edited in place
             1 ptr: served",
        ),
    ];
    let cases: Vec<(&str, &str, &str)> = cases.iter().map(|(a, b, c)| (*a, b.as_str(), *c)).collect();
    check(&cases);
}

#[test]
fn an_rrset_has_one_ttl() {
    check(&[
        (
            "another setting re-times in place",
            "ttl 120\nclaim 1 name .1 ::1\nrow #10 A .1\nrow #11 AAAA ::1
             entry 1 name A .1 #10\nentry 1 name AAAA ::1 #11",
            "~ #10 A .1 ttl=120
             ~ #11 AAAA ::1 ttl=120
             = 1 name A .1 #10 ttl=120
             = 1 name AAAA ::1 #11 ttl=120
             1 name: served",
        ),
        (
            "a foreign row's TTL comes first",
            "claim 1 group .1\nrow #10 A .1\nrow #5 A .9 ttl=30\nentry 1 group A .1 #10",
            "~ #10 A .1 ttl=30\n= 1 group A .1 #10 ttl=30\n1 group: served",
        ),
        (
            "a disabled row's does not",
            "claim 1 group .1\nrow #10 A .1\nrow #5 A .9 ttl=30 disabled\nentry 1 group A .1 #10",
            "1 group: served",
        ),
        (
            "the rows of a released claim keep the RRset's TTL, also those that were not edited",
            "ttl 120\nclaim 1 group .1 ::1\nclaim 2 group .2\nrow #10 A .1\nrow #11 AAAA ::1 disabled\nrow #12 A .2
             entry 1 group A .1 #10\nentry 1 group AAAA ::1 #11\nentry 2 group A .2 #12",
            "1 group: released: it was disabled\n2 group: served",
        ),
        (
            "a frozen VM's row is re-timed with the rest",
            "ttl 120\nclaim 1 group .1\nrow #10 A .1\nrow #11 A .2
             entry 1 group A .1 #10\nentry 2 group A .2 #11\nvm 2 frozen",
            "~ #10 A .1 ttl=120
             ~ #11 A .2 ttl=120
             = 1 group A .1 #10 ttl=120
             = 2 group A .2 #11 ttl=120
             1 group: served
             2 group: frozen",
        ),
        (
            "a row that the next VM takes over is re-timed in the same decision",
            "ttl 120\nclaim 2 name .1\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 gone",
            "~ #10 A .1 ttl=120
             = 2 name A .1 #10 ttl=120
             2 name: served",
        ),
    ]);
}

#[test]
fn a_claim_is_of_one_zone() {
    check(&[
        (
            "what an operator edited in a zone that another one hides is left behind, the claim is served",
            "zone 2 www.domain.com\nclaim 1 name .1\nrow #10 A .9 zone=1\nentry 1 name A .1 #10 zone=1",
            "+ A .1 ttl=60 zone=2 for 1 name
             end A .1 (its claim ended; the operator's edit stays)
             left behind: 1
             1 name: served",
        ),
        (
            "a frozen VM's row that is hidden is in nobody's way",
            "zone 2 www.domain.com\nclaim 1 name .1\nrow #10 A .9 zone=1\nentry 4 name A .9 #10 zone=1 ttl=30\nvm 4 frozen",
            "+ A .1 ttl=60 zone=2 for 1 name\n1 name: served\n4 name: released: its TTL was changed",
        ),
    ]);
}

#[test]
fn a_second_pass_sees_the_same_holder() {
    check(&[
        (
            "a holder that an operator's row serves by now has nothing left: the next is served at once",
            "claim 1 group .3 age=1 account=1\nclaim 2 group ::2 age=2 account=2
             row #10 AAAA ::1\nrow #5 AAAA ::2\nentry 2 group AAAA ::1 #10 account=2",
            "- #10 AAAA ::1 (another claim holds the name)
             + A .3 ttl=60 for 1 group
             losses: 1
             1 group: served
             2 group: waiting for 1",
        ),
        (
            "a row deleted by hand puts the claim on hold at once, before its other rows change",
            "recreate false\nclaim 1 name .2 ::1\nrow #10 A .1\nentry 1 name A .1 #10\nentry 1 name AAAA ::1 #11",
            "= 1 name AAAA ::1 #11 ttl=60 hold\n1 name: on hold",
        ),
        (
            "no row is taken over beside a frozen member of the group that had it",
            "claim 1 name .1\nrow #10 A .1\nrow #11 A .2
             entry 2 group A .1 #10\nentry 4 group A .2 #11\nvm 4 frozen",
            "- #10 A .1 (its VM no longer wants the name)
             losses: 1
             1 name: waiting for 4
             4 group: frozen",
        ),
    ]);
}
