// SPDX-License-Identifier: GPL-3.0-or-later
//! The JSON Schema of descriptors, for editors. It comes from the types that read them.

use serde_json::{Value, json};

use super::check::FORMAT;
use super::read::Read;
use super::service::Service;

/// The JSON Schema of a descriptor, as text.
#[must_use]
pub fn json_schema() -> String {
    let mut schema = Service::schema();
    if let Some(format) = schema.pointer_mut("/properties/format") {
        *format = json!({ "const": FORMAT, "description": "The version of this format." });
    }
    if let Value::Object(entries) = &mut schema {
        let about = "A service of Tails Server, format 1. Made by a test from the types that read it.";
        for (key, value) in [
            ("$schema", "https://json-schema.org/draft/2020-12/schema"),
            ("title", "Service descriptor"),
            ("description", about),
        ] {
            entries.insert(key.to_owned(), value.into());
        }
    }
    // `{:#}` is indented, with the keys in the order of the alphabet.
    format!("{schema:#}\n")
}
