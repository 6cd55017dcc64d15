// SPDX-License-Identifier: GPL-3.0-or-later
//! A descriptor with its companions and the values of its options: whatever it is, it is judged, and what is found good is
//! rendered with any values. Parts are divided by U+001E: the name, the text of `service.toml`, and then, in any number,
//! companions (a name, a line feed and a text) and values (`=` and a text; they go round over the options).
#![no_main]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tails_server::descriptor::{
    CompanionName, Companions, Debian, OptionKind, OptionValues, Report, Scope, ServiceDescriptor, check,
};
use tails_server_state::OnionAddress;

/// More than anything here takes, also on a machine that does other things, with a program that counts all its branches.
const PATIENCE: Duration = Duration::from_secs(5);
/// Much more than any configuration has; what is given has some kibibytes.
const MOST_BYTES: usize = 64 * 1024 * 1024;

struct Beside(BTreeMap<String, String>);

impl Companions for Beside {
    fn text(&self, name: &CompanionName) -> Result<String, String> {
        self.0.get(name.as_str()).cloned().ok_or_else(|| "there is no such file".to_owned())
    }

    fn program(&self, name: &CompanionName) -> Result<[u8; 32], String> {
        self.text(name).map(|_| [0; 32])
    }
}

fuzz_target!(|data: &[u8]| {
    let begun = Instant::now();
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\u{1e}');
    let (Some(name), Some(toml)) = (parts.next(), parts.next()) else { return };
    let (mut companions, mut values) = (BTreeMap::new(), Vec::new());
    for part in parts {
        match (part.strip_prefix('='), part.split_once('\n')) {
            (Some(value), _) => values.push(value),
            (None, Some((name, text))) => drop(companions.insert(name.to_owned(), text.to_owned())),
            (None, None) => {}
        }
    }
    let companions = Beside(companions);
    let checked = check(name, toml, &companions);
    let report = Report::new("service.toml", toml, &companions.0, checked.findings);
    for finding in report.findings() {
        // What somebody else has written is shown in a terminal, and becomes a command in a line of a log.
        let text = finding.text();
        assert!(!text.chars().any(|character| character.is_control() && character != '\n'), "{text:?}");
        assert_eq!(finding.github().lines().count(), 1);
    }
    if let Some(descriptor) = checked.descriptor {
        render(&descriptor, &values, data);
    }
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
});

fn render(descriptor: &ServiceDescriptor, texts: &[&str], data: &[u8]) {
    let options = descriptor.options();
    let mut values = OptionValues::defaults(&options).expect("the system has random numbers");
    let mut texts = texts.iter().cycle();
    for option in &options {
        let Some(text) = texts.next() else { break };
        let name = option.name().as_str();
        if matches!(option.kind, OptionKind::TlsFingerprint(_) | OptionKind::SshHostKey(_)) {
            values.probed(name, (*text).to_owned());
        } else if let Err(error) = values.set(&options, name, text) {
            assert_kept_secret(&error.to_string(), text, data);
        }
    }
    // The base point of the curve: nobody's.
    let mut key = [0x66; 32];
    key[0] = 0x58;
    let address = OnionAddress::from_public_key(key).expect("it is a public key");
    for debian in Debian::KNOWN {
        let scope = Scope::new(&values, &address, debian);
        let bytes = match descriptor.render(&scope) {
            Ok(files) => files.iter().map(|file| file.contents.expose().len()).sum(),
            Err(error) => {
                options.iter().filter_map(|option| values.value(option.name().as_str())).for_each(|value| {
                    assert_kept_secret(&error.to_string(), &value.expose(), data);
                });
                0
            }
        };
        assert!(bytes < MOST_BYTES, "{bytes} bytes");
        let _ = descriptor.connection_info(&scope);
    }
    let _ = descriptor.folder_mounts(&values);
    // What becomes a drop-in of systemd is whole lines.
    for (key, value) in descriptor.confinement_settings() {
        assert!(!value.contains('\n'), "{key}");
    }
    assert!(descriptor.user.iter().all(|user| user.sysusers_line().trim_end().lines().count() == 1));
}

/// That a value is in no message, unless it is in the descriptor itself, too.
fn assert_kept_secret(message: &str, value: &str, data: &[u8]) {
    let times = data.windows(value.len().max(1)).filter(|window| *window == value.as_bytes()).count();
    // Words of a few letters are in many a message.
    assert!(value.len() < 12 || times > 1 || !message.contains(value), "a value is told: {message}");
}
