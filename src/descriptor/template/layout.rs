// SPDX-License-Identifier: GPL-3.0-or-later
//! Where a template may print a value: not in quotes of its own, and not where a line begins.

use std::ops::Range;

use super::Format;

/// The first value that is printed where it could break out: its bytes, and why.
pub(in crate::descriptor) fn misplaced(source: &str, format: Format) -> Option<(Range<usize>, &'static str)> {
    let mut line_start = 0;
    for line in source.split_inclusive('\n') {
        for (at, _) in line.match_indices("{{") {
            let before = without_statements(line.get(..at).unwrap_or_default());
            let span = line_start + at..line_start + line.trim_end().len();
            if format.quotes() && is_open(&before) {
                return Some((span, "the format puts its own quotes around a value"));
            }
            if format != Format::Plain && before.trim().is_empty() {
                return Some((span, "a value at the beginning of a line could be read as a key of its own"));
            }
        }
        line_start += line.len();
    }
    None
}

/// The text without `{% ... %}`, `{# ... #}` and `{{ ... }}`.
fn without_statements(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = ["{%", "{#", "{{"].iter().filter_map(|open| rest.find(open)).min() {
        let (before, tag) = rest.split_at(at);
        plain.push_str(before);
        let close = match tag.get(..2) {
            Some("{%") => "%}",
            Some("{#") => "#}",
            _ => {
                // A value is something, though not yet known what.
                plain.push('x');
                "}}"
            }
        };
        rest = tag.find(close).and_then(|end| tag.get(end + close.len()..)).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

/// Whether quotes or a long bracket of Lua are open at the end.
fn is_open(text: &str) -> bool {
    let mut open = None;
    let mut escaped = false;
    for character in text.chars() {
        match (open, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(quote), closing) if quote == closing => open = None,
            (None, '"' | '\'') => open = Some(character),
            (Some(_) | None, _) => {}
        }
    }
    open.is_some() || text.matches("[[").count() > text.matches("]]").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_the_format_can_protect_them() {
        for (format, source, is_right) in [
            (Format::IniQt, "a={{ x }}\n", true),
            (Format::IniQt, "a=\"{{ x }}\"\n", false),
            (Format::IniQt, "a=\"Hello {{ x }}\"\n", false),
            (Format::IniQt, "a=\"Hello\" {{ x }}\n", true),
            (Format::IniQt, "a='{{ x }}'\n", false),
            (Format::Lua, "a = [[{{ x }}]]\n", false),
            (Format::Lua, "a = \"\\\"{{ x }}\"\n", false),
            (Format::KeyValue, "a = \"{{ x }}\"\n", true),
            (Format::KeyValue, "{{ x }}\n", false),
            (Format::KeyValue, "  {{- x }}\n", false),
            (Format::KeyValue, "{% if y %}{{ x }}{% endif %}\n", false),
            (Format::KeyValue, "a = 1\n{% if y %}b = {{ x }}{% endif %}\n", true),
            (Format::Plain, "{{ x }}\n", true),
        ] {
            assert_eq!(misplaced(source, format).is_none(), is_right, "{format:?} {source:?}");
        }
    }

    #[test]
    fn it_says_where() {
        let (span, _) = misplaced("a=1\nb=\"{{ x }}\"\n", Format::IniQt).unwrap();
        assert_eq!(span, 7..15);
    }
}
