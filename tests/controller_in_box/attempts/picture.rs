// SPDX-License-Identifier: GPL-3.0-or-later
//! Everything that an attempt could change.

use std::collections::BTreeSet;

use crate::system::System;

/// Files, rules, users, packages, and what people asked for. Of the stores only whose they are: the controller writes them.
const LASTING: &str = r#"find /run/tails-server /run/tails-server-helper /var/lib/tails-server /var/lib/tails-server-helper \
    /var/lib/tails-server-data /etc /run/systemd/system /run/systemd/transient /usr/share/tails-server \
    /usr/lib/tails-server /usr/share/polkit-1 /usr/share/dbus-1 /usr/lib/systemd/system /run/tor \
    \( -path '*/kept/*' -o -path '*/amnesic/*' -o -name '*.before-*' \) -prune -o -printf '%y %m %u %g %p %l\n'
find /run/tails-server/wishes /run/tails-server-helper /var/lib/tails-server-helper /etc /run/systemd/system \
    -type f -size -512k ! -path '*/ssl/*' ! -name '*.before-*' -exec sha256sum {} +
nft list ruleset
ip rule; ip route show table all
dpkg-query --show
tails-server --bus system --json status | grep -v '"since"'
for name in kept amnesic ngircd; do tails-server --bus system address $name; done
tails-server --bus system get-option ngircd password
ls -A /dev/shm
"#;

/// Processes and units.
const LIVES: &str = r#"for unit in tails-serverd.service ngircd.service tor@default.service dbus.service polkit.service \
    tails-server-firewall.service; do
    systemctl show --property=Id,InvocationID,MainPID,NRestarts,ActiveState,DropInPaths,FragmentPath,UnitFileState,User $unit
done
systemctl list-units --all --plain --no-legend 'tails-server*' 'tor*' 'ngircd*'
systemctl show-environment
busctl status org.boum.tails.Server1 | grep -E '^(PID|EUID|Unit)='
"#;

/// What it looks like at one moment.
pub(super) struct Picture {
    lasting: BTreeSet<String>,
    lives: BTreeSet<String>,
}

impl Picture {
    pub(super) fn take(system: &System) -> Self {
        let lines = |script: &str| system.run(&["sh", "-c", script]).lines().map(str::to_owned).collect();
        let (lasting, lives): (BTreeSet<String>, BTreeSet<String>) = (lines(LASTING), lines(LIVES));
        assert!(lasting.len() > 100 && lives.len() > 10, "{lasting:#?} {lives:#?}");
        Self { lasting, lives }
    }

    /// Nothing changed at all.
    pub(super) fn assert_same(&self, before: &Self) {
        self.assert_lasts(before);
        same(&self.lives, &before.lives);
    }

    /// Nothing changed but lives of programs.
    pub(super) fn assert_lasts(&self, before: &Self) {
        same(&self.lasting, &before.lasting);
    }
}

fn same(now: &BTreeSet<String>, before: &BTreeSet<String>) {
    let gone: Vec<_> = before.difference(now).collect();
    let new: Vec<_> = now.difference(before).collect();
    assert!(gone.is_empty() && new.is_empty(), "gone: {gone:#?}\nnew: {new:#?}");
}
