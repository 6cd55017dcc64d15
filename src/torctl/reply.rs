// SPDX-License-Identifier: GPL-3.0-or-later
//! One reply, as torut framed it.

use super::refusal::Refusal;

/// The code of what Tor tells unasked.
pub(super) const EVENT: u16 = 650;

/// One reply: its code and its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    /// Takes what torut's `receive_data` gave.
    pub(super) fn new(code: u16, lines: Vec<String>) -> Self {
        Self { code, lines: lines.into_iter().map(unstuffed).collect() }
    }

    /// The lines without code and separator. A `250+` block is one line: its head, LF, its lines joined by LF.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Its code.
    pub(super) const fn code(&self) -> u16 {
        self.code
    }

    /// The value of the first line `KEY=VALUE` with this key.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.values(key).next()
    }

    /// The values of all lines `KEY=VALUE` with this key.
    pub(super) fn values<'a, 'k>(&'a self, key: &'k str) -> impl Iterator<Item = &'a str> + use<'a, 'k> {
        self.lines.iter().filter_map(move |line| {
            let value = line.strip_prefix(key)?.strip_prefix('=')?;
            // The value of a block begins on the line after its head.
            Some(value.strip_prefix('\n').unwrap_or(value))
        })
    }

    /// The reply again if it is a 250, and what it refuses otherwise.
    pub(super) fn accepted(self) -> Result<Self, Refusal> {
        if self.code == 250 { Ok(self) } else { Err(self.refusal()) }
    }

    /// What it refuses, for a reply that is no success.
    pub(super) fn refusal(&self) -> Refusal {
        Refusal::new(self.code, self.lines.last().map_or("", String::as_str))
    }
}

/// Undoes what torut leaves of a `250+` block: CRLF between lines, and the dot before a line that begins with one.
// control-spec, CmdData. Only blocks have CRLF inside: torut ends every other line there.
fn unstuffed(line: String) -> String {
    if !line.contains("\r\n") {
        return line;
    }
    let mut plain = String::with_capacity(line.len());
    for (index, part) in line.split("\r\n").enumerate() {
        if index > 0 {
            plain.push('\n');
        }
        plain.push_str(if index > 0 { part.strip_prefix('.').unwrap_or(part) } else { part });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(lines: &[&str]) -> Reply {
        Reply::new(250, lines.iter().map(|&line| line.to_owned()).collect())
    }

    #[test]
    fn a_block_loses_its_stuffing_and_a_line_does_not() {
        let found = reply(&["key=\r\none\r\n..dot\r\n...\r\n\r\nend", "other=..x", "none=", "OK"]);
        assert_eq!(found.value("key"), Some("one\n.dot\n..\n\nend"));
        assert_eq!(found.value("other"), Some("..x"));
        assert_eq!(found.value("none"), Some(""));
        assert_eq!(found.value("k"), None);
        assert_eq!(found.value("OK"), None);
        assert_eq!(reply(&["a=1", "b=2", "a=", "a"]).values("a").collect::<Vec<_>>(), ["1", ""]);
    }

    /// What torut cuts out of these bytes until they end or make no sense.
    fn framed(bytes: &[u8]) -> Vec<Reply> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut conn = torut::control::Conn::new(bytes);
            let mut replies = Vec::new();
            while let Ok((code, lines)) = conn.receive_data().await {
                replies.push(Reply::new(code, lines));
            }
            replies
        })
    }

    #[test]
    fn recorded_lists_of_services_have_none_one_and_two() {
        let fixture = include_str!("../../fixtures/control-port/onions.txt");
        let sent: String =
            fixture.lines().filter(|line| !line.starts_with(['#', '>'])).flat_map(|line| [line, "\r\n"]).collect();
        let replies = framed(sent.as_bytes());
        let count = |reply: &Reply, key| crate::torctl::parse_onions(reply.value(key).unwrap()).unwrap().len();
        assert_eq!(replies.iter().map(|reply| count(reply, "onions/current")).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(replies.iter().map(|reply| count(reply, "onions/detached")).sum::<usize>(), 0);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reading_panic(
            bytes in "((250|650|512|[0-9]{3})[ +-][A-Za-z=/. ]{0,12}\r\n|\\.{0,2}\r\n|[ -~]{0,9}\r\n|.{0,3}){0,12}",
        ) {
            for reply in framed(bytes.as_bytes()) {
                let _ = crate::torctl::parse_event(reply.lines());
                let _ = reply.value("version");
                let _ = reply.accepted();
            }
        }
    }

    #[test]
    fn only_250_is_a_yes() {
        assert!(reply(&["OK"]).accepted().is_ok());
        for code in [0, 200, 249, 251, 252, 500, 650, 999] {
            assert!(Reply::new(code, vec!["OK".to_owned()]).accepted().is_err(), "{code}");
        }
    }
}
