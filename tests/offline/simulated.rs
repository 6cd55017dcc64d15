// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-serverd --sim`: everything but Tor and the machine is real.

use crate::given::NO_TOR;
use crate::harness::Controller;

#[test]
fn a_simulated_machine_publishes_and_withdraws() {
    let mut controller = Controller::new(NO_TOR).arguments(&["--sim"]);
    controller.start();
    let waited = controller.cli(["publish", "80:1", "--name", "web", "--wait", "--timeout", "60"]).succeeded();
    assert!(waited.stdout.contains("state: published"), "{waited:#?}");
    for shown in ["web: waiting for Tor", "web: publishing"] {
        assert!(waited.stderr.contains(shown), "{waited:#?}");
    }
    let status = controller.status("web");
    assert_eq!((&status["state"], &status["published"]), (&"published".into(), &true.into()));
    let overview: serde_json::Value =
        serde_json::from_str(&controller.cli(["status", "--json"]).succeeded().stdout).unwrap();
    assert_eq!(overview["tor"]["online"], true);
    assert!(overview["tor"]["version"].as_str().unwrap().contains("simulated"));
    controller.cli(["disable", "web"]).succeeded();
    assert_eq!(controller.service_state("web"), "disabled");
    let address = controller.address("web");
    controller.kill();
    controller.start();
    assert_eq!(controller.address("web"), address);
    assert_eq!(controller.service_state("web"), "disabled");
    controller.cli(["enable", "web", "--wait", "--timeout", "60"]).succeeded();
    assert!(controller.log().contains("simulating: nothing is published"));
}
