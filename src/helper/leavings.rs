// SPDX-License-Identifier: GPL-3.0-or-later
//! `leavings`: what stays of services when the programs are removed, and is to go when they are purged: line by line, for a
//! script that has nothing but a shell. contrib/debian/postrm

use std::fmt::Write;

use super::error::Error;
use super::ledger::{Entries, Ledger};

pub(super) fn tell() -> Result<(), Error> {
    use std::io::Write;
    let text = lines(&Ledger::all()?);
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::file("write", std::path::Path::new("standard output")))
}

/// `data PATH` of what a server has made where we have put it, `scaffold PATH` of what may be in use by others, too, and is to
/// go if nothing is in it, each the last first; `unit UNIT` of what we keep from starting.
fn lines(all: &[Entries]) -> String {
    let mut text = String::new();
    let mut tell = |kind: &str, what: &str| {
        // Whoever could put a line break into a name could have anything deleted. No descriptor can.
        if !what.contains('\n') {
            // Writing to a text does not fail.
            let _ = writeln!(text, "{kind} {what}");
        }
    };
    for path in all.iter().flat_map(|entries| entries.data.iter().rev()).filter_map(|path| path.to_str()) {
        tell("data", path);
    }
    for path in all.iter().flat_map(|entries| entries.scaffold.iter().rev()).filter_map(|path| path.to_str()) {
        tell("scaffold", path);
    }
    for unit in all.iter().flat_map(|entries| &entries.guarded) {
        tell("unit", unit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_one_thing_whatever_it_is_called() {
        let entries = Entries {
            data: vec!["/var/lib/a".into(), "/var/lib/a/a b".into(), "/x\ndata /etc".into()],
            scaffold: vec!["/var/lib".into()],
            guarded: vec!["a.service".to_owned()],
            ..Entries::default()
        };
        let told = lines(&[entries, Entries::default()]);
        assert_eq!(
            told, "data /var/lib/a/a b\ndata /var/lib/a\nscaffold /var/lib\nunit a.service\n",
            "what is in it goes first"
        );
    }
}
