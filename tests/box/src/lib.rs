// SPDX-License-Identifier: GPL-3.0-or-later
//! A real Debian with systemd as PID 1, in a box from which nothing leads anywhere.
//!
//! [`Base::prepare`] (the program `box-prepare`) makes a tree of each release once, with a network;
//! [`Machine::boot`] boots a copy of it in a second, without one. The interface is blocking: from
//! async code use it in `spawn_blocking`.
//!
//! What a machine is made of, processes, mounts, networks, lies in namespaces that the kernel ends
//! with their first process, and that one ends when the pipe to its owner closes: on drop, and
//! when the owner panics or is killed.
//!
//! What is not as on a real machine: nothing limits memory, processor time or the number of tasks,
//! and there is no AppArmor.
//!
//! # Examples
//!
//! ```no_run
//! use tails_box::{Machine, Options, Release};
//!
//! # fn main() -> Result<(), tails_box::Error> {
//! let mut machine = Machine::boot(Release::Trixie, Options::new())?;
//! let watch = machine.watch_listeners()?;
//! machine.install(&["mumble-server"])?;
//! assert!(!watch.reachable()?.is_empty(), "it listens before anybody has configured it");
//! machine.reboot()?;
//! # Ok(())
//! # }
//! ```

mod base;
mod console;
mod disk;
mod enclosure;
mod error;
mod files;
mod gate;
mod listen;
mod machine;
mod mirrors;
mod network;
mod options;
mod process;
mod program;
mod recipe;
mod release;
mod wait;

pub use base::Base;
pub use error::Error;
pub use gate::may_boot;
pub use listen::{ListenWatch, Listener, Protocol};
pub use machine::{Machine, STICK};
pub use network::{MACHINE_ADDRESS, NEIGHBOUR_ADDRESS, Neighbour};
pub use options::Options;
pub use program::Answer;
pub use release::Release;
pub use wait::wait_until;
