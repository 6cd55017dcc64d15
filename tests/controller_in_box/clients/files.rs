// SPDX-License-Identifier: GPL-3.0-or-later
//! SSH and SFTP with OpenSSH's own clients, which know nothing of Tor: a port of the machine leads them to the service.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::reach::Reach;
use crate::system::System;

/// Whoever asks for the password gets it.
const ASKPASS: &str = "/root/askpass";
/// As somebody would who connects for the first time and has compared the fingerprint.
const OPTIONS: [&str; 6] = [
    "-oLogLevel=ERROR",
    "-oStrictHostKeyChecking=yes",
    "-oUserKnownHostsFile=/root/known",
    "-oBatchMode=no",
    "-oNumberOfPasswordPrompts=1",
    "-oIdentitiesOnly=yes",
];

/// Does something while a port of the machine leads to an onion service.
pub(crate) fn forwarded<T>(system: &System, reach: &Reach, address: &str, port: u16, act: impl FnOnce(u16) -> T) -> T {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let listener = system.machine.in_network(bind).unwrap();
    let here = listener.local_addr().unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for visitor in listener.incoming().map(Result::unwrap) {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                let service = reach.connect(system, address, port);
                let (to, from) = (service.try_clone().unwrap(), visitor.try_clone().unwrap());
                scope.spawn(move || pipe(&from, &to));
                scope.spawn(move || pipe(&service, &visitor));
            }
        });
        // Also if it panics: else its thread would be waited for.
        let result = catch_unwind(AssertUnwindSafe(|| act(here.port())));
        is_over.store(true, Ordering::Release);
        // Wakes the thread, which then sees that it is over.
        drop(system.machine.in_network(|| TcpStream::connect(here)).unwrap());
        result.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Until one of them hangs up, which is no error; then for the other direction, too, as Tor knows no half of a stream.
fn pipe(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// Believes this host key, and no other.
pub(crate) fn believe(system: &System, port: u16, key_file: &str) {
    let key = system.run(&["cat", key_file]);
    system.machine.write("/root/known", &format!("[127.0.0.1]:{port} {key}")).unwrap();
}

/// Runs a command where somebody logs in with a key.
pub(crate) fn login(system: &System, port: u16, user: &str, identity: &str, command: &str) -> String {
    let (port, user) = (port.to_string(), format!("{user}@127.0.0.1"));
    system.run(&[&["ssh"][..], &OPTIONS, &["-i", identity, "-p", &port, &user, command]].concat())
}

/// Carries out commands of sftp, with a password.
pub(crate) fn transfer(system: &System, port: u16, user: &str, password: &str, commands: &str) -> String {
    system.machine.write(ASKPASS, &format!("#!/bin/sh\necho '{password}'\n")).unwrap();
    system.run(&["chmod", "0700", ASKPASS]);
    system.machine.write("/root/batch", commands).unwrap();
    let (port, user) = (format!("-P{port}"), format!("{user}@127.0.0.1"));
    let ask = ["env", "SSH_ASKPASS=/root/askpass", "SSH_ASKPASS_REQUIRE=force", "sftp"];
    // With a file of commands it ends at the first that fails.
    system.run(&[&ask[..], &OPTIONS, &[&port, "-b", "/root/batch", &user]].concat())
}
