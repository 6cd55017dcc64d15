// SPDX-License-Identifier: GPL-3.0-or-later
//! The table that people read is the one that is attempted.

use std::fs;
use std::path::Path;

use super::table::ATTEMPTS;
use super::{Attempt, Told, Who};

const BEGIN: &str = "<!-- The attempts: written by a test, see below. -->\n";
const END: &str = "<!-- The end of the attempts. -->\n";
/// Set, it has the file written anew.
const BLESS: &str = "TAILS_SERVER_BLESS";

fn row(attempt: &Attempt) -> String {
    let who: Vec<_> = attempt
        .who
        .iter()
        .map(|who| match who {
            Who::Stranger => "S",
            Who::Desktop => "D",
            Who::Server => "V",
            Who::Controller => "C",
        })
        .collect();
    let result = match (attempt.told, attempt.story) {
        (Told::Refused(_), _) => "refused",
        (Told::Nothing, Some(_)) => "in vain",
        (Told::Nothing, None) => "no secret",
    };
    format!("| {} | {} | {result} | {} |\n", who.join(" "), attempt.what, attempt.against)
}

#[test]
fn security_md_has_the_table_of_what_is_attempted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/tails/SECURITY.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let rows: String = ATTEMPTS.iter().map(row).collect();
    let head = "| Who | Attempt | Result | What stands in the way |\n|---|---|---|---|\n";
    let whole = format!("{before}{BEGIN}\n{head}{rows}\n{END}{after}");
    if std::env::var_os(BLESS).is_some() {
        fs::write(&path, &whole).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    assert!(text == whole, "{} is not as the attempts are: run this test with {BLESS}=1", path.display());
}
