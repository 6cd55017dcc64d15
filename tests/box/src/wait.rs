// SPDX-License-Identifier: GPL-3.0-or-later
//! Waiting for what shows itself in no other way than by looking.

use std::env;
use std::thread;
use std::time::{Duration, Instant};

/// How often we look.
const INTERVAL: Duration = Duration::from_millis(10);
/// How many times as long everything takes as on a computer, where the boxes are in a machine that is emulated.
const SLOWNESS: &str = "TAILS_BOX_SLOWNESS";

fn slowness() -> u32 {
    env::var(SLOWNESS).ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Asks again and again until there is an answer, at most for so long.
///
/// # Errors
/// The first error of `ask`.
pub(crate) fn try_until<T, E>(
    patience: Duration,
    mut ask: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let slowness = slowness();
    let end = Instant::now() + patience * slowness;
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(INTERVAL * slowness);
    }
}

/// Asks again and again until there is an answer, at most for so long.
pub fn wait_until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let asked: Result<_, std::convert::Infallible> = try_until(patience, || Ok(ask()));
    asked.unwrap_or_else(|never| match never {})
}
