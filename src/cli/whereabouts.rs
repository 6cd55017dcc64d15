// SPDX-License-Identifier: GPL-3.0-or-later
//! Where a controller is to be expected by whoever does not say.

use std::env;
use std::path::{Path, PathBuf};

use rustix::process::{Uid, geteuid};

use crate::bus::api::BusAddress;
use crate::cli::error::Failure;

/// Where the system's controller listens.
pub(super) const SYSTEM_SOCKET: &str = "/run/tails-server/bus";

/// Where the bus of a system listens, unless its environment says otherwise.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// This person's own controller if they have one, or else the system's, which root reaches without a bus.
pub(super) fn expected() -> Result<BusAddress, Failure> {
    let directory = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = directory("XDG_STATE_HOME").or_else(|| Some(directory("HOME")?.join(".local/state")));
    let own = Own {
        socket: directory("XDG_RUNTIME_DIR").map(|directory| directory.join("tails-server/bus")),
        state: state.map(|directory| directory.join("tails-server")),
    };
    choose(own, geteuid(), Path::exists)
}

/// Where a controller of this person's own would be.
#[derive(Debug, Clone, Default)]
struct Own {
    /// What it listens on.
    socket: Option<PathBuf>,
    /// What it remembers.
    state: Option<PathBuf>,
}

fn choose(own: Own, user: Uid, exists: impl Fn(&Path) -> bool) -> Result<BusAddress, Failure> {
    let system = PathBuf::from(SYSTEM_SOCKET);
    match own.socket {
        Some(socket) if exists(&socket) => Ok(BusAddress::Unix(socket)),
        // Root needs no bus. Of a controller that does not run there is no socket, and the bus starts it.
        Some(_) | None if user.is_root() && exists(&system) => Ok(BusAddress::Unix(system)),
        Some(_) | None if exists(Path::new(SYSTEM_BUS)) => match own.state {
            // Theirs has ended. What is meant for that one, to remove "web", the other must not do to another "web".
            Some(state) if !user.is_root() && exists(&state) => Err(Failure::OwnEnded(state)),
            Some(_) | None => Ok(BusAddress::System),
        },
        Some(socket) => Ok(BusAddress::Unix(socket)),
        None => Ok(BusAddress::Unix(system)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: &str = "/run/user/1000/tails-server/bus";
    const STATE: &str = "/home/amnesia/.local/state/tails-server";

    /// What is chosen where these are; `None` if somebody has to say.
    fn chosen(user: Uid, there: &[&str]) -> Option<BusAddress> {
        let own = Own { socket: Some(SOCKET.into()), state: Some(STATE.into()) };
        match choose(own, user, |path| there.iter().any(|there| Path::new(there) == path)) {
            Ok(chosen) => Some(chosen),
            Err(Failure::OwnEnded(state)) if state == Path::new(STATE) => None,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn whoever_has_a_controller_of_their_own_is_not_led_to_the_systems_unasked() {
        let somebody = Uid::from_raw(1000);
        let (own, system) = (BusAddress::Unix(SOCKET.into()), BusAddress::Unix(SYSTEM_SOCKET.into()));
        for (there, person, root) in [
            (&[][..], Some(&own), &own),
            (&[STATE], Some(&own), &own),
            (&[SYSTEM_BUS], Some(&BusAddress::System), &BusAddress::System),
            (&[SYSTEM_BUS, SYSTEM_SOCKET], Some(&BusAddress::System), &system),
            (&[SYSTEM_BUS, STATE], None, &BusAddress::System),
            (&[SYSTEM_BUS, SYSTEM_SOCKET, STATE], None, &system),
            (&[SYSTEM_BUS, SYSTEM_SOCKET, STATE, SOCKET], Some(&own), &own),
        ] {
            assert_eq!(chosen(somebody, there).as_ref(), person, "{there:?}");
            assert_eq!(chosen(Uid::ROOT, there).as_ref(), Some(root), "{there:?}");
        }
        let without = |there: &str| choose(Own::default(), somebody, |path| path == Path::new(there)).unwrap();
        assert_eq!((without(SYSTEM_BUS), without("")), (BusAddress::System, system));
    }
}
