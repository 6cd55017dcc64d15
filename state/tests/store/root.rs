// SPDX-License-Identifier: GPL-3.0-or-later
//! Tests that need file systems of their own, hence root. They run in a mount namespace of their own, so that whatever
//! becomes of them leaves no mount and no loop device behind.

use std::path::{Path, PathBuf};
use std::process::Command;

const INSIDE: &str = "TAILS_SERVER_TEST_INSIDE";
const WITHOUT_ROOT: &str = "TAILS_SERVER_WITHOUT_ROOT";

/// Runs the ignored test of that name where it may mount.
pub(crate) fn run_inside(test: &str) {
    if std::env::var_os(WITHOUT_ROOT).is_some() {
        println!("{test}: LEFT OUT, because {WITHOUT_ROOT} is set");
        return;
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "this test mounts file systems: run it as root, or set {WITHOUT_ROOT}=1 to leave it out"
    );
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test}: {status}; see above");
}

/// To be called first by each test that [`run_inside`] runs: outside, its mounts would stay.
pub(crate) fn assert_inside() {
    assert!(std::env::var_os(INSIDE).is_some(), "started by another test only");
}

pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file system of its own, in a file.
pub(crate) struct Medium {
    image: PathBuf,
    pub(crate) mounted: PathBuf,
}

impl Medium {
    pub(crate) fn new(root: &Path, megabytes: u64) -> Self {
        let (image, mounted) = (root.join("image"), root.join("mounted"));
        std::fs::File::create(&image).unwrap().set_len(megabytes * 1024 * 1024).unwrap();
        // Nothing reserved for root, or root would never find it full.
        run("mkfs.ext4", &["-q", "-F", "-m", "0", image.to_str().unwrap()]);
        std::fs::create_dir(&mounted).unwrap();
        let medium = Self { image, mounted };
        medium.mount("rw");
        medium
    }

    pub(crate) fn mount(&self, options: &str) {
        let options = format!("loop,{options}");
        run("mount", &["-o", &options, self.image.to_str().unwrap(), self.mounted.to_str().unwrap()]);
    }

    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        run("mount", &["-o", &options, self.mounted.to_str().unwrap()]);
    }

    pub(crate) fn unmount(&self) {
        run("umount", &[self.mounted.to_str().unwrap()]);
    }

    /// From here on nothing reaches the medium, not even what the journal still has in memory.
    pub(crate) fn cut_power(&self) {
        run("xfs_io", &["-x", "-c", "shutdown", self.mounted.to_str().unwrap()]);
    }

    /// Takes all the room there is, but for so many bytes.
    pub(crate) fn fill(&self, but: usize) -> PathBuf {
        use std::io::Write;
        let path = self.mounted.join("filler");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let spare = self.mounted.join("spare");
        std::fs::write(&spare, vec![b'x'; but]).unwrap();
        std::fs::File::open(&spare).unwrap().sync_all().unwrap();
        for block in [1024 * 1024, 4096, 1] {
            let block = vec![b'x'; block];
            while file.write_all(&block).is_ok() {}
            let _ = file.sync_all();
        }
        std::fs::remove_file(&spare).unwrap();
        std::fs::File::open(&self.mounted).unwrap().sync_all().unwrap();
        path
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mounted).output();
    }
}
