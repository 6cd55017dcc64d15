// SPDX-License-Identifier: GPL-3.0-or-later
//! The guide to descriptors says what there is.

use std::fs;

use tails_server::descriptor::{CommonOption, Cost, Format, Group, Moment, OptionType};

use crate::samples::place;

#[test]
fn the_guide_names_every_word_that_a_beginner_needs() {
    let guide = fs::read_to_string(place("contrib/services/README.md")).unwrap();
    let words = OptionType::ALL.iter().map(|word| word.as_str());
    let words = words.chain(CommonOption::ALL.iter().map(|word| word.as_str()));
    let words = words.chain(Format::ALL.iter().map(|word| word.as_str()));
    let words = words.chain(Moment::ALL.iter().map(|word| word.as_str()));
    let words = words.chain(Cost::ALL.iter().map(|word| word.as_str()));
    let words = words.chain(Group::ALL.iter().map(|word| word.as_str()));
    for word in words {
        assert!(guide.contains(&format!("`{word}`")), "the guide does not name `{word}`");
    }
    let schema: serde_json::Value = serde_json::from_str(&tails_server::descriptor::json_schema()).unwrap();
    for key in schema["properties"].as_object().unwrap().keys() {
        let named = [format!("`{key}"), format!("`[{key}]`"), format!("`[[{key}]]`")];
        assert!(named.iter().any(|named| guide.contains(named)), "the guide does not name {key}");
    }
}
