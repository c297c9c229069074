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

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn groups_share_a_name() {
    check(&[
        (
            "members are rows of one RRset",
            "claim 1 group .1 ::1\nclaim 2 group .2",
            "+ A .1 ttl=60 for 1 group
             + AAAA ::1 ttl=60 for 1 group
             + A .2 ttl=60 for 2 group
             1 group: served
             2 group: served",
        ),
        (
            "foreign members are tolerated",
            "claim 1 group .1\nrow #5 A .9 ttl=30\nrow #6 AAAA ::9 disabled",
            "+ A .1 ttl=30 for 1 group\n1 group: served",
        ),
        (
            "a CNAME is not",
            "claim 1 group .1\nrow #5 CNAME web.example.org",
            "1 group: blocked by CNAME web.example.org",
        ),
        (
            "a member that goes takes its row only",
            "claim 1 group .1\nrow #10 A .1\nrow #11 A .2\nentry 1 group A .1 #10\nentry 2 group A .2 #11\nvm 2 gone",
            "- #11 A .2 (its VM is gone)\n1 group: served",
        ),
        (
            "members of one address are one row, which the next takes over",
            "claim 2 group .1\nrow #10 A .1\nentry 1 group A .1 #10\nvm 1 gone",
            "= 2 group A .1 #10 ttl=60\n2 group: served",
        ),
        (
            "beside a frozen member of the same address nothing is added",
            "claim 2 group .1\nrow #10 A .1\nentry 1 group A .1 #10\nvm 1 frozen",
            "2 group: served\n1 group: frozen",
        ),
        (
            "a member joins at the operator's TTL",
            "claim 1 group .1\nclaim 2 group .2\nrow #10 A .1 ttl=300\nentry 1 group A .1 #10",
            "+ A .2 ttl=300 for 2 group\n1 group: served\n2 group: served",
        ),
        (
            "one re-timed row re-times the RRset",
            "claim 1 group .1\nclaim 2 group .2\nrow #10 A .1 ttl=30\nrow #11 A .2
             entry 1 group A .1 #10\nentry 2 group A .2 #11",
            "~ #11 A .2 ttl=30\n= 2 group A .2 #11 ttl=30\n1 group: served\n2 group: served",
        ),
        (
            "the other family keeps its own TTL",
            "claim 1 group .1 ::1\nrow #10 A .1 ttl=30\nrow #11 AAAA ::1
             entry 1 group A .1 #10\nentry 1 group AAAA ::1 #11",
            "1 group: served",
        ),
        (
            "when the last re-timed member goes, the next one carries the operator's TTL on",
            "claim 2 group .2\nclaim 3 group .3\nrow #10 A .1 ttl=30\nrow #11 A .2 ttl=30\nrow #12 A .3 ttl=30
             entry 1 group A .1 #10\nentry 2 group A .2 #11 ttl=30\nentry 3 group A .3 #12 ttl=30\nvm 1 gone",
            "- #10 A .1 (its VM is gone)\n= 2 group A .2 #11 ttl=60\n2 group: served\n3 group: served",
        ),
        (
            "so does its own new row",
            "claim 1 group .3\nrow #10 A .1 ttl=30\nentry 1 group A .1 #10\nvm 1 announced",
            "- #10 A .1 (its address changed)\n+ A .3 ttl=30 for 1 group\n1 group: served",
        ),
        (
            "but not while another one carries it",
            "claim 2 group .2\nclaim 3 group .3\nrow #10 A .1 ttl=30\nrow #11 A .2 ttl=40\nrow #12 A .3 ttl=30
             entry 1 group A .1 #10\nentry 2 group A .2 #11\nentry 3 group A .3 #12 ttl=30\nvm 1 gone",
            "- #10 A .1 (its VM is gone)\n~ #12 A .3 ttl=40\n= 3 group A .3 #12 ttl=40\n2 group: served\n3 group: served",
        ),
        (
            "and it ends with them where none is left to carry it on",
            "claim 2 group ::1\nrow #10 A .2 ttl=30\nrow #11 A .3
             entry 2 group A .2 #10\nentry 3 name A .3 #11\nvm 3 frozen",
            "- #10 A .2 (its address changed)\nlosses: 1\n2 group: waiting for 3\n3 name: frozen",
        ),
        (
            "and no name inherits from a group",
            "claim 2 name .2\nrow #10 A .1 ttl=30\nentry 1 group A .1 #10\nvm 1 gone",
            "- #10 A .1 (its VM is gone)\n+ A .2 ttl=60 for 2 name\n2 name: served",
        ),
        (
            "not even its row, which would be released as one that was edited",
            "claim 2 name .1 ::1\nrow #10 A .1 ttl=30\nentry 1 group A .1 #10\nvm 1 gone",
            "- #10 A .1 (its VM is gone)
             + A .1 ttl=60 for 2 name
             + AAAA ::1 ttl=60 for 2 name
             2 name: served",
        ),
        (
            "a group does, be it another account's",
            "claim 2 group .1 account=8\nrow #10 A .1 ttl=30\nentry 1 group A .1 #10\nvm 1 gone",
            "= 2 group A .1 #10 ttl=60\n2 group: served",
        ),
        (
            "a re-timed member that goes is deleted all the same",
            "row #10 A .1 ttl=300\nentry 1 group A .1 #10\nvm 1 gone",
            "- #10 A .1 (its VM is gone)",
        ),
        (
            "two accounts with one label: the holding one",
            "claim 1 group .1 account=1\nclaim 2 group .2 account=2\nrow #10 A .2\nentry 2 group A .2 #10 account=2",
            "1 group: waiting for 2\n2 group: served",
        ),
    ]);
}

#[test]
fn one_vm_holds_a_name() {
    check(&[
        (
            "of two new claims the older is served",
            "claim 2 name .2\nclaim 1 name .1",
            "+ A .1 ttl=60 for 1 name\n2 name: waiting for 1\n1 name: served",
        ),
        (
            "a holder keeps the name against an older VM",
            "claim 1 name .1 age=1\nclaim 2 name .2 age=2\nrow #10 A .2\nentry 2 name A .2 #10",
            "1 name: waiting for 2\n2 name: served",
        ),
        (
            "not even the other family is shared",
            "claim 1 name ::1 age=1\nclaim 2 name .2 age=2\nrow #10 A .2\nentry 2 name A .2 #10",
            "1 name: waiting for 2\n2 name: served",
        ),
        (
            "the waiter follows in the same decision",
            "claim 2 name .2 ::2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 gone",
            "- #10 A .1 (its VM is gone)
             + A .2 ttl=60 for 2 name
             + AAAA ::2 ttl=60 for 2 name
             2 name: served",
        ),
        (
            "a waiter of equal content takes row and entry over",
            "claim 2 name .1\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 gone",
            "= 2 name A .1 #10 ttl=60\n2 name: served",
        ),
        (
            "while the holder's row is held, nothing is written beside it",
            "hold\nclaim 2 name .2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 quietly-gone",
            "held: 1\n2 name: held\n1 name: held",
        ),
        (
            "a frozen holder keeps what it has",
            "claim 2 name .2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 frozen",
            "2 name: waiting for 1\n1 name: frozen",
        ),
        (
            "a holder whose row was deleted by hand still holds",
            "claim 1 name .1 age=9\nclaim 2 name .2\nentry 1 name A .1 #10",
            "+ A .1 ttl=60 for 1 name
             end A .1 (deleted by hand)
             1 name: served
             2 name: waiting for 1",
        ),
        (
            "a frozen VM's row that was deleted by hand is not written again",
            "entry 1 name A .1 #10\nvm 1 frozen",
            "end A .1 (deleted by hand)",
        ),
        (
            "a group comes over a name that stands",
            "claim 1 name .1\nclaim 2 group .2\nrow #10 A .1\nentry 1 name A .1 #10",
            "- #10 A .1 (another claim holds the name)
             + A .2 ttl=60 for 2 group
             losses: 1
             1 name: waiting for 2
             2 group: served",
        ),
        (
            "and takes over what is equal",
            "claim 1 name .1\nclaim 1 group .1\nrow #10 A .1\nentry 1 name A .1 #10",
            "= 1 group A .1 #10 ttl=60\n1 name: waiting for 1\n1 group: served",
        ),
        (
            "an edited name stands in a group's way",
            "claim 1 name .1\nclaim 2 group .2\nrow #10 A .9\nentry 1 name A .1 #10",
            "1 name: released: it was edited in place\n2 group: waiting for 1",
        ),
        (
            "when the group has gone the name comes back",
            "claim 1 name .1\nrow #10 A .2\nentry 2 group A .2 #10\nvm 2 gone",
            "- #10 A .2 (its VM is gone)\n+ A .1 ttl=60 for 1 name\n1 name: served",
        ),
    ]);
}

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
