// SPDX-License-Identifier: GPL-3.0-or-later
//! What people are told after a damaged place was mended.

use std::fmt;
use std::path::PathBuf;

use super::defect::Defect;

/// What had to be done to open a damaged place. Nothing of what was found was deleted: it is all in `copy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// What helped.
    pub rung: Rung,
    /// Where the damaged store was put aside. It holds secret keys.
    pub copy: PathBuf,
    /// What was wrong.
    pub defect: Defect,
    /// What may be missing.
    pub loss: Loss,
    /// How many services there are now.
    pub services: usize,
}

/// What helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// The index of the database was damaged and was made anew. Nothing is lost.
    Index,
    /// The settings of the database were damaged and were made anew. Nothing is lost.
    Settings,
    /// The database was made anew from what was readable and from its export.
    Rebuilt,
}

/// What may be missing after a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: the database and its exports know of the same last commit, and all that it counted is there.
    Nothing,
    /// Nothing that anything knows of, but one of the two can not be asked. Changes after the last export may be missing:
    /// who may reach a service is among them, so all services are disabled until asked for.
    NotExcluded,
    /// Something is. All services are disabled until asked for.
    Proven {
        /// The number of the last commit that something knows of.
        known: u64,
        /// The number of the last commit up to which nothing is missing.
        certain: u64,
    },
}

impl fmt::Display for Recovery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = self.services;
        formatter.write_str("the store was damaged and was repaired: ")?;
        match self.loss {
            Loss::Nothing => write!(formatter, "all {services} services are there"),
            Loss::NotExcluded => {
                write!(formatter, "{services} services are there; only the very latest changes may be missing")
            }
            Loss::Proven { known, certain } => write!(
                formatter,
                "{services} services are there, but of the latest {} changes some are lost",
                known.saturating_sub(certain)
            ),
        }
    }
}

impl Recovery {
    /// What was lost in one word, for a log that anybody may see.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.loss {
            Loss::Nothing => "nothing",
            Loss::NotExcluded => "not-excluded",
            Loss::Proven { .. } => "proven",
        }
    }

    /// What a person should do.
    #[must_use]
    pub fn hint(&self) -> String {
        let look = match self.loss {
            Loss::Nothing => "",
            Loss::NotExcluded => "Look through the list of services and their clients; all of them were disabled. ",
            Loss::Proven { .. } => "Look through the list of services and their clients; all of them were disabled. ",
        };
        format!(
            "{look}The damaged files are in {}. They hold secret keys: delete them when nothing is missing",
            self.copy.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_ends_without_a_full_stop() {
        for loss in [Loss::Nothing, Loss::NotExcluded, Loss::Proven { known: 2, certain: 1 }] {
            let recovery =
                Recovery { rung: Rung::Rebuilt, copy: PathBuf::from("/copy"), defect: Defect::Row, loss, services: 1 };
            assert!(!recovery.hint().ends_with('.'), "{}", recovery.hint());
        }
    }
}
