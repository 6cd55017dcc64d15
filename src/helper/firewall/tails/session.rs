// SPDX-License-Identifier: GPL-3.0-or-later
//! The file of rules that Tails gives to iptables after ferm has run. Tails has a program that adds to it, and none that takes
//! away.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::TAILS;
use super::mark;
use crate::helper::error::Error;
use crate::helper::files::{Directory, is_missing};
use crate::helper::program::run;
use crate::helper::users::Owner;

/// The file: arguments of iptables, a line for each rule.
const PATH: &str = "/var/lib/iptables/session-rules";

/// Takes away all lines of ours but these; which of these are missing.
pub(super) fn strike(wanted: Vec<String>) -> Result<Vec<String>, Error> {
    let path = Path::new(PATH);
    if is_missing(path)? {
        return Ok(wanted);
    }
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let mut contents = Vec::new();
    file.read_to_end(&mut contents).map_err(Error::file("read", path))?;
    let (kept, missing) = sort(&contents, wanted);
    if kept != contents {
        replace(path, file, &kept)?;
    }
    Ok(missing)
}

/// Adds lines, by Tails' own program, which knows where they go.
pub(super) fn add(lines: &[String]) -> Result<(), Error> {
    lines.iter().try_for_each(|line| run(TAILS, &line.split(' ').collect::<Vec<_>>()).map(drop))
}

/// The lines without those of ours that are not wanted, or are there already; and the wanted ones that are missing.
fn sort(contents: &[u8], mut wanted: Vec<String>) -> (Vec<u8>, Vec<String>) {
    let has_ours = !wanted.is_empty();
    let mut kept = Vec::new();
    for line in contents.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let place = wanted.iter().position(|wanted| *wanted == text.trim_end());
        if let Some(place) = place {
            wanted.remove(place);
        }
        if place.is_some() || mark(&words).is_none() {
            kept.extend_from_slice(line);
        }
    }
    // A last line without an end is not given to iptables, and the next would become part of it.
    if has_ours && kept.last().is_some_and(|byte| *byte != b'\n') {
        kept.push(b'\n');
    }
    (kept, wanted)
}

/// Writes another file in the place of this one, which was read to its end; without lines there is none. What somebody has
/// added meanwhile is kept.
fn replace(path: &Path, mut before: File, kept: &[u8]) -> Result<(), Error> {
    let about = before.metadata().map_err(Error::file("look at", path))?;
    let directory = Directory::parent(path)?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(Error::Bug("rules without a file"))?;
    if kept.is_empty() {
        directory.remove(name)?;
    } else {
        let owner = Owner { user: about.uid(), group: about.gid() };
        directory.write(name, kept, owner, about.mode() & 0o7777)?;
    }
    let mut add_late = || -> io::Result<()> {
        let mut late = Vec::new();
        before.read_to_end(&mut late)?;
        if late.is_empty() { Ok(()) } else { OpenOptions::new().create(true).append(true).open(path)?.write_all(&late) }
    };
    add_late().map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_others_stay_to_the_byte() {
        let line = |name: &str| format!("-I INPUT -m comment --comment tails-server:{name}:1:localhost -j DROP");
        let others: &[u8] =
            b"-I INPUT  -j DROP\n\n\xff\r\n-m comment --comment \"tails-server:x\"\n-m comment --comment not-tails-server:x\n";
        let [a, b, c] = ["a", "b", "c"].map(line);
        let contents = [others, format!("{a}\n{b}\n").as_bytes(), others].concat();
        assert_eq!(sort(&contents, vec![a.clone(), b.clone()]), (contents.clone(), vec![]));
        let left = [others, format!("{b}\n").as_bytes(), others].concat();
        assert_eq!(sort(&contents, vec![c.clone(), b.clone()]), (left.clone(), vec![c]));
        let twice = [&left[..], format!("{b}\n").as_bytes()].concat();
        assert_eq!(sort(&twice, vec![b]), (left, vec![]));
        assert_eq!(sort(&contents, vec![]), ([others, others].concat(), vec![]));
        // A last line without an end stays as it is where none of ours is to be in the file, and gets one where one is.
        let open = |line: &str| [others, line.as_bytes()].concat();
        assert_eq!(sort(&open("-I INPUT"), vec![]), (open("-I INPUT"), vec![]));
        assert_eq!(sort(&open(&a), vec![]), (open(""), vec![]));
        assert_eq!(sort(&open("-I INPUT"), vec![a.clone()]), (open("-I INPUT\n"), vec![a.clone()]));
        assert_eq!(sort(&open(&a), vec![a.clone()]), (open(&format!("{a}\n")), vec![]));
    }

    #[test]
    fn a_line_that_somebody_adds_while_the_file_is_replaced_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().canonicalize().expect("a path").join("rules");
        for (kept, then) in [("a\n", "a\nlate\n"), ("", "late\n")] {
            std::fs::write(&path, "a\nb\n").expect("written");
            let mut file = File::open(&path).expect("open");
            file.read_to_end(&mut Vec::new()).expect("read");
            let mut late = OpenOptions::new().append(true).open(&path).expect("open");
            late.write_all(b"late\n").expect("written");
            replace(&path, file, kept.as_bytes()).expect("replaced");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), then);
        }
    }
}
