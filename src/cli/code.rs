// SPDX-License-Identifier: GPL-3.0-or-later
//! QR codes on the terminal.

use std::env;
use std::io::{IsTerminal, Write};

use crate::cli::error::Failure;
use crate::qr::{Paint, QrCode};

/// Shows a text as a QR code on standard error, beside the data.
pub(super) fn show(text: &str) -> Result<(), Failure> {
    let code = QrCode::new(text)?;
    let mut err = std::io::stderr();
    // Where standard error is gone, there is nobody to look at it.
    let _ = err.write_all(code.terminal(paint()).as_bytes()).and_then(|()| err.flush());
    Ok(())
}

/// What is right for standard error.
fn paint() -> Paint {
    let is_terminal = std::io::stderr().is_terminal();
    let is_plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    match (is_terminal, is_plain) {
        (true, false) => Paint::Colours,
        (true, true) => Paint::LightOnDark,
        (false, _) => Paint::DarkOnLight,
    }
}
