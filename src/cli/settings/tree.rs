// SPDX-License-Identifier: GPL-3.0-or-later
//! Settings as they are written, in TOML or in JSON: nothing is known yet of what they mean, but where each thing is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Place, Wrong};

/// What is written under a name, and where: the line, from 1, is unknown in JSON.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: Option<usize>,
    pub(super) found: Found,
}

/// What is written.
#[derive(Debug)]
pub(super) enum Found {
    Table(Vec<(Word, Node)>),
    List(Vec<Node>),
    Text(String),
    Number(i64),
    Switch(bool),
    /// What settings have nowhere.
    Other,
}

/// A name, and where it is.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) line: Option<usize>,
    pub(super) text: String,
}

/// Reads TOML, or JSON if it begins with a brace, as no TOML can.
pub(super) fn read(text: &str) -> Result<Node, Wrong> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|cause| {
            // The line is told where all lines are.
            let why = cause.to_string();
            let why = why.split(" at line ").next().unwrap_or_default().to_owned();
            Wrong::form(Place::Line(cause.line().max(1)), why)
        });
    }
    let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    match DeTable::parse(text) {
        Ok(table) => Ok(Node { line: Some(1), found: Found::Table(words(table.into_inner(), &line)) }),
        Err(cause) => {
            let why = cause.message().lines().collect::<Vec<_>>().join(" ");
            Err(Wrong::form(Place::Line(cause.span().map_or(1, |span| line(span.start))), why))
        }
    }
}

fn words(table: DeTable<'_>, line: &dyn Fn(usize) -> usize) -> Vec<(Word, Node)> {
    let word = |(name, value): (Spanned<_>, _)| {
        let at = line(name.span().start);
        (Word { line: Some(at), text: std::borrow::Cow::into_owned(name.into_inner()) }, node(value, line))
    };
    table.into_iter().map(word).collect()
}

fn node(value: Spanned<DeValue<'_>>, line: &dyn Fn(usize) -> usize) -> Node {
    let at = line(value.span().start);
    let found = match value.into_inner() {
        DeValue::Table(table) => Found::Table(words(table, line)),
        DeValue::Array(list) => Found::List(list.into_iter().map(|value| node(value, line)).collect()),
        DeValue::String(text) => Found::Text(text.into_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Found::Other, Found::Number)
        }
        DeValue::Boolean(is_on) => Found::Switch(is_on),
        DeValue::Float(_) | DeValue::Datetime(_) => Found::Other,
    };
    Node { line: Some(at), found }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self { line: None, found: from.deserialize_any(AnyVisitor)? })
    }
}

/// Keeps all pairs, so that a name that is there twice is not lost.
struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Found;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut pairs = Vec::new();
        while let Some((text, node)) = map.next_entry()? {
            pairs.push((Word { line: None, text }, node));
        }
        Ok(Found::Table(pairs))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Found::List(nodes))
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        Ok(Found::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Found, E> {
        Ok(Found::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Found, E> {
        Ok(i64::try_from(number).map_or(Found::Other, Found::Number))
    }

    fn visit_bool<E>(self, is_on: bool) -> Result<Found, E> {
        Ok(Found::Switch(is_on))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::Other)
    }
}
