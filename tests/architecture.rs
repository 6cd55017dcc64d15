// SPDX-License-Identifier: GPL-3.0-or-later
//! The layers, and what must never be named where: the table of src/README.md as a test.

use std::fs;
use std::path::{Path, PathBuf};

/// Which of our modules each module may name, and nothing below it is listed twice.
const LAYERS: &[(&str, &[&str])] = &[
    ("errors", &[]),
    ("descriptor", &[]),
    ("invitation", &[]),
    ("key_files", &[]),
    ("qr", &[]),
    ("torctl", &[]),
    ("controller", &["descriptor", "errors"]),
    ("adapters", &["controller", "descriptor", "errors", "torctl"]),
    ("sim", &["controller"]),
    ("bus", &["controller", "errors"]),
    ("cli", &["bus::api", "descriptor", "errors", "invitation", "key_files", "qr"]),
    ("daemon", &["adapters", "bus", "controller", "descriptor", "errors", "sim", "torctl"]),
    ("helper", &["descriptor", "errors"]),
];

/// What a module must not name at all, and why.
const NEVER: &[(&str, &[&str])] = &[
    // The loop sees the world through its ports alone.
    (
        "controller",
        &["zbus", "torut", "sled", "std::fs", "std::process", "std::net", "SystemTime", "std::time::Instant"],
    ),
    // What a service is, is text: nothing of it runs here.
    ("descriptor", &["zbus", "sled", "torut", "tokio", "std::net", "std::process", "SystemTime", "Instant"]),
    // What it reads comes from strangers: no network, no file, no clock, so that reading it can do nothing.
    ("invitation", &["zbus", "sled", "torut", "tokio", "std::fs", "std::net", "std::process", "SystemTime", "Instant"]),
    ("key_files", &["zbus", "sled", "torut", "tokio", "std::net", "std::process", "SystemTime", "Instant"]),
    ("qr", &["zbus", "sled", "torut", "tokio", "std::fs", "std::net", "std::process", "SystemTime", "Instant"]),
    ("torctl", &["zbus", "sled"]),
    ("adapters", &["sled", "torut"]),
    ("sim", &["zbus", "sled", "torut", "std::fs", "std::process"]),
    ("bus", &["sled", "torut"]),
    ("cli", &["sled", "torut"]),
    ("daemon", &["zbus", "sled", "torut"]),
    // It has root: no bus, no Tor, no store, no network, no shell.
    ("helper", &["zbus", "sled", "torut", "tokio", "std::net", "/bin/sh", "\"sh\"", "bash"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
    found
}

/// The files of one module of the library.
fn module(name: &str) -> Vec<PathBuf> {
    let mut files = vec![root().join(format!("src/{name}.rs"))];
    let directory = root().join("src").join(name);
    if directory.is_dir() {
        files.extend(sources(&directory));
    }
    files
}

/// The code of a file: no comments, and nothing of its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The paths that follow `crate::` in the code, two segments deep.
fn named_modules(code: &str) -> Vec<String> {
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with('$'))
        .map(|(at, prefix)| {
            let rest = &code[at + prefix.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
            rest[..end].split("::").take(2).collect::<Vec<_>>().join("::")
        })
        .collect()
}

#[test]
fn arrows_between_modules_point_down_only() {
    for (name, allowed) in LAYERS {
        for file in module(name) {
            for named in named_modules(&code(&file)) {
                let own = named.split("::").next() == Some(name);
                let known =
                    allowed.iter().any(|allowed| named == *allowed || named.starts_with(&format!("{allowed}::")));
                assert!(own || known, "{} names crate::{named}; {name} may know {allowed:?}", file.display());
            }
        }
    }
}

#[test]
fn every_module_of_the_library_is_in_the_table() {
    let library = code(&root().join("src/lib.rs"));
    let modules: Vec<&str> = library
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(modules.len(), LAYERS.len(), "{modules:?}");
    for module in modules {
        assert!(LAYERS.iter().any(|(name, _)| *name == module), "{module} has no row in the table of layers");
    }
}

#[test]
fn no_module_names_what_it_must_not() {
    for (name, words) in NEVER {
        for file in module(name) {
            let code = code(&file);
            for word in *words {
                assert!(!code.contains(word), "{} names {word}", file.display());
            }
        }
    }
}

#[test]
fn only_the_catalogue_reads_descriptors_from_files() {
    for file in module("descriptor") {
        let reads = ["std::fs", "rustix", "io::"].iter().any(|word| code(&file).contains(word));
        let is_catalogue = file.to_string_lossy().contains("/descriptor/catalog");
        assert!(!reads || is_catalogue, "{} reads files", file.display());
    }
}

#[test]
fn sled_is_named_in_one_file_alone() {
    let naming: Vec<PathBuf> =
        sources(&root().join("state/src")).into_iter().filter(|file| code(file).contains("sled::")).collect();
    assert_eq!(naming, [root().join("state/src/store/disk.rs")]);
}

#[test]
fn lines_for_tor_are_written_in_one_file_alone() {
    let keywords = ["\"ADD_ONION", "\"DEL_ONION", "\"SETEVENTS", "\"GETINFO", "\"TAKEOWNERSHIP", "\"AUTHENTICATE"];
    // What is compared with the profile for onion-grater is sent nowhere.
    let compared = root().join("src/torctl/command/filter_tests.rs");
    for file in sources(&root().join("src")).into_iter().filter(|file| *file != compared) {
        let code = code(&file);
        let writes = keywords.iter().any(|keyword| code.contains(&format!("{keyword} ")));
        assert!(!writes || file.ends_with("torctl/command.rs"), "{} writes a line for Tor", file.display());
        // The flag, not words that begin like it.
        let flag = code.split("Detach").skip(1).any(|after| !after.starts_with(|c: char| c.is_alphanumeric()));
        assert!(!flag, "{} names Detach", file.display());
    }
}

#[test]
fn files_stay_short_and_say_their_licence() {
    for file in ["src", "state/src", "tests"].iter().flat_map(|directory| sources(&root().join(directory))) {
        let text = fs::read_to_string(&file).expect("a source file");
        assert!(text.starts_with("// SPDX-License-Identifier: GPL-3.0-or-later\n"), "{}", file.display());
        assert!(text.lines().count() <= 800, "{} is past 800 lines: split it", file.display());
    }
}
