//! cs-powerdns keeps the A, AAAA and PTR records of a PowerDNS MySQL database equal to what the
//! CloudStack API says about virtual machines.
//!
//! # Bird's-eye view
//!
//! ```text
//! events ──(Kafka: triggers only)──► trigger ─► queue: dirty VMs ─► look-ups ─► inventory ─► dirty names ─┐
//! resync: listings ─────────────────────────────────────────────────────►┘   audit ────► dirty names ─┤
//!                                                                                                     ▼
//!                          rows + ledger of those names (powerdns) ─────► plan::decide, rectify ─► batch
//!                                                                                                     │
//!                                              one transaction: rows, ledger, SOA serial, fence   ◄───┘
//!                                                           │ after COMMIT
//!                                                           ▼
//!                                     PowerDNS's web servers: flush caches, send NOTIFY
//! ```
//!
//! It is level-triggered. An event says which VM to look at again, never what to write; every fact comes
//! from the API at the time of the pass. Somebody who follows one VM from event to row reads
//! [`trigger`], [`queue`], [`inventory`], [`desired`], [`ledger`], [`plan`], [`rectify`] and
//! [`powerdns`], in this order; [`reconcile`] is what calls them.
//!
//! # Code map
//!
//! Pure rooms, without tokio, SQL, HTTP, clock or environment: [`model`] (the field's words as types),
//! [`inventory`] (what is known), [`desired`] (VM → claims; who comes first), [`ledger`] (entry,
//! verdict), [`rectify`] (order names, empty non-terminals), [`plan`] (one name's decision, batches,
//! budget), [`queue`] (dirty sets). Shell rooms, none of which knows another: [`cloudstack`],
//! [`powerdns`], [`trigger`]. Composition: [`reconcile`], [`observe`], [`supervise`], [`config`],
//! [`cli`]. [`metrics`] is a leaf. Which room may know which stands in `tests/arrows.rs`, which fails on
//! any other arrow.
//!
//! # Promises, and the tests that guard them
//!
//! 1. *Same state, no writes*: `main_job::a_second_pass_over_the_same_state_writes_nothing`.
//! 2. *Only what it wrote*: the guards and the re-read, `powerdns_room`, `races`; the decision, `plan`'s property
//!    tests and `plan::model_test`, which holds histories of names against a naive model of design 3 to 5;
//!    what is taken over only at an operator's word, `adopt`, `migration`.
//! 3. *An operator's edit wins*: `ownership`, `races`, `released`, `foreign`, `tools_sql`, `tools_api`,
//!    `tools_pdnsutil`, `tools_zone`; case by case `fixtures/verdicts.txt`.
//! 4. *Absence is proved before it is believed*: `gone`, `wrong_answers`, `lost_rights`, `endings`.
//! 5. *No mass loss*: `losses`, `held`, `plan::budget`.
//! 6. *All or nothing*: `powerdns_room`; whatever fails at whatever point, `faults`, `faults_run`.
//! 7. *One holder for every name*: `contention`, `frozen`, `desired::rank`, `plan`'s contention tables.
//! 8. *One bad VM, zone or event never stops the rest*: `bad_events`, `bad_api`.
//! 9. *It tells the truth*: `lease`, `observe::health`, `check`, `explain_verb`, `explain_places`, `page`,
//!    `metrics`, `logs`; and PowerDNS's caches do within a second: `flush`, `powerdns::flush`.
//! 10. *At most one writer per owner id*: `lease`, `instances`, `clocks`, `powerdns_room`, `faults`; on a
//!     cluster, `galera`.
//!
//! All of them but 9, whole passes long and in random histories, with other writers between every two
//! statements: `reconcile::simulation`.
//!
//! That a zone stays as `rectify-zone` would leave it (design 8): `rectify`'s vectors and property tests,
//! `rectify_random`, `rules_parents`; that a validating resolver accepts its answers: `signed`.
//!
//! Beside the promises (design 8): `schemas`, every schema since 4.1; `grants`, no right too few or too many;
//! `explain`, no statement that scans; `zone_size` and `deep_names`, no change that costs more in a large zone;
//! `crowd`, everybody at once. That it outlives its servers and itself (design 6 and 9): `down`, `outages`,
//! `killed`; floods and forgeries of events, `bursts`; that the older snapshot never wins, `gone`, `snapshots`.
//!
//! What installations rely on, health and the service manager: `install`, `install_files`, `observe::notify`, and
//! deploy/check.sh, which builds and tries image and package.
//! For people: how a plan reads, `plan_verb`; what a newcomer gets wrong and is told, `newcomer`; that README and
//! guides name files, commands and variables that there are, `guides`; that a stranger who types what a guide says
//! gets what it promises, `guides_first`, `guides_more`, `guides_servers`, `guides_told`; what compose.yaml starts,
//! `compose`.
//!
//! Against tenants and strangers: `abuse`, what tenants could write, a line each; `secrets`, keys in no output;
//! `tls`, whose certificates are taken; `http`, slow and many clients; and properties of every room that reads
//! text from outside, over damaged samples (`model::fuzz`).

pub mod cli;
pub mod cloudstack;
pub mod config;
pub mod desired;
pub mod inventory;
pub mod ledger;
pub mod metrics;
pub mod model;
pub mod observe;
pub mod plan;
pub mod powerdns;
pub mod queue;
pub mod reconcile;
pub mod rectify;
pub mod supervise;
pub mod trigger;
