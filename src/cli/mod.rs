//! The command line: what may be asked, and one file a verb that answers it.
//!
//! Refuses: rules of its own; a verb joins rooms and prints.
//!
//! Invariant: whatever happens, the process ends by an [`Exit`], whose codes are a contract.

mod adopt;
mod approve;
mod args;
mod check;
mod exit;
mod explain;
mod health;
mod main_with;
mod plan;
mod plan_json;
mod progress;
mod purge;
mod rebind;
mod release;
mod run;
mod schema;
mod services;
mod show;
mod sync;

pub use args::{
    AdoptArgs, ApproveArgs, CheckArgs, Cli, ExplainArgs, HealthArgs, PlanArgs, PurgeArgs, RebindArgs,
    ReleaseArgs, SyncArgs, Verb,
};
pub use exit::Exit;
pub use main_with::main_with;
use progress::Progress;
use services::services;
