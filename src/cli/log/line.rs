// SPDX-License-Identifier: GPL-3.0-or-later
//! One line of a log.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::Value;

use super::redact::Redactor;
use crate::cli::error::Failure;
use crate::cli::output::{Form, print_line};
use crate::errors::is_harmful;

/// One line of a log, as it was written.
pub(super) struct Line {
    /// When, since 1970.
    pub(super) microseconds: u64,
    /// Who wrote it: a unit, or a program.
    from: String,
    text: String,
    /// The journal's name for it.
    pub(super) cursor: Option<String>,
}

#[derive(Serialize)]
struct LineView<'a> {
    time: &'a str,
    from: &'a str,
    line: &'a str,
}

impl Line {
    /// From an entry of `journalctl --output=json`.
    // systemd.journal-fields(7). What is no UTF-8 is a list of bytes.
    pub(super) fn of_entry(entry: &str) -> Option<Self> {
        let entry: Value = serde_json::from_str(entry).ok()?;
        let field = |name: &str| entry.get(name).and_then(Value::as_str);
        let bytes = |list: &Vec<Value>| {
            let bytes: Vec<u8> = list.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let message = entry.get("MESSAGE")?;
        let text = message.as_str().map(str::to_owned).or_else(|| message.as_array().map(bytes))?;
        // What systemd itself says of a unit.
        let from = field("UNIT").or_else(|| field("USER_UNIT")).or_else(|| field("_SYSTEMD_UNIT"));
        Some(Self {
            microseconds: field("__REALTIME_TIMESTAMP")?.parse().ok()?,
            from: from.or_else(|| field("SYSLOG_IDENTIFIER")).unwrap_or("journal").to_owned(),
            // Without a time before it, tracing begins with a blank.
            text: text.trim_start().to_owned(),
            cursor: field("__CURSOR").map(str::to_owned),
        })
    }

    /// From a line of a controller's own log, which begins with the time.
    pub(super) fn of_controller(line: &str) -> Option<Self> {
        let (time, text) = line.split_once(' ')?;
        let time = humantime::parse_rfc3339(time).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let microseconds = u64::try_from(time.as_micros()).ok()?;
        Some(Self { microseconds, from: "tails-serverd".to_owned(), text: text.trim_start().to_owned(), cursor: None })
    }

    /// Whether it is about this service.
    // tracing writes `service=web` or `service="web"`.
    pub(super) fn is_about(&self, service: &str) -> bool {
        let is_end = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-');
        let names = self.text.split("service=").skip(1).map(|rest| rest.strip_prefix('"').unwrap_or(rest));
        names.filter_map(|rest| rest.strip_prefix(service)).any(is_end)
    }

    pub(super) fn print(&self, redactor: &Redactor, form: Form) -> Result<(), Failure> {
        let time = humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + Duration::from_micros(self.microseconds));
        let (time, from) = (time.to_string(), self.from.as_str());
        redactor.redact(&self.text).lines().map(plain).try_for_each(|line| match form {
            Form::Yaml => print_line(&format!("{time} {from}: {line}")),
            Form::Json => {
                let view = LineView { time: &time, from, line: &line };
                print_line(&serde_json::to_string(&view).map_err(|cause| Failure::Print(cause.into()))?)
            }
        })
    }
}

/// A line without what a terminal would take for a command: servers write what visitors send.
fn plain(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for letter in line.chars() {
        if is_harmful(letter) && letter != '\t' { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_journal_are_read() {
        let entry = r#"{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1700000000123456","MESSAGE":"hello","_SYSTEMD_UNIT":"a.service"}"#;
        let line = Line::of_entry(entry).unwrap();
        assert_eq!(
            (line.microseconds, line.from.as_str(), line.text.as_str()),
            (1_700_000_000_123_456, "a.service", "hello")
        );
        assert_eq!(line.cursor.as_deref(), Some("s=1"));
        let bytes =
            r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[104,105,255],"UNIT":"a.service","_SYSTEMD_UNIT":"init.scope"}"#;
        let line = Line::of_entry(bytes).unwrap();
        assert_eq!((line.from.as_str(), line.text.as_str()), ("a.service", "hi\u{fffd}"));
        for entry in ["", "{}", "[]", r#"{"MESSAGE":"x"}"#, r#"{"MESSAGE":null,"__REALTIME_TIMESTAMP":"1"}"#] {
            assert!(Line::of_entry(entry).is_none(), "{entry}");
        }
    }

    #[test]
    fn a_line_is_about_the_service_that_it_names_and_no_other() {
        let line = |text: &str| Line::of_controller(&format!("2026-11-28T01:02:03.000004Z  INFO {text}")).unwrap();
        for (text, is_about) in [
            ("state changed service=web state=published", true),
            ("a step failed service=\"web\" why=\"x\"", true),
            ("service removed service=web", true),
            ("state changed service=web-2 state=published", false),
            ("state changed service=webs", false),
            ("state changed service=my-web", false),
            ("Tor changed connected=true", false),
        ] {
            assert_eq!(line(text).is_about("web"), is_about, "{text}");
        }
        assert!(Line::of_controller("no time").is_none() && Line::of_controller("").is_none());
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_and_not_sent() {
        assert_eq!(plain("a\x1b[31mb\tc\u{9b}d"), "a\\u{1b}[31mb\tc\\u{9b}d");
    }
}
