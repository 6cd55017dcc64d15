// SPDX-License-Identifier: GPL-3.0-or-later
//! A backup with the data of a server, restored where its user has another number.

use tails_box::{Options, Release, may_boot, wait_until};

use crate::system::{PATIENCE, System};

const KEPT: &str = "/var/lib/tails-server-data";
const FILES: &str = "/var/lib/tails-server-data/sftp/srv=tails-sftp=files";
const BACKUP: &str = "/root/all.age";
const USER: &str = "tails-sftp";

/// What its user has put into the folder.
const MADE: &str = "umask 027; mkdir shared; echo hello > shared/letter; chmod 0604 shared/letter; \
                    ln -s shared/letter link; truncate -s 8M hole; mkfifo pipe";

fn number(system: &System) -> String {
    system.run(&["id", "--user", USER]).trim().to_owned()
}

/// What there is, whose it is by name, and what is in it.
fn picture(system: &System) -> String {
    let list = r"find . ! -type p -printf '%P %y %m %u %g %s %Ts %l\n' | sed 's/\(^[^ ]* d .*\) [0-9]* \([0-9]* \)/\1 \2/' | sort";
    system.run(&["sh", "-c", &format!("cd {FILES} && {list} && cat shared/letter")])
}

fn restore(system: &System, words: &[&str]) -> tails_box::Answer {
    system.attempt(&[&["--json", "restore", BACKUP, "--passphrase-file", "/root/passphrase"], words].concat())
}

#[test]
fn a_server_goes_on_with_its_data_from_a_backup_where_its_user_has_another_number() {
    if !may_boot("a_server_goes_on_with_its_data_from_a_backup_where_its_user_has_another_number") {
        return;
    }
    let Some(system) = System::boot(Release::Trixie, Options::new()) else { return };
    system.machine.write("/root/passphrase", "correct horse battery\n").unwrap();
    system.cli(&["enable", "sftp"]);
    system.cli(&["set-option", "sftp", "persistence", "on"]);
    system.wait_for_state("sftp", "waiting-for-tor");
    system.wait_until_applied("sftp");
    // It finds them elsewhere: where they are kept nobody gets but root.
    let as_user = format!(r#"cd {FILES} && exec setpriv --reuid={USER} --regid={USER} --clear-groups sh -c "$0""#);
    system.run(&["sh", "-c", &as_user, MADE]);
    let (made, host_key, address) = (picture(&system), system.option("sftp", "host-key"), system.address("sftp"));
    let before = number(&system);

    let backup = ["backup", BACKUP, "--with-data", "--passphrase-file", "/root/passphrase"];
    let refused = system.attempt(&backup);
    assert!(
        refused.status.code() == Some(1) && refused.stderr.contains("tails-server disable sftp"),
        "{}",
        refused.stderr
    );
    system.cli(&["disable", "sftp"]);
    system.wait_for_state("sftp", "disabled");
    let told = system.attempt(&backup);
    assert!(told.status.success() && told.stderr.contains("pipe, which is a socket"), "{}", told.stderr);

    // Another computer, as far as the service goes.
    system.cli(&["remove", "sftp", "--yes"]);
    assert_eq!(system.run(&["ls", "-A", KEPT]), "");
    system.run(&["userdel", USER]);
    system.run(&["useradd", "--system", "--uid", &before, "somebody"]);
    let planned = restore(&system, &["--dry-run"]);
    assert!(planned.stderr.contains("Its server is installed first"), "{}", planned.stderr);
    assert_eq!(system.run(&["ls", "-A", KEPT]), "");
    let done = restore(&system, &["--yes"]);
    assert!(done.status.success(), "{}\n{}", done.stderr, system.log());
    assert!(done.stderr.contains("tails-server enable sftp"), "{}", done.stderr);
    let done: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&done[0]["action"], &done[0]["data"]["action"]), (&"add".into(), &"restore".into()), "{done:#}");
    assert_eq!(done[0]["data"]["bytes"].as_u64().map(|bytes| bytes > 8 << 20), Some(true), "{done:#}");
    system.cli(&["enable", "sftp"]);
    system.wait_for_state("sftp", "waiting-for-tor");
    assert_ne!(number(&system), before);
    assert_eq!(picture(&system), made);
    assert_eq!((system.option("sftp", "host-key"), system.address("sftp")), (host_key, address));
    let blocks = system.run(&["stat", "--format=%b", &format!("{FILES}/hole")]);
    assert!(blocks.trim().parse::<u64>().unwrap() < 100, "the hole is filled: {blocks}");
    assert_eq!(system.run(&["ls", "-A", KEPT]), "sftp\n", "nothing is left of it");

    // Back to what it was: what came after is put aside, and nobody else reads it.
    system.run(&["sh", "-c", &format!("echo changed > {FILES}/shared/letter")]);
    let refused = restore(&system, &["--replace", "--yes"]);
    assert!(refused.status.code() == Some(1) && refused.stderr.contains("disable sftp"), "{}", refused.stderr);
    system.cli(&["disable", "sftp"]);
    system.wait_for_state("sftp", "disabled");
    let done = restore(&system, &["--replace", "--yes"]);
    assert!(done.status.success(), "{}", done.stderr);
    assert_eq!(picture(&system), made);
    let aside = system.run(&["sh", "-c", &format!("ls -d {FILES}.before-*")]);
    let aside = aside.trim();
    assert!(done.stderr.contains(aside), "{}", done.stderr);
    assert_eq!(system.run(&["cat", &format!("{aside}/shared/letter")]), "changed\n");
    for path in [aside.to_owned(), format!("{aside}/shared/letter"), format!("{KEPT}/sftp")] {
        let read = ["setpriv", "--reuid=somebody", "--regid=nogroup", "--clear-groups", "find", &path, "-type", "f"];
        assert!(!system.machine.attempt(&read).unwrap().stdout.contains("letter"), "{path}");
    }

    // A crash between the data and the wishes: no server starts on them.
    let mark = format!("{KEPT}/sftp/.restoring");
    system.run(&["touch", &mark]);
    system.cli(&["enable", "sftp"]);
    let told = wait_until(PATIENCE, || {
        let status = system.status("sftp");
        status["problem"].as_str().unwrap_or_default().contains("restored from a backup").then_some(status)
    });
    let told = told.unwrap_or_else(|| unreachable!("{:#}\n{}", system.status("sftp"), system.log()));
    assert_eq!((&told["running"], &told["published"]), (&false.into(), &false.into()), "{told:#}");
    let done = restore(&system, &["--replace", "--yes"]);
    assert!(done.status.success(), "{}", done.stderr);
    system.wait_for_state("sftp", "waiting-for-tor");
    assert_eq!(picture(&system), made);
}
