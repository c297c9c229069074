//! Who has a name that several want: design 5 as tables, in the language of [`bed`](super::bed).

use super::bed::check;

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
