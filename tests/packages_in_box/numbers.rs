// SPDX-License-Identifier: GPL-3.0-or-later
//! The hook of an image of Tails that gives our user and our groups the same numbers in each, whoever comes first.

use tails_box::{Release, may_boot};

use crate::system::{NEW, OLD, System, UNIT};

const HOOK: &str = "/root/06-adduser_tails-server";
/// Where Tails keeps the state of the controller.
const STATE: &str = "/var/lib/tails-server";

impl System {
    fn boot_with_hook() -> Option<Self> {
        let system = Self::boot(Release::Trixie)?;
        let hook = crate::package::source().join("contrib/tails/chroot_local-hooks/06-adduser_tails-server");
        system.machine.copy(&hook, HOOK, "0755").unwrap();
        Some(system)
    }

    /// What the tables say of us, each line as Tails' own check of an image wants to have it.
    fn accounts(&self) -> String {
        let entry = |table: &str, name: &str| self.run(&["getent", table, name]);
        entry("passwd", "tails-server") + &entry("group", "tails-server") + &entry("group", "tails-server-admin")
    }

    /// What there is of ours, by the numbers of its owners.
    fn owned_by(&self, number: &str) -> String {
        self.run(&["find", "/", "-xdev", "(", "-uid", number, "-o", "-gid", number, ")", "-print"])
    }
}

/// The lines of IMAGE.md for `usr/share/tails/build/`.
fn documented() -> String {
    let text = std::fs::read_to_string(crate::package::source().join("contrib/tails/IMAGE.md")).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("tails-server") && line.contains(":x:"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn an_image_has_the_same_numbers_whether_the_hook_comes_before_the_package_or_after_it() {
    if !may_boot("an_image_has_the_same_numbers_whether_the_hook_comes_before_the_package_or_after_it") {
        return;
    }
    let Some(before) = System::boot_with_hook() else { return };
    // Somebody else has one of them: the image is not built, and nothing is half done.
    before.run(&["groupadd", "--gid", "261", "somebody"]);
    let (is_done, told) = before.told(&[HOOK]);
    assert!(!is_done && told.contains("261 is to be that of tails-server-admin, and is that of somebody"), "{told}");
    assert!(!before.told(&["getent", "passwd", "tails-server"]).0);
    before.run(&["groupdel", "somebody"]);

    before.run(&[HOOK]);
    before.apt(&["install", OLD]);
    assert_eq!(before.accounts(), documented(), "the package has changed them");
    before.apt(&["install", NEW]);
    assert_eq!(before.accounts(), documented(), "an upgrade has changed them");
    works(&before);

    let Some(after) = System::boot_with_hook() else { return };
    after.apt(&["install", OLD]);
    // While an image is made nothing runs.
    after.run(&["systemctl", "stop", UNIT]);
    let number = after.run(&["stat", "--format=%u", STATE]).trim().to_owned();
    assert_ne!(number, "260");
    for _ in 0..2 {
        after.run(&[HOOK]);
        assert_eq!(after.accounts(), documented());
        assert_eq!(after.owned_by(&number), "", "what was of {number} is nobody's");
    }
    after.run(&["systemctl", "start", UNIT]);
    works(&after);
}

fn works(system: &System) {
    assert!(system.is_active(UNIT), "{}", system.log());
    assert_eq!(system.run(&["stat", "--format=%u:%g", STATE]), "260:260\n");
    assert!(system.run(&["id", "--name", "--groups", "tails-server"]).contains("debian-tor"));
    system.cli(&["status"]);
}
