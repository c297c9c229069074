//! What is decided at one name: design 4, 5, 7 and 12 as tables. Each case is decided, applied and decided
//! again, which must give nothing more. See [`bed`](super::bed) for the language.

use super::bed::check;

#[test]
fn a_claim_is_served() {
    check(&[
        (
            "a claim gets a row for every address",
            "claim 1 name .1 ::1",
            "+ A .1 ttl=60 for 1 name
             + AAAA ::1 ttl=60 for 1 name
             1 name: served",
        ),
        (
            "an unchanged name needs nothing",
            "claim 1 name .1\nrow #10 A .1\nentry 1 name A .1 #10",
            "1 name: served",
        ),
        (
            "another address replaces the row",
            "claim 1 name .2\nrow #10 A .1\nentry 1 name A .1 #10",
            "- #10 A .1 (its address changed)
             + A .2 ttl=60 for 1 name
             losses: 1
             1 name: served",
        ),
        (
            "what a trigger announced is no loss",
            "claim 1 name .2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 announced",
            "- #10 A .1 (its address changed)
             + A .2 ttl=60 for 1 name
             1 name: served",
        ),
        (
            "the rows of a VM that is gone go",
            "row #10 A .1\nrow #11 AAAA ::1\nentry 1 name A .1 #10\nentry 1 name AAAA ::1 #11\nvm 1 gone",
            "- #10 A .1 (its VM is gone)\n- #11 AAAA ::1 (its VM is gone)",
        ),
        (
            "the row of a renamed VM goes",
            "row #10 A .1\nentry 1 name A .1 #10\nvm 1 announced",
            "- #10 A .1 (its VM no longer wants the name)",
        ),
        (
            "a family that the VM has lost goes by itself",
            "claim 1 name .1\nrow #10 A .1\nrow #11 AAAA ::1\nentry 1 name A .1 #10\nentry 1 name AAAA ::1 #11",
            "- #11 AAAA ::1 (its address changed)
             losses: 1
             1 name: served",
        ),
    ]);
}

#[test]
fn the_verdict_table_releases_what_an_operator_has_edited() {
    check(&[
        (
            "intact under another id: the id is noted",
            "claim 1 name .1\nrow #55 A .1\nentry 1 name A .1 #10",
            "= 1 name A .1 #55 ttl=60\n1 name: served",
        ),
        (
            "another TTL releases a name",
            "claim 1 name .1 ::1\nrow #10 A .1 ttl=300\nentry 1 name A .1 #10",
            "1 name: released: its TTL was changed",
        ),
        (
            "no TTL at all is another TTL",
            "claim 1 name .1\nrow #10 A .1 ttl=null\nentry 1 name A .1 #10",
            "1 name: released: its TTL was changed",
        ),
        (
            "another TTL leaves a group member ours",
            "claim 1 group .1\nrow #10 A .1 ttl=300\nentry 1 group A .1 #10",
            "1 group: served",
        ),
        (
            "a disabled row releases",
            "claim 1 name .1\nrow #10 A .1 disabled\nentry 1 name A .1 #10",
            "1 name: released: it was disabled",
        ),
        (
            "a row that says something else under the same id releases",
            "claim 1 name .1\nrow #10 A .9\nentry 1 name A .1 #10",
            "1 name: released: it was edited in place",
        ),
        (
            "so does one that was moved to another name",
            "claim 1 name .1\nrow #10 A .1 at=other.domain.com\nentry 1 name A .1 #10",
            "1 name: released: it was edited in place",
        ),
        (
            "a row of another id in its place releases",
            "claim 1 name .1\nrow #55 A .9\nentry 1 name A .1 #10",
            "1 name: released: it was replaced",
        ),
        (
            "a row that was deleted by hand comes back",
            "claim 1 name .1\nentry 1 name A .1 #10",
            "+ A .1 ttl=60 for 1 name
             end A .1 (deleted by hand)
             1 name: served",
        ),
        (
            "a foreign row of the other type beside it is no replacement, but it blocks",
            "claim 1 name .1\nrow #55 AAAA ::9\nentry 1 name A .1 #10",
            "end A .1 (deleted by hand)\n1 name: blocked by AAAA ::9",
        ),
        (
            "a zone that has been gone for two resyncs ends the entry",
            "no-zones\nentry 1 name A .1 #10 zone=1\nzone-gone",
            "end A .1 (its zone is gone)",
        ),
        (
            "one that has just gone does not",
            "no-zones\nentry 1 name A .1 #10 zone=1",
            "1 name: retired: no zone of this database encloses the name",
        ),
        (
            "of several equal rows the one with the entry's id is ours, the rest is foreign",
            "row #10 A .1\nrow #11 A .1\nentry 1 name A .1 #11\nvm 1 gone",
            "- #11 A .1 (its VM is gone)",
        ),
        (
            "of several equal rows without that id the lowest is ours",
            "row #13 A .1\nrow #12 A .1\nentry 1 name A .1 #11\nvm 1 gone",
            "- #12 A .1 (its VM is gone)",
        ),
    ]);
}

#[test]
fn a_released_claim_is_left_alone_until_it_ends() {
    check(&[
        (
            "not even another address of the VM is written",
            "claim 1 name .2 ::2\nrow #10 A .9\nrow #11 AAAA ::1
             entry 1 name A .1 #10\nentry 1 name AAAA ::1 #11\nvm 1 announced",
            "1 name: released: it was edited in place",
        ),
        (
            "a rename ends the entries and leaves the rows, also those that were not edited",
            "row #10 A .9\nrow #11 AAAA ::1\nentry 1 name A .1 #10\nentry 1 name AAAA ::1 #11",
            "end A .1 (its claim ended; the operator's edit stays)
             end AAAA ::1 (its claim ended; the operator's edit stays)
             left behind: 2",
        ),
        (
            "so does the end of the VM",
            "row #10 A .1 disabled\nentry 1 name A .1 #10\nvm 1 gone",
            "end A .1 (its claim ended; the operator's edit stays)\nleft behind: 1",
        ),
        (
            "what is left behind blocks the next VM",
            "claim 2 name .2\nrow #10 A .9\nentry 1 name A .1 #10\nvm 1 gone",
            "end A .1 (its claim ended; the operator's edit stays)
             left behind: 1
             2 name: blocked by A .9",
        ),
        (
            "a disabled row that is left behind blocks even a VM of the same address",
            "claim 2 name .1\nrow #10 A .1 disabled\nentry 1 name A .1 #10\nvm 1 gone",
            "end A .1 (its claim ended; the operator's edit stays)
             left behind: 1
             2 name: blocked by A .1 (disabled)",
        ),
        (
            "when the operator puts the row back the claim is served again",
            "claim 1 name .1 ::1\nrow #55 A .1\nentry 1 name A .1 #10",
            "+ AAAA ::1 ttl=60 for 1 name
             = 1 name A .1 #55 ttl=60
             1 name: served",
        ),
        (
            "a deleted row of a released claim does not come back",
            "claim 1 name .1 ::1\nrow #10 A .9\nentry 1 name A .1 #10\nentry 1 name AAAA ::1 #11",
            "end AAAA ::1 (deleted by hand)\n1 name: released: it was edited in place",
        ),
        (
            "a released holder keeps the name from others",
            "claim 1 name .1 age=9\nclaim 2 name .2\nrow #10 A .9\nentry 1 name A .1 #10",
            "1 name: released: it was edited in place\n2 name: waiting for 1",
        ),
        (
            "the other members of a group go on",
            "claim 1 group .1\nclaim 2 group .3\nrow #10 A .9\nrow #11 A .2
             entry 1 group A .1 #10\nentry 2 group A .2 #11",
            "- #11 A .2 (its address changed)
             + A .3 ttl=60 for 2 group
             losses: 1
             1 group: released: it was edited in place
             2 group: served",
        ),
        (
            "an edited member suppresses its address for the others, too",
            "claim 1 group .1\nclaim 2 group .1\nrow #10 A .1 disabled\nentry 1 group A .1 #10",
            "1 group: released: it was disabled
             2 group: blocked by A .1 of VM 1, which an operator has edited",
        ),
        (
            "a disabled row that a group member left behind suppresses its address only",
            "claim 1 group .1\nclaim 2 group .2\nrow #10 A .1 disabled",
            "+ A .2 ttl=60 for 2 group
             1 group: blocked by A .1 (disabled)
             2 group: served",
        ),
    ]);
}

#[test]
fn a_claim_on_hold_waits_for_its_end() {
    check(&[
        (
            "without DNS_RECREATE a row that was deleted by hand stays away",
            "recreate false\nclaim 1 name .1\nentry 1 name A .1 #10",
            "= 1 name A .1 #10 ttl=60 hold\n1 name: on hold",
        ),
        (
            "also when the VM's address changes",
            "recreate false\nclaim 1 name .2\nentry 1 name A .1 #10 hold\nvm 1 announced",
            "1 name: on hold",
        ),
        (
            "also after DNS_RECREATE has been set again",
            "claim 1 name .1\nentry 1 name A .1 #10 hold",
            "1 name: on hold",
        ),
        (
            "the hold ends with the VM",
            "recreate false\nentry 1 name A .1 #10 hold\nvm 1 gone",
            "end A .1 (deleted by hand)",
        ),
        ("it ends with a rename", "recreate false\nentry 1 name A .1 #10 hold", "end A .1 (deleted by hand)"),
        (
            "rows of a claim on hold stay when it ends",
            "row #10 A .1\nentry 1 name A .1 #10 hold\nvm 1 gone",
            "end A .1 (its claim ended; the operator's edit stays)\nleft behind: 1",
        ),
        (
            "a holder on hold keeps the name from others",
            "recreate false\nclaim 1 name .1 age=9\nclaim 2 name .2\nentry 1 name A .1 #10 hold",
            "1 name: on hold\n2 name: waiting for 1",
        ),
        (
            "other members of a group go on",
            "recreate false\nclaim 1 group .1\nclaim 2 group .2\nentry 1 group A .1 #10",
            "+ A .2 ttl=60 for 2 group
             = 1 group A .1 #10 ttl=60 hold
             1 group: on hold
             2 group: served",
        ),
    ]);
}

#[test]
fn foreign_rows_come_first() {
    check(&[
        ("a foreign A blocks", "claim 1 name .1\nrow #5 A .9", "1 name: blocked by A .9"),
        ("it blocks the other family as well", "claim 1 name ::1\nrow #5 A .9", "1 name: blocked by A .9"),
        ("a foreign AAAA blocks an A", "claim 1 name .1\nrow #5 AAAA ::9", "1 name: blocked by AAAA ::9"),
        (
            "a foreign CNAME blocks",
            "claim 1 name .1\nrow #5 CNAME web.example.org",
            "1 name: blocked by CNAME web.example.org",
        ),
        (
            "a disabled row blocks",
            "claim 1 name .1\nrow #5 A .9 disabled",
            "1 name: blocked by A .9 (disabled)",
        ),
        (
            "a disabled row of equal content reserves the name",
            "claim 1 name .1\nrow #5 A .1 disabled",
            "1 name: blocked by A .1 (disabled)",
        ),
        (
            "it reserves it against another row's replacement as well",
            "claim 1 name .1\nrow #10 A .2\nrow #5 A .1 disabled\nentry 1 name A .2 #10",
            "- #10 A .2 (its address changed)\nlosses: 1\n1 name: blocked by A .1 (disabled)",
        ),
        (
            "one that says something else is in the way of what is added, not of what is replaced",
            "claim 1 name .1 ::1\nrow #10 A .2\nrow #5 A .9 disabled\nentry 1 name A .2 #10",
            "- #10 A .2 (its address changed)
             + A .1 ttl=60 for 1 name
             losses: 1
             1 name: blocked by A .9 (disabled)",
        ),
        (
            "at a group name it suppresses its own address only, there as well",
            "claim 1 group .1\nclaim 2 group .2\nrow #10 A .3\nrow #11 A .4\nrow #5 A .1 disabled
             entry 1 group A .3 #10\nentry 2 group A .4 #11",
            "- #10 A .3 (its address changed)
             - #11 A .4 (its address changed)
             + A .2 ttl=60 for 2 group
             losses: 2
             1 group: blocked by A .1 (disabled)
             2 group: served",
        ),
        (
            "a disabled CNAME blocks",
            "claim 1 name .1\nrow #5 CNAME web.example.org disabled",
            "1 name: blocked by CNAME web.example.org (disabled)",
        ),
        (
            "other types block nothing",
            "claim 1 name .1\nrow #5 TXT hello",
            "+ A .1 ttl=60 for 1 name\n1 name: served",
        ),
        (
            "a row in another zone blocks nothing",
            "zone 2 www.domain.com\nclaim 1 name .1\nrow #5 A .9 zone=1",
            "+ A .1 ttl=60 zone=2 for 1 name\n1 name: served",
        ),
        ("an equal row satisfies and stays foreign", "claim 1 name .1\nrow #5 A .1", "1 name: satisfied"),
        (
            "so does equal data in other text",
            "claim 1 name ::1\nrow #5 AAAA 2001:DB8:0::1",
            "1 name: satisfied",
        ),
        (
            "an equal row satisfies its part, the other family is added at its side",
            "claim 1 name .1 ::1\nrow #5 A .1 ttl=300",
            "+ AAAA ::1 ttl=60 for 1 name\n1 name: satisfied",
        ),
        (
            "replacing one's own row is not adding",
            "claim 1 name .2\nrow #10 A .1\nrow #5 AAAA ::9\nentry 1 name A .1 #10",
            "- #10 A .1 (its address changed)
             + A .2 ttl=60 for 1 name
             losses: 1
             1 name: served",
        ),
        (
            "a row of ours stays while a foreign one stands beside it, and the other family is not added",
            "claim 1 name .1 ::1\nrow #10 A .1\nrow #5 A .9\nentry 1 name A .1 #10",
            "1 name: blocked by A .9",
        ),
        (
            "rows of another owner id are foreign",
            "claim 1 name .1\nrow #5 A .9\nentry 4 name A .9 #5 owner=other",
            "1 name: blocked by A .9",
        ),
        (
            "an equal row of another owner id satisfies",
            "claim 1 name .1\nrow #5 A .1\nentry 4 name A .1 #5 owner=other",
            "1 name: satisfied",
        ),
        (
            "the other's entry alone keeps the key",
            "claim 1 name .1\nentry 4 name A .1 #5 owner=other",
            "1 name: blocked by an entry of another owner id for A .1",
        ),
    ]);
}
