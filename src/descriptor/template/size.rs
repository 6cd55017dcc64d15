// SPDX-License-Identifier: GPL-3.0-or-later
//! How large the parts of a template may be: minijinja's parser goes as deep as an expression does, and a stack has an end.

use std::ops::Range;

/// The longest `{{ ... }}` or `{% ... %}`, in bytes.
// The longest of ours has 50.
const MOST_BYTES: usize = 200;
/// The most `elif` in a template, each of which is one deeper.
const MOST_BRANCHES: usize = 50;

/// The first part that is too large, and why.
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
        branches += usize::from(tag.get(..end).is_some_and(|tag| tag.contains("elif")));
        if branches > MOST_BRANCHES {
            return Some((begin..begin + end, "there are too many branches"));
        }
        at = begin + end;
    }
    None
}

/// The bytes of the tag at the beginning of the text. What stands in quotes does not end it.
fn end_of_tag(tag: &str, close: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in tag.char_indices().skip(2) {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), closing) if open == closing => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, _) if tag.get(at..).is_some_and(|rest| rest.starts_with(close)) => return at + close.len(),
            (Some(_) | None, _) => {}
        }
    }
    tag.len()
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
        ] {
            assert_eq!(too_large(&source).is_none(), is_right, "{source}");
        }
    }
}
