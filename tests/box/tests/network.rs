// SPDX-License-Identifier: GPL-3.0-or-later
//! Who reaches whom: a host in the LAN the machine, and the machine a host in the LAN.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panicking")]

use std::io::ErrorKind;

use tails_box::{ListenWatch, Machine, NEIGHBOUR_ADDRESS, Options, Release, may_boot};

/// systemd itself listens, for a program that it would start at the first connection.
fn listen(machine: &Machine, unit: &str, address: &str) {
    let unit = format!("--unit={unit}");
    let listen = format!("--socket-property=ListenStream={address}");
    machine.run(&["systemd-run", "--quiet", &unit, &listen, "sleep", "infinity"]).unwrap();
}

fn reachable(watch: ListenWatch) -> Vec<String> {
    watch.reachable().unwrap().iter().map(|listener| listener.address.to_string()).collect()
}

#[test]
fn a_host_in_the_lan_reaches_the_lan_address_and_not_loopback() {
    if !may_boot("a_host_in_the_lan_reaches_the_lan_address_and_not_loopback") {
        return;
    }
    for release in Release::ALL {
        let mut machine = Machine::boot(release, Options::new().with_lan()).unwrap();
        let watch = machine.watch_listeners().unwrap();
        listen(&machine, "for-all", "10.77.0.2:8080");
        listen(&machine, "for-us", "127.0.0.1:8081");
        let neighbour = machine.neighbour().unwrap();
        neighbour.connect(8080).unwrap();
        assert_eq!(neighbour.connect(8081).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(machine.listeners().unwrap().len(), 2);
        assert_eq!(reachable(watch), ["10.77.0.2:8080"]);

        let rule = "add table ip box; add chain ip box in { type filter hook input priority 0; }; \
                    add rule ip box in tcp dport 8080 reject with tcp reset";
        machine.run(&["nft", rule]).unwrap();
        assert!(machine.neighbour().unwrap().connect(8080).is_err(), "the machine's firewall counts");
        machine.reboot().unwrap();
        assert_eq!(machine.run(&["nft", "list", "ruleset"]).unwrap(), "", "rules do not survive a reboot");
        listen(&machine, "for-all", "10.77.0.2:8080");
        machine.neighbour().unwrap().connect(8080).unwrap();
    }
}

#[test]
fn a_listener_that_was_there_for_a_moment_is_seen() {
    if !may_boot("a_listener_that_was_there_for_a_moment_is_seen") {
        return;
    }
    let machine = Machine::boot(Release::Trixie, Options::new()).unwrap();
    let watch = machine.watch_listeners().unwrap();
    listen(&machine, "moment", "[::]:8082");
    machine.run(&["systemctl", "stop", "moment.socket"]).unwrap();
    assert!(machine.listeners().unwrap().is_empty());
    assert_eq!(reachable(watch), ["[::]:8082"]);
}

#[test]
fn a_watch_of_a_machine_that_ended_proves_nothing() {
    if !may_boot("a_watch_of_a_machine_that_ended_proves_nothing") {
        return;
    }
    let mut machine = Machine::boot(Release::Trixie, Options::new()).unwrap();
    let watch = machine.watch_listeners().unwrap();
    machine.reboot().unwrap();
    assert!(watch.reachable().is_err());
}

/// A unit that speaks to the neighbour in that way, and says whether it could.
fn speaks(machine: &Machine, to: &str) -> bool {
    // The filter swallows TCP's packets without a word, and connecting would go on for minutes.
    let command = format!("/usr/bin/timeout 3 /bin/bash -c 'echo hello > /dev/{to}'");
    let unit = format!("[Service]\nType=oneshot\nExecStart={command}\n");
    machine.write("/run/systemd/system/speaker.service", &unit).unwrap();
    machine.run(&["systemctl", "daemon-reload"]).unwrap();
    machine.attempt(&["systemctl", "start", "speaker.service"]).unwrap().status.success()
}

#[test]
fn a_unit_with_a_runtime_drop_in_speaks_with_loopback_alone() {
    if !may_boot("a_unit_with_a_runtime_drop_in_speaks_with_loopback_alone") {
        return;
    }
    for release in Release::ALL {
        let machine = Machine::boot(release, Options::new().with_lan()).unwrap();
        listen(&machine, "for-us", "127.0.0.1:8081");
        let outside = machine.neighbour().unwrap().listen().unwrap();
        let port = outside.local_addr().unwrap().port();
        let tcp = format!("tcp/{NEIGHBOUR_ADDRESS}/{port}");
        let udp = format!("udp/{NEIGHBOUR_ADDRESS}/{port}");
        assert!(speaks(&machine, &tcp), "without the drop-in it can");
        outside.accept().unwrap();
        assert!(speaks(&machine, &udp));

        let drop_in = "[Service]\nIPAddressDeny=any\nIPAddressAllow=localhost\n";
        machine.write("/run/systemd/system/speaker.service.d/50-local.conf", drop_in).unwrap();
        assert!(!speaks(&machine, &tcp));
        assert!(!speaks(&machine, &udp));
        outside.set_nonblocking(true).unwrap();
        assert_eq!(outside.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nothing has arrived");
        assert!(speaks(&machine, "tcp/127.0.0.1/8081"), "loopback stays open");
    }
}
