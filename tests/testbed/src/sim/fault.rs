//! Faults that requests run into.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A status with a body of the given kind.
    Status(u16, Body),
    /// What a proxy says while the server is away.
    Html503,
    /// Half of the right answer, then the end of the connection.
    Truncate,
    /// No answer, ever.
    Hang,
    /// The connection is reset instead of an answer.
    Reset,
    /// The right answer with its `count` off by this much.
    WrongCount(i64),
    /// `{"...response":{}}`, as if nothing matched.
    EmptyObject,
    /// The right answer without its page's last member.
    ShortPage,
    /// The right answer without any `count`.
    NoCount,
    /// Without any `count`, and without its page's last member.
    ShortNoCount,
    /// The right answer, late.
    Late(Duration),
    /// The answer that is right now, once the gate opens: by then it may be wrong.
    Stale(Gate),
}

/// Keeps an answer back until it is opened. It lets one answer through.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Notify>);

impl Gate {
    /// Lets the answer go.
    pub fn open(&self) {
        self.0.notify_one();
    }

    pub(super) async fn pass(&self) {
        self.0.notified().await;
    }
}

/// The body of a failing status.
#[derive(Clone, Debug)]
pub enum Body {
    /// CloudStack's own, with this text.
    Json(String),
    /// A page.
    Html(String),
    /// None.
    Empty,
}

pub(super) struct Rule {
    /// Lower-case; none stands for any.
    pub command: Option<String>,
    /// Only requests that ask about VMs by id.
    pub looks: bool,
    pub skip: usize,
    pub left: usize,
    pub fault: Fault,
}

/// The rules in force, first come first served.
#[derive(Default)]
pub(super) struct Faults {
    pub rules: Vec<Rule>,
    pub latency: Duration,
}

impl Faults {
    /// The fault for a request, if one is due. Each rule counts the requests that it speaks of. `look`: it
    /// asks about VMs by id.
    pub fn next(&mut self, command: &str, look: bool) -> Option<Fault> {
        let mut found = None;
        for rule in &mut self.rules {
            if rule.command.as_deref().is_some_and(|only| only != command) || (rule.looks && !look) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if found.is_none() && rule.left > 0 {
                rule.left -= 1;
                found = Some(rule.fault.clone());
            }
        }
        self.rules.retain(|rule| rule.left > 0);
        found
    }
}
