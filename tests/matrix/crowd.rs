// SPDX-License-Identifier: GPL-3.0-or-later
//! What a new control connection costs when there are many services.

use std::num::NonZeroU16;
use std::time::Duration;

use tails_server::controller::PublishRequest;
use tails_server_state::{Autostart, Exposure, Persistence, PortMapping, ServiceName, VirtualPort, Wish};

use crate::house::House;
use crate::model::Model;
use crate::tor::ScriptedTor;

/// Enough that a list of circuits for each of them would be noticed.
const SERVICES: usize = 100;
/// One look for all, and one more for those who asked while it was under way; twice that, as the requests may be spread.
const LOOKS: usize = 4;
/// On the simulated clock.
const PATIENCE: Duration = Duration::from_secs(600);

#[test]
fn the_visitors_of_all_disabled_services_are_looked_for_together() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let directory = crate::cell::in_memory();
        let socket = directory.path().join("control");
        let tor = ScriptedTor::new(&socket, Model::with_crowd(Vec::new()));
        tor.be_away(true);
        tor.start();
        let house = House::open(directory.path(), &socket).await;
        for number in 0..SERVICES {
            let name: ServiceName = format!("web{number}").parse().unwrap();
            let virtual_port = VirtualPort::new(NonZeroU16::new(80).unwrap());
            let port = PortMapping { virtual_port, target: "127.0.0.1:8080".parse().unwrap() };
            let request = PublishRequest {
                name: Some(name.clone()),
                ports: vec![port].try_into().unwrap(),
                persistence: Persistence::Amnesic,
                autostart: Autostart::Off,
                exposure: Exposure::default(),
                wish: Wish::Enabled,
            };
            house.controller.publish(request).await.unwrap();
            house.controller.set_wish(name, Wish::Disabled).await.unwrap();
        }
        tor.fail_at(None);
        tor.be_away(false);
        let mut pictures = house.controller.pictures();
        pictures.mark_changed();
        let settled = pictures.wait_for(|picture| picture.services.values().all(|service| service.access_settled));
        assert_eq!(tokio::time::timeout(PATIENCE, settled).await.unwrap().unwrap().services.len(), SERVICES);
        let looks = tor.heard().iter().filter(|command| *command == "GETINFO circuit-status").count();
        assert!((1..=LOOKS).contains(&looks), "{looks} looks");
        house.kill().await;
    });
}
