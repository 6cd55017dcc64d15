// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking a person before something that can not be undone.

use std::io::{IsTerminal, Write};

use crate::cli::error::{Act, Failure};

/// Asks on the terminal, and takes nothing but this word for a yes.
pub(super) fn for_word(question: &str, word: &str, act: Act) -> Result<(), Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(Failure::CannotAsk(act));
    }
    let mut err = std::io::stderr();
    write!(err, "{question}").and_then(|()| err.flush()).map_err(Failure::System)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(Failure::System)?;
    if answer.trim() == word { Ok(()) } else { Err(Failure::NotConfirmed(act)) }
}
