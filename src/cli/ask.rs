// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking a person before something that can not be undone.

use std::io::IsTerminal;

use crate::cli::error::{Act, Failure};
use crate::cli::keyboard::{Echo, Keyboard, Typed};

/// Asks on the terminal, and takes nothing but this word for a yes.
pub(super) async fn for_word(question: &str, word: &str, act: Act) -> Result<(), Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(Failure::CannotAsk(act));
    }
    let keyboard = Keyboard::open(Echo::Shown).map_err(|_| Failure::CannotAsk(act))?;
    match keyboard.ask(question).await.map_err(Failure::System)? {
        Typed::Line(line) if line.trim_ascii() == word.as_bytes() => Ok(()),
        Typed::Line(_) | Typed::End | Typed::Interrupted => Err(Failure::NotConfirmed(act)),
    }
}
