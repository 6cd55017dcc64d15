// SPDX-License-Identifier: GPL-3.0-or-later
//! The exit codes: a contract with scripts. A new meaning gets a new number.

use std::fmt::Write;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Done = 0,
    Failed = 1,
    /// Also said by `errors::usage`.
    Senseless = 2,
    Unknown = 3,
    NoAnswer = 4,
    NotYet = 5,
    NotConfirmed = 6,
    Warnings = 7,
}

impl Exit {
    pub(super) const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::Senseless,
        Self::Unknown,
        Self::NoAnswer,
        Self::NotYet,
        Self::NotConfirmed,
        Self::Warnings,
    ];

    /// What it means, for people.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "it did not work out",
            Self::Senseless => "the command makes no sense",
            Self::Unknown => "there is no such service, client, or whatever was named",
            Self::NoAnswer => "the controller does not answer, or you may not ask it for that",
            Self::NotYet => {
                "not published in the time given, not reachable yet, not certain that an access has ended, an option not in \
                 force yet, or interrupted"
            }
            Self::NotConfirmed => "not confirmed",
            Self::Warnings => "the doctor has warnings, and found no errors",
        }
    }

    /// A line for each, as help shows them.
    pub(super) fn table() -> String {
        let mut table = String::from("Exit codes:");
        for exit in Self::ALL {
            // Writing into memory does not fail.
            let _ = write!(table, "\n  {}  {}", exit as u8, exit.meaning());
        }
        table
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_readme_says_the_same() {
        let readme = include_str!("../../README.md");
        let rows = readme.lines().skip_while(|line| !line.starts_with("| exit code |")).skip(2);
        let told: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
        let ours: Vec<String> =
            Exit::ALL.iter().map(|exit| format!("| {} | {} |", *exit as u8, exit.meaning())).collect();
        assert_eq!(told, ours);
    }

    #[test]
    fn no_number_has_two_meanings() {
        for (number, exit) in (0_u8..).zip(Exit::ALL) {
            assert_eq!(exit as u8, number);
        }
    }
}
