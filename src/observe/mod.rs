//! What goes on, for people and machines: the board of everything that is not as desired, health,
//! metrics, status; and the service manager is told.
//!
//! Refuses: to change anything. Every answer is read-only, bounded in size and time, and made of what
//! was noted after a commit; no request reaches a server or the inventory, but for /explain, whose questions the
//! reconciler answers one at a time.
//!
//! Invariant: ready means that passes succeed.

mod board;
mod counts;
mod explain;
mod exposition;
mod head;
mod health;
mod http;
mod listener;
mod lists;
mod metrics;
mod notify;
mod page;
mod pulse;
mod spans;
mod status;
mod zones;

pub use board::{Board, NameState, Standing};
pub use explain::Question;
pub use head::Head;
pub use health::{HealthSettings, Verdict, alive, ready};
pub use http::{ObserveError, Observed, serve};
pub use metrics::render;
pub use notify::{NotifyError, ServiceManager, notify};
pub use pulse::{Failure, Held, Pass, Pulse, Role};
pub use spans::{Span, Spans};
pub use status::{LISTED, Status};
pub use zones::ZoneLine;
