//! What /healthz and /readyz answer: rules without a clock (design 10).

use super::{Pass, Pulse, Role};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

/// How long is too long.
#[derive(Debug, Clone, Copy)]
pub struct HealthSettings {
    /// `CS_TIMEOUT`.
    pub api_timeout: Duration,
    /// `RESYNC_INTERVAL`.
    pub resync_interval: Duration,
    /// `LEASE_TTL`.
    pub lease_ttl: Duration,
}

/// Yes or no, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Yes.
    pub ok: bool,
    /// Why, in a few words.
    pub why: String,
}

fn yes(why: impl Into<String>) -> Verdict {
    Verdict { ok: true, why: why.into() }
}

fn no(why: impl Into<String>) -> Verdict {
    Verdict { ok: false, why: why.into() }
}

/// Zones are read every 30 s: an idle controller shows life at least so often, four times over.
const IDLE: Duration = Duration::from_secs(120);

/// Whether the process does something about what it has to do: within 3 × `CS_TIMEOUT` attempts end,
/// well or badly, or pages arrive. A listing of an hour is alive as long as its pages come; servers
/// that are down let attempts end badly, which is alive as well, since a restart would mend nothing.
/// Where nothing is under way, the next reading of zones (for a standby, of the lease) must come.
///
/// `request_age`: how long ago a request to the API last ended, well or badly. An API that accepts and never
/// answers lets each try of a call end after `CS_TIMEOUT`, and the call, which waits for its turn between
/// them, later than three times that.
pub fn alive(
    pulse: &Pulse,
    request_age: Option<Duration>,
    settings: &HealthSettings,
    now: Instant,
) -> Verdict {
    let window = settings.api_timeout * 3;
    let age = |at| now.saturating_duration_since(at);
    let standby = matches!(pulse.role, Role::Standby { .. });
    if pulse.under_way == 0 {
        let idle = if standby { age(pulse.sign).min(age(pulse.role_seen)) } else { age(pulse.sign) };
        if idle <= window.max(IDLE) {
            return yes("idle");
        }
        return no(format!("nothing has begun for {} s", idle.as_secs()));
    }
    let attempt_age = age(pulse.sign);
    if attempt_age <= window || request_age.is_some_and(|age| age <= window) {
        return yes("at work");
    }
    no(format!("nothing has ended and no page has come for {} s", attempt_age.as_secs()))
}

/// Whether the controller does its job: as a holder, that its first resync went well and no kind of
/// pass has failed for longer than two resync intervals or 30 s, whichever is more; as a standby, that
/// it sees a living holder.
pub fn ready(pulse: &Pulse, settings: &HealthSettings, now: Instant) -> Verdict {
    match &pulse.role {
        Role::Starting => no("starting"),
        Role::Standby { holder: None } => no("no living holder is seen"),
        Role::Standby { holder: Some(holder) } => {
            // The lease is looked at every third of its time: twice its time is six looks.
            let age = now.saturating_duration_since(pulse.role_seen);
            if age <= settings.lease_ttl * 2 {
                return yes(format!("the holder {holder} lives"));
            }
            no(format!("the lease was last read {} s ago", age.as_secs()))
        }
        Role::Holder { .. } => {
            let patience = (settings.resync_interval * 2).max(Duration::from_secs(30));
            for pass in Pass::ALL {
                let Some(failure) = pulse.failing(pass) else { continue };
                let age = now.saturating_duration_since(failure.since);
                if age > patience {
                    let (word, error) = (pass.word(), &failure.error);
                    return no(format!("{word} has failed for {} s: {error}", age.as_secs()));
                }
            }
            if !pulse.good {
                return no(match pulse.failing(Pass::Resync) {
                    Some(failure) => format!("no resync has ended well yet: {}", failure.error),
                    None => "no resync has ended well yet".to_owned(),
                });
            }
            yes("passes succeed")
        }
    }
}

/// The body of an answer: the verdict, the role, what is held.
pub fn body(word: &str, verdict: &Verdict, pulse: &Pulse) -> String {
    let not = if verdict.ok { "" } else { "not " };
    let mut text = format!("{not}{word}: {}\nrole: {}\n", verdict.why, role_text(&pulse.role));
    if pulse.held.sets.is_empty() {
        text.push_str("held: 0 records\n");
    }
    for (set, records) in &pulse.held.sets {
        let _ = writeln!(text, "held: {records} records, set {set}");
    }
    text
}

/// The role in words.
pub fn role_text(role: &Role) -> String {
    match role {
        Role::Starting => "starting".into(),
        Role::Standby { holder: None } => "standby".into(),
        Role::Standby { holder: Some(holder) } => format!("standby of {holder}"),
        Role::Holder { epoch } => format!("holder, epoch {epoch}"),
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
