//! How the process ends.

use std::process::ExitCode;

/// How the process ends (design 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing left to do.
    Done,
    /// Any error, usage and configuration included.
    Error,
    /// Changes wait (`plan`).
    ChangesWait,
    /// Done, but losses are held (`sync`).
    Held,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Error => 1,
            Exit::ChangesWait => 2,
            Exit::Held => 3,
        })
    }
}
