// SPDX-License-Identifier: GPL-3.0-or-later
//! What strace(1) wrote, as what AppArmor would have been asked.

use std::collections::{BTreeMap, BTreeSet};

use super::matcher::Profile;

/// Something that was done with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Access {
    /// A directory has a slash at its end.
    pub(super) path: String,
    /// Letters as in a rule.
    pub(super) needs: String,
}

/// All that programs with a profile have done with success, by the name of the profile. `entered` tells it of a program that is
/// run, by its path and the words of the call.
pub(super) fn read(
    text: &str,
    profiles: &BTreeMap<String, Profile>,
    entered: impl Fn(&str, &str) -> Option<String>,
) -> BTreeSet<(String, Access)> {
    let lines = joined(text);
    let mut parents = BTreeMap::new();
    for (process, call) in &lines {
        let is_birth = ["clone(", "clone3(", "fork(", "vfork("].iter().any(|name| call.starts_with(name));
        if is_birth && let Some((_, child)) = call.rsplit_once(" = ") {
            parents.insert(child.trim().to_owned(), process.clone());
        }
    }
    // Which profile a process is under, if any.
    let mut under: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut used = BTreeSet::new();
    for (process, call) in &lines {
        let inherited = parents.get(process).and_then(|parent| under.get(parent).cloned()).flatten();
        let now = under.entry(process.clone()).or_insert(inherited);
        let Some((words, result)) = call.rsplit_once(" = ") else { continue };
        if result.starts_with('-') || result.starts_with('?') {
            continue;
        }
        if call.starts_with("execve(") {
            let program = resolved(quoted(words).first().unwrap());
            if let Some(name) = entered(&program, words) {
                *now = Some(name);
            } else if let Some(current) = now.clone() {
                // A program stays in the profile, or is left alone.
                let stays = profiles[&current].allows(&program, "i");
                used.insert((current, Access { path: program, needs: String::from("x") }));
                *now = now.take().filter(|_| stays);
            }
        } else if let Some(current) = now {
            used.extend(accesses(words, result).into_iter().map(|access| (current.clone(), access)));
        }
    }
    used
}

/// Each call whole: a call that others came in between of is written in two parts.
fn joined(text: &str) -> Vec<(String, String)> {
    let mut begun: BTreeMap<String, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(first) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(process.to_owned(), first.to_owned());
        } else if let Some((_, rest)) = call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            let first = begun.remove(process).unwrap_or_default();
            lines.push((process.to_owned(), format!("{first}{rest}")));
        } else {
            lines.push((process.to_owned(), call.to_owned()));
        }
    }
    lines
}

fn accesses(words: &str, result: &str) -> Vec<Access> {
    let (name, arguments) = words.split_once('(').unwrap();
    let access = |path: &str, needs: &str| vec![Access { path: resolved(path), needs: needs.to_owned() }];
    match name {
        "open" | "openat" | "openat2" | "creat" if !arguments.contains("O_PATH") => {
            let mut path = described(result);
            if arguments.contains("O_DIRECTORY") && !path.ends_with('/') {
                path.push('/');
            }
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| arguments.contains(flag));
            let reads = !arguments.contains("O_WRONLY");
            access(&path, &format!("{}{}", if reads { "r" } else { "" }, if writes { "w" } else { "" }))
        }
        "connect" | "bind" | "sendto" | "sendmsg" => {
            let path = arguments.split_once("sun_path=\"").and_then(|(_, rest)| rest.split('"').next());
            path.map(|path| access(path, "w")).unwrap_or_default()
        }
        "mkdir" | "mkdirat" | "rmdir" => access(&format!("{}/", at(arguments, 0)), "w"),
        "unlink" | "unlinkat" if arguments.contains("AT_REMOVEDIR") => access(&format!("{}/", at(arguments, 0)), "w"),
        "unlink" | "unlinkat" | "mknod" | "mknodat" | "chmod" | "fchmodat" | "chown" | "fchownat" => {
            access(&at(arguments, 0), "w")
        }
        "symlink" | "symlinkat" | "link" | "linkat" => access(&at(arguments, 1), "w"),
        "rename" | "renameat" | "renameat2" => {
            [access(&at(arguments, 0), "rw"), access(&at(arguments, 1), "w")].concat()
        }
        "flock" => access(&described(arguments), "k"),
        "mmap" if arguments.contains("PROT_EXEC") && arguments.contains("</") => access(&described(arguments), "m"),
        _ => Vec::new(),
    }
}

/// The path of the file that strace names beside its number.
fn described(text: &str) -> String {
    let path = text.split_once('<').and_then(|(_, rest)| rest.split('>').next()).unwrap_or_default();
    path.trim_end_matches("(deleted)").trim_end().to_owned()
}

fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

/// A path of a call, the first or the second, below the directory that it is meant in.
fn at(arguments: &str, which: usize) -> String {
    let path = quoted(arguments).get(which).copied().unwrap_or_default();
    if path.starts_with('/') {
        return path.to_owned();
    }
    let before = arguments.split(&format!("\"{path}\"")).next().unwrap_or_default();
    let directory = before.rsplit_once('<').and_then(|(_, rest)| rest.split('>').next()).unwrap_or_default();
    format!("{directory}/{path}")
}

/// Without the links that every Debian has.
fn resolved(path: &str) -> String {
    for (link, target) in [
        ("/bin/", "/usr/bin/"),
        ("/sbin/", "/usr/sbin/"),
        ("/lib/", "/usr/lib/"),
        ("/lib64/", "/usr/lib64/"),
        ("/var/run/", "/run/"),
    ] {
        if let Some(rest) = path.strip_prefix(link) {
            return format!("{target}{rest}");
        }
    }
    path.to_owned()
}
