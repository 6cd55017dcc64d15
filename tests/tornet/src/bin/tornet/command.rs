// SPDX-License-Identifier: GPL-3.0-or-later
//! The commands on standard input.

use std::str::FromStr;
use std::time::Duration;

use tornet::{Error, Tor};

/// Time for a tor to bootstrap; it takes two seconds.
pub(crate) const BOOTSTRAP_PATIENCE: Duration = Duration::from_secs(60);

/// One command: what to do with which tor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    deed: Deed,
    whom: Whom,
}

#[derive(Debug, PartialEq, Eq)]
enum Deed {
    Restart,
    RestartFresh,
    Kill,
    Start,
    Reload,
}

#[derive(Debug, PartialEq, Eq)]
enum Whom {
    Host,
    Client,
}

/// A line that is no command.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a command; see `tornet run --help`")]
pub(crate) struct UnknownCommand;

impl FromStr for Command {
    type Err = UnknownCommand;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let words: Vec<_> = line.split_whitespace().collect();
        let (deed, whom) = match words.as_slice() {
            ["restart", whom] => (Deed::Restart, whom),
            ["restart", whom, "fresh"] => (Deed::RestartFresh, whom),
            ["kill", whom] => (Deed::Kill, whom),
            ["start", whom] => (Deed::Start, whom),
            ["reload", whom] => (Deed::Reload, whom),
            _ => return Err(UnknownCommand),
        };
        let whom = match *whom {
            "host" => Whom::Host,
            "client" => Whom::Client,
            _ => return Err(UnknownCommand),
        };
        Ok(Self { deed, whom })
    }
}

impl Command {
    /// Does it, and waits until it is done.
    ///
    /// # Errors
    /// If the tor does not do its part.
    pub(crate) fn execute(&self, host: &Tor, client: &Tor) -> Result<(), Error> {
        let tor = match self.whom {
            Whom::Host => host,
            Whom::Client => client,
        };
        match self.deed {
            Deed::Kill => {
                tor.kill();
                return Ok(());
            }
            Deed::Reload => return tor.reload(),
            Deed::Start => tor.start()?,
            Deed::RestartFresh => tor.start_fresh()?,
            Deed::Restart => {
                tor.kill();
                tor.start()?;
            }
        }
        tor.wait_bootstrapped(BOOTSTRAP_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_the_help_are_understood_and_no_others() {
        for (line, deed, whom) in [
            ("restart host", Deed::Restart, Whom::Host),
            ("restart host fresh", Deed::RestartFresh, Whom::Host),
            ("kill client", Deed::Kill, Whom::Client),
            (" start  host ", Deed::Start, Whom::Host),
            ("reload client", Deed::Reload, Whom::Client),
        ] {
            assert_eq!(line.parse(), Ok(Command { deed, whom }), "{line}");
        }
        for line in ["", "restart", "restart relay", "kill host fresh", "restart host stale", "Kill host"] {
            assert_eq!(line.parse::<Command>(), Err(UnknownCommand), "{line}");
        }
    }
}
