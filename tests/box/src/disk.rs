// SPDX-License-Identifier: GPL-3.0-or-later
//! What a machine writes to: a layer over the base, in memory, or on a disk of which the power can be cut.

use std::fs::File;
use std::time::Duration;

use crate::enclosure::Enclosure;
use crate::wait::try_until;
use crate::{Base, Error};

/// Where the machine's file system is put together, inside.
pub(crate) const ROOT: &str = "/run/root";
/// Where its own layer is.
const LAYER: &str = "/run/layer";
/// The image of the disk. It lies in memory, so that nothing of it can stay.
const IMAGE: &str = "/run/image";
/// More than a test writes; as the image has holes, only what is written counts.
const IMAGE_BYTES: u64 = 1 << 30;
/// How long processes that were killed may keep a mount busy.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(30);

/// What the machine's own layer is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Memory: quick, and as it is after a reboot.
    Memory,
    /// A file system of its own, with a journal, which forgets what was not synced when the power goes.
    Disk,
}

/// Puts the file system together for the first time.
pub(crate) fn lay(enclosure: &Enclosure, base: &Base, medium: Medium) -> Result<(), Error> {
    enclosure.create_directory(ROOT)?;
    enclosure.create_directory(LAYER)?;
    if medium == Medium::Disk {
        let image = enclosure.path(IMAGE);
        let file = File::create(&image).map_err(Error::file("create", &image))?;
        file.set_len(IMAGE_BYTES).map_err(Error::file("enlarge", &image))?;
        enclosure.run(&["mkfs.ext4", "-q", "-F", IMAGE])?;
    }
    mount(enclosure, base, medium)
}

/// Cuts the power: from here on nothing reaches the disk, not even what its journal still has in memory.
pub(crate) fn cut(enclosure: &Enclosure) -> Result<(), Error> {
    enclosure.run(&["xfs_io", "-x", "-c", "shutdown", LAYER]).map(drop)
}

/// What a machine finds that starts after a power cut, when nothing of the one before runs any more.
pub(crate) fn remount(enclosure: &Enclosure, base: &Base) -> Result<(), Error> {
    for mounted in [ROOT, LAYER] {
        // Not lazily: with the old mount alive, what was never written would still be there to be read.
        let mut last = None;
        let gone = try_until(UNMOUNT_PATIENCE, || match enclosure.run(&["umount", mounted]) {
            Ok(_) => Ok::<_, Error>(Some(())),
            Err(error) => {
                last = Some(error);
                Ok(None)
            }
        })?;
        if let (None, Some(error)) = (gone, last) {
            return Err(error);
        }
    }
    mount(enclosure, base, Medium::Disk)
}

fn mount(enclosure: &Enclosure, base: &Base, medium: Medium) -> Result<(), Error> {
    if medium == Medium::Disk {
        enclosure.run(&["mount", "-o", "loop", IMAGE, LAYER])?;
    }
    let (upper, work) = (format!("{LAYER}/upper"), format!("{LAYER}/work"));
    enclosure.create_directory(&upper)?;
    enclosure.create_directory(&work)?;
    let options = format!("lowerdir={},upperdir={upper},workdir={work}", base.tree().display());
    enclosure.run(&["mount", "-t", "overlay", "-o", &options, "tails-box", ROOT]).map(drop)
}
