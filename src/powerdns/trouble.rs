//! Whether a web server is in trouble: one line in the log a change, not one a request.

use super::web::WebError;
use std::{
    mem::{Discriminant, discriminant},
    time::{Duration, Instant},
};

/// A server that refuses some requests and does others is well again when none was refused for so long.
const QUIET: Duration = Duration::from_secs(60);

/// The state of one server.
#[derive(Debug, Default)]
pub(super) struct Trouble(Option<(Discriminant<WebError>, bool, Instant)>);

impl Trouble {
    /// A request has failed. Whether that is news: the server was well, or failed in another way.
    pub(super) fn failed(&mut self, error: &WebError, now: Instant) -> bool {
        let kind = discriminant(error);
        let refused = matches!(error, WebError::Refused { .. });
        let before = self.0.replace((kind, refused, now));
        before.is_none_or(|(before, ..)| before != kind)
    }

    /// A request was done. Whether the server is well again.
    pub(super) fn well(&mut self, now: Instant) -> bool {
        let over = |(_, refused, at): &mut (_, bool, Instant)| !*refused || now >= *at + QUIET;
        self.0.take_if(over).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    fn denied() -> WebError {
        WebError::Denied(StatusCode::UNAUTHORIZED)
    }

    fn refused() -> WebError {
        WebError::Refused { status: StatusCode::NOT_FOUND, request: "flushing zone example.org".into() }
    }

    #[test]
    fn a_failure_is_new_once_and_ends_with_the_next_success() {
        let (mut trouble, now) = (Trouble::default(), Instant::now());
        assert!(!trouble.well(now));
        assert!(trouble.failed(&denied(), now));
        assert!(!trouble.failed(&denied(), now));
        assert!(trouble.failed(&WebError::Away(StatusCode::BAD_GATEWAY), now));
        assert!(trouble.well(now) && !trouble.well(now));
        assert!(trouble.failed(&denied(), now));
    }

    #[test]
    fn a_server_that_refuses_one_zone_among_others_is_in_trouble_once() {
        let (mut trouble, now) = (Trouble::default(), Instant::now());
        assert!(trouble.failed(&refused(), now));
        assert!(!trouble.well(now + QUIET / 2));
        assert!(!trouble.failed(&refused(), now + QUIET / 2));
        assert!(!trouble.well(now + QUIET) && trouble.well(now + QUIET * 3 / 2));
    }
}
