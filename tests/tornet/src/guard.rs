// SPDX-License-Identifier: GPL-3.0-or-later
//! A directory that goes away with its owner, and takes the tors in it along.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::Error;

/// The longest directory in which every control socket still fits into `sun_path` (108 bytes).
const LONGEST_PARENT: usize = 48;

/// What the guard does: wait for the end of its standard input, that is, of the owner; then kill
/// every tor whose command line names the directory, and remove the directory, until both are gone.
// The bound (10 s) is for a directory that cannot be removed.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
while read -r _; do :; done
round=0
while [ "$round" -lt 200 ]; do
    round=$((round + 1))
    found=no
    for process in /proc/[0-9]*; do
        read -r name 2>/dev/null < "$process/comm" || continue
        [ "$name" = tor ] || continue
        grep -qsF -- "$1/" "$process/cmdline" || continue
        kill -KILL "${process#/proc/}" 2>/dev/null
        found=yes
    done
    rm -rf -- "$1" 2>/dev/null
    [ "$found" = no ] && ! [ -e "$1" ] && exit 0
    sleep 0.05
done
exit 1
"#;

/// A private temporary directory under the eyes of a guard process.
#[derive(Debug)]
pub(crate) struct GuardedDirectory {
    directory: TempDir,
    guard: Child,
}

impl GuardedDirectory {
    /// Creates the directory and starts its guard.
    ///
    /// # Errors
    /// If the directory cannot be created or there is no shell.
    pub(crate) fn create() -> Result<Self, Error> {
        let parent = parent(env::temp_dir());
        // mkdtemp makes it with mode 0700, as tor wants the directory of a control socket.
        let directory = tempfile::Builder::new()
            .prefix("tornet-")
            .tempdir_in(&parent)
            .map_err(Error::file("create a directory in", &parent))?;
        let guard = Command::new("sh")
            .args(["-c", SCRIPT, "tornet-guard"])
            .arg(directory.path())
            // The other end is ours alone: std opens it close-on-exec, so that no tor holds it.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // Ctrl-C goes to the process group of the terminal: the guard must outlive it.
            .process_group(0)
            .spawn()
            .map_err(Error::run("sh"))?;
        Ok(Self { directory, guard })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for GuardedDirectory {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Nobody can be told here; what is left over shows in the guard's exit status only.
        let _ = self.guard.wait();
    }
}

/// The directory for temporary files, unless its path is too long for sockets.
fn parent(wanted: PathBuf) -> PathBuf {
    if wanted.as_os_str().len() <= LONGEST_PARENT { wanted } else { PathBuf::from("/tmp") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_gone_after_drop_even_if_it_is_not_empty() {
        let guarded = GuardedDirectory::create().unwrap();
        let path = guarded.path().to_owned();
        std::fs::create_dir(path.join("data")).unwrap();
        std::fs::write(path.join("data/file"), "x").unwrap();
        drop(guarded);
        assert!(!path.exists());
    }

    #[test]
    fn a_long_path_for_temporary_files_is_not_used() {
        assert_eq!(parent(PathBuf::from("/var/tmp")), Path::new("/var/tmp"));
        assert_eq!(parent(PathBuf::from(format!("/{}", "x".repeat(60)))), Path::new("/tmp"));
    }
}
