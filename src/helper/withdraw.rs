// SPDX-License-Identifier: GPL-3.0-or-later
//! `withdraw`: the server is stopped, and all is as before `apply`.

use super::act::Work;
use super::apply::{Applied, FILES};
use super::error::Error;
use super::hook::OPTIONS;
use super::report::Told;
use super::{firewall, units};
use crate::descriptor::Moment;

pub(super) fn withdraw(work: &mut Work) -> Result<Told, Error> {
    let state = &work.report.directory;
    // Before anything else can fail. And the server stops even if it does.
    let closed = firewall::close_lan(state);
    let applied = Applied::read(state)?;
    if let Some(Applied { unit: Some(unit), .. }) = &applied
        && units::is_ours(unit)?
    {
        units::stop(unit)?;
    }
    closed?;
    if let Some(Applied { unit: Some(unit), is_provided, .. }) = &applied {
        if let Some(hook) = work.hook() {
            hook.call(Moment::Withdrawn, state, None)?;
        }
        units::take_away(unit, *is_provided, state)?;
    }
    firewall::close(state)?;
    state.remove_all(FILES)?;
    // Of a hook that was killed with us; nobody may call it again.
    state.remove_all(OPTIONS)?;
    work.ledger.strike_scaffold()?;
    // The last: until here a crash leaves what the next run needs to know.
    Applied::forget(&work.report.directory)?;
    Ok(Told { unit: applied.and_then(|applied| applied.unit), ..Told::default() })
}
