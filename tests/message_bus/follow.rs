// SPDX-License-Identifier: GPL-3.0-or-later
//! Objects and signals follow what is, whatever becomes of the bus.

use futures_util::StreamExt;
use tails_server::bus::api::{BUS_NAME, MANAGER_PATH, PublishOptions, ServiceProxy, service_path};
use tokio::time::timeout;
use zbus::fdo::{DBusProxy, ObjectManagerProxy, PropertiesProxy, RequestNameFlags};

use crate::harness::PATIENCE;
use crate::house::{Bus, House, manager, until_named};

fn named(name: &str) -> PublishOptions {
    PublishOptions { name: Some(name.to_owned()), ..PublishOptions::default() }
}

#[tokio::test]
async fn an_object_comes_changes_and_goes_with_its_service() {
    let house = House::open("system");
    let connection = house.bus.connect().await;
    let objects = ObjectManagerProxy::new(&connection, BUS_NAME, MANAGER_PATH).await.unwrap();
    let (mut added, mut removed) =
        (objects.receive_interfaces_added().await.unwrap(), objects.receive_interfaces_removed().await.unwrap());
    let manager = manager(&connection).await;
    let name = "a-web".parse().unwrap();
    manager.publish(&[(80, "127.0.0.1:8080")], named("a-web")).await.unwrap();
    let told = timeout(PATIENCE, added.next()).await.unwrap().unwrap();
    let told = told.args().unwrap();
    assert_eq!(told.object_path().as_str(), service_path(&name).as_str());
    assert!(told.interfaces_and_properties()["org.boum.tails.Server1.Service"].contains_key("State"));
    assert!(objects.get_managed_objects().await.unwrap().contains_key(&service_path(&name)));

    let service = ServiceProxy::builder(&connection).path(service_path(&name)).build().await.unwrap();
    let mut states = service.receive_state_changed().await;
    let until = async |states: &mut zbus::proxy::PropertyStream<'_, String>, wanted: &str| {
        while states.next().await.unwrap().get().await.unwrap() != wanted {}
    };
    timeout(PATIENCE, until(&mut states, "published")).await.unwrap();
    assert!(service.disable().await.unwrap());
    timeout(PATIENCE, until(&mut states, "disabled")).await.unwrap();
    assert!(!service.enabled().await.unwrap(), "it is told of, and kept by the client");
    assert!(service.enable().await.unwrap());
    timeout(PATIENCE, until(&mut states, "published")).await.unwrap();

    service.remove().await.unwrap();
    let told = timeout(PATIENCE, removed.next()).await.unwrap().unwrap();
    assert_eq!(told.args().unwrap().object_path().as_str(), service_path(&name).as_str());
    assert!(service.address().await.is_err());
}

#[tokio::test]
async fn what_changed_is_told_and_nothing_else() {
    let house = House::open("system");
    let connection = house.bus.connect().await;
    let manager = manager(&connection).await;
    manager.publish(&[(80, "127.0.0.1:8080")], named("web")).await.unwrap();
    let path = service_path(&"web".parse().unwrap());
    let properties = PropertiesProxy::new(&connection, BUS_NAME, path).await.unwrap();
    let mut changes = properties.receive_properties_changed().await.unwrap();
    manager.set_option("web", "max-streams", "7").await.unwrap();
    let change = async {
        loop {
            let told = changes.next().await.unwrap();
            let told = told.args().unwrap();
            if let Some(most) = told.changed_properties.get("MaxStreams") {
                assert!(
                    !told.changed_properties.contains_key("Name") && !told.changed_properties.contains_key("Ports")
                );
                return u32::try_from(most).unwrap();
            }
        }
    };
    assert_eq!(timeout(PATIENCE, change).await.unwrap(), 7);
}

#[tokio::test]
async fn whoever_finds_the_name_finds_the_objects() {
    let mut bus = Bus::start();
    for _ in 0..5 {
        let connection = bus.connect().await;
        let house = House::on(bus, "system");
        until_named(&connection).await;
        let objects = ObjectManagerProxy::new(&connection, BUS_NAME, MANAGER_PATH).await.unwrap();
        objects.get_managed_objects().await.unwrap();
        bus = house.bus;
    }
}

#[tokio::test]
async fn the_controller_is_back_on_a_bus_that_was_gone_and_services_stay_published() {
    let mut house = House::open("system");
    house.cli("system", &["publish", "80:8080", "--name", "web", "--wait"]).succeeded();
    house.bus.close();
    // Peer to peer it answers all the time.
    assert_eq!(house.controller.service_state("web"), "published");
    house.bus.open();
    let connection = house.bus.connect().await;
    timeout(PATIENCE, until_named(&connection)).await.unwrap();
    let (_, _, services) = manager(&connection).await.overview().await.unwrap();
    assert_eq!(services["web"].state, "published");
    assert_eq!(services["web"].healed, 0, "Tor did not notice either");
}

#[tokio::test]
async fn a_name_that_was_taken_is_waited_for_and_never_stolen() {
    let bus = Bus::start();
    let thief = bus.connect().await;
    thief.request_name_with_flags(BUS_NAME, RequestNameFlags::empty()).await.unwrap();
    let house = House::on(bus, "system");
    house.controller.cli(["list"]).succeeded();
    let owner = || async {
        let bus = DBusProxy::new(&thief).await.unwrap();
        bus.get_name_owner(BUS_NAME.try_into().unwrap()).await.unwrap()
    };
    assert_eq!(owner().await.as_str(), thief.unique_name().unwrap().as_str());
    thief.release_name(BUS_NAME).await.unwrap();
    timeout(PATIENCE, until_named(&thief)).await.unwrap();
    assert_ne!(owner().await.as_str(), thief.unique_name().unwrap().as_str());
}

#[tokio::test]
async fn a_connection_that_is_over_is_over() {
    let mut house = House::open("system");
    let pid = house.daemon.0.id();
    let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let mut counts = Vec::new();
    for _ in 0..4 {
        house.bus.close();
        house.bus.open();
        let connection = house.bus.connect().await;
        timeout(PATIENCE, until_named(&connection)).await.unwrap();
        counts.push(open());
    }
    assert!(counts.last() <= counts.first(), "file descriptors after each: {counts:?}");
}
