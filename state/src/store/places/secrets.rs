// SPDX-License-Identifier: GPL-3.0-or-later
//! Reading one secret, which only the database has.

use super::Places;
use crate::migrations::Unreadable;
use crate::store::defect::Defect;
use crate::store::envelope::Tree;
use crate::store::error::StoreError;
use crate::store::place::Place;

impl Places {
    /// What the row of that key says.
    pub(super) fn secret<T>(
        &self,
        place: &Place,
        tree: Tree,
        key: &str,
        parse: impl Fn(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<T, StoreError> {
        let read = || {
            let row = place.row(tree, key)?;
            parse(&row.payload).map_err(|Unreadable| place.defective(Defect::Form))
        };
        if let Ok(secret) = read() {
            return Ok(secret);
        }
        // Closed after an error, or rewritten at this moment. Once more, with nobody else writing.
        let _writer = self.lock();
        self.ensure_open(place.persistence())?;
        let again = read();
        if again.is_ok() || !place.view().contents.holds(tree, key) {
            return again;
        }
        place.mend();
        self.settle();
        read()
    }
}
