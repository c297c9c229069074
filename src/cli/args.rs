//! Verbs and flags.

use crate::{
    config::Given,
    model::{HeldSet, OwnerName, Subject},
};
use clap::{Args, Parser, Subcommand};

/// Keeps the A, AAAA and PTR records of a PowerDNS MySQL database equal to what CloudStack says about
/// virtual machines.
///
/// Every flag is also a variable of the environment, which is named beside it; a flag comes first.
#[derive(Debug, Parser)]
#[command(name = "cs-powerdns", version, after_help = AFTER)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The variables.
    #[command(flatten)]
    pub given: Given,
}

const AFTER: &str = "Exit codes: 0 done, nothing left to do; 1 any error, usage and configuration included; \
2 changes wait (plan); 3 done, but losses are held (sync).";

impl Cli {
    /// What to do: `run` where nothing was said.
    pub fn verb(&self) -> Verb {
        self.verb.clone().unwrap_or(Verb::Run)
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Keep the records equal until the process is told to end (the default)
    Run,
    /// Show what would change, and write nothing
    Plan(PlanArgs),
    /// Do one full pass, then end
    Sync(SyncArgs),
    /// Look at everything that a controller needs: each line is ok, a warning or an error with what to do
    Check(CheckArgs),
    /// Ask the controller that listens at HTTP_LISTEN whether it is healthy: for containers' health checks
    Health(HealthArgs),
    /// Say why a name has, or has not, or no longer has, a record: the whole decision, and what to do
    #[command(override_usage = "cs-powerdns explain [OPTIONS] <NAME|VM-ID|IP>")]
    Explain(ExplainArgs),
    /// Let held losses through, by the hash that `plan`, `sync` and the log show
    #[command(override_usage = "cs-powerdns approve [OPTIONS] <HASH>...")]
    Approve(ApproveArgs),
    /// Take rows over that are there already: of the older service, by hand, or of another OWNER_ID
    #[command(
        override_usage = "cs-powerdns adopt [OPTIONS] <NAME...|--all|--from-cs-mapping|--from-owner <ID>>"
    )]
    Adopt(AdoptArgs),
    /// Put what stands at these names on hold: nothing is written for these claims until they end
    #[command(override_usage = "cs-powerdns release [OPTIONS] <NAME>...")]
    Release(ReleaseArgs),
    /// Delete everything of this OWNER_ID that is still as it was written, and end its entries
    Purge(PurgeArgs),
    /// Bind the OWNER_ID to the CloudStack that CS_ENDPOINT reaches now
    Rebind(RebindArgs),
    /// Print the tables to create and the rights to grant
    Schema,
}

/// How to show a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PlanArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Also list A, AAAA and PTR rows of these zones that no VM explains
    #[arg(long)]
    pub unexplained: bool,
}

/// How to show what was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct CheckArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// What to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct HealthArgs {
    /// Ask whether it is ready: as the holder of the lease or as a standby that sees one
    #[arg(long)]
    pub ready: bool,
}

/// How to do a pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct SyncArgs {
    /// Write nothing: the same as `plan`
    #[arg(long)]
    pub dry_run: bool,
}

/// What to explain.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ExplainArgs {
    /// A DNS name (also a reverse one), a VM's UUID or its bare name, or an address
    #[arg(value_name = "NAME|VM-ID|IP")]
    pub about: Subject,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// What to let through.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ApproveArgs {
    /// Hashes of held sets
    #[arg(value_name = "HASH", required = true)]
    pub sets: Vec<HeldSet>,
    /// Write nothing: say what would be approved
    #[arg(long)]
    pub dry_run: bool,
}

/// What to take over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct AdoptArgs {
    /// These names, whatever stands there: rows in the way are replaced, which is told
    #[arg(
        value_name = "NAME", value_parser = owner_name, conflicts_with = "all",
        required_unless_present_any = ["all", "from_cs_mapping", "from_owner"]
    )]
    pub names: Vec<OwnerName>,
    /// Every row that is exactly what a VM wants; nothing is replaced
    #[arg(long)]
    pub all: bool,
    /// Also what the older service lists in its table cs_mapping for VMs that are gone
    #[arg(long)]
    pub from_cs_mapping: bool,
    /// First the entries of this owner id, whose lease must have lapsed
    #[arg(long, value_name = "ID")]
    pub from_owner: Option<String>,
    /// Say what would become of each row, and write nothing: exit 2 if something would change
    #[arg(long)]
    pub dry_run: bool,
}

/// What to put on hold.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ReleaseArgs {
    /// Names, as they stand in DNS; those of other names of the same VMs go on
    #[arg(required = true, value_name = "NAME", value_parser = owner_name)]
    pub names: Vec<OwnerName>,
    /// Write nothing: exit 2 if something would change
    #[arg(long)]
    pub dry_run: bool,
}

/// What to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PurgeArgs {
    /// Only what stands in this zone
    #[arg(long, value_parser = owner_name)]
    pub zone: Option<OwnerName>,
    /// List what would go, and write nothing: exit 2 if there is anything
    #[arg(long)]
    pub dry_run: bool,
}

/// How to bind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct RebindArgs {
    /// Show both clouds, and write nothing: exit 2 if they differ
    #[arg(long)]
    pub dry_run: bool,
}

fn owner_name(text: &str) -> Result<OwnerName, String> {
    OwnerName::parse(text).map_err(|error| format!("no DNS name: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn verb(args: &[&str]) -> Verb {
        Cli::try_parse_from([&["cs-powerdns"], args].concat()).unwrap().verb()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_what_is_done_where_nothing_is_said() {
        assert_eq!(verb(&[]), Verb::Run);
        assert_eq!(verb(&["--owner-id", "a"]), Verb::Run);
    }

    #[test]
    fn verbs_take_their_own_flags() {
        assert_eq!(verb(&["plan", "--json"]), Verb::Plan(PlanArgs { json: true, unexplained: false }));
        assert_eq!(
            verb(&["plan", "--unexplained", "--dns-mode=sync"]),
            Verb::Plan(PlanArgs { json: false, unexplained: true })
        );
        assert_eq!(verb(&["check", "--json"]), Verb::Check(CheckArgs { json: true }));
        assert_eq!(verb(&["health"]), Verb::Health(HealthArgs { ready: false }));
        assert_eq!(verb(&["health", "--ready"]), Verb::Health(HealthArgs { ready: true }));
        assert_eq!(verb(&["sync", "--dry-run"]), Verb::Sync(SyncArgs { dry_run: true }));
        let sets = vec!["0a1b2c3d".parse().unwrap(), "ffffffff".parse().unwrap()];
        assert_eq!(
            verb(&["approve", "0A1B2C3D", "ffffffff"]),
            Verb::Approve(ApproveArgs { sets, dry_run: false })
        );
        assert!(Cli::try_parse_from(["cs-powerdns", "approve"]).is_err());
        assert!(Cli::try_parse_from(["cs-powerdns", "approve", "abc"]).is_err());
        assert_eq!(verb(&["schema"]), Verb::Schema);
        let names = vec![OwnerName::parse("web.domain.com").unwrap()];
        assert_eq!(
            verb(&["release", "Web.Domain.com."]),
            Verb::Release(ReleaseArgs { names, dry_run: false })
        );
        assert_eq!(verb(&["purge"]), Verb::Purge(PurgeArgs::default()));
        assert_eq!(verb(&["rebind", "--dry-run"]), Verb::Rebind(RebindArgs { dry_run: true }));
    }

    #[test]
    fn a_name_that_is_none_is_a_usage_error_that_says_why() {
        for (args, why) in [
            (vec!["cs-powerdns", "release", "a..b"], "no DNS name: an empty label"),
            (vec!["cs-powerdns", "release"], "<NAME>"),
            (vec!["cs-powerdns", "purge", "--zone", "a b"], "no DNS name"),
        ] {
            let error = Cli::try_parse_from(&args).unwrap_err().to_string();
            assert!(error.contains(why), "{args:?}: {error}");
        }
    }
}
