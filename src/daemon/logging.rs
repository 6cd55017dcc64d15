// SPDX-License-Identifier: GPL-3.0-or-later
//! Logs to standard error: fields, safe to paste in public at the level info.

use std::env;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Why a filter for logs is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogFilterError {
    #[error("\"{0}\" is no level")]
    Level(String),
    #[error(transparent)]
    Form(#[from] ParseError),
}

/// Begins to log what the filter lets through.
pub(super) fn begin(filter: &str) -> Result<(), LogFilterError> {
    check_levels(filter)?;
    let filter = EnvFilter::builder().parse(filter)?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // The journal has its own clock, and says which program it was.
    if is_to_journal() {
        subscriber.without_time().with_target(false).init();
    } else {
        subscriber.with_target(false).init();
    }
    Ok(())
}

/// Whether the log goes to the journal.
pub(super) fn is_to_journal() -> bool {
    env::var_os("JOURNAL_STREAM").is_some()
}

/// A word that is no level would be taken for the name of a module, and then nothing at all is logged.
fn check_levels(filter: &str) -> Result<(), LogFilterError> {
    let alone = |part: &&str| !part.contains(['=', '[']) && !part.contains("::");
    match filter.split(',').filter(alone).find(|part| part.trim().parse::<LevelFilter>().is_err()) {
        Some(part) => Err(LogFilterError::Level(part.to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for filter in ["info", "off", "debug,zbus=warn", "info,tails_server::adapters=debug", "tails_server::bus", "0"]
        {
            assert!(check_levels(filter).is_ok(), "{filter}");
        }
        for filter in ["inof", "verbose", "info,debgu", "zbus"] {
            assert!(check_levels(filter).is_err(), "{filter}");
        }
    }
}
