//! What may be lost: losses that nobody announced, held sets, and modes (design 7), as tables in the
//! language of [`bed`](super::bed).

use super::bed::check;

#[test]
fn losses_that_nobody_announced_can_be_held() {
    check(&[
        (
            "a row that would go stays",
            "hold\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 quietly-gone",
            "held: 1\n1 name: held",
        ),
        (
            "a replacement keeps the old row",
            "hold\nclaim 1 name .2\nrow #10 A .1\nentry 1 name A .1 #10",
            "held: 1\n1 name: held",
        ),
        (
            "what was announced goes",
            "hold\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 gone",
            "- #10 A .1 (its VM is gone)",
        ),
        (
            "what is created comes",
            "hold\nclaim 1 name .2 ::1\nrow #10 A .1\nentry 1 name A .1 #10",
            "+ AAAA ::1 ttl=60 for 1 name
             held: 1
             1 name: held",
        ),
        (
            "a member joins while another's loss is held",
            "hold\nclaim 2 group .2\nrow #10 A .1\nentry 1 group A .1 #10\nvm 1 quietly-gone",
            "+ A .2 ttl=60 for 2 group
             held: 1
             2 group: served
             1 group: held",
        ),
        (
            "a row that another zone hides is no loss",
            "hold\nzone 2 www.domain.com\nclaim 1 name .1\nrow #10 A .1 zone=1\nentry 1 name A .1 #10 zone=1",
            "- #10 A .1 (another zone answers for the name)
             + A .1 ttl=60 zone=2 for 1 name
             1 name: served",
        ),
    ]);
}

#[test]
fn a_held_loss_carries_its_set_until_it_is_desired_again() {
    check(&[
        (
            "a loss that is in no set gets the one that has just been named",
            "hold ab12\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 quietly-gone",
            "= 1 name A .1 #10 ttl=60 held=ab12\nheld ab12: 1\n1 name: held",
        ),
        (
            "one that is in a set keeps it, and nothing is written",
            "hold cd34\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12\nvm 1 quietly-gone",
            "held ab12: 1\n1 name: held",
        ),
        (
            "also while no set has been named",
            "hold\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12\nvm 1 quietly-gone",
            "held ab12: 1\n1 name: held",
        ),
        (
            "what is desired again drops out",
            "hold\nclaim 1 name .1\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12",
            "= 1 name A .1 #10 ttl=60\n1 name: served",
        ),
        (
            "so does what another claim takes over",
            "hold\nclaim 2 name .1\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12\nvm 1 quietly-gone",
            "= 2 name A .1 #10 ttl=60\n2 name: served",
        ),
        (
            "what an operator has edited is his",
            "hold\nclaim 1 name .2\nrow #10 A .9\nentry 1 name A .1 #10 held=ab12",
            "= 1 name A .1 #10 ttl=60\n1 name: released: it was edited in place",
        ),
        (
            "a row that is gone is no loss any more",
            "hold\nentry 1 name A .1 #10 held=ab12\nvm 1 quietly-gone",
            "end A .1 (deleted by hand)",
        ),
        (
            "what the mode keeps anyway drops out",
            "hold\nmode upsert-only\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12\nvm 1 quietly-gone",
            "= 1 name A .1 #10 ttl=60\n1 name: mode",
        ),
        (
            "where it is not known any more whether the VM is gone, the set is kept",
            "hold cd34\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12\nvm 1 frozen",
            "carried ab12: 1\n1 name: frozen",
        ),
        (
            "what goes on hold, since a sibling was deleted by hand, drops out at once",
            "hold\nrecreate false\nclaim 1 name .2\nrow #11 AAAA ::1
             entry 1 name A .1 #10\nentry 1 name AAAA ::1 #11 held=ab12",
            "= 1 name A .1 #10 ttl=60 hold\n= 1 name AAAA ::1 #11 ttl=60\n1 name: on hold",
        ),
        (
            "a name of two records has both in the set",
            "hold ab12\nclaim 1 name .2 ::2\nrow #10 A .1\nrow #11 AAAA ::1
             entry 1 name A .1 #10\nentry 1 name AAAA ::1 #11",
            "= 1 name A .1 #10 ttl=60 held=ab12
             = 1 name AAAA ::1 #11 ttl=60 held=ab12
             held ab12: 2
             1 name: held",
        ),
    ]);
}

#[test]
fn an_approved_set_goes_and_is_no_loss() {
    check(&[
        (
            "it goes, however much else is held",
            "hold\napproved ab12\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12\nvm 1 quietly-gone",
            "- #10 A .1 (its VM is gone)",
        ),
        (
            "and draws nothing where losses are allowed",
            "approved ab12\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12\nvm 1 quietly-gone",
            "- #10 A .1 (its VM is gone)",
        ),
        (
            "a held replacement is made",
            "hold\napproved ab12\nclaim 1 name .2\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12",
            "- #10 A .1 (its address changed)\n+ A .2 ttl=60 for 1 name\n1 name: served",
        ),
        (
            "the waiter follows",
            "hold\napproved ab12\nclaim 2 name .2\nrow #10 A .1
             entry 1 name A .1 #10 held=ab12\nvm 1 quietly-gone",
            "- #10 A .1 (its VM is gone)\n+ A .2 ttl=60 for 2 name\n2 name: served",
        ),
        (
            "another set beside it stays",
            "hold\napproved ab12\nclaim 1 name .2 ::2\nrow #10 A .1\nrow #11 AAAA ::1
             entry 1 name A .1 #10 held=ab12\nentry 1 name AAAA ::1 #11 held=cd34",
            "- #10 A .1 (its address changed)
             + A .2 ttl=60 for 1 name
             held cd34: 1
             1 name: held",
        ),
        (
            "a set that was approved before it was stored goes when it is named",
            "hold ab12\napproved ab12\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 quietly-gone",
            "- #10 A .1 (its VM is gone)",
        ),
        (
            "while its absence is not proved again, it waits and keeps the set",
            "hold\napproved ab12\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12\nvm 1 frozen",
            "1 name: frozen",
        ),
        (
            "approval takes nothing that is desired",
            "hold\napproved ab12\nclaim 1 name .1\nrow #10 A .1\nentry 1 name A .1 #10 held=ab12",
            "= 1 name A .1 #10 ttl=60\n1 name: served",
        ),
        (
            "nor what an operator has edited",
            "hold\napproved ab12\nrow #10 A .1 ttl=300\nentry 1 name A .1 #10 held=ab12\nvm 1 quietly-gone",
            "end A .1 (its claim ended; the operator's edit stays)\nleft behind: 1",
        ),
    ]);
}

#[test]
fn modes_bound_what_goes() {
    check(&[
        (
            "upsert-only: a VM's own row replaces",
            "mode upsert-only\nclaim 1 name .2\nrow #10 A .1\nentry 1 name A .1 #10",
            "- #10 A .1 (its address changed)
             + A .2 ttl=60 for 1 name
             losses: 1
             1 name: served",
        ),
        (
            "upsert-only: nothing replaces a row while its claim waits, be it invisible",
            "mode upsert-only\nzone 2 www.domain.com\nclaim 4 group .3\nrow #10 A .2 zone=1\nrow #11 A .9
             entry 4 group A .2 #10 zone=1\nentry 2 name A .9 #11",
            "4 group: waiting for 2\n2 name: mode",
        ),
        (
            "upsert-only: nor where an operator has disabled what would replace it",
            "mode upsert-only\nclaim 1 group .2\nrow #10 A .1\nrow #5 A .2 disabled\nentry 1 group A .1 #10",
            "1 group: mode",
        ),
        (
            "upsert-only: an address that goes without another of its family stays",
            "mode upsert-only\nclaim 1 name .1\nrow #10 A .1\nrow #11 AAAA ::1
             entry 1 name A .1 #10\nentry 1 name AAAA ::1 #11",
            "1 name: served",
        ),
        (
            "upsert-only: one of two addresses that goes stays",
            "mode upsert-only\nclaim 1 name .1\nrow #10 A .1\nrow #11 A .2
             entry 1 name A .1 #10\nentry 1 name A .2 #11",
            "1 name: served",
        ),
        (
            "upsert-only: the row of a VM that is gone stays",
            "mode upsert-only\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 gone",
            "1 name: mode",
        ),
        (
            "upsert-only: unless another VM has the name",
            "mode upsert-only\nclaim 2 name ::2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 gone",
            "- #10 A .1 (its VM is gone)\n+ AAAA ::2 ttl=60 for 2 name\n2 name: served",
        ),
        (
            "upsert-only: a holder that was renamed is not proved gone",
            "mode upsert-only\nclaim 2 name .2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 announced",
            "2 name: waiting for 1\n1 name: mode",
        ),
        (
            "upsert-only: a group's member that is gone is in nobody's way",
            "mode upsert-only\nclaim 2 group .2\nrow #10 A .1\nrow #11 A .2
             entry 1 group A .1 #10\nentry 2 group A .2 #11\nvm 1 gone",
            "2 group: served\n1 group: mode",
        ),
        (
            "create-only: an RRset that exists is not changed",
            "mode create-only\nclaim 1 name .2 ::2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 announced",
            "+ AAAA ::2 ttl=60 for 1 name\n1 name: mode",
        ),
        (
            "create-only: a group's RRset gets no further member",
            "mode create-only\nclaim 1 group .1\nclaim 2 group .2\nrow #10 A .1\nentry 1 group A .1 #10",
            "1 group: served\n2 group: mode",
        ),
        (
            "create-only: what another mode would not let through either is blocked",
            "mode create-only\nclaim 1 name .2\nrow #10 A .1",
            "1 name: blocked by A .1",
        ),
        (
            "create-only: nothing is re-timed",
            "mode create-only\nttl 120\nclaim 1 name .1\nrow #10 A .1\nentry 1 name A .1 #10",
            "1 name: served",
        ),
        (
            "create-only: nothing goes, also not for a waiter",
            "mode create-only\nclaim 2 name .2\nrow #10 A .1\nentry 1 name A .1 #10\nvm 1 gone",
            "2 name: waiting for 1\n1 name: mode",
        ),
    ]);
}
