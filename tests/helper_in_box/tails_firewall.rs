// SPDX-License-Identifier: GPL-3.0-or-later
//! Who reaches a server in Tails, and that its firewall is never less than it was.

use serde_json::{Value, json};
use tails_box::{Release, may_boot};

use crate::choices::reached_from_lan;
use crate::tails::Tails;

const SERVICE: &str = "ngircd";
const PORT: u16 = 6667;
const HERE: &str = "127.0.0.1:6667";

#[test]
fn in_tails_the_lan_reaches_a_server_as_long_as_people_wish() {
    if !may_boot("in_tails_the_lan_reaches_a_server_as_long_as_people_wish") {
        return;
    }
    for release in Release::ALL {
        let Some(tails) = Tails::boot(release) else { continue };
        tails.done("install", SERVICE);
        let (rules, session) = (tails.rules(), tails.session());
        let reached = || reached_from_lan(&tails.host.machine);

        tails.apply(SERVICE, &[]);
        tails.wait_listening(HERE);
        assert!(!reached(), "{release}");
        assert_eq!((tails.rules(), tails.session()), (rules.clone(), session.clone()), "{release}");

        tails.apply(SERVICE, &[("allow-lan", json!(true))]);
        tails.wait_listening(HERE);
        assert!(reached(), "{release}: {:#?}", tails.rules());
        assert_eq!(tails.listening(), [HERE], "it listens on loopback all the same");
        let ours = tails.rules_of(SERVICE);
        assert!(tails.session().starts_with(&session), "{release}: {}", tails.session());
        for _ in 0..2 {
            tails.firewall_up();
            assert!(reached(), "{release}: {:#?}", tails.rules());
            assert_eq!(tails.rules_of(SERVICE), ours, "{release}: each rule once");
        }
        tails.apply(SERVICE, &[("allow-lan", json!(true))]);
        assert_eq!(tails.rules_of(SERVICE), ours, "{release}: each rule once");

        tails.apply(SERVICE, &[]);
        assert!(!reached(), "{release}");
        assert_eq!((tails.rules(), tails.session()), (rules.clone(), session.clone()), "{release}");

        tails.apply(SERVICE, &[("allow-lan", json!(true)), ("allow-localhost", json!(false))]);
        tails.done("withdraw", SERVICE);
        assert_eq!((tails.rules(), tails.session()), (rules.clone(), session.clone()), "{release}");
        assert!(!tails.leads_to_loopback());
        tails.apply(SERVICE, &[("allow-lan", json!(true))]);
        tails.done("uninstall", SERVICE);
        assert_eq!((tails.rules(), tails.session()), (rules, session), "{release}");
    }
}
