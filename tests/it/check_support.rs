//! Running `check` and reading its lines.

use super::support::once;
use testbed::Lab;

/// What `check` said.
pub struct Checked {
    pub code: i32,
    pub lines: Vec<String>,
    pub said: String,
}

/// Runs it; no secret may stand in what it says.
pub async fn check(lab: &Lab, more: &[(&str, &str)]) -> Checked {
    let output = once(lab, &["check"], more).await;
    let said = format!("{}\n{}", output.stdout, output.stderr);
    let planted = more.iter().filter(|(name, _)| name.ends_with("KEY") || name.ends_with("PASSWORD"));
    let secrets = [&*lab.sim.secret_key, &*lab.sim.api_key, &*lab.db.password];
    for secret in secrets.into_iter().chain(planted.map(|(_, value)| *value)) {
        assert!(!said.contains(secret), "{secret} is shown:\n{said}");
    }
    Checked { code: output.code, lines: output.stdout.lines().map(str::to_owned).collect(), said }
}

impl Checked {
    /// Lines of this level, without it.
    pub fn of(&self, level: &str) -> Vec<&str> {
        let line = |line: &'_ String| line.strip_prefix(level).is_some_and(|rest| rest.starts_with(' '));
        self.lines.iter().filter(|one| line(one)).map(|one| one[level.len()..].trim_start()).collect()
    }

    /// The process's code agrees with the levels, as they do with the last line.
    pub fn is_whole(&self) {
        let [ok, warnings, errors] = ["ok", "warning", "error"].map(|level| self.of(level).len());
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let last =
            format!("{ok} ok, {warnings} warning{}, {errors} error{}", plural(warnings), plural(errors));
        assert_eq!(self.lines.last(), Some(&last), "{}", self.said);
        assert_eq!(self.code, i32::from(errors > 0), "{}", self.said);
    }

    /// Some line of this level has all of these words.
    pub fn has(&self, level: &str, words: &[&str]) {
        let lines = self.of(level);
        let found = lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "a line `{level}` should say {words:?}:\n{}", self.said);
        self.is_whole();
    }

    /// No line of this level.
    pub fn has_no(&self, level: &str) {
        assert_eq!(self.of(level), Vec::<&str>::new(), "{}", self.said);
        self.is_whole();
    }
}
