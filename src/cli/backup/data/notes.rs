// SPDX-License-Identifier: GPL-3.0-or-later
//! What was not taken as it was, counted, with one example of each sort.

use std::collections::BTreeMap;

use tr::tr;

use crate::cli::terminal::harmless;

/// What was not taken as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Note {
    /// A socket, a pipe or a device.
    Special,
    /// It changed while it was read.
    Changed,
    /// It came while the rest was read.
    Grown,
    /// Another file system is mounted there.
    Mounted,
    /// Deeper than [`super::MOST_DEPTH`].
    Deep,
    /// A link that leads out of the data.
    Outward,
    /// It belonged to somebody else than the server.
    Foreign,
    /// It ran as somebody else, or the like.
    Bits,
    /// A directory that the descriptor here does not have.
    Unknown,
}

/// All of it.
#[derive(Debug, Default)]
pub(in crate::cli::backup) struct Notes(BTreeMap<Note, (usize, String)>);

impl Notes {
    pub(super) fn add(&mut self, note: Note, path: &[u8]) {
        self.0.entry(note).or_insert_with(|| (0, harmless(&String::from_utf8_lossy(path)))).0 += 1;
    }

    /// A line for each sort.
    pub(in crate::cli::backup) fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(note, (count, path))| line(*note, *count, path)).collect()
    }
}

fn line(note: Note, count: usize, path: &str) -> String {
    match note {
        Note::Special => {
            tr!(
                "Left out: {path}, which is a socket, a pipe or a device"
                    | "Left out: {n} sockets, pipes and devices, such as {path}" % count,
                path
            )
        }
        Note::Changed => {
            tr!(
                "Changed while it was read: {path}" | "{n} files changed while they were read, such as {path}" % count,
                path
            )
        }
        Note::Grown => {
            tr!(
                "Left out: {path}, which came or grew meanwhile"
                    | "Left out: {n} files that came or grew meanwhile, such as {path}" % count,
                path
            )
        }
        Note::Mounted => {
            tr!(
                "Left out: {path}, where another file system is"
                    | "Left out: {n} other file systems, such as {path}" % count,
                path
            )
        }
        Note::Deep => {
            tr!(
                "Left out: {path}, which is too deep in other directories"
                    | "Left out: {n} things that are too deep in other directories, such as {path}" % count,
                path
            )
        }
        Note::Outward => {
            tr!(
                "Left out: the link {path}, which leads out of the data"
                    | "Left out: {n} links that lead out of the data, such as {path}" % count,
                path
            )
        }
        Note::Foreign => {
            tr!(
                "It did not belong to the server, and belongs to root: {path}"
                    | "{n} things did not belong to the server, and belong to root, such as {path}" % count,
                path
            )
        }
        Note::Bits => {
            tr!(
                "It is restored without its special rights: {path}"
                    | "{n} things are restored without their special rights, such as {path}" % count,
                path
            )
        }
        Note::Unknown => {
            tr!(
                "Left out: {path}, which the service does not have here"
                    | "Left out: {n} directories that the service does not have here, such as {path}" % count,
                path
            )
        }
    }
}

#[cfg(test)]
impl Notes {
    pub(super) fn count(&self, note: Note) -> usize {
        self.0.get(&note).map_or(0, |(count, _)| *count)
    }
}
