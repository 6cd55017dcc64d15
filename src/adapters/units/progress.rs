// SPDX-License-Identifier: GPL-3.0-or-later
//! Following the progress of an act: the kernel tells when the helper writes its file.

use std::io;
use std::path::{Path, PathBuf};

use inotify::{Inotify, WatchMask};
use tokio::io::unix::AsyncFd;

use super::{places, told};
use crate::controller::Progress;

/// What the helper does is a file moved to its place; its directory may still be to come.
const CHANGES: WatchMask = WatchMask::MOVED_TO.union(WatchMask::CREATE).union(WatchMask::CLOSE_WRITE);
/// Room for some events; what they say does not matter.
const BUFFER_BYTES: usize = 4096;

/// Watches the directory in which the helper tells of a service.
pub(super) struct Watching {
    directory: PathBuf,
    /// Without it the act is carried out all the same, and nobody sees how far it has come.
    inotify: Option<AsyncFd<Inotify>>,
}

impl Watching {
    pub(super) fn begin(directory: PathBuf) -> Self {
        let inotify = Inotify::init().and_then(|inotify| {
            #[expect(deprecated, reason = "its successor is unsafe, for types that may change their descriptor")]
            AsyncFd::new(inotify)
        });
        let watching = Self { inotify: inotify.ok(), directory };
        watching.watch_deeper();
        watching
    }

    /// Waits for the end of an act, and tells of its progress until then.
    pub(super) async fn tell<T, F: Future<Output = ()>>(
        mut self,
        ended: impl Future<Output = T>,
        tell: impl Fn(Progress) -> F,
    ) -> T {
        let mut ended = std::pin::pin!(ended);
        let mut told = None;
        loop {
            // A file from an act before this one would say where that was.
            let progress = self.read().await;
            if progress.is_some() && progress != told {
                told.clone_from(&progress);
                if let Some(progress) = progress {
                    tell(progress).await;
                }
            }
            tokio::select! {
                ended = &mut ended => return ended,
                () = self.changed() => {}
            }
        }
    }

    async fn read(&self) -> Option<Progress> {
        let path = self.directory.join("progress.json");
        let text = tokio::task::spawn_blocking(move || places::read(&path)).await.ok()??;
        told::progress(&text)
    }

    /// Waits until something changed; for ever if that can not be known.
    async fn changed(&mut self) {
        if self.next().await.is_err() {
            self.inotify = None;
            std::future::pending::<()>().await;
        }
        self.watch_deeper();
    }

    async fn next(&mut self) -> io::Result<()> {
        let Some(inotify) = self.inotify.as_mut() else { return std::future::pending().await };
        loop {
            let mut ready = inotify.readable_mut().await?;
            let mut buffer = [0; BUFFER_BYTES];
            match ready.try_io(|inotify| inotify.get_mut().read_events(&mut buffer).map(drop)) {
                Ok(read) => return read,
                Err(_would_block) => {}
            }
        }
    }

    /// Watches the directory, or the deepest one above it that is there already.
    fn watch_deeper(&self) {
        let Some(inotify) = &self.inotify else { return };
        let there = self.directory.ancestors().find(|ancestor| Path::is_dir(ancestor));
        if let Some(there) = there {
            // Watching the same twice is watching it once. Where it can not be watched, nobody sees progress.
            let _ = inotify.get_ref().watches().add(there, CHANGES);
        }
    }
}
