// SPDX-License-Identifier: GPL-3.0-or-later
//! No value of an option breaks out of the file that it is written into.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tails_server::descriptor::{
    Debian, Format, OptionKind, OptionSpec, OptionValues, RenderError, Scope, ServiceDescriptor, check,
};

use crate::readers::{Piece, read};
use crate::samples::{InMemory, address, defaults, shipped};

/// What a person could type, out of malice or without thinking.
const HOSTILE: &[&str] = &[
    "\n",
    "\r",
    "\t",
    "\0",
    "\"",
    "'",
    "`",
    ";",
    "#",
    "]]",
    "[[",
    "[",
    "]",
    "\\",
    "\\\\",
    "\\n",
    "{{ option.value }}",
    "{{",
    "}}",
    "{%",
    "{#",
    "$",
    "${x}",
    "%",
    "%s",
    "=",
    "a=b",
    "[Ice]",
    "\n[Ice]\nicesecretwrite=",
    " ",
    "  ",
    "--",
    "--[[",
    "}",
    ");",
    "@Variant(",
    "@",
    "@@",
    "é",
    "漢",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{feff}",
    "\u{7f}",
    "\u{2002}",
    "\u{a0}",
    "a",
    "word",
    ":",
    ",",
    "<",
    "&",
];

fn hostile() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(HOSTILE), 0..8).prop_map(|parts| parts.concat())
}

/// A service whose one file has a line before and a line after the value.
fn around(format: Format) -> ServiceDescriptor {
    let template = match format {
        Format::Plain => "{{ option.value }}",
        Format::KeyValue | Format::IniQt | Format::IniGlib => "[one]\nbefore=1\nvalue={{ option.value }}\nafter=2\n",
        Format::Sshd => "Before 1\nValue {{ option.value }}\nAfter 2\n",
        Format::Lua => "before = 1\nvalue = {{ option.value }} -- value\nafter = { 2 }\n",
        Format::Nginx => "before 1;\nvalue {{ option.value }};\nafter { b 2; }\n",
    };
    let text = format!(
        "format = 1\nname = 'test'\ntitle = 'Test'\ndescription = 'A test'\ndocumentation = 'https://example.org/'\n\
         icon = 'test'\n[client]\napplication = 'test'\ntitle = 'Test'\n[[port]]\nname = 'main'\ntarget = 8080\n\
         [[option]]\nname = 'value'\ntype = 'text'\nlabel = 'Value'\ndefault = 'sample'\n\
         [[file]]\npath = '/etc/test/test.conf'\ntemplate = 'template'\nformat = '{}'\n[connection]\n",
        format.as_str()
    );
    let companions = InMemory(BTreeMap::from([("template".to_owned(), template.to_owned())]));
    let checked = check("test", &text, &companions);
    checked.descriptor.unwrap_or_else(|| panic!("{:?}", checked.findings))
}

/// What comes of all files with this value of one option; `None` if the option does not take it.
fn rendered(
    descriptor: &ServiceDescriptor,
    option: &str,
    value: &str,
) -> Option<Result<Vec<(Format, String)>, RenderError>> {
    let mut values: OptionValues = defaults(descriptor);
    values.set(&descriptor.options(), option, value).ok()?;
    let address = address();
    let scope = Scope::new(&values, &address, Debian::KNOWN[1]);
    Some(
        descriptor
            .render(&scope)
            .map(|files| files.iter().map(|file| (file.file.format, file.contents.expose().to_owned())).collect()),
    )
}

/// With a hostile value the files are what they are with a harmless one, but for that value; or there are none, and the
/// option is named.
fn assert_contained(descriptor: &ServiceDescriptor, option: &str, harmless: &str, value: &str) {
    let expected = rendered(descriptor, option, harmless).unwrap().unwrap();
    match rendered(descriptor, option, value) {
        None => {}
        Some(Err(RenderError::CannotCarry { option: named, .. })) => assert_eq!(named, option),
        Some(Err(other)) => panic!("{option} = {value:?}: {other}"),
        Some(Ok(files)) => {
            assert_eq!(files.len(), expected.len());
            for ((format, text), (_, harmless_text)) in files.iter().zip(expected) {
                let swap = |piece| match piece {
                    // A template may have put it together with something else.
                    Piece::Text(ref text) => Piece::Text(text.replace(harmless, value)),
                    Piece::Word(_) | Piece::End => piece,
                };
                let expected: Vec<Piece> = read(*format, &harmless_text).into_iter().map(swap).collect();
                assert_eq!(read(*format, text), expected, "{option} = {value:?} in\n{text}");
            }
        }
    }
}

fn is_free(option: &OptionSpec) -> bool {
    matches!(option.kind, OptionKind::String(_) | OptionKind::Text(_) | OptionKind::Secret(_))
}

#[test]
fn each_hostile_piece_stays_in_its_place_in_each_format() {
    for format in Format::ALL {
        let descriptor = around(*format);
        for one in HOSTILE {
            for value in
                [(*one).to_owned(), format!("a{one}"), format!("{one}b"), format!("a{one}b"), format!("{one}{one}")]
            {
                assert_contained(&descriptor, "value", "sample", &value);
            }
        }
    }
}

#[test]
fn each_shipped_service_holds_each_hostile_piece() {
    for descriptor in shipped() {
        for option in descriptor.options().iter().filter(|option| is_free(option)) {
            for one in HOSTILE {
                assert_contained(&descriptor, option.name().as_str(), "q7Zq7Zq7Z", &format!("a{one}b"));
                assert_contained(&descriptor, option.name().as_str(), "q7Zq7Zq7Z", one);
            }
        }
    }
}

#[test]
fn ordinary_values_are_not_refused() {
    for format in Format::ALL {
        for value in ["Hello, world", "Grüße aus Zürich", "<b>it's</b>; #1", "100 %", "a=b"] {
            let outcome = rendered(&around(*format), "value", value).unwrap();
            assert!(outcome.is_ok(), "{format:?} {value:?}: {outcome:?}");
        }
    }
}

#[test]
fn an_error_names_the_option_and_not_the_value() {
    let error = rendered(&around(Format::KeyValue), "value", "hunter2\nPorts = 1").unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value of \"value\" has a line break in it, which the format \"keyvalue\" can not carry"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_value_breaks_out_of_any_format(value in prop_oneof![hostile(), "\\PC{0,40}"]) {
        for format in Format::ALL {
            assert_contained(&around(*format), "value", "sample", &value);
        }
    }

    #[test]
    fn no_value_breaks_out_of_a_link_or_a_line(value in hostile()) {
        let text = "format = 1\nname = 'test'\ntitle = 'Test'\ndescription = 'A test'\ndocumentation = 'https://example.org/'\n\
             icon = 'test'\n[client]\napplication = 'test'\ntitle = 'Test'\n[[port]]\nname = 'main'\ntarget = 8080\n\
             [[option]]\nname = 'value'\ntype = 'text'\nlabel = 'Value'\n\
             [connection]\nuri = 'test://{{ option.value }}@{{ address }}/'\n[[connection.line]]\nlabel = 'Value'\n\
             value = '{{ option.value }}'\n";
        let descriptor = check("test", text, &InMemory::default()).descriptor.unwrap();
        let mut values = defaults(&descriptor);
        if values.set(&descriptor.options(), "value", &value).is_ok() {
            let address = address();
            let scope = Scope::new(&values, &address, Debian::KNOWN[1]);
            match descriptor.connection_info(&scope) {
                Err(error) => prop_assert!(error.to_string().contains("\"value\""), "{}", error),
                Ok(info) => {
                    let link = info.uri.unwrap();
                    let link = link.value.expose();
                    prop_assert!(link.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/@%".contains(&byte)), "{}", link);
                    prop_assert_eq!(link.matches('@').count(), 1, "{}", link);
                    for line in info.lines {
                        prop_assert!(!line.value.expose().contains(['\n', '\r']));
                    }
                }
            }
        }
    }
}
