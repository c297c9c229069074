//! What was given, by flag or environment, before anybody has looked at it.

use super::{VARIABLES, Variable};
use clap::{Arg, ArgMatches, Command, FromArgMatches, builder::ValueParser, error::Error};
use std::{collections::BTreeMap, ffi::OsString, fmt};

/// The values as they were given: a flag comes before the environment.
///
/// clap takes every value as it is and requires none, since it would stop at the first error and print
/// the value. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Given(BTreeMap<&'static str, OsString>);

impl Given {
    /// The value of the variable `name`.
    pub fn get(&self, name: &str) -> Option<&OsString> {
        self.0.get(name)
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn arg(variable: &'static Variable) -> Arg {
    let help = match variable.default {
        "" => variable.help.to_owned(),
        default => format!("{} [default: {default}]", variable.help),
    };
    Arg::new(variable.name)
        .long(variable.flag)
        .env(variable.name)
        .hide_env_values(true)
        .value_name(variable.value)
        .value_parser(ValueParser::os_string())
        // A secret that starts with a hyphen would otherwise be quoted as an unknown flag.
        .allow_hyphen_values(true)
        .help(help)
        .help_heading(variable.heading)
        .global(true)
}

impl clap::Args for Given {
    fn augment_args(command: Command) -> Command {
        command.args(VARIABLES.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let value = |v: &Variable| Some((v.name, matches.get_one::<OsString>(v.name)?.clone()));
        Ok(Self(VARIABLES.iter().filter_map(value).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Given {
    /// From pairs of variable and value; what is no variable is left out.
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let known = |name: &str| VARIABLES.iter().find(|variable| variable.name == name);
        let pair = |(name, value): (&str, &str)| Some((known(name)?.name, OsString::from(value)));
        Self(pairs.into_iter().filter_map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args;

    #[test]
    fn every_flag_is_its_variable_in_lower_case() {
        for variable in VARIABLES {
            assert_eq!(variable.flag, variable.name.to_lowercase().replace('_', "-"));
        }
    }

    #[test]
    fn no_value_of_the_environment_stands_in_the_help() {
        let command = Given::augment_args(Command::new("test"));
        for arg in command.get_arguments() {
            assert!(arg.is_hide_env_values_set(), "{}", arg.get_id());
        }
    }

    #[test]
    fn a_flag_counts_before_and_after_the_verb() {
        let command = || {
            Given::augment_args(Command::new("test")).subcommand(Command::new("plan")).no_binary_name(true)
        };
        for args in [["--owner-id", "a", "plan"], ["plan", "--owner-id", "a"]] {
            let matches = command().try_get_matches_from(args).unwrap();
            let given = Given::from_arg_matches(&matches).unwrap();
            assert_eq!(given.get("OWNER_ID").unwrap(), "a");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let given: Given = [("CS_SECRET_KEY", "s3cret"), ("NO_VARIABLE", "x")].into_iter().collect();
        assert_eq!(format!("{given:?}"), r#"{"CS_SECRET_KEY"}"#);
    }
}
