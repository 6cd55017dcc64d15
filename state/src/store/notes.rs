// SPDX-License-Identifier: GPL-3.0-or-later
//! What a place says in the log: each problem once until it is over, and nothing that names a path or a service except at
//! debug.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use super::error::StoreError;
use super::recovery::Recovery;
use crate::record::Persistence;

/// What can go wrong with a place for longer than one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    /// Reading and writing it.
    Use,
    /// Writing its exports.
    Export,
    /// Overwriting what was removed.
    Scrubbing,
}

/// The log of one place.
pub(super) struct Notes {
    place: Persistence,
    /// What was said last of what is not over.
    said: Mutex<BTreeMap<Matter, &'static str>>,
}

impl Notes {
    pub(super) const fn new(place: Persistence) -> Self {
        Self { place, said: Mutex::new(BTreeMap::new()) }
    }

    /// Says that something does not work, unless that was said.
    pub(super) fn problem(&self, matter: Matter, error: &StoreError) {
        let (place, problem) = (self.place, error.kind());
        tracing::debug!(?place, ?matter, error = with_causes(error), "a problem of the store in full");
        if self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(matter, problem) == Some(problem) {
            return;
        }
        match matter {
            Matter::Use if matches!(error, StoreError::NotMounted { .. }) => {
                tracing::warn!(?place, problem, "a place of the store waits for its volume");
            }
            Matter::Use => tracing::error!(?place, problem, "a place of the store can not be used"),
            Matter::Export => tracing::warn!(?place, problem, "the store was not exported"),
            Matter::Scrubbing => {
                tracing::warn!(?place, problem, "removed keys are not yet overwritten; this is tried again");
            }
        }
    }

    /// It works again.
    pub(super) fn over(&self, matter: Matter) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).remove(&matter);
    }

    /// Says that the place was damaged and was repaired.
    pub(super) fn repaired(&self, recovery: &Recovery) {
        let (place, loss, defect) = (self.place, recovery.kind(), recovery.defect.kind());
        tracing::error!(?place, loss, defect, "a place of the store was damaged and was repaired");
        let (defect, copy) = (&recovery.defect, recovery.copy.display());
        tracing::debug!(?place, %defect, %copy, "{recovery}");
    }
}

fn with_causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += ": ";
        text += &cause.to_string();
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::super::place::Place;
    use super::*;

    type Lines = Arc<Mutex<Vec<(Level, String)>>>;

    /// Keeps all that is said.
    struct Listener(Lines);

    impl Subscriber for Listener {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            struct Text(String);
            impl Visit for Text {
                fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                    self.0 += &format!("{field}={value:?} ");
                }
            }
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push((*event.metadata().level(), text.0));
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    /// What is said to the public, and what at debug.
    fn listen(act: impl FnOnce()) -> (Vec<String>, Vec<String>) {
        let lines = Lines::default();
        tracing::subscriber::with_default(Listener(Arc::clone(&lines)), act);
        let lines = std::mem::take(&mut *lines.lock().unwrap());
        let ours = lines.into_iter().filter(|(_, text)| text.contains("place="));
        let (public, private): (Vec<_>, Vec<_>) = ours.partition(|(level, _)| *level <= Level::INFO);
        let texts = |lines: Vec<(Level, String)>| lines.into_iter().map(|(_, text)| text).collect();
        (texts(public), texts(private))
    }

    fn open(root: &Path) -> Place {
        Place::open(root.to_owned(), Persistence::Kept)
    }

    #[test]
    fn a_problem_is_said_once_and_without_a_path() {
        let root = tempfile::tempdir().unwrap();
        let first = open(root.path());
        let (public, private) = listen(|| {
            let second = open(root.path());
            for _ in 0..3 {
                second.mend();
            }
        });
        assert_eq!(public.len(), 1, "{public:?}");
        assert!(public[0].contains("locked") && !public[0].contains(root.path().to_str().unwrap()), "{public:?}");
        assert!(private.iter().any(|line| line.contains(root.path().to_str().unwrap())), "{private:?}");
        drop(first);
    }

    #[test]
    fn a_repair_is_said_without_a_path() {
        let root = tempfile::tempdir().unwrap();
        let place = open(root.path());
        place.export(super::super::export::Turn::Both, || ()).unwrap();
        drop(place);
        std::fs::remove_dir_all(root.path().join("db-00000001")).unwrap();
        let (public, private) = listen(|| drop(open(root.path())));
        assert_eq!(public.len(), 1, "{public:?}");
        assert!(public[0].contains("repaired") && !public[0].contains(root.path().to_str().unwrap()), "{public:?}");
        assert!(private.iter().any(|line| line.contains("damaged-0001")), "{private:?}");
    }

    #[test]
    fn what_is_over_may_be_said_again() {
        let notes = Notes::new(Persistence::Kept);
        let full = StoreError::Full { path: PathBuf::from("/home/amnesia") };
        let (public, _) = listen(|| {
            for _ in 0..2 {
                notes.problem(Matter::Scrubbing, &full);
                notes.problem(Matter::Scrubbing, &full);
                notes.problem(Matter::Export, &full);
                notes.over(Matter::Scrubbing);
            }
        });
        assert_eq!(public.len(), 3, "{public:?}");
        assert!(public.iter().all(|line| !line.contains("/home")), "{public:?}");
    }
}
