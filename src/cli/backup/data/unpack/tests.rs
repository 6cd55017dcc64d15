// SPDX-License-Identifier: GPL-3.0-or-later
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::super::accounts::Accounts;
use super::super::entries::Entries;
use super::super::pack::Cargo;
use super::*;

fn me() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

fn is_root() -> bool {
    if me().0 == 0 {
        return true;
    }
    println!("LEFT OUT: only root gives files away");
    false
}

fn name() -> ServiceName {
    "web".parse().unwrap()
}

fn rules() -> Rules {
    Rules {
        directories: [("srv=site", "srv=site"), ("old", "new"), ("new", "new")]
            .map(|(there, here)| (there.to_owned(), here.to_owned()))
            .into(),
        users: [("web".to_owned(), 4711)].into(),
        groups: [("web".to_owned(), 4712)].into(),
    }
}

fn plenty() -> Vec<Declared> {
    vec![Declared { service: name(), entries: 1000, bytes: 1 << 30, live: false }]
}

fn entry(path: &str, kind: Kind, size: u64) -> Entry {
    let (user, group) = ("web".to_owned(), "web".to_owned());
    Entry { path: path.into(), kind, size, mode: 0o750, changed: 7, user, group }
}

fn file(path: &str) -> Entry {
    entry(path, Kind::File, 4)
}

fn directory(path: &str) -> Entry {
    entry(path, Kind::Directory, 0)
}

fn link(path: &str, target: &str) -> Entry {
    entry(path, Kind::Link(target.into()), 0)
}

/// Unpacks it into a new directory; beside it is what nobody may touch.
fn unpack(place: &Path, entries: &[Entry]) -> Result<Notes, Trouble> {
    let mut unpacking = Unpacking::new(&plenty(), Meter::new());
    unpacking.put_into(name(), fs::File::open(place).unwrap().into(), rules());
    for entry in entries {
        let size = usize::try_from(entry.size).unwrap();
        unpacking.take(entry, &mut &vec![b'x'; size][..])?;
    }
    unpacking.end().map(|(_, notes)| notes)
}

/// All that is below a directory.
fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            }
            found.push(entry.path().strip_prefix(root).unwrap().display().to_string());
        }
    }
    found.sort();
    found
}

#[test]
fn what_leads_elsewhere_is_refused_and_nothing_is_written_elsewhere() {
    if !is_root() {
        return;
    }
    let site = || directory("data/web/srv=site");
    let deep: Vec<_> = (0..40).map(|depth| directory(&format!("data/web/srv=site{}", "/d".repeat(depth)))).collect();
    let mut lost = deep;
    lost.push(file(&format!("data/web/srv=site{}/x", "/d".repeat(50))));
    for (what, entries) in [
        ("an absolute name", vec![site(), file("/etc/x")]),
        ("a step up", vec![site(), file("data/web/srv=site/../x")]),
        ("a name of no service", vec![directory("data/../srv=site")]),
        ("a service that is not in it", vec![directory("data/other/srv=site")]),
        ("a file where no directory is", vec![file("data/web/srv=site/x")]),
        ("a file in the place of the directory", vec![file("data/web/srv=site")]),
        ("a link in the place of the directory", vec![link("data/web/srv=site", "x")]),
        ("a directory that is missing", vec![site(), file("data/web/srv=site/d/x")]),
        (
            "one that was left",
            vec![site(), directory("data/web/srv=site/d"), file("data/web/srv=site/e"), file("data/web/srv=site/d/x")],
        ),
        ("a name through a link", vec![site(), link("data/web/srv=site/l", "d"), file("data/web/srv=site/l/x")]),
        (
            "a directory in the place of a link",
            vec![site(), link("data/web/srv=site/l", "d"), directory("data/web/srv=site/l")],
        ),
        ("a file in the place of a link", vec![site(), link("data/web/srv=site/l", "f"), file("data/web/srv=site/l")]),
        ("the same directory twice", vec![site(), directory("data/web/old"), site()]),
        ("the same file twice", vec![site(), file("data/web/srv=site/x"), file("data/web/srv=site/x")]),
        ("two names for one directory", vec![directory("data/web/old"), site(), directory("data/web/new")]),
        ("what is not below data", vec![site(), file("remembered.json")]),
        ("a directory far below", lost),
    ] {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("place");
        fs::create_dir(&place).unwrap();
        let done = unpack(&place, &entries);
        assert!(matches!(done, Err(Trouble::Damaged)), "{what}: {done:?}");
        let outside: Vec<_> = tree(root.path()).into_iter().filter(|path| !path.starts_with("place")).collect();
        assert_eq!(outside, [""; 0], "{what}");
    }
}

#[test]
fn a_bomb_is_refused_at_what_the_manifest_says() {
    let declared = [Declared { service: name(), entries: 3, bytes: 8, live: false }];
    let site = || directory("data/web/srv=site");
    let files =
        |count: usize, size| (0..count).map(move |at| entry(&format!("data/web/srv=site/{at}"), Kind::File, size));
    for (what, entries, is_refused) in [
        ("as many as said", files(2, 4).collect::<Vec<_>>(), false),
        ("one more", files(3, 1).collect(), true),
        ("one byte more", files(1, 9).collect(), true),
        ("more than can be counted", files(2, u64::MAX).collect(), true),
        (
            "a million directories",
            (0..1_000_000).map(|at| directory(&format!("data/web/srv=site/{at}"))).collect(),
            true,
        ),
    ] {
        let mut unpacking = Unpacking::new(&declared, Meter::new());
        unpacking.take(&site(), &mut io::empty()).unwrap();
        let taken: Result<(), _> = entries.iter().try_for_each(|entry| unpacking.take(entry, &mut io::empty()));
        assert_eq!(taken.is_err(), is_refused, "{what}");
    }
}

#[test]
fn nobody_but_the_users_of_the_service_owns_anything_and_no_program_runs_as_another() {
    if !is_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let mut entries = vec![directory("data/web/srv=site")];
    for (at, (user, group, mode)) in [
        ("web", "web", 0o640),
        ("root", "root", 0o4755),
        ("shadow", "sudo", 0o640),
        ("web", "shadow", 0o2750),
        ("", "", 0o600),
        ("0", "4711", 0o600),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("data/web/srv=site/{at}");
        entries.push(Entry { user: user.to_owned(), group: group.to_owned(), mode, ..file(&path) });
    }
    entries.extend(
        [("/etc/passwd", "out"), ("../x", "up"), ("l/../../x", "round"), ("0", "in")]
            .map(|(target, name)| link(&format!("data/web/srv=site/{name}"), target)),
    );
    entries.push(directory("data/web/etc=shadow"));
    entries.push(file("data/web/etc=shadow/x"));
    let notes = unpack(root.path(), &entries).unwrap();
    let about = |name: &str| root.path().join("srv=site").join(name).symlink_metadata().unwrap();
    let owned = |name: &str| (about(name).uid(), about(name).gid(), about(name).mode() & 0o7777);
    assert_eq!(owned("0"), (4711, 4712, 0o640));
    assert_eq!(owned("1"), (0, 0, 0o755));
    assert_eq!(owned("2"), (0, 0, 0o640));
    assert_eq!(owned("3"), (4711, 0, 0o750));
    assert_eq!(owned("4"), (0, 0, 0o600));
    assert_eq!(owned("5"), (0, 0, 0o600));
    assert_eq!((about("in").uid(), about("in").gid()), (4711, 4712));
    assert_eq!((notes.count(Note::Foreign), notes.count(Note::Bits)), (4, 2));
    assert_eq!((notes.count(Note::Outward), notes.count(Note::Unknown)), (3, 1));
    assert_eq!(tree(root.path()).len(), 1 + 6 + 1, "{:?}", tree(root.path()));
}

#[test]
fn what_is_packed_comes_out_as_it_was_with_holes_links_and_times() {
    if !is_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let from = root.path().join("srv=site");
    fs::create_dir_all(from.join("a/b")).unwrap();
    let odd = std::ffi::OsString::from_vec(b"\xff\n ".to_vec());
    fs::write(from.join(&odd), "odd").unwrap();
    let long = "l".repeat(250);
    fs::write(from.join("a/b").join(&long), "long").unwrap();
    symlink("../a", from.join("a/link")).unwrap();
    let sparse = fs::File::create(from.join("a/sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (64 << 20) - 3).unwrap();
    for (path, mode, user) in [("a/sparse", 0o604, 5711), ("a/b", 0o711, 5711), ("a", 0o700, 0)] {
        let path = from.join(path);
        std::os::unix::fs::chown(&path, Some(user), Some(user)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
    }
    std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, from.join("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();

    let mut cargo = Cargo::new(Accounts::of(&[("root", 0), ("web", 5711)]));
    cargo.add(name(), vec![from.clone()], false).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    cargo.pack(&mut tar).unwrap();
    assert_eq!(cargo.notes().count(Note::Special), 2);
    let bytes = tar.into_inner().unwrap();

    let place = root.path().join("place");
    fs::create_dir(&place).unwrap();
    let mut unpacking = Unpacking::new(&cargo.declared(), Meter::new());
    unpacking.put_into(name(), fs::File::open(&place).unwrap().into(), rules());
    let mut entries = Entries::new(&bytes[..]);
    while let Some(entry) = entries.next().unwrap() {
        unpacking.take(&entry, &mut entries).unwrap();
    }
    let (contents, notes) = unpacking.end().unwrap();
    assert_eq!(notes.lines(), [""; 0]);
    assert_eq!((contents[&name()].files, contents[&name()].bytes), (4, (64 << 20) + 7));
    let to = place.join("srv=site");
    assert_eq!(fs::read(to.join(&odd)).unwrap(), b"odd");
    assert_eq!(fs::read(to.join("a/b").join(&long)).unwrap(), b"long");
    assert_eq!(fs::read_link(to.join("a/link")).unwrap(), Path::new("../a"));
    assert_eq!(fs::read(to.join("a/sparse")).unwrap(), fs::read(from.join("a/sparse")).unwrap());
    assert!(fs::metadata(to.join("a/sparse")).unwrap().blocks() < 1000, "the hole is filled");
    for (path, owned) in [("a/sparse", (4711, 4712, 0o604)), ("a/b", (4711, 4712, 0o711)), ("a", (0, 0, 0o700))] {
        let about = fs::metadata(to.join(path)).unwrap();
        assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), owned, "{path}");
        assert_eq!(about.mtime(), 1_000_000_000, "{path}");
    }
    assert!(!to.join("socket").exists() && !to.join("pipe").exists());
}
