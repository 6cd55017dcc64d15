// SPDX-License-Identifier: GPL-3.0-or-later
//! What a machine prints while it boots, for when it does not.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::Error;

/// More than a screen full.
const TAIL_BYTES: u64 = 4096;

/// A file without a name that the machine's console goes to.
#[derive(Debug)]
pub(crate) struct Console(File);

impl Console {
    pub(crate) fn create() -> Result<Self, Error> {
        tempfile::tempfile().map(Self).map_err(Error::file("create a file in", &std::env::temp_dir()))
    }

    /// For a process to write to.
    pub(crate) fn writer(&self) -> Result<File, Error> {
        self.0.try_clone().map_err(Error::file("use a file in", &std::env::temp_dir()))
    }

    /// The last lines, as far as they can be read.
    pub(crate) fn tail(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let length = self.0.metadata()?.len();
            let mut tail = vec![0; usize::try_from(length.min(TAIL_BYTES)).unwrap_or_default()];
            // The position is shared with the machine: reading must not move it.
            self.0.read_exact_at(&mut tail, length.saturating_sub(TAIL_BYTES))?;
            Ok(tail)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }
}
