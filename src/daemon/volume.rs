// SPDX-License-Identifier: GPL-3.0-or-later
//! Watches for the volume of what is kept: each time something is mounted or unmounted, the loop looks.

use std::fs::File;
use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::{info, warn};

use crate::controller::Controller;

/// Changes of what is mounted in our namespace: proc_pid_mountinfo(5), under poll(2).
pub(super) struct Mounts(AsyncFd<File>);

impl Mounts {
    /// From here on no change is missed.
    ///
    /// # Errors
    /// The system does not tell what is mounted.
    pub(super) fn watch() -> io::Result<Self> {
        let file = File::open("/proc/self/mountinfo")?;
        #[expect(deprecated, reason = "a File keeps its descriptor; what came instead needs unsafe code")]
        AsyncFd::with_interest(file, Interest::PRIORITY).map(Self)
    }

    async fn changed(&self) -> io::Result<()> {
        self.0.ready(Interest::PRIORITY).await?.clear_ready();
        Ok(())
    }

    /// Has the loop look at every change, and once at the beginning. Ends only with the loop or when nothing can be seen.
    pub(super) async fn tell(self, controller: Controller) {
        loop {
            match controller.look_at_mounts().await {
                Ok(tails_server_state::Change::Changed) => info!("the volume of what is kept has come or gone"),
                Ok(tails_server_state::Change::Unchanged) => {}
                Err(_) => return,
            }
            if let Err(cause) = self.changed().await {
                warn!(%cause, "cannot see what is mounted; the volume of what is kept is looked for when it is needed");
                return;
            }
        }
    }
}
