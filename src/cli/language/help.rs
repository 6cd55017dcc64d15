// SPDX-License-Identifier: GPL-3.0-or-later
//! The help of the command line in another language.

use clap::{Arg, ArgAction, Command};

/// Where the library puts its own options.
const LAST: usize = 999;

/// What stands before a state.
const SIGNS: [&str; 4] = ["+ ", "~ ", "- ", "! "];

/// The command line with all words of its help as `translate` gives them; names of values stay, they are what is typed.
#[must_use]
pub fn help_in_words(command: Command, translate: &dyn Fn(&str) -> String) -> Command {
    let mut command = in_words(command, translate);
    // What the library adds by itself is there only after this.
    command.build();
    finished(command, translate)
}

fn in_words(command: Command, translate: &dyn Fn(&str) -> String) -> Command {
    let (about, long) =
        (command.get_about().map(ToString::to_string), command.get_long_about().map(ToString::to_string));
    let (after, after_long) =
        (command.get_after_help().map(ToString::to_string), command.get_after_long_help().map(ToString::to_string));
    let has_version = command.get_version().is_some();
    let mut command = command.disable_help_flag(true).arg(
        Arg::new("help")
            .short('h')
            .long("help")
            .action(ArgAction::Help)
            .display_order(LAST)
            .help(translate("Print help")),
    );
    if has_version {
        let version = Arg::new("version").short('V').long("version").action(ArgAction::Version).display_order(LAST);
        command = command.disable_version_flag(true).arg(version.help(translate("Print version")));
    }
    if let Some(text) = about {
        command = command.about(lines(&text, translate));
    }
    if let Some(text) = long {
        command = command.long_about(lines(&text, translate));
    }
    if let Some(text) = after {
        command = command.after_help(lines(&text, translate));
    }
    if let Some(text) = after_long {
        command = command.after_long_help(lines(&text, translate));
    }
    command
        .mut_args(|argument| argument_in_words(argument, translate))
        .mut_subcommands(|verb| in_words(verb, translate))
}

fn argument_in_words(argument: Arg, translate: &dyn Fn(&str) -> String) -> Arg {
    // Those two have theirs.
    if matches!(argument.get_action(), ArgAction::Help | ArgAction::Version) {
        return argument;
    }
    let help = argument.get_help().map(|text| lines(&text.to_string(), translate));
    let long = argument.get_long_help().map(|text| lines(&text.to_string(), translate));
    if !argument.get_action().takes_values() {
        let argument = if let Some(text) = help { argument.help(text) } else { argument };
        return if let Some(text) = long { argument.long_help(text) } else { argument };
    }
    let mut notes = Vec::new();
    if let Some(variable) = argument.get_env() {
        notes.push(format!("[{} {}]", translate("env:"), variable.to_string_lossy()));
    }
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && !argument.is_hide_default_value_set() {
        notes.push(format!("[{} {}]", translate("default:"), defaults.join(" ")));
    }
    let values = argument.get_possible_values();
    let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
    let described = values.iter().filter_map(|value| Some((value.get_name(), value.get_help()?.to_string())));
    let described: Vec<_> = described.map(|(name, text)| format!("- {name}: {}", translate(&text))).collect();
    if !names.is_empty() && !argument.is_hide_possible_values_set() {
        notes.push(format!("[{} {}]", translate("possible values:"), names.join(", ")));
    }
    let argument = argument.hide_env(true).hide_default_value(true).hide_possible_values(true);
    let with_notes = |text: String| [&[text], notes.as_slice()].concat().join(" ");
    let argument = match long {
        Some(text) => argument.long_help(with_notes(text)),
        None if described.is_empty() => argument,
        None => argument.long_help(format!(
            "{}\n\n{}\n{}",
            help.as_deref().unwrap_or_default(),
            translate("Possible values:"),
            described.join("\n")
        )),
    };
    match help {
        Some(text) => argument.help(with_notes(text)),
        None => argument,
    }
}

/// What the library says by itself: headings.
fn finished(command: Command, translate: &dyn Fn(&str) -> String) -> Command {
    let mut command = command.mut_subcommands(|verb| finished(verb, translate));
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage:").unwrap_or(&usage).trim_start();
    let usage = usage.replace("[OPTIONS]", &translate("[OPTIONS]")).replace("<COMMAND>", &translate("<COMMAND>"));
    let template = template(&command, translate);
    command.override_usage(usage).help_template(template)
}

fn template(command: &Command, translate: &dyn Fn(&str) -> String) -> String {
    let mut template = format!("{{about-with-newline}}\n{} {{usage}}\n", translate("Usage:"));
    let sections = [
        (command.has_subcommands(), "Commands:", "subcommands"),
        (command.get_positionals().next().is_some(), "Arguments:", "positionals"),
        (command.get_opts().next().is_some() || command.get_arguments().next().is_some(), "Options:", "options"),
    ];
    for (is_there, heading, tag) in sections {
        if is_there {
            template.push_str(&format!("\n{}\n{{{tag}}}\n", translate(heading)));
        }
    }
    // What comes after it brings its own empty line, and the library ends with one line feed.
    template.trim_end().to_owned() + "{after-help}"
}

/// A text for people, line by line. Of a line with columns, which begins with blanks or a sign, the last column is words; what
/// is before it is typed as it is.
#[must_use]
pub fn text_in_words(text: &str, translate: &dyn Fn(&str) -> String) -> String {
    lines(text, translate)
}

fn lines(text: &str, translate: &dyn Fn(&str) -> String) -> String {
    let words = |line: &str| {
        let trimmed = line.trim_start();
        if trimmed.is_empty() {
            return line.to_owned();
        }
        let indent = line.len() - trimmed.len();
        if indent < 2 && !SIGNS.iter().any(|sign| line.starts_with(sign)) {
            return translate(line);
        }
        match line.rfind("  ").filter(|at| *at >= indent).and_then(|at| line.split_at_checked(at + 2)) {
            Some((typed, words)) => format!("{typed}{}", translate(words)),
            None => line.to_owned(),
        }
    };
    text.split('\n').map(words).collect::<Vec<_>>().join("\n")
}
