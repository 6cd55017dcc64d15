// SPDX-License-Identifier: GPL-3.0-or-later
//! Where a person has an invitation or a request: in a file, on standard input, or on the command line.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use tr::tr;
use zeroize::Zeroizing;

use crate::cli::error::Failure;
use crate::cli::given;
use crate::cli::keyboard::{Echo, Keyboard, Typed};
use crate::cli::talk::say;

/// The most that is read: more than anybody pastes.
const MOST_BYTES: usize = 256 * 1024;
/// In the last line of an invitation or a request.
const END: &str = "END TAILS SERVER";

/// A text, and where it was.
pub(super) struct Source {
    pub(super) text: Zeroizing<String>,
    pub(super) place: Place,
}

/// Where a text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    File,
    Input,
    /// Where the history of the shell keeps it, and other users can see it.
    Arguments,
}

/// What a person is to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Invitation,
    Request,
    Settings,
    Value,
}

/// Reads a text from a file, from standard input (`-`), or takes what was given as the text itself.
pub(super) async fn read(name: &str, what: What) -> Result<Source, Failure> {
    if name == "-" {
        return Ok(Source { text: input(what).await?, place: Place::Input });
    }
    match given::open(Path::new(name)) {
        Ok(file) => {
            let text = all(file, what).map_err(|cause| Failure::Read { what: name.to_owned(), cause })?;
            Ok(Source { text, place: Place::File })
        }
        // Paths have no spaces, colons or line breaks where a text has them, and texts are long.
        Err(_) if is_text(name) => Ok(Source { text: Zeroizing::new(name.to_owned()), place: Place::Arguments }),
        Err(cause) => Err(Failure::Read { what: name.to_owned(), cause }),
    }
}

/// The value of an option, from standard input: without the line break at its end.
pub(super) async fn value() -> Result<Zeroizing<String>, Failure> {
    let text = input(What::Value).await?;
    Ok(Zeroizing::new(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
}

/// Whether this is more likely a text than the name of a file.
fn is_text(given: &str) -> bool {
    let capitals = given.to_ascii_uppercase();
    given.contains('\n')
        || ["TAILSINV", "TAILSREQ", ":DESCRIPTOR:", "TAILS SERVER"].iter().any(|mark| capitals.contains(mark))
}

/// Reads standard input: to its end, or on a terminal to the end of the block of text.
async fn input(what: What) -> Result<Zeroizing<String>, Failure> {
    let failed = |cause| Failure::Read { what: tr!("standard input"), cause };
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return all(stdin.lock(), what).map_err(failed);
    }
    // Nobody knows yet whether a value is a password.
    let keyboard = Keyboard::open(if what == What::Value { Echo::Hidden } else { Echo::Shown }).map_err(failed)?;
    say(&match what {
        What::Invitation => tr!("Paste the invitation, then press Enter and Ctrl-D:"),
        What::Request => tr!("Paste the request, then press Enter and Ctrl-D:"),
        What::Settings => tr!("Paste the settings, then press Enter and Ctrl-D:"),
        What::Value => tr!("Type or paste the value, which is not shown, then press Enter and Ctrl-D:"),
    });
    // Room for all of it at once: text that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 4097));
    loop {
        match keyboard.line().await.map_err(failed)? {
            Typed::Interrupted => return Err(Failure::Interrupted),
            Typed::End => break,
            Typed::Line(line) => {
                bytes.extend_from_slice(&line);
                if String::from_utf8_lossy(&line).contains(END) {
                    break;
                }
            }
        }
        if bytes.len() > MOST_BYTES {
            keyboard.forget().await;
            break;
        }
    }
    // Lines after the end come from whoever sent the text, and are for nobody to act on.
    if keyboard.forget().await {
        say(&tr!("What came after its end was thrown away."));
    }
    text(&bytes, what).map_err(failed)
}

/// All of it, as text.
fn all(reader: impl Read, what: What) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 4097));
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    // One more than is taken: what is cut off must not pass for all of it.
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    text(&bytes, what)
}

/// The text, if it is one and not too long.
fn text(bytes: &[u8], what: What) -> io::Result<Zeroizing<String>> {
    let refused = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    if bytes.len() > MOST_BYTES {
        return Err(refused(tr!("it is longer than {most} bytes", most = MOST_BYTES)));
    }
    match what {
        // What is no text has no invitation in it; to find that out is the reader's business.
        What::Invitation | What::Request => Ok(Zeroizing::new(String::from_utf8_lossy(bytes).into_owned())),
        What::Settings | What::Value => {
            let text = std::str::from_utf8(bytes).map_err(|_| refused(tr!("it is no text in UTF-8")))?;
            Ok(Zeroizing::new(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_no_text_is_refused_and_never_cut() {
        let whole = vec![b'#'; MOST_BYTES];
        assert_eq!(all(whole.as_slice(), What::Settings).unwrap().len(), MOST_BYTES);
        let long = vec![b'#'; MOST_BYTES + 1];
        for what in [What::Settings, What::Value, What::Invitation, What::Request] {
            assert!(all(long.as_slice(), what).is_err(), "{what:?}");
        }
        for what in [What::Settings, What::Value] {
            assert!(all(&b"pass\xffword"[..], what).is_err(), "{what:?}");
        }
        assert!(all(&b"\xff, then an invitation"[..], What::Invitation).is_ok());
    }

    #[tokio::test]
    async fn what_is_no_file_and_looks_like_no_text_is_a_file_that_is_missing() {
        for text in ["TAILS-SERVER:TAILSINVAE", "tailsreqab", "abc:descriptor:x25519:KEY", "one\ntwo"] {
            assert!(matches!(read(text, What::Request).await, Ok(Source { place: Place::Arguments, .. })), "{text}");
        }
        for missing in ["invitation.txt", "/nonexistent/invitation", ""] {
            assert!(matches!(read(missing, What::Request).await, Err(Failure::Read { .. })), "{missing}");
        }
    }
}
