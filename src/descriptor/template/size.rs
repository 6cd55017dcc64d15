// SPDX-License-Identifier: GPL-3.0-or-later
//! How large the parts of a template may be, and what may not be in them, so that no more comes of it than stands in it:
//! minijinja's parser goes as deep as an expression does, and a stack has an end; what repeats or gives names to values can
//! double them with every line.

use std::ops::Range;

/// The longest `{{ ... }}` or `{% ... %}`, in bytes.
// The longest of ours has 50.
const MOST_BYTES: usize = 200;
/// The most `elif` in a template, each of which is one deeper.
const MOST_BRANCHES: usize = 50;
/// All that may begin a `{% ... %}`.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif"];

/// The first part that is too large, or that could make something too large, and why.
pub(super) fn too_large(source: &str) -> Option<(Range<usize>, &'static str)> {
    let mut at = 0;
    let mut branches = 0;
    while let Some(rest) = source.get(at..) {
        let begin = at + rest.find('{')?;
        let Some(tag) = source.get(begin..) else { break };
        let end = match tag.as_bytes() {
            [b'{', b'{', ..] => end_of_tag(tag, "}}"),
            [b'{', b'%', ..] => end_of_tag(tag, "%}"),
            [b'{', b'#', ..] => {
                at = begin + tag.find("#}")?;
                continue;
            }
            _ => {
                at = begin + 1;
                continue;
            }
        };
        if end > MOST_BYTES {
            return Some((begin..begin + 2, "this is too long for one expression"));
        }
        if let Some(reason) = tag.get(..end).and_then(forbidden) {
            return Some((begin..begin + end, reason));
        }
        branches += usize::from(tag.get(..end).is_some_and(|tag| tag.contains("elif")));
        if branches > MOST_BRANCHES {
            return Some((begin..begin + end, "there are too many branches"));
        }
        at = begin + end;
    }
    None
}

/// Why something may not be in a tag.
fn forbidden(tag: &str) -> Option<&'static str> {
    let multiplies = unquoted(tag).any(|(_, character)| character == '*');
    if multiplies {
        return Some("a template does not multiply");
    }
    let statement = tag.strip_prefix("{%")?.trim_start_matches(['-', '+']).trim_start();
    let word = statement.split(|character: char| !character.is_ascii_alphanumeric()).next().unwrap_or_default();
    (!STATEMENTS.contains(&word)).then_some("a template has no other statements than if, elif, else and endif")
}

/// The bytes of the tag at the beginning of the text. What stands in quotes does not end it.
fn end_of_tag(tag: &str, close: &str) -> usize {
    let end = unquoted(tag).find(|(at, _)| tag.get(*at..).is_some_and(|rest| rest.starts_with(close)));
    end.map_or(tag.len(), |(at, _)| at + close.len())
}

/// The characters of a tag, after its beginning, that stand in no quotes.
fn unquoted(tag: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quote, mut escaped) = (None, false);
    tag.char_indices().skip(2).filter(move |(_, character)| {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), closing) if open == *closing => quote = None,
            (None, '"' | '\'') => quote = Some(*character),
            (None, _) => return true,
            (Some(_), _) => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_an_end() {
        let long = "not ".repeat(100);
        for (source, is_right) in [
            ("{{ option.a }} { } {% if b %}{# c #}{{ \"}}\" }}".to_owned(), true),
            (format!("{{# {long} #}}"), true),
            (format!("{long} {{{{ a }}}} {long}"), true),
            (format!("{{{{ {long} a }}}}"), false),
            (format!("{{{{ \"}}}}\" ~ {long} a }}}}"), false),
            (format!("{{% if {long} a %}}"), false),
            (format!("{{{{ {long}"), false),
            (format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(60)), false),
            ("{%- if a -%} * {% elif \"*\" %}{%+ else %}{%endif%}".to_owned(), true),
            ("{% set a = b ~ b %}".to_owned(), false),
            ("{%-for a in [b ~ b] %}{% endfor %}".to_owned(), false),
            ("{% with a = b ~ b %}{% endwith %}".to_owned(), false),
            ("{% if a %}{% raw %}{% endraw %}{% endif %}".to_owned(), false),
            ("{{ 'a' * 99999 }}".to_owned(), false),
            ("{% if a * 2 == 4 %}{% endif %}".to_owned(), false),
        ] {
            assert_eq!(too_large(&source).is_none(), is_right, "{source}");
        }
    }
}
