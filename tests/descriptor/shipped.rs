// SPDX-License-Identifier: GPL-3.0-or-later
//! The descriptors that are shipped: clean, rendered as recorded, and quick to read.

use std::fmt::Write;
use std::time::{Duration, Instant};

use tails_server::descriptor::{Access, Debian, Scope, ServiceDescriptor, Trust, lint_file};
use tails_server::descriptor::{Catalog, Origin, Source};
use tails_server::invitation::{Detail, Secrecy};

use crate::samples::{address, assert_recorded, defaults, descriptor, directories, place, shipped};

#[test]
fn every_shipped_descriptor_is_clean() {
    let directories = directories("contrib/services");
    assert!(directories.len() >= 7, "{directories:?}");
    for directory in directories {
        let report = lint_file(&directory).unwrap();
        let texts: Vec<String> = report.findings().iter().map(|finding| finding.text()).collect();
        assert!(texts.is_empty(), "{}", texts.join("\n"));
    }
}

/// All that is rendered of a service with the defaults, as one text.
fn picture(descriptor: &ServiceDescriptor, debian: Debian) -> String {
    let (values, address) = (defaults(descriptor), address());
    let scope = Scope::new(&values, &address, debian);
    let mut text = String::new();
    for rendered in descriptor.render(&scope).unwrap() {
        let file = rendered.file;
        let paths: Vec<String> = file.path.iter().map(ToString::to_string).collect();
        let (owner, group, mode) = (&file.owner, &file.group, file.mode.value);
        writeln!(text, "==> {} {owner}:{group} {mode}\n{}", paths.join(" or "), rendered.contents.expose()).unwrap();
    }
    for user in &descriptor.user {
        writeln!(text, "==> user\n{}\n", user.sysusers_line()).unwrap();
    }
    writeln!(text, "==> unit").unwrap();
    for (key, value) in descriptor.confinement_settings() {
        writeln!(text, "{key}={value}").unwrap();
    }
    let info = descriptor.connection_info(&scope).unwrap();
    writeln!(text, "\n==> connection").unwrap();
    for line in info.lines.iter().chain(&info.uri) {
        let secret = if line.is_secret { " (secret)" } else { "" };
        writeln!(text, "{}{secret}: {}", line.label, line.value.expose()).unwrap();
    }
    text
}

#[test]
fn every_shipped_descriptor_renders_as_recorded() {
    for descriptor in shipped() {
        let [before, newest] = Debian::KNOWN.map(|debian| picture(&descriptor, debian));
        let name = descriptor.name.as_str();
        assert_recorded(&place(&format!("fixtures/descriptors/rendered/{name}.txt")), &newest);
        // Where the releases differ, both are recorded.
        if before != newest {
            assert_recorded(&place(&format!("fixtures/descriptors/rendered/{name}-debian-12.txt")), &before);
        }
    }
}

#[test]
fn what_visitors_need_to_know_fits_into_an_invitation() {
    for descriptor in shipped() {
        let (values, address) = (defaults(&descriptor), address());
        let info = descriptor.connection_info(&Scope::new(&values, &address, Debian::KNOWN[1])).unwrap();
        for line in info.lines {
            let secrecy = if line.is_secret { Secrecy::Secret } else { Secrecy::Open };
            let detail = Detail::new(&line.label, line.value.expose(), secrecy);
            assert!(detail.is_ok(), "{}: {}: {detail:?}", *descriptor.name, line.label);
        }
    }
}

#[test]
fn a_person_s_folder_is_mounted_and_not_written_into_the_configuration() {
    let nginx = descriptor(&place("contrib/services/nginx"));
    let (mut values, address) = (defaults(&nginx), address());
    values.set(&nginx.options(), "folder", "/home/amnesia/My site; \"x\" $y").unwrap();
    for file in nginx.render(&Scope::new(&values, &address, Debian::KNOWN[1])).unwrap() {
        assert!(!file.contents.expose().contains("amnesia"));
    }
    let mounts = nginx.folder_mounts(&values);
    let shown: Vec<_> =
        mounts.iter().map(|mount| (mount.folder.to_string(), mount.mount.as_str(), mount.access)).collect();
    assert_eq!(shown, [("/home/amnesia/My site; \"x\" $y".to_owned(), "/srv/tails-nginx/site", Access::Read)]);
    assert!(values.set(&nginx.options(), "folder", "/home/amnesia/.gnupg").is_err());
}

#[test]
fn no_two_services_want_the_same_port() {
    let mut taken = std::collections::BTreeMap::new();
    for descriptor in shipped() {
        for port in descriptor.port.iter() {
            let before = taken.insert(port.target.value.to_string(), descriptor.name.to_string());
            assert_eq!(before, None, "{} takes {}", *descriptor.name, port.target.value);
        }
    }
}

#[test]
fn all_of_them_listen_on_this_computer_alone_and_speak_to_nobody() {
    for descriptor in shipped() {
        let picture = picture(&descriptor, Debian::KNOWN[1]);
        assert!(picture.contains("127.0.0.1"), "{}", *descriptor.name);
        for elsewhere in ["0.0.0.0", "[::]", "registerName="] {
            assert!(!picture.contains(elsewhere), "{} has {elsewhere}", *descriptor.name);
        }
        assert!(picture.contains("\nIPAddressDeny=any\n"));
    }
}

#[test]
fn the_catalogue_is_read_in_milliseconds() {
    let sources = [Source { path: place("contrib/services"), origin: Origin::Vendor }];
    let trust = Trust::RootAnd(rustix::process::geteuid().as_raw());
    let quickest = (0..5)
        .map(|_| {
            let begun = Instant::now();
            let catalog = Catalog::load(&sources, trust);
            assert!(catalog.iter().count() >= 7 && catalog.problems().is_empty(), "{catalog:?}");
            for (name, entry) in catalog.iter() {
                assert!(entry.descriptor.is_ok(), "{name}: {:?}", entry.descriptor);
            }
            begun.elapsed()
        })
        .min()
        .unwrap();
    println!("{quickest:?}");
    // A few in truth, without optimisation; machines are slow and shared.
    assert!(quickest < Duration::from_millis(500), "{quickest:?}");
}
