// SPDX-License-Identifier: GPL-3.0-or-later
//! What is wrong with bytes that were read.

/// Why a store is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// A row is not one, or its checksum is wrong.
    #[error("a row is damaged")]
    Row,
    /// The checksum holds, but the payload is not what this version writes.
    #[error("a row has a form that nothing wrote")]
    Form,
    /// A record without a key, a key without a record, or either in the wrong place.
    #[error("records and keys do not belong together")]
    Strays,
    /// The rows are not those that were counted at the last commit.
    #[error("rows are missing")]
    Census,
    /// Something else remembers a later state.
    #[error("it is older than what was remembered")]
    Older,
    /// The database refuses or contradicts itself.
    #[error("the database can not be read: {0}")]
    Database(String),
    /// There is no database where there was one.
    #[error("the database is missing")]
    Missing,
    /// Written by a later version.
    #[error("version {version} is unknown")]
    TooNew {
        /// The version.
        version: u16,
    },
}

impl Defect {
    /// What it is in one word, for a log that anybody may see: what the database says may have a path in it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Form => "form",
            Self::Strays => "strays",
            Self::Census => "census",
            Self::Older => "older",
            Self::Database(_) => "database",
            Self::Missing => "missing",
            Self::TooNew { .. } => "too-new",
        }
    }
}
