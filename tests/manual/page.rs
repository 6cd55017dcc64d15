// SPDX-License-Identifier: GPL-3.0-or-later
//! A manual page from a command of clap's, or from a topic.

use std::fmt;
use std::io::{self, Write};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// Writes a part of a page.
type Part = fn(&Man, &mut dyn Write) -> io::Result<()>;

/// The page of a command.
pub(crate) struct Page<'a> {
    /// Its whole name, such as `tails-server client add`.
    pub(crate) name: &'a str,
    pub(crate) section: u8,
    pub(crate) command: &'a clap::Command,
    /// What else to read, and in which section it is.
    pub(crate) related: Vec<(String, u8)>,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let title = self.name.replace(' ', "-");
        let command = self.command.clone().display_name(title.clone());
        let man = Man::new(command).section(self.section.to_string()).title(title).source("Tails Server");
        let mut out = Vec::new();
        let parts: [Part; 6] = [
            |man, out| man.render_title(out),
            |man, out| man.render_name_section(out),
            |man, out| man.render_synopsis_section(out),
            |man, out| man.render_description_section(out),
            |man, out| man.render_options_section(out),
            |man, out| man.render_subcommands_section(out),
        ];
        let has_commands = self.command.get_subcommands().next().is_some();
        for part in parts.iter().take(if has_commands { 6 } else { 5 }) {
            part(&man, &mut out).unwrap();
        }
        let mut roff = Roff::new();
        text(&mut roff, &after);
        roff.control("SH", ["SEE ALSO"]);
        let related: Vec<String> =
            self.related.iter().map(|(name, section)| format!("{}({section})", name.replace(' ', "-"))).collect();
        roff.text([roman(related.join(", "))]);
        roff.to_writer(&mut out).unwrap();
        formatter.write_str(&tidy(&String::from_utf8(out).unwrap()))
    }
}

/// The page of a topic.
pub(crate) fn of_topic(name: &str, about: &str, topic: &str) -> String {
    let name = name.replace(' ', "-");
    let mut roff = Roff::new();
    roff.control("TH", [name.as_str(), "7", "", "Tails Server"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {about}"))]);
    roff.control("SH", ["DESCRIPTION"]);
    // The title says what NAME says.
    text(&mut roff, topic.split_once('\n').map_or(topic, |(_, rest)| rest));
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("tails-server(1)")]);
    tidy(&roff.to_roff())
}

/// Help as it is written for the terminal: a line that ends with a colon before indented ones is a heading in help, and
/// what is indented stays as it is.
fn text(roff: &mut Roff, help: &str) {
    let mut is_listing = false;
    let mut lines = help.lines().peekable();
    while let Some(line) = lines.next() {
        let is_indented = line.starts_with("  ") || line.starts_with(['+', '~', '-', '!']);
        if is_indented != is_listing {
            roff.control(if is_indented { "nf" } else { "fi" }, [] as [&str; 0]);
            is_listing = is_indented;
        }
        let begins_listing = lines.peek().is_some_and(|next| next.starts_with("  "));
        match line.strip_suffix(':') {
            Some("Examples") if begins_listing => {
                roff.control("SH", ["EXAMPLES"]);
            }
            Some("Exit codes") if begins_listing => {
                roff.control("SH", ["EXIT STATUS"]);
            }
            Some(topics) if begins_listing && topics.starts_with("Topics") => {
                roff.control("SH", ["TOPICS"]);
                roff.text([roman(line)]);
            }
            _ if line.is_empty() => {
                roff.control("PP", [] as [&str; 0]);
            }
            _ => {
                roff.text([roman(line.trim_end())]);
            }
        }
    }
    if is_listing {
        roff.control("fi", [] as [&str; 0]);
    }
}

/// The preamble once, an empty date where there is none, no space at the end of a line, and one line feed at the end.
fn tidy(page: &str) -> String {
    let is_preamble = |line: &&str| line.starts_with(".ie ") || line.starts_with(".el ");
    let preamble = page.lines().filter(is_preamble).take(2);
    let lines = page.lines().filter(|line| !is_preamble(line)).map(str::trim_end);
    // Two spaces are no empty word in roff, and the source would be taken for the date.
    let lines: Vec<String> = preamble
        .chain(lines)
        .map(|line| if line.starts_with(".TH ") { line.replacen("  ", " \"\" ", 1) } else { line.to_owned() })
        .collect();
    format!(".\\\" SPDX-License-Identifier: GPL-3.0-or-later\n{}\n", lines.join("\n").trim_end())
}
