// SPDX-License-Identifier: GPL-3.0-or-later
//! Clients that are not ours.

use tails_server::bus::api::ApiError;

use crate::house::House;

const SERVICE: [&str; 3] =
    ["org.boum.tails.Server1", "/org/boum/tails/Server1/services/web", "org.boum.tails.Server1.Service"];

#[test]
fn busctl_enables_reads_and_disables() {
    let house = House::open("system");
    house.cli("system", &["publish", "80:8080", "--name", "web", "--wait"]).succeeded();
    let call = |words: &[&str]| house.run(&[&["busctl"], words].concat()).succeeded().stdout;
    assert_eq!(call(&[&["get-property"], &SERVICE[..], &["State"]].concat()), "s \"published\"\n");
    assert_eq!(call(&[&["call"], &SERVICE[..], &["Disable"]].concat()), "b true\n");
    assert_eq!(call(&[&["get-property"], &SERVICE[..], &["Enabled"]].concat()), "b false\n");
    assert_eq!(call(&[&["call"], &SERVICE[..], &["Enable"]].concat()), "b true\n");
    let address = call(&[&["call"], &SERVICE[..], &["Address"]].concat());
    assert_eq!(address.trim(), format!("s \"{}\"", house.controller.address("web")));
    let refused = house.run(&[&["busctl", "call"], &SERVICE[..], &["SetOption", "ss", "max-streams", "none"]].concat());
    assert!(refused.stderr.contains("does not") || refused.stderr.contains("number"), "{refused:?}");
}

#[test]
fn python_enables_hears_signals_reads_a_secret_and_disables() {
    let house = House::open("system");
    house.cli("system", &["publish", "80:8080", "--name", "web", "--wait"]).succeeded();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/message_bus/client.py");
    let told = house.run(&["/usr/bin/python3", script]).succeeded();
    assert_eq!(told.stdout, "disabled\nenabled\nkey of 64 bytes\nUnknownService\n", "{told:?}");
}

#[tokio::test]
async fn no_key_is_no_reason_to_replace_one() {
    let house = House::open("system");
    house.cli("system", &["publish", "80:8080", "--name", "web", "--wait"]).succeeded();
    let (manager, address) = (house.manager().await, house.controller.address("web"));
    let (reading, writing) = rustix::pipe::pipe().unwrap();
    // As of a program that died before it wrote.
    drop(writing);
    let refused = manager.replace_key("web", reading.into()).await;
    assert!(matches!(refused, Err(ApiError::Invalid(_))), "{refused:?}");
    assert_eq!(house.controller.address("web"), address);
    manager.renew_key("web").await.unwrap();
    assert_ne!(house.controller.address("web"), address);
}

#[test]
fn the_command_line_works_over_either_bus() {
    for kind in ["system", "session"] {
        let house = House::open(kind);
        house
            .cli(kind, &["publish", "80:8080", "--name", "web", "--private", "--client", "alice", "--wait"])
            .succeeded();
        let shown = house.cli(kind, &["client", "show", "web", "alice"]).succeeded().stdout;
        assert_eq!(shown, house.controller.cli(["client", "show", "web", "alice"]).succeeded().stdout);
        house.cli(kind, &["set-option", "web", "max-streams", "9"]).succeeded();
        assert_eq!(house.cli(kind, &["get-option", "web", "max-streams"]).succeeded().stdout, "9\n");
        house.cli(kind, &["remove", "web", "--yes"]).succeeded();
        let unknown = house.cli(kind, &["address", "web"]).failed(3);
        assert!(unknown.stderr.contains("does not exist"), "{unknown:?}");
    }
}
