// SPDX-License-Identifier: GPL-3.0-or-later
//! Programs that run to their end, and what they said.

use std::process::{Command, ExitStatus, Stdio};

use crate::Error;

/// What became of a program.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs it, without input unless some was set, whatever its exit status.
pub(crate) fn attempt(command: &mut Command) -> Result<Answer, Error> {
    let output = command.output().map_err(Error::run(&command.get_program().to_string_lossy()))?;
    Ok(Answer {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs it without input; its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    succeeded(command.stdin(Stdio::null()))
}

/// Runs it with the input that was set; its standard output.
pub(crate) fn succeeded(command: &mut Command) -> Result<String, Error> {
    let answer = attempt(command)?;
    if answer.status.success() {
        return Ok(answer.stdout);
    }
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    Err(Error::Failed { command: words.join(" "), status: answer.status, output: answer.stdout + &answer.stderr })
}
