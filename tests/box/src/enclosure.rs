// SPDX-License-Identifier: GPL-3.0-or-later
//! Mounts and processes of their own, which end with their owner.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::process::Init;
use crate::wait::try_until;
use crate::{Error, program};

/// How long it may take until the process that spoke to us is found.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a tree of control groups, then the rest; and removes the groups when all is over, as they alone are not bound
/// to a namespace.
// The bound (10 s) is for groups that cannot be removed.
const GUARD: &str = r#"
trap '' HUP INT QUIT TERM
umount --lazy /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup && mkdir "/sys/fs/cgroup/$1" || exit 1
unshare --mount --net --pid --fork --kill-child --mount-proc -- sh -c "$2" tails-box
round=0
while [ -e "/sys/fs/cgroup/$1" ] && [ "$round" -lt 200 ]; do
    round=$((round + 1))
    find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} \; 2>/dev/null || sleep 0.05
done
"#;

/// The first process inside. Its own /run keeps what we, ip and systemd-nspawn leave there from the host's; and when
/// the owner of its standard input is gone, it ends, and with it every process and mount.
// Networks made from here get small tables of connections, where the kernel knows how (Linux 6.1): to look who listens
// takes it microseconds then, and else milliseconds.
const INIT: &str = r#"
echo 256 2>/dev/null > /proc/sys/net/ipv4/tcp_child_ehash_entries
mount -t tmpfs -o mode=755 tails-box /run && echo ready || exit 1
while read -r _; do :; done
"#;

/// The namespaces that one machine lives in.
#[derive(Debug)]
pub(crate) struct Enclosure {
    guard: Child,
    init: Init,
    group: String,
}

impl Enclosure {
    pub(crate) fn open() -> Result<Self, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Of a process that had our number before us nothing is left but by an accident.
        let group = format!("tails-box-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut errors = tempfile::tempfile().map_err(Error::file("create a file in", &std::env::temp_dir()))?;
        let mut guard = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-c", GUARD, "tails-box-guard", &group, INIT])
            // The other end is ours alone: std opens it close-on-exec.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().map_err(Error::file("use a file in", &std::env::temp_dir()))?)
            .current_dir("/")
            // Ctrl-C goes to the process group of the terminal: the guard must outlive it.
            .process_group(0)
            .spawn()
            .map_err(Error::run("unshare"))?;
        let mut line = String::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(Error::run("unshare"))?;
        }
        let found = match line.as_str() {
            "ready\n" => try_until(PATIENCE, || Ok::<_, Error>(Init::find(guard.id(), "sh")))?,
            _ => None,
        };
        let Some(init) = found else {
            drop(guard.stdin.take());
            let _ = guard.wait();
            let mut said = String::new();
            // What is no text says nothing.
            let _ = errors.rewind().and_then(|()| errors.read_to_string(&mut said));
            return Err(Error::NotAllowed { said });
        };
        Ok(Self { guard, init, group })
    }

    /// A command inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.pid().to_string(), "--mount", "--net", "--pid", "--", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a program inside to its end; its standard output.
    pub(crate) fn run(&self, words: &[&str]) -> Result<String, Error> {
        let (program, arguments) = words.split_first().unwrap_or((&"true", &[]));
        program::run(self.command(program).args(arguments))
    }

    /// A path of the inside, as we see it.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.init.path(inside)
    }

    /// Creates a directory inside, and those above it.
    pub(crate) fn create_directory(&self, inside: &str) -> Result<(), Error> {
        let path = self.path(inside);
        fs::create_dir_all(&path).map_err(Error::file("create", &path))
    }

    /// The control group for the machine, as it is seen inside.
    pub(crate) fn group(&self) -> String {
        format!("/sys/fs/cgroup/{}", self.group)
    }

    /// Ends every process inside, and returns at once.
    pub(crate) fn end(&mut self) {
        drop(self.guard.stdin.take());
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        self.end();
        // Nobody can be told here.
        let _ = self.guard.wait();
    }
}
