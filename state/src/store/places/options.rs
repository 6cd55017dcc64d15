// SPDX-License-Identifier: GPL-3.0-or-later
//! The values of the options of a service. They are in its place, each in a row of its own, and all of them count as
//! secrets: what a person takes for one is not ours to say.

use std::collections::BTreeMap;

use super::changes::replaced;
use super::{Places, forget};
use crate::Change;
use crate::described::{OptionName, OptionText};
use crate::migrations;
use crate::name::ServiceName;
use crate::record::Persistence;
use crate::store::contents::{Change as RowChange, option_key};
use crate::store::envelope::{Row, Tree};
use crate::store::error::StoreError;
use crate::store::place::is_too_long;

impl Places {
    pub(in crate::store) fn set_option(
        &self,
        service: &ServiceName,
        option: &OptionName,
        text: &OptionText,
    ) -> Result<Change, StoreError> {
        let place = self.place_to_change(service)?;
        let row = option_row(service, option, text)?;
        let is_there = self.of(place).view().contents.holds(Tree::Options, &row.key);
        if is_there && self.option(place, service, option)? == *text {
            return Ok(Change::Unchanged);
        }
        self.of(place).ensure_room()?;
        let key = row.key.clone();
        let mut changes = vec![RowChange::Put(row)];
        if is_there {
            changes.push(replaced(Tree::Options, &key));
        }
        self.of(place).commit(changes)?;
        if is_there {
            self.scrub_or_leave(place);
        }
        Ok(Change::Changed)
    }

    pub(in crate::store) fn reset_option(
        &self,
        service: &ServiceName,
        option: &OptionName,
    ) -> Result<Change, StoreError> {
        let place = self.place_to_change(service)?;
        let key = option_key(service, option);
        if !self.of(place).view().contents.holds(Tree::Options, &key) {
            return Ok(Change::Unchanged);
        }
        self.of(place).commit(forget(Tree::Options, key).into())?;
        self.scrub_or_leave(place);
        Ok(Change::Changed)
    }

    pub(in crate::store) fn options(
        &self,
        service: &ServiceName,
    ) -> Result<BTreeMap<OptionName, OptionText>, StoreError> {
        let place = self.find(service).ok_or_else(|| self.unknown(service))?.record.persistence();
        let names: Vec<_> = self.of(place).view().contents.options(service).cloned().collect();
        let read = |name: OptionName| {
            let key = option_key(service, &name);
            Ok((name, self.secret(self.of(place), Tree::Options, &key, migrations::option_from_payload)?))
        };
        names.into_iter().map(read).collect()
    }

    fn option(&self, place: Persistence, service: &ServiceName, option: &OptionName) -> Result<OptionText, StoreError> {
        let key = option_key(service, option);
        // Whoever holds the writer's lock can not wait for it: a row that can not be read is an error here.
        let row = self.of(place).row(Tree::Options, &key)?;
        migrations::option_from_payload(&row.payload).map_err(|defect| self.of(place).defective(defect.into()))
    }

    /// The place of a service, which can be written.
    fn place_to_change(&self, service: &ServiceName) -> Result<Persistence, StoreError> {
        let place_of = || self.find(service).map(|found| found.record.persistence());
        let place = place_of().ok_or_else(|| self.unknown(service))?;
        self.ensure_open(place)?;
        // It may have been repaired.
        place_of().ok_or_else(|| self.unknown(service))
    }
}

/// The row of an option.
pub(super) fn option_row(service: &ServiceName, option: &OptionName, text: &OptionText) -> Result<Row, StoreError> {
    let payload = migrations::option_to_payload(text);
    let row = Row { tree: Tree::Options, key: option_key(service, option), generation: 0, payload };
    if is_too_long(&row) { Err(StoreError::TooLarge { name: service.clone() }) } else { Ok(row) }
}
