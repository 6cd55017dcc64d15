// SPDX-License-Identifier: GPL-3.0-or-later
//! `backup` and `restore`: from one controller to another, with whatever can be wrong with the file, and killed meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use age::secrecy::SecretString;
use serde_json::{Value, json};
use tails_server::bus::api::{self, ArchiveProxy, ManagerProxy, RestoreOptions};
use tails_server::bus::api::{MAX_SECRET, take};
use tails_server_state::{Autostart, Persistence};
use tempfile::TempDir;

use crate::asking::on_a_terminal;
use crate::clients::json as shown;
use crate::given::{Dice, NO_TOR, Process, assert_refused, controller, publish};
use crate::harness::{Answer, Controller};
use crate::manager;

const PASSPHRASE: &str = "correct horse battery staple";

/// A directory with a file that has the passphrase in it.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.path("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn backup(&self, controller: &Controller, name: &str) -> PathBuf {
        let file = self.path(name);
        self.run(controller, "backup", &file, &[]).succeeded();
        file
    }

    fn run(&self, controller: &Controller, verb: &str, file: &Path, options: &[&str]) -> Answer {
        let passphrase = self.path("passphrase");
        let mut arguments = vec![verb, file.to_str().unwrap(), "--passphrase-file", passphrase.to_str().unwrap()];
        arguments.extend(options);
        controller.cli(arguments)
    }

    fn restore(&self, controller: &Controller, file: &Path, options: &[&str]) -> BTreeMap<String, Value> {
        let answer = self.run(controller, "restore", file, &[options, &["--json"]].concat()).succeeded();
        let items: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap();
        items.into_iter().map(|item| (item["name"].as_str().unwrap().to_owned(), item)).collect()
    }
}

fn described() -> Controller {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services");
    let mut controller =
        Controller::new(NO_TOR).arguments(&["--sim", "--services-directory", services.to_str().unwrap()]);
    controller.start();
    controller
}

fn get(controller: &Controller, name: &str, option: &str) -> String {
    controller.cli(["get-option", name, option]).succeeded().stdout.trim_end().to_owned()
}

/// An invitation of the one is followed by the other.
fn join(host: &Controller, guest: &Controller, desk: &Desk) {
    let file = desk.path("invitation");
    host.cli(["invite", "club", "--for", "guest", "--output", file.to_str().unwrap()]).succeeded();
    guest.cli(["join", file.to_str().unwrap(), "--name", "theirs", "--persistent", "--yes"]);
}

#[test]
fn what_is_backed_up_on_one_computer_is_restored_on_another() {
    let (desk, mut old, new) = (Desk::new(), described(), described());
    let web = publish(&old, "web", &["--persistent", "--autostart", "--private", "--client", "alice"]);
    let club = publish(&old, "club", &["--private"]);
    old.cli(["set-option", "mumble", "welcome-message", "line \"one\""]).succeeded();
    old.cli(["enable", "mumble"]).succeeded();
    let other = controller();
    publish(&other, "club", &["--private"]);
    join(&other, &old, &desk);
    old.cli(["request", "--name", "me", "--persistent"]).succeeded();
    let (alice, password) = (shown(&old, &["client", "show", "web", "alice"]), get(&old, "mumble", "server-password"));

    let file = desk.backup(&old, "services.age");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    assert!(!bytes.windows(20).any(|part| part == &web.as_bytes()[..20]));
    assert_refused(desk.run(&old, "backup", &file, &[]), 2, &["exists already"]);
    assert_eq!(fs::read(&file).unwrap(), bytes);

    let planned = desk.run(&new, "restore", &file, &["--dry-run"]).succeeded();
    assert!(planned.stderr.contains("+ web: is added") && !planned.stderr.contains(&web[..20]), "{planned:#?}");
    assert_refused_without_a_word(desk.run(&new, "restore", &file, &[]));
    assert_eq!(names(&new), Vec::<String>::new());
    let done = desk.restore(&new, &file, &["--yes"]);
    for name in ["web", "club", "mumble"] {
        let wanted = json!({"kind": "service", "name": name, "action": "add", "enabled": false});
        assert_eq!(done[name], wanted);
        assert_eq!((new.address(name), new.service_state(name).as_str()), (old.address(name), "disabled"));
    }
    assert_eq!(shown(&new, &["client", "show", "web", "alice"]), alice);
    assert_eq!(get(&new, "mumble", "server-password"), password);
    assert_eq!(get(&new, "mumble", "welcome-message"), "line \"one\"");
    let (here, there) = (shown(&old, &["joined", "theirs"]), shown(&new, &["joined", "theirs"]));
    assert_eq!(
        (&there["address"], &there["ports"], &there["persistence"]),
        (&here["address"], &here["ports"], &true.into())
    );
    assert_eq!(requests(&new), requests(&old));
    // Disabled, and after a boot as well: the old one may still publish them.
    assert_eq!((get(&new, "web", "autostart"), get(&new, "web", "persistence")), ("off".into(), "on".into()));
    assert_eq!((get(&new, "club", "persistence"), new.address("club")), ("off".into(), club));

    assert!(desk.restore(&new, &file, &["--yes"]).values().all(|item| item["action"] == "keep"));
    let again = desk.run(&new, "restore", &file, &[]).succeeded();
    assert!(again.stderr.contains("nothing to restore"), "{again:#?}");
    // Where they are already, nobody is put at risk.
    assert!(desk.restore(&old, &file, &["--yes", "--replace"]).values().all(|item| item["action"] == "keep"));
    old.terminate();
    let taken_over = desk.restore(&new, &file, &["--yes", "--enable", "--replace"]);
    assert_eq!(taken_over["web"]["enabled"], true);
    new.wait_for_state("web", "published");
    assert_eq!((get(&new, "web", "autostart"), new.address("web")), ("on".into(), web.clone()));
    for log in [old.log(), new.log()] {
        assert!(!log.contains(&web[..20]) && !log.contains(&password) && !log.contains("bug:"), "{log}");
    }
}

fn requests(controller: &Controller) -> Vec<(String, String, Vec<u8>)> {
    manager::block_on(async {
        let manager = manager::connect(&controller.bus()).await.unwrap();
        let mut found = Vec::new();
        for (name, public_key, _) in manager.requests().await.unwrap() {
            let (_, key) = manager.request_key(&public_key).await.unwrap();
            let key = take(key.into(), MAX_SECRET).await.unwrap().to_vec();
            found.push((name, public_key, key));
        }
        assert_eq!(found.len(), 1);
        found
    })
}

fn assert_refused_without_a_word(answer: Answer) {
    assert_refused(answer, 6, &["Nothing was restored", "--yes", "one key on two computers harms both"]);
}

fn names(controller: &Controller) -> Vec<String> {
    let rows = shown(controller, &["list"]);
    let known = rows.as_array().unwrap().iter().filter(|row| row["state"] != "available");
    known.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_here_is_never_replaced_in_silence() {
    let (desk, old, new) = (Desk::new(), controller(), controller());
    let theirs = publish(&old, "web", &["--persistent", "--private", "--client", "alice"]);
    let moved = publish(&old, "pad", &["--persistent"]);
    let file = desk.backup(&old, "services.age");
    let ours = publish(&new, "web", &[]);
    publish(&new, "stays", &[]);

    let done = desk.restore(&new, &file, &["--yes"]);
    assert_eq!((&done["web"]["action"], &done["pad"]["action"]), (&"leave".into(), &"add".into()));
    for difference in ["key", "persistence", "client-authorization", "clients"] {
        assert!(done["web"]["differences"].as_array().unwrap().contains(&difference.into()), "{done:#?}");
    }
    assert_eq!((new.address("web"), new.address("pad")), (ours.clone(), moved.clone()));

    let asked = desk.run(&new, "restore", &file, &["--replace"]);
    assert_refused(asked, 6, &["~ web: is replaced", "lost for ever", "let in again", "Nothing was restored"]);
    let done = desk.restore(&new, &file, &["--yes", "--replace"]);
    assert_eq!((&done["web"]["action"], &done["web"]["enabled"]), (&"replace".into(), &false.into()));
    assert_eq!((new.address("web"), new.service_state("web").as_str()), (theirs, "disabled"));
    assert_eq!(names(&new), ["pad", "stays", "web"]);

    // Its key is here under another name.
    new.cli(["remove", "web", "--yes"]).succeeded();
    new.cli(["remove", "pad", "--yes"]).succeeded();
    let key = desk.path("key");
    old.cli(["key", "export", "pad", "--output", key.to_str().unwrap()]).succeeded();
    new.cli(["key", "import", "stays", key.to_str().unwrap(), "--yes"]).succeeded();
    let done = desk.restore(&new, &file, &["--yes", "--replace"]);
    assert_eq!((&done["pad"]["action"], &done["pad"]["taken-by"]), (&"leave".into(), &"stays".into()));
    assert_eq!((names(&new), new.address("stays")), (vec!["stays".into(), "web".into()], moved));
}

#[test]
fn a_file_that_is_not_as_it_was_restores_nothing() {
    let (desk, old, new) = (Desk::new(), controller(), controller());
    publish(&old, "web", &["--persistent"]);
    let file = desk.backup(&old, "services.age");
    let bytes = fs::read(&file).unwrap();
    let other = desk.path("other");
    fs::write(&other, "another passphrase").unwrap();
    let wrong = new.cli(["restore", file.to_str().unwrap(), "--passphrase-file", other.to_str().unwrap(), "--yes"]);
    assert_refused(wrong, 1, &["passphrase is wrong"]);

    let refused = |bytes: &[u8], words: &[&str]| {
        let file = desk.path("broken");
        fs::write(&file, bytes).unwrap();
        let answer = desk.run(&new, "restore", &file, &["--yes"]);
        assert!(!answer.stderr.contains("+ web"), "{answer:#?}");
        assert_refused(answer, 1, words);
    };
    let header = bytes.windows(3).position(|part| part == b"---").unwrap();
    for (length, words) in [
        (0, &["is damaged"][..]),
        (20, &["broken"]),
        (header, &["broken"]),
        (header + 60, &["broken"]),
        (bytes.len() / 2, &["is damaged", "Nothing was restored"]),
        (bytes.len() - 1, &["is damaged"]),
    ] {
        refused(&bytes[..length], words);
    }
    let mut dice = Dice::new(5);
    for _ in 0..8 {
        let mut flipped = bytes.clone();
        let at = usize::try_from(dice.roll(bytes.len() as u64)).unwrap();
        flipped[at] ^= 1 << dice.roll(8);
        refused(&flipped, &[]);
    }
    refused(&[bytes.as_slice(), b"x"].concat(), &["is damaged"]);
    let costly = String::from_utf8_lossy(&bytes[..header]).replace(" 17\n", " 30\n");
    refused(&[costly.as_bytes(), &bytes[header..]].concat(), &["more time and memory"]);
    let missing = desk.run(&new, "restore", Path::new("/nonexistent/x"), &["--yes"]);
    assert_refused(missing, 1, &["Cannot read", "No such file"]);
    assert_eq!(names(&new), Vec::<String>::new());
}

/// Encrypts what is no backup, with as little work as possible.
fn encrypted(content: &[u8]) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(PASSPHRASE.to_owned()));
    recipient.set_work_factor(2);
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut bytes = Vec::new();
    let mut writer = encryptor.wrap_output(&mut bytes).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap();
    bytes
}

fn decrypted(bytes: &[u8]) -> Vec<u8> {
    let identity = age::scrypt::Identity::new(SecretString::from(PASSPHRASE.to_owned()));
    let decryptor = age::Decryptor::new_buffered(bytes).unwrap();
    let mut content = Vec::new();
    decryptor.decrypt(std::iter::once(&identity as _)).unwrap().read_to_end(&mut content).unwrap();
    content
}

fn tarred(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        if *kind == tar::EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        // As no builder would write it: names that lead elsewhere, too.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn what_a_stranger_made_restores_nothing_and_writes_nothing() {
    let (desk, old, new) = (Desk::new(), controller(), controller());
    publish(&old, "web", &["--persistent"]);
    let mut tar =
        tar::Archive::new(std::io::Cursor::new(decrypted(&fs::read(desk.backup(&old, "right.age")).unwrap())));
    let mut parts = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (name, mut content) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        parts.insert(name, content);
    }
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["manifest.json", "remembered.json"]);
    let (manifest, remembered) = (&parts["manifest.json"][..], &parts["remembered.json"][..]);
    let text = String::from_utf8(remembered.to_vec()).unwrap();
    let newer = String::from_utf8(manifest.to_vec()).unwrap().replace("\"version\": 1", "\"version\": 3");
    let second = newer.replace("\"version\": 3", "\"version\": 2");
    let data = second.replace(
        "\"version\": 2",
        "\"version\": 2, \"data\": [{\"service\": \"mumble\", \"entries\": 1, \"bytes\": 0, \"live\": false}]",
    );
    let plain = tar::EntryType::Regular;
    let whole = |remembered: &str| {
        tarred(&[("manifest.json", plain, manifest), ("remembered.json", plain, remembered.as_bytes())])
    };
    let deep = "[".repeat(100_000);
    for (content, words) in [
        (b"no tar".to_vec(), &["is no backup"][..]),
        (Vec::new(), &["is no backup"]),
        (tarred(&[("remembered.json", plain, remembered)]), &["is no backup"]),
        (tarred(&[("manifest.json", plain, manifest)]), &["is damaged"]),
        (tarred(&[("manifest.json", plain, newer.as_bytes())]), &["newer Tails Server", "version 3"]),
        (tarred(&[("manifest.json", plain, b"{}")]), &["is no backup"]),
        (tarred(&[("manifest.json", plain, manifest), ("manifest.json", plain, manifest)]), &["is damaged"]),
        (
            tarred(&[("manifest.json", plain, manifest), ("remembered.json", tar::EntryType::Symlink, b"")]),
            &["is damaged"],
        ),
        (
            tarred(&[("manifest.json", plain, manifest), ("remembered.json", tar::EntryType::Char, b"")]),
            &["is damaged"],
        ),
        (tarred(&[("manifest.json", plain, manifest), ("../../remembered.json", plain, remembered)]), &["is damaged"]),
        (tarred(&[("../manifest.json", plain, manifest)]), &["is no backup"]),
        (
            tarred(&[("manifest.json", plain, second.as_bytes()), ("remembered.json", plain, remembered)]),
            &["is damaged"],
        ),
        (
            tarred(&[
                ("manifest.json", plain, data.as_bytes()),
                ("remembered.json", plain, remembered),
                ("data/mumble/var=lib=mumble-server", tar::EntryType::Directory, b""),
            ]),
            &["is damaged"],
        ),
        (
            tarred(&[
                ("manifest.json", plain, manifest),
                ("remembered.json", plain, remembered),
                ("data/web/srv", tar::EntryType::Directory, b""),
            ]),
            &["is damaged"],
        ),
        (whole(""), &["no backup"]),
        (whole(&deep), &["no backup"]),
        (whole(&text.replace("\"version\": 1", "\"version\": 9")), &["newer Tails Server", "version 9"]),
        (whole(&text.replace("\"web\"", "\"../web\"")), &["is damaged"]),
        (whole(&text.replace("127.0.0.1:1", "192.0.2.1:1")), &["is damaged", "\"web\""]),
        (whole(&text.replace("\"enabled\"", "\"enabeld\"")), &["is damaged"]),
        (whole(&text.replace(&old.address("web"), &"a".repeat(56))), &["is damaged"]),
    ] {
        let file = desk.path("strange");
        fs::write(&file, encrypted(&content)).unwrap();
        assert_refused(desk.run(&new, "restore", &file, &["--yes"]), 1, words);
    }
    assert_eq!(names(&new), Vec::<String>::new());
    let right = desk.path("strange");
    fs::write(&right, encrypted(&whole(&text))).unwrap();
    assert_eq!(desk.restore(&new, &right, &["--yes"])["web"]["action"], "add");
    assert_eq!(new.address("web"), old.address("web"));
}

#[test]
fn passphrases_come_from_a_file_or_are_made_up_and_are_not_short() {
    let (desk, controller) = (Desk::new(), controller());
    publish(&controller, "web", &[]);
    let file = desk.path("services.age");
    assert_refused(controller.cli(["backup", file.to_str().unwrap()]), 6, &["no terminal", "--passphrase-file"]);
    for (passphrase, words) in [("", "No passphrase"), ("short\n", "too short"), ("\nsecond line", "No passphrase")] {
        fs::write(desk.path("passphrase"), passphrase).unwrap();
        assert_refused(desk.run(&controller, "backup", &file, &[]), 2, &[words, "--generate-passphrase"]);
    }
    assert!(!file.exists());
    let made = controller.cli(["backup", file.to_str().unwrap(), "--generate-passphrase"]).succeeded();
    assert_eq!(made.stdout, "");
    let passphrase = made.stderr.lines().find_map(|line| line.split_once("only now: ")).unwrap().1;
    fs::write(desk.path("passphrase"), passphrase).unwrap();
    assert_eq!(desk.restore(&controller, &file, &["--dry-run"])["web"]["action"], "keep");
    // Nothing but the backup is left, and a place where nothing can be written is no matter.
    let left: Vec<_> = fs::read_dir(desk.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_refused(desk.run(&controller, "backup", Path::new("/nonexistent/x"), &[]), 1, &["Cannot write"]);
}

#[test]
fn a_passphrase_is_asked_for_twice_and_shown_never() {
    let (desk, controller) = (Desk::new(), controller());
    let file = desk.path("services.age");
    let (backup, restore) = (format!("backup '{}'", file.display()), format!("restore '{}'", file.display()));
    let (first, second) = ("Passphrase for the backup: ", "The same once more: ");
    for (dialogue, code, words) in [
        (&[(first, "battery staple\r"), (second, "battery stable\r")][..], 2, "not the same"),
        (&[(first, "short\r")], 2, "too short"),
        (&[(first, "\x04")], 2, "No passphrase"),
        (&[(first, "\x03")], 6, "Interrupted: nothing was done"),
    ] {
        let (ended, shown) = on_a_terminal(&controller, &backup, dialogue);
        assert!(ended == Some(code) && shown.contains(words) && !file.exists(), "{ended:?} {shown}");
        assert!(!shown.contains("battery"), "{shown}");
    }
    let address = publish(&controller, "web", &[]);
    let (ended, shown) =
        on_a_terminal(&controller, &backup, &[(first, "bax\x7fttery staple\r"), (second, "x\x15battery staple\r")]);
    assert!(ended == Some(0) && !shown.contains("battery"), "{shown}");
    controller.cli(["remove", "web", "--yes"]).succeeded();
    let (passphrase, word) = (("Passphrase of the backup: ", "battery staple\r"), "Type the word restore");
    let (ended, shown) = on_a_terminal(&controller, &restore, &[passphrase, (word, "yes\r")]);
    assert!(ended == Some(6) && shown.contains("Nothing was restored"), "{shown}");
    let (ended, shown) = on_a_terminal(&controller, &restore, &[passphrase, (word, "restore\r")]);
    assert!(ended == Some(0) && !shown.contains("battery"), "{shown}");
    assert_eq!(controller.address("web"), address);
}

async fn archive(manager: &ManagerProxy<'_>) -> ArchiveProxy<'static> {
    ArchiveProxy::new(manager.inner().connection()).await.unwrap()
}

async fn exported(bus: &Path) -> Vec<u8> {
    let manager = manager::connect(bus).await.unwrap();
    let handed = archive(&manager).await.export().await.unwrap();
    api::take(handed.into(), 1 << 24).await.unwrap().to_vec()
}

#[test]
fn what_is_too_long_or_may_change_is_not_taken_and_two_at_a_time_wait_for_each_other() {
    let controller = controller();
    publish(&controller, "web", &[]);
    manager::block_on(async {
        let manager = manager::connect(&controller.bus()).await.unwrap();
        let archive = archive(&manager).await;
        let options = RestoreOptions::default;
        let long = api::hand_over(&vec![b' '; (16 << 20) + 1]).unwrap();
        let refused = archive.plan(zbus::Fd::from(long.as_fd()), options()).await.unwrap_err();
        assert!(matches!(&refused, api::ApiError::Invalid(why) if why.contains("too long")), "{refused:?}");
        let file = tempfile::tempfile().unwrap();
        let refused = archive.restore(zbus::Fd::from(file.as_fd()), options()).await.unwrap_err();
        assert!(matches!(refused, api::ApiError::Invalid(_)));
        let bus = controller.bus();
        let (one, other) = tokio::join!(exported(&bus), exported(&bus));
        assert_eq!(one, other);
        let right = api::hand_over(&one).unwrap();
        let planned = archive.plan(zbus::Fd::from(right.as_fd()), options()).await.unwrap();
        assert_eq!((planned[0].name.as_str(), planned[0].verdict.as_str()), ("web", "same"));
    });
}

const SERVICES: usize = 12;

/// What a controller has: the address of each service.
async fn addresses(bus: &Path) -> BTreeMap<String, String> {
    let manager = manager::connect(bus).await.unwrap();
    let (_, problems, services) = manager.overview().await.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let mut found = BTreeMap::new();
    for (name, service) in services {
        let address = manager.address(&name).await.unwrap();
        found.insert(name, format!("{address} {}", service.persistence));
    }
    found
}

#[test]
fn a_controller_that_is_killed_while_it_restores_has_all_of_it_or_nothing() {
    // Two backups of the same names, with other keys, in other places.
    let backups = [0, 1].map(|which| {
        let controller = controller();
        manager::block_on(async {
            let manager = manager::connect(&controller.bus()).await.unwrap();
            for number in 0..SERVICES {
                let place = if (number + which) % 3 == 0 { Persistence::Amnesic } else { Persistence::Kept };
                let options = manager::options(&format!("s{number}"), place, Autostart::Off);
                manager.publish(&[(80, "127.0.0.1:1")], options).await.unwrap();
            }
            (exported(&controller.bus()).await, addresses(&controller.bus()).await)
        })
    });
    assert!(backups[0].1.values().all(|address| !backups[1].1.values().any(|other| other == address)));
    let mut controller = controller();
    let mut dice = Dice::new(3);
    let mut is = BTreeMap::new();
    let (mut restored, mut stayed, mut acknowledged) = (0, 0, 0);
    let mut round = 0;
    while round < 120 && (round < 40 || restored < 8 || stayed < 8) {
        round += 1;
        let (bytes, wished) = backups.iter().find(|(_, addresses)| *addresses != is).unwrap();
        let pid = rustix::process::Pid::from_raw(controller.pid().try_into().unwrap()).unwrap();
        // Most of them early, and some after it is acknowledged.
        let moment = Duration::from_micros(dice.roll(if round % 4 == 0 { 200_000 } else { 30_000 }));
        let is_acknowledged = manager::block_on(async {
            let manager = manager::connect(&controller.bus()).await.unwrap();
            let archive = archive(&manager).await;
            let handed = api::hand_over(bytes).unwrap();
            let killer = thread::spawn(move || {
                // Not to wait for anything: to hit any moment of what follows.
                thread::sleep(moment);
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            });
            let options = RestoreOptions { replace: Some(true), enable: None };
            let done = archive.restore(zbus::Fd::from(handed.as_fd()), options).await;
            killer.join().unwrap();
            done.is_ok()
        });
        controller.kill();
        controller.start();
        let found = manager::block_on(addresses(&controller.bus()));
        assert!(found == *wished || !is_acknowledged && found == is, "round {round}: {found:#?}");
        acknowledged += usize::from(is_acknowledged);
        if found == *wished {
            restored += 1
        } else {
            stayed += 1
        }
        is = found;
    }
    println!("{round} kills: {restored} restored, {acknowledged} of them acknowledged, {stayed} as before");
    assert!(restored >= 8 && stayed >= 8, "the kills missed what they should hit: {restored} {stayed}");
    let log = controller.log();
    assert!(!log.contains("panicked") && !log.contains("bug:"), "{log}");
}

#[test]
fn a_backup_that_is_interrupted_leaves_nothing_that_looks_like_one() {
    let (desk, controller) = (Desk::new(), controller());
    publish(&controller, "web", &[]);
    let file = desk.path("services.age");
    let passphrase = desk.path("passphrase");
    let arguments = ["backup", file.to_str().unwrap(), "--passphrase-file", passphrase.to_str().unwrap()];
    let mut process = Process::start(&mut controller.cli_command(arguments));
    process.0.kill().unwrap();
    process.end();
    assert!(!file.exists());
    desk.backup(&controller, "services.age");
    assert!(desk.restore(&controller, &file, &["--dry-run"]).contains_key("web"));
}

#[test]
fn how_a_service_is_started_at_boot_again_is_said_if_it_was() {
    let (desk, old, new) = (Desk::new(), controller(), controller());
    publish(&old, "web", &["--persistent", "--autostart"]);
    publish(&old, "club", &["--persistent"]);
    let file = desk.backup(&old, "services.age");
    let said = |options: &[&str]| desk.run(&new, "restore", &file, options).succeeded().stderr;
    let asleep = said(&["--yes"]);
    assert!(
        asleep.contains("tails-server set-option web autostart on") && !asleep.contains("set-option club"),
        "{asleep}"
    );
    let awake = said(&["--yes", "--enable", "--replace"]);
    assert!(!awake.contains("set-option"), "{awake}");
}

#[test]
fn what_is_amnesic_is_restored_where_the_volume_of_what_is_kept_is_missing() {
    let (here, desk) = (controller(), Desk::new());
    let address = publish(&here, "web", &["--private", "--client", "alice"]);
    let amnesic = desk.backup(&here, "amnesic.age");
    publish(&here, "pad", &["--persistent"]);
    let both = desk.backup(&here, "both.age");

    let there = Controller::new(NO_TOR);
    let state = there.state();
    fs::create_dir_all(&state).unwrap();
    let mut there = there.arguments(&["--sim", "--kept-needs-mount", state.to_str().unwrap()]);
    there.start();
    assert_refused(desk.run(&there, "restore", &both, &["--yes"]), 1, &["Persistent Storage"]);
    assert_eq!(names(&there), [""; 0]);
    for options in [&["--dry-run"][..], &["--yes"]] {
        let restored = desk.restore(&there, &amnesic, options);
        assert_eq!(restored["web"]["action"], "add", "{restored:?}");
    }
    assert_eq!((there.address("web"), names(&there)), (address, vec!["web".to_owned()]));
    assert_eq!(desk.restore(&there, &amnesic, &["--yes"])["web"]["action"], "keep");
    // A backup that is made here would lack what is kept.
    assert_refused(desk.run(&there, "backup", &desk.path("lacking.age"), &[]), 1, &["Persistent Storage"]);
}

#[test]
fn a_passphrase_that_nobody_can_read_makes_no_backup() {
    let (desk, controller) = (Desk::new(), controller());
    let file = desk.path("services.age");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = controller.cli_command(["backup", file.to_str().unwrap(), "--generate-passphrase"]);
    let status = command.stderr(full).status().unwrap();
    assert!(status.code() == Some(1) && !file.exists(), "{status}");
}
