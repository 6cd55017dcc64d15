// SPDX-License-Identifier: GPL-3.0-or-later
//! The JSON Schema: as recorded, and of one mind with the program.

use std::fs;

use serde_json::Value;
use tails_server::descriptor::json_schema;

use crate::samples::{assert_recorded, directories, place};

#[test]
fn the_schema_is_that_of_the_types() {
    assert_recorded(&place("contrib/services/schema.json"), &json_schema());
}

/// As much of JSON Schema as ours uses, patterns aside.
fn fits(schema: &Value, value: &Value) -> bool {
    let is_type = match schema.get("type").and_then(Value::as_str) {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64(),
        Some(other) => panic!("the schema has the type {other}"),
    };
    let one_of = schema.get("oneOf").and_then(Value::as_array);
    is_type
        && schema.get("const").is_none_or(|wanted| wanted == value)
        && one_of.is_none_or(|all| all.iter().filter(|one| fits(one, value)).count() == 1)
        && value.as_array().is_none_or(|items| {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            items.len() as u64 >= least
                && items.iter().all(|item| schema.get("items").is_none_or(|one| fits(one, item)))
        })
        && value.as_object().filter(|_| schema.get("properties").is_some()).is_none_or(|entries| {
            let properties = &schema["properties"];
            let required = schema["required"].as_array();
            required.is_none_or(|keys| keys.iter().all(|key| entries.contains_key(key.as_str().unwrap())))
                && entries.iter().all(|(key, value)| properties.get(key).is_some_and(|one| fits(one, value)))
        })
}

fn descriptor(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

#[test]
fn what_is_shipped_fits_the_schema() {
    let schema: Value = serde_json::from_str(&json_schema()).unwrap();
    for directory in directories("contrib/services") {
        let text = fs::read_to_string(directory.join("service.toml")).unwrap();
        assert!(fits(&schema, &descriptor(&text)), "{}", directory.display());
        // And it is no schema that all fits.
        assert!(!fits(&schema, &descriptor(&text.replace("\ntitle = ", "\ntitel = "))), "{}", directory.display());
        assert!(!fits(&schema, &descriptor(&text.replace("format = 1\n", "format = 2\n"))), "{}", directory.display());
    }
}
