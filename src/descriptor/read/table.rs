// SPDX-License-Identifier: GPL-3.0-or-later
//! The keys of one table.

use std::ops::Range;

use serde_json::{Map, Value as Json, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Read, Toml, wrong_type};
use crate::descriptor::finding::{Findings, Rule, did_you_mean};

/// A table that is being read.
pub(in crate::descriptor) struct Table<'a, 'b> {
    entries: &'a DeTable<'b>,
    span: Range<usize>,
}

impl<'a, 'b> Table<'a, 'b> {
    /// The value as a table.
    pub(in crate::descriptor) fn open(value: &'a Toml<'b>, findings: &mut Findings) -> Option<Self> {
        match value.get_ref().as_table() {
            Some(entries) => Some(Self { entries, span: value.span() }),
            None => wrong_type(value, "a table", findings),
        }
    }

    /// The whole file.
    pub(in crate::descriptor) fn root(root: &'a Spanned<DeTable<'b>>) -> Self {
        // What is missing in the file is missing in its first line.
        Self { entries: root.get_ref(), span: 0..0 }
    }

    fn get(&self, key: &str) -> Option<&'a Toml<'b>> {
        self.entries.get(key)
    }

    /// What must be there.
    pub(in crate::descriptor) fn required<T: Read>(&self, key: &str, findings: &mut Findings) -> Option<T> {
        let Some(value) = self.get(key) else {
            findings.tell(Rule::FieldMissing, &self.span, format!("the key \"{key}\" is missing here"));
            return None;
        };
        T::read(value, findings)
    }

    /// What may be there. `None` if it is, and is wrong.
    pub(in crate::descriptor) fn optional<T: Read>(&self, key: &str, findings: &mut Findings) -> Option<Option<T>> {
        match self.get(key) {
            Some(value) => T::read(value, findings).map(Some),
            None => Some(None),
        }
    }

    /// What is as given here if it is not there.
    pub(in crate::descriptor) fn or<T: Read>(&self, key: &str, default: T, findings: &mut Findings) -> Option<T> {
        self.optional(key, findings).map(|read| read.unwrap_or(default))
    }

    /// A list that is empty if it is not there.
    pub(in crate::descriptor) fn many<T: Read>(&self, key: &str, findings: &mut Findings) -> Option<Vec<T>> {
        self.or(key, Vec::new(), findings)
    }

    /// A table all of whose keys have defaults.
    pub(in crate::descriptor) fn nested<T: Read>(&self, key: &str, findings: &mut Findings) -> Option<T> {
        match self.get(key) {
            Some(value) => T::read(value, findings),
            None => T::read(&Spanned::new(self.span.clone(), DeValue::Table(DeTable::new())), findings),
        }
    }

    /// Tells of every key that is none of these.
    pub(in crate::descriptor) fn close(&self, known: &[String], findings: &mut Findings) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for key in self.entries.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let shown = key.get_ref().escape_debug();
                findings
                    .tell(Rule::FieldUnknown, &key.span(), format!("there is no key \"{shown}\" here"))
                    .maybe(did_you_mean(key.get_ref(), &known));
            }
        }
    }
}

/// A key as it stands in the file.
pub(in crate::descriptor) fn key(field: &str) -> String {
    field.trim_start_matches("r#").replace('_', "-")
}

/// The JSON Schema of a table.
#[derive(Default)]
pub(in crate::descriptor) struct TableSchema {
    properties: Map<String, Json>,
    required: Vec<String>,
}

impl TableSchema {
    /// Adds a key.
    pub(in crate::descriptor) fn field<T: Read>(&mut self, field: &str, how: &str, about: &str) {
        let mut schema = if how == "many" { Vec::<T>::schema() } else { T::schema() };
        if let Json::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), about.trim().into());
        }
        if how == "required" {
            self.required.push(key(field));
        }
        self.properties.insert(key(field), schema);
    }

    /// The whole of it.
    pub(in crate::descriptor) fn finish(self) -> Json {
        let Self { properties, required } = self;
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    }
}
