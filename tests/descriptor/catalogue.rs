// SPDX-License-Identifier: GPL-3.0-or-later
//! Catalogues: directories over one another, and what is not believed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use tails_server::descriptor::{Broken, Catalog, Origin, Source, Trust};
use tempfile::TempDir;

fn us() -> Trust {
    Trust::RootAnd(rustix::process::geteuid().as_raw())
}

fn source(path: &Path, origin: Origin) -> Source {
    Source { path: path.to_owned(), origin }
}

fn descriptor(name: &str, title: &str) -> String {
    format!(
        "format = 1\nname = '{name}'\ntitle = '{title}'\ndescription = 'A test'\ndocumentation = 'https://example.org/'\n\
         icon = 'test'\n[client]\napplication = 'test'\ntitle = 'Test'\n[[port]]\nname = 'main'\ntarget = 8080\n[connection]\n"
    )
}

fn add(directory: &Path, name: &str, text: &str) {
    fs::create_dir_all(directory.join(name)).unwrap();
    fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    write(&directory.join(name).join("service.toml"), text);
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    // Whatever the umask of whoever runs the tests is.
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("ts-").tempdir().unwrap()
}

fn problem(catalog: &Catalog, name: &str) -> String {
    match &catalog.get(name).unwrap().descriptor {
        Ok(_) => panic!("{name} is not broken"),
        Err(broken) => broken.to_string(),
    }
}

#[test]
fn what_comes_later_takes_the_place_of_what_came_before() {
    let (vendor, admin) = (directory(), directory());
    add(vendor.path(), "one", &descriptor("one", "Vendor"));
    add(vendor.path(), "two", &descriptor("two", "Vendor"));
    add(admin.path(), "two", &descriptor("two", "Admin"));
    write(&vendor.path().join("README.md"), "no service");
    let sources = [
        source(vendor.path(), Origin::Vendor),
        source(admin.path(), Origin::Admin),
        source(Path::new("/nonexistent/services"), Origin::Admin),
    ];
    let catalog = Catalog::load(&sources, us());
    assert!(catalog.problems().is_empty());
    let titles: Vec<(&str, &str, Origin)> = catalog
        .iter()
        .map(|(name, entry)| (name, entry.descriptor.as_ref().unwrap().title.as_str(), entry.origin))
        .collect();
    assert_eq!(titles, [("one", "Vendor", Origin::Vendor), ("two", "Admin", Origin::Admin)]);
}

#[test]
fn a_broken_descriptor_breaks_one_service_only() {
    let (vendor, admin) = (directory(), directory());
    for name in ["one", "two", "three"] {
        add(vendor.path(), name, &descriptor(name, "Vendor"));
    }
    add(admin.path(), "two", "format = 1\nname = 'two'\n");
    fs::create_dir(admin.path().join("empty")).unwrap();
    fs::set_permissions(admin.path().join("empty"), fs::Permissions::from_mode(0o755)).unwrap();
    let catalog = Catalog::load(&[source(vendor.path(), Origin::Vendor), source(admin.path(), Origin::Admin)], us());
    assert!(catalog.get("one").unwrap().descriptor.is_ok() && catalog.get("three").unwrap().descriptor.is_ok());
    // Not the vendor's: nobody would know which of the two is in use.
    let said = problem(&catalog, "two");
    assert!(said.contains("two/service.toml, line 1: the key \"title\" is missing here (and"), "{said}");
    assert!(matches!(catalog.get("two").unwrap().descriptor, Err(Broken::Rules(_))));
    let said = problem(&catalog, "empty");
    assert!(said.contains("cannot read") && said.contains("empty/service.toml"), "{said}");
}

#[test]
fn what_others_may_write_is_refused() {
    type Spoil = fn(&Path);
    let table: [(&str, Spoil, &str); 8] = [
        ("the file", |service| chmod(&service.join("service.toml"), 0o666), "can be written by others"),
        ("the group", |service| chmod(&service.join("service.toml"), 0o664), "can be written by others"),
        ("the directory", |service| chmod(service, 0o777), "can be written by others"),
        (
            "a link to a file",
            |service| replace(&service.join("service.toml"), |path| symlink("/etc/hostname", path)),
            "is a link",
        ),
        (
            "a link to a directory",
            |service| {
                fs::rename(service, service.with_file_name(".elsewhere")).unwrap();
                symlink(".elsewhere", service).unwrap();
            },
            "is a link",
        ),
        (
            "a directory",
            |service| replace(&service.join("service.toml"), |path| fs::create_dir(path)),
            "is a link, a device",
        ),
        (
            "a pipe",
            |service| {
                replace(&service.join("service.toml"), |path| {
                    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from(0o644), 0).map_err(Into::into)
                })
            },
            "is a link, a device",
        ),
        ("too large", |service| write(&service.join("service.toml"), &"#\n".repeat(200_000)), "cannot read"),
    ];
    for (what, spoil, expected) in table {
        let directory = directory();
        add(directory.path(), "good", &descriptor("good", "Good"));
        add(directory.path(), "one", &descriptor("one", "One"));
        spoil(&directory.path().join("one"));
        let catalog = Catalog::load(&[source(directory.path(), Origin::Admin)], us());
        let said = problem(&catalog, "one");
        assert!(said.contains(expected), "{what}: {said}");
        assert!(catalog.get("good").unwrap().descriptor.is_ok(), "{what}");
    }
}

#[test]
fn a_companion_that_others_may_write_is_refused() {
    let directory = directory();
    let text = descriptor("one", "One")
        + "[[file]]\npath = '/etc/one/one.conf'\ntemplate = 'one.conf'\nformat = 'plain'\n[hook]\nprogram = 'hook'\n\
           moments = ['configured']\n";
    add(directory.path(), "one", &text);
    let (template, hook) = (directory.path().join("one/one.conf"), directory.path().join("one/hook"));
    write(&template, "one\n");
    write(&hook, "#!/bin/sh\n");
    chmod(&hook, 0o755);
    let load = || Catalog::load(&[source(directory.path(), Origin::Admin)], us());
    assert!(load().get("one").unwrap().descriptor.is_ok(), "{}", problem(&load(), "one"));
    for (path, bad, good) in [(&template, 0o666, 0o644), (&hook, 0o775, 0o755), (&hook, 0o644, 0o755)] {
        chmod(path, bad);
        let said = problem(&load(), "one");
        assert!(said.contains(path.file_name().unwrap().to_str().unwrap()), "{said}");
        chmod(path, good);
        assert!(load().get("one").unwrap().descriptor.is_ok());
    }
}

#[test]
fn a_whole_directory_that_others_may_change_is_refused() {
    let outer = directory();
    let services = outer.path().join("services");
    add(&services, "one", &descriptor("one", "One"));
    chmod(&services, 0o777);
    let load = || Catalog::load(&[source(&services, Origin::Admin)], us());
    assert!(load().get("one").is_none() && load().problems()[0].to_string().contains("can be written by others"));
    chmod(&services, 0o755);
    assert!(load().get("one").is_some());
    // Who may write the directory above can put another in its place.
    chmod(outer.path(), 0o777);
    assert!(load().get("one").is_none() && load().problems()[0].to_string().contains("can be written by others"));
    chmod(outer.path(), 0o755);
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("TAILS_SERVER_WITHOUT_ROOT").is_some(), "this test needs root");
        return;
    }
    let directory = directory();
    for name in ["file", "directory", "good"] {
        add(directory.path(), name, &descriptor(name, "One"));
    }
    for path in ["file/service.toml", "directory"] {
        std::os::unix::fs::chown(directory.path().join(path), Some(12345), None).unwrap();
    }
    let load = |trust| Catalog::load(&[source(directory.path(), Origin::Vendor)], trust);
    let catalog = load(Trust::Root);
    for name in ["file", "directory"] {
        assert!(problem(&catalog, name).contains("belongs to user 12345"), "{}", problem(&catalog, name));
    }
    assert!(catalog.get("good").unwrap().descriptor.is_ok());
    assert!(load(Trust::RootAnd(12345)).get("file").unwrap().descriptor.is_ok());
}

#[test]
fn a_person_s_own_service_needs_no_root() {
    let directory = directory();
    add(directory.path(), "good", &descriptor("good", "Good"));
    for (name, more) in [
        ("packages", "[install]\npackages = ['nginx']\n"),
        ("unit", "[unit]\nname = 'nginx.service'\n"),
        ("persist", "[[persist]]\npath = '/var/lib/x'\n"),
    ] {
        add(directory.path(), name, &(descriptor(name, "One") + more));
    }
    let catalog = Catalog::load(&[source(directory.path(), Origin::Personal)], us());
    assert!(catalog.get("good").unwrap().descriptor.is_ok());
    for name in ["packages", "unit", "persist"] {
        let said = problem(&catalog, name);
        assert!(said.contains("needs root"), "{said}");
    }
    let catalog = Catalog::load(&[source(directory.path(), Origin::Admin)], us());
    assert!(catalog.iter().all(|(_, entry)| entry.descriptor.is_ok()));
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn replace(path: &Path, with: impl FnOnce(&Path) -> std::io::Result<()>) {
    fs::remove_file(path).unwrap();
    with(path).unwrap();
}

#[test]
fn the_digest_of_a_descriptor_is_of_every_file_that_it_is_made_of_and_of_no_other() {
    let directory = directory();
    let service = directory.path().join("sftp");
    fs::create_dir(&service).unwrap();
    fs::set_permissions(&service, fs::Permissions::from_mode(0o755)).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/services/sftp");
    let files: Vec<_> = fs::read_dir(shipped).unwrap().map(|file| file.unwrap().path()).collect();
    for file in &files {
        let path = service.join(file.file_name().unwrap());
        fs::copy(file, &path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let digest = || {
        let catalog = Catalog::load(&[source(directory.path(), Origin::Admin)], us());
        catalog.get("sftp").unwrap().descriptor.as_ref().unwrap().digest()
    };
    let mut seen = vec![digest()];
    fs::write(service.join("README"), "not of it").unwrap();
    assert_eq!(seen, [digest()]);
    for file in &files {
        let path = service.join(file.file_name().unwrap());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + "\n# Edited.\n").unwrap();
        let edited = digest();
        assert!(!seen.contains(&edited), "{}", file.display());
        seen.push(edited);
    }
    assert_eq!(seen.len(), 5);
}
