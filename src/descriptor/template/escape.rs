// SPDX-License-Identifier: GPL-3.0-or-later
//! How each format writes a value, and which values it can not carry.
//!
//! What is written is a complete value, with quotes where the format has them: a template never puts quotes around it.

use zeroize::Zeroizing;

use crate::descriptor::read::words;

words! {
    /// The format of a configuration file.
    pub enum Format {
        /// Text as it is, line breaks too: a file that is one value, or a list of lines.
        Plain = "plain",
        /// `key = value` to the end of the line, without quotes, as ngIRCd reads it; also password files.
        KeyValue = "keyvalue",
        /// INI as Qt's QSettings reads it, with text in quotes: Mumble.
        IniQt = "ini-qt",
        /// INI as GLib's GKeyFile reads it, without quotes: infinoted.
        IniGlib = "ini-glib",
        /// sshd_config(5).
        Sshd = "sshd",
        /// Lua: Prosody.
        Lua = "lua",
        /// nginx.
        Nginx = "nginx",
    }
}

/// A value that is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    Bool(bool),
    Int(i64),
    Text(&'a str),
}

/// What a format can not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotCarry {
    /// It would begin another line, which is read for itself.
    #[error("a line break")]
    LineBreak,
    /// NUL and its like end or garble what is read.
    #[error("a control character")]
    Control,
    /// It would be cut off.
    #[error("white space at an end")]
    Edge,
    /// It would end the quotes, and there is no way to write it.
    #[error("a quotation mark")]
    Quote,
    /// It would mean something to the format, and there is no way to write it.
    #[error("a backslash")]
    Backslash,
    /// It would begin a variable, and there is no way to write it.
    #[error("a dollar sign")]
    Dollar,
    /// It would begin a comment or the name of a section.
    #[error("a character at its beginning that means something else there")]
    Start,
    /// Nothing is no value.
    #[error("nothing")]
    Empty,
}

type Written = Result<Zeroizing<String>, CannotCarry>;

impl Format {
    /// Whether its texts are in quotes.
    pub(super) const fn quotes(self) -> bool {
        match self {
            Self::Plain | Self::KeyValue | Self::IniGlib => false,
            Self::IniQt | Self::Sshd | Self::Lua | Self::Nginx => true,
        }
    }

    /// The value as the format writes it.
    pub(super) fn write(self, scalar: &Scalar<'_>) -> Written {
        match scalar {
            Scalar::Bool(is_on) => Ok(Zeroizing::new(self.switch(*is_on).to_owned())),
            Scalar::Int(number) => Ok(Zeroizing::new(number.to_string())),
            Scalar::Text(text) => self.text(text),
        }
    }

    const fn switch(self, is_on: bool) -> &'static str {
        match (self, is_on) {
            (Self::IniQt | Self::IniGlib | Self::Lua, true) => "true",
            (Self::IniQt | Self::IniGlib | Self::Lua, false) => "false",
            (Self::Plain | Self::KeyValue | Self::Sshd, true) => "yes",
            (Self::Plain | Self::KeyValue | Self::Sshd, false) => "no",
            (Self::Nginx, true) => "on",
            (Self::Nginx, false) => "off",
        }
    }

    fn text(self, text: &str) -> Written {
        // No format carries NUL; the others of its kind are nobody's wish.
        if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t')) {
            return Err(CannotCarry::Control);
        }
        match self {
            Self::Plain => Ok(Zeroizing::new(text.to_owned())),
            Self::KeyValue => {
                one_line(text)?;
                bare(text)
            }
            Self::IniQt => {
                // qsettings.cpp, stringToVariant: `@Variant(...)` and its like are no text, and `@@` is one `@`.
                let doubled = Zeroizing::new(if text.starts_with('@') { format!("@{text}") } else { text.to_owned() });
                quoted(&doubled, |character| match character {
                    '"' => Some(r#"\""#),
                    '\\' => Some(r"\\"),
                    '\n' => Some(r"\n"),
                    '\t' => Some(r"\t"),
                    _ => None,
                })
            }
            Self::IniGlib => {
                one_line(text)?;
                glib(text)
            }
            Self::Sshd => {
                one_line(text)?;
                // sshd 8.7 and later know escapes and those before do not: what needs none is right for all.
                if text.is_empty() {
                    return Err(CannotCarry::Empty);
                }
                refuse(text, &[('"', CannotCarry::Quote), ('\\', CannotCarry::Backslash)])?;
                quoted(text, |_| None)
            }
            Self::Lua => quoted(text, |character| match character {
                '"' => Some(r#"\""#),
                '\\' => Some(r"\\"),
                '\n' => Some(r"\n"),
                '\t' => Some(r"\t"),
                _ => None,
            }),
            Self::Nginx => {
                one_line(text)?;
                refuse(text, &[('$', CannotCarry::Dollar)])?;
                quoted(text, |character| match character {
                    '"' => Some(r#"\""#),
                    '\\' => Some(r"\\"),
                    _ => None,
                })
            }
        }
    }
}

/// The value in a link: all but letters, digits and `-._~` as `%XX`. RFC 3986, 2.3
pub(super) fn to_uri(scalar: &Scalar<'_>) -> Zeroizing<String> {
    match scalar {
        Scalar::Bool(is_on) => Zeroizing::new(is_on.to_string()),
        Scalar::Int(number) => Zeroizing::new(number.to_string()),
        Scalar::Text(text) => {
            let mut written = room(text.len(), 3);
            for byte in text.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    written.push(char::from(byte));
                } else {
                    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
                    written.extend(['%', digit(byte >> 4), digit(byte & 15)]);
                }
            }
            written
        }
    }
}

/// The value in a line that people read.
pub(super) fn to_line(scalar: &Scalar<'_>) -> Written {
    match scalar {
        Scalar::Bool(is_on) => Ok(Zeroizing::new(if *is_on { "yes" } else { "no" }.to_owned())),
        Scalar::Int(number) => Ok(Zeroizing::new(number.to_string())),
        Scalar::Text(text) => {
            one_line(text)?;
            if text.chars().any(crate::descriptor::names::hides) {
                return Err(CannotCarry::Control);
            }
            Ok(Zeroizing::new((*text).to_owned()))
        }
    }
}

/// Text that grows leaves copies behind: so there is room for all of it from the beginning.
fn room(bytes: usize, times: usize) -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(bytes.saturating_mul(times).saturating_add(2)))
}

fn one_line(text: &str) -> Result<(), CannotCarry> {
    // U+0085, U+2028 and U+2029 are line breaks to some readers.
    if text.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        return Err(CannotCarry::LineBreak);
    }
    if text.contains('\t') { Err(CannotCarry::Control) } else { Ok(()) }
}

fn refuse(text: &str, characters: &[(char, CannotCarry)]) -> Result<(), CannotCarry> {
    match characters.iter().find(|(character, _)| text.contains(*character)) {
        Some((_, reason)) => Err(*reason),
        None => Ok(()),
    }
}

fn bare(text: &str) -> Written {
    if text.trim() != text {
        return Err(CannotCarry::Edge);
    }
    if text.starts_with(['#', ';', '[', '"', '\'']) {
        return Err(CannotCarry::Start);
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn quoted(text: &str, escape: impl Fn(char) -> Option<&'static str>) -> Written {
    let mut written = room(text.len(), 2);
    written.push('"');
    for character in text.chars() {
        match escape(character) {
            Some(escaped) => written.push_str(escaped),
            None => written.push(character),
        }
    }
    written.push('"');
    Ok(written)
}

/// Desktop Entry Specification, "Possible value types": `\s` is a space, `\\` a backslash.
fn glib(text: &str) -> Written {
    let mut written = room(text.len(), 2);
    let last = text.chars().count().saturating_sub(1);
    for (at, character) in text.chars().enumerate() {
        match character {
            '\\' => written.push_str(r"\\"),
            ' ' if at == 0 || at == last => written.push_str(r"\s"),
            // Lists have `;` between their elements; a text with one in it is not meant to be two.
            other => written.push(other),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, text: &str) -> Result<String, CannotCarry> {
        format.write(&Scalar::Text(text)).map(|written| written.to_string())
    }

    #[test]
    fn each_format_writes_a_complete_value() {
        for (format, text, expected) in [
            (Format::Plain, "one\ntwo # \"", Ok("one\ntwo # \"")),
            (Format::KeyValue, "a b;c", Ok("a b;c")),
            (Format::KeyValue, "", Ok("")),
            (Format::KeyValue, "a\nb", Err(CannotCarry::LineBreak)),
            (Format::KeyValue, " a", Err(CannotCarry::Edge)),
            (Format::KeyValue, "#a", Err(CannotCarry::Start)),
            (Format::IniQt, "<b>a \"b\"</b>\\\nc;d", Ok(r#""<b>a \"b\"</b>\\\nc;d""#)),
            (Format::IniQt, "@Variant(x)", Ok("\"@@Variant(x)\"")),
            (Format::IniGlib, " a\\b ", Ok(r"\sa\\b\s")),
            (Format::IniGlib, "a\nb", Err(CannotCarry::LineBreak)),
            (Format::Sshd, "al ice", Ok("\"al ice\"")),
            (Format::Sshd, "a\"b", Err(CannotCarry::Quote)),
            (Format::Sshd, "a\\b", Err(CannotCarry::Backslash)),
            (Format::Sshd, "", Err(CannotCarry::Empty)),
            (Format::Lua, "a\"]]\\\n--", Ok(r#""a\"]]\\\n--""#)),
            (Format::Nginx, "a;}\"b", Ok(r#""a;}\"b""#)),
            (Format::Nginx, "$host", Err(CannotCarry::Dollar)),
        ] {
            assert_eq!(written(format, text).as_deref().map_err(|reason| *reason), expected, "{format:?} {text:?}");
        }
        for format in Format::ALL {
            for text in ["a\0b", "a\u{1b}b", "a\rb", "\u{7f}"] {
                assert_eq!(written(*format, text), Err(CannotCarry::Control), "{format:?} {text:?}");
            }
        }
    }

    #[test]
    fn links_and_lines_carry_what_they_can() {
        assert_eq!(*to_uri(&Scalar::Text("a b/ä?")), "a%20b%2F%C3%A4%3F");
        assert_eq!(*to_uri(&Scalar::Int(64738)), "64738");
        assert_eq!(to_line(&Scalar::Text("a\nb")), Err(CannotCarry::LineBreak));
        assert_eq!(to_line(&Scalar::Text("a\u{202e}b")), Err(CannotCarry::Control));
    }
}
