// SPDX-License-Identifier: GPL-3.0-or-later
//! From TOML to types, and from the same types to the JSON Schema: one truth for what a descriptor may say.
//!
//! A type that can stand in a descriptor is [`Read`]. The macros make it so: `table!` a table with its keys, `words!` a
//! choice of words, `text!` a text that `FromStr` judges. All defects of a file are found, not the first alone.

mod macros;
mod table;

use std::ops::{Deref, Range};

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::finding::{Findings, Rule};
pub(super) use macros::{table, text, words};
pub(super) use table::{Table, TableSchema, key};

/// A value with its place in the file.
pub(super) type Toml<'a> = Spanned<DeValue<'a>>;

/// What can stand in a descriptor.
pub(super) trait Read: Sized {
    /// Reads it; what is the matter with it is told, and then there is none.
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self>;

    /// What it looks like, as JSON Schema.
    fn schema() -> Json;
}

/// The keys of a table, which may be a part of the keys of a larger one.
pub(super) trait Fields: Sized {
    /// The keys, as they stand in the file.
    fn keys() -> Vec<String>;

    /// Reads them from a table that may have others.
    fn read_fields(table: &Table<'_, '_>, findings: &mut Findings) -> Option<Self>;

    /// Adds them to the schema of a table.
    fn describe(schema: &mut TableSchema);
}

/// Something, and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// What it is.
    pub value: T,
    /// The bytes of the file.
    pub span: Range<usize>,
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Read> Read for At<T> {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        T::read(value, findings).map(|read| Self { value: read, span: value.span() })
    }

    fn schema() -> Json {
        T::schema()
    }
}

/// Alternatives, for what differs between releases: the first that exists is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternatives<T>(Vec<T>);

impl<T> Alternatives<T> {
    /// The alternatives, at least one, the best first.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<T: Read> Read for Alternatives<T> {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        let DeValue::Array(items) = value.get_ref() else {
            return T::read(value, findings).map(|only| Self(vec![only]));
        };
        if items.is_empty() {
            findings.tell(Rule::FieldEmpty, &value.span(), "there is no alternative in the list");
            return None;
        }
        all(items.iter(), findings).map(Self)
    }

    fn schema() -> Json {
        json!({ "oneOf": [T::schema(), { "type": "array", "items": T::schema(), "minItems": 1 }] })
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        match value.get_ref().as_array() {
            Some(items) => all(items.iter(), findings),
            None => wrong_type(value, "a list", findings),
        }
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }
}

/// All of them, or none: but all of them are looked at.
fn all<'a, 'b: 'a, T: Read>(items: impl Iterator<Item = &'a Toml<'b>>, findings: &mut Findings) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = items.map(|item| T::read(item, findings)).collect();
    read.into_iter().collect()
}

impl Read for bool {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        value.get_ref().as_bool().or_else(|| wrong_type(value, "true or false", findings))
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

impl Read for i64 {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        let Some(number) = value.get_ref().as_integer() else { return wrong_type(value, "a whole number", findings) };
        let read = Self::from_str_radix(number.as_str(), number.radix()).ok();
        if read.is_none() {
            findings.tell(Rule::FieldRange, &value.span(), "the number is too large");
        }
        read
    }

    fn schema() -> Json {
        json!({ "type": "integer" })
    }
}

/// A number of something, from 1 to 65535.
pub(super) fn small_number(value: &Toml<'_>, findings: &mut Findings) -> Option<std::num::NonZeroU16> {
    let number = i64::read(value, findings)?;
    let read = u16::try_from(number).ok().and_then(std::num::NonZeroU16::new);
    if read.is_none() {
        findings.tell(Rule::FieldRange, &value.span(), format!("{number} is not between 1 and 65535"));
    }
    read
}

impl Read for std::num::NonZeroU16 {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        small_number(value, findings)
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 1, "maximum": 65535 })
    }
}

impl Read for String {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        value.get_ref().as_str().map(Self::from).or_else(|| wrong_type(value, "text in quotes", findings))
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

/// Tells that a value has another type.
pub(super) fn wrong_type<T>(value: &Toml<'_>, wanted: &str, findings: &mut Findings) -> Option<T> {
    let is = match value.get_ref() {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    findings.tell(Rule::FieldType, &value.span(), format!("this is {is}, and should be {wanted}"));
    None
}
