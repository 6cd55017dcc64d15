// SPDX-License-Identifier: GPL-3.0-or-later
//! No message of the command line bypasses the catalogue: no literal in its source has words for people outside `tr!`.

use crate::source::{self, code, files, literals, messages};
use crate::template::{self, SPOKEN};

/// What has words and is not translated, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("tails-server client add {service} CLIENT", "a command"),
    ("    tails-server client show {name} {first}", "a command"),
    ("    tails-server status {name}", "a command"),
    ("(hidden: see --show-secrets)", "a value in the data"),
    ("What listens on {} of this computer", "a value in the data"),
    ("from all to 127.0.0.0/8 blackhole", "what another program says"),
    ("table inet tails_server", "what another program says"),
    (" at line ", "what a library says"),
    ("Permission denied", "what another program says"),
    ("insufficient permissions", "what another program says"),
    ("not seeing messages from", "what another program says"),
    ("TAILS SERVER", "a mark of invitations"),
    ("END TAILS SERVER", "a mark of invitations"),
];

/// Every literal of the code with words for people that `tr!` does not say.
fn bypassing(code: &str) -> Vec<String> {
    let messages = messages(code);
    let help = template::help();
    let said = |at: usize| messages.iter().any(|message| message.span.0 < at && at < message.span.1);
    let found = literals(code).into_iter().filter(|literal| {
        let before = &code[..literal.span.0];
        let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
        // One word is for people, too, where nothing else can be meant.
        let is_said =
            ["say(", "say(&", "show(", "for_word(", "for_word(&", "#[error("].iter().any(|call| before.ends_with(call));
        // The texts of the help are translated when it is shown; template.rs has them from there.
        let is_help = help.iter().any(|known| known == literal.text.as_str())
            || line.contains("HELP: &str = ")
            || line.trim_start().starts_with("#[command(")
            || before.ends_with("translate(");
        let is_for_us = line.contains("expect(") || line.contains("reason = ");
        // Code for a shell, and comments of a file that may go to other computers.
        let is_code = ["const ZSH_FIRST: ", "const HEADER: "].iter().any(|name| line.starts_with(name));
        let least = if is_said { 1 } else { 2 };
        words(&literal.text) >= least && (!is_help || is_said) && !is_for_us && !is_code && !said(literal.span.0)
    });
    found.map(|literal| literal.text).filter(|text| !EXCEPTIONS.iter().any(|(known, _)| known == text)).collect()
}

/// The words of a text that are no holes.
fn words(text: &str) -> usize {
    let mut plain = String::new();
    let mut depth = 0_u32;
    for letter in text.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            letter if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    plain.split_whitespace().filter(|word| word.chars().filter(|letter| letter.is_alphabetic()).count() >= 2).count()
}

#[test]
fn no_message_of_the_command_line_bypasses_the_catalogue() {
    let mut wrong = Vec::new();
    for file in files(SPOKEN) {
        let name = source::name(&file);
        wrong.extend(bypassing(&code(&file)).into_iter().map(|text| format!("{name}: {text:?}")));
    }
    assert!(wrong.is_empty(), "say it with tr!, or give a reason in EXCEPTIONS:\n{}", wrong.join("\n"));
}

#[test]
fn what_bypasses_the_catalogue_is_seen() {
    for bypass in [
        r#"say("Done.");"#,
        r#"say(&format!("\"{name}\" is gone"));"#,
        r#"#[error("the service {0} is gone")]"#,
        r#"writeln!(err, "{name} is gone")?;"#,
        r#"ask::for_word("Really?", name, act)?;"#,
        r#"Some("See the manual".to_owned())"#,
        r#"progress.show("waiting".to_owned());"#,
        r#"tr!("{what} happened", what = "many things")"#,
    ] {
        let inner = bypass.starts_with("tr!(");
        assert_eq!(bypassing(bypass).len(), usize::from(!inner), "{bypass}");
    }
    for fine in [
        r#"say(&tr!("Done."));"#,
        r#"say(&format!("  - {danger}"));"#,
        r#"const HELP: &str = "a word";"#,
        r#"name("web")"#,
    ] {
        assert_eq!(bypassing(fine), Vec::<String>::new(), "{fine}");
    }
}
