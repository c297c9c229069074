//! From arguments to an exit code.

use super::{
    Cli, Exit, PlanArgs, Progress, SyncArgs, Verb, adopt, approve, check, explain, health, plan, purge,
    rebind, release, run, schema, sync,
};
use crate::{
    cloudstack::ApiError,
    config::{Config, LogFormat, Logging, near_misses},
    metrics::causes,
    powerdns::DbError,
};
use anstream::{AutoStream, ColorChoice};
use anyhow::Result;
use clap::Parser;
use std::{
    ffi::OsString,
    io::{Write, stderr},
    process::ExitCode,
};

/// Does what the arguments and the environment say.
pub async fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap's own code for a usage error is 2, which here
            // means that changes wait. A closed pipe is nobody's concern.
            let _ = error.print();
            return if error.use_stderr() { Exit::Error } else { Exit::Done }.into();
        }
    };
    // On the heap: it is as large as everything that a verb may hold at a time.
    match Box::pin(answer(cli)).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            // Not eprintln: it panics where standard error is closed.
            let _ = write!(stderr(), "{}", chain(&error));
            Exit::Error.into()
        }
    }
}

async fn answer(cli: Cli) -> Result<Exit> {
    let verb = cli.verb();
    let progress = Progress::new();
    if verb == Verb::Schema {
        // The tables can be asked for before anything else is configured.
        return schema::schema(&Config::load(&cli.given)).await;
    }
    if let Verb::Health(args) = &verb {
        // Asked again and again, in a container whose secrets it need not read.
        return health::health(&cli.given, args).await;
    }
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let near = near_misses(names);
    if let Verb::Check(args) = &verb {
        // What is wrong with the configuration is the first thing that it tells.
        if let Ok(logging) = Logging::load(&cli.given) {
            start_log(&logging, &progress);
        }
        return check::check(Config::load(&cli.given), &near, args).await;
    }
    let config = Config::load(&cli.given).inspect_err(|_| {
        // There is no log yet, and a misspelt name may be the reason.
        for warning in &near {
            let _ = writeln!(stderr(), "warning: {warning}");
        }
    })?;
    start_log(&Logging::load(&cli.given)?, &progress);
    for warning in config.warnings.iter().chain(&near) {
        tracing::warn!("{warning}");
    }
    match verb {
        Verb::Run => run::run(&config).await,
        Verb::Plan(args) => plan::plan(&config, &args, &progress).await,
        Verb::Sync(SyncArgs { dry_run: true }) => plan::plan(&config, &PlanArgs::default(), &progress).await,
        Verb::Sync(SyncArgs { dry_run: false }) => sync::sync(&config, &progress).await,
        Verb::Approve(args) => approve::approve(&config, &args, &progress).await,
        Verb::Adopt(args) => adopt::adopt(&config, &args, &progress).await,
        Verb::Release(args) => release::release(&config, &args).await,
        Verb::Purge(args) => purge::purge(&config, &args).await,
        Verb::Rebind(args) => rebind::rebind(&config, &args).await,
        Verb::Explain(args) => explain::explain(&config, &args, &progress).await,
        Verb::Check(args) => check::check(Ok(config), &near, &args).await,
        Verb::Health(args) => health::health(&cli.given, &args).await,
        Verb::Schema => schema::schema(&Ok(config)).await,
    }
}

/// Logs to standard error: standard output belongs to what a verb prints.
fn start_log(logging: &Logging, progress: &Progress) {
    let filter = tracing_subscriber::EnvFilter::new(&logging.filter);
    let progress = progress.clone();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || progress.log());
    // A second call in one process (tests) keeps the first one's log.
    let _ = match logging.format {
        LogFormat::Text => {
            // A terminal that wants colours: neither NO_COLOR nor TERM=dumb.
            let colours = AutoStream::choice(&stderr()) != ColorChoice::Never;
            builder.with_ansi(colours).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// The error and its causes, a line each, and what to do.
fn chain(error: &anyhow::Error) -> String {
    let mut text = format!("error: {}\n", causes(error.as_ref()).join("\ncaused by: "));
    for remedy in error.chain().filter_map(remedy) {
        text.push_str("-> ");
        text.push_str(&remedy);
        text.push('\n');
    }
    text
}

/// What to do about a server's error, as `check` says it.
fn remedy(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let api = error.downcast_ref::<ApiError>().and_then(ApiError::remedy).map(str::to_owned);
    let database =
        error.downcast_ref::<DbError>().filter(|error| error.is_of_the_server()).map(DbError::remedy);
    api.or(database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_with_its_causes() {
        let error = anyhow::anyhow!("connection refused").context("cannot list VMs");
        assert_eq!(chain(&error), "error: cannot list VMs\ncaused by: connection refused\n");
    }
}
