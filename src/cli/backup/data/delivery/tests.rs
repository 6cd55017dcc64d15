// SPDX-License-Identifier: GPL-3.0-or-later
use std::os::unix::fs::PermissionsExt;

use super::*;

fn name() -> ServiceName {
    "web".parse().unwrap()
}

struct House {
    root: tempfile::TempDir,
    site: Site,
}

impl House {
    /// With data, if there are to be some.
    fn new(has_data: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        let site = Site { kept: root.path().join("data"), state: root.path().join("state") };
        let house = Self { root, site };
        fs::create_dir(&house.site.kept).unwrap();
        if has_data {
            fs::create_dir_all(house.here("srv")).unwrap();
            fs::write(house.here("srv/file"), "old").unwrap();
            fs::write(house.here("srv.origin"), "{}").unwrap();
        }
        house
    }

    fn here(&self, path: &str) -> PathBuf {
        self.site.directory(&name()).join(path)
    }

    fn arrive(&self) -> Delivery {
        let delivery = Delivery::begin(&self.site, &name()).unwrap();
        let place = self.site.arriving(&name());
        assert_eq!(place.metadata().unwrap().permissions().mode() & 0o777, 0o700, "nobody else comes in");
        fs::create_dir(place.join("srv")).unwrap();
        fs::write(place.join("srv/file"), "new").unwrap();
        delivery
    }

    fn content(&self) -> Option<String> {
        fs::read_to_string(self.here("srv/file")).ok()
    }

    /// What there is but for the data that count.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for directory in [&self.site.kept, &self.here("")] {
            let Ok(entries) = fs::read_dir(directory) else { continue };
            names.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
        }
        names.retain(|name| !["web", "srv"].contains(&name.as_str()));
        names.sort();
        names
    }
}

#[test]
fn the_data_of_a_backup_take_the_place_of_others_which_are_put_aside() {
    let house = House::new(true);
    for round in 1..4 {
        let mut delivery = house.arrive();
        delivery.exchange().unwrap();
        assert!(house.site.is_marked(&name()), "no server may start yet");
        assert_eq!(house.content().as_deref(), Some("new"));
        let aside = delivery.finish().unwrap();
        assert!(!house.site.is_marked(&name()));
        assert_eq!(aside.len(), round, "all that were put aside before stay");
        let old = aside.iter().filter(|aside| fs::read_to_string(aside.join("file")).unwrap() == "old").count();
        assert_eq!(old, 1, "nothing is lost");
        assert!(house.names().iter().all(|name| name.starts_with("srv.before-")), "{:?}", house.names());
    }
    assert_eq!(
        house.here("").metadata().unwrap().permissions().mode() & 0o777,
        0o700,
        "another user may have the number that a server had"
    );
}

#[test]
fn what_fails_leaves_all_as_it_was() {
    for has_data in [true, false] {
        let house = House::new(has_data);
        let before = (house.content(), house.names());
        drop(house.arrive());
        assert_eq!((house.content(), house.names()), before);
        let mut delivery = house.arrive();
        delivery.exchange().unwrap();
        drop(delivery);
        assert_eq!((house.content(), house.names()), before);
        assert_eq!(house.site.has_data(&name()), has_data);
    }
}

#[test]
fn data_of_a_server_that_may_run_are_not_exchanged() {
    let house = House::new(true);
    let mut delivery = house.arrive();
    fs::create_dir_all(house.root.path().join("state/web")).unwrap();
    fs::write(house.root.path().join("state/web/applied.json"), "{}").unwrap();
    assert!(matches!(delivery.exchange(), Err(DeliveryError::Runs(_))));
    drop(delivery);
    assert_eq!(house.content().as_deref(), Some("old"));
}

#[test]
fn acts_on_the_service_wait_until_the_backup_is_restored() {
    let house = House::new(true);
    let mut delivery = house.arrive();
    delivery.exchange().unwrap();
    let lock = fs::File::open(house.root.path().join("state/.locks/web")).unwrap();
    let attempt = || flock(&lock, FlockOperation::NonBlockingLockExclusive);
    assert!(attempt().is_err());
    delivery.finish().unwrap();
    attempt().unwrap();
}

#[test]
fn a_crash_at_any_point_leaves_old_or_new_and_the_next_restoration_loses_nothing() {
    // What is on the disk at each point, and whether a server may start.
    type Crash = fn(&House);
    let points: [(&str, Crash); 6] = [
        ("while they arrive", |house| std::mem::forget(house.arrive())),
        ("while they arrive, before the mark", |house| fs::create_dir(house.site.arriving(&name())).unwrap()),
        ("after the exchange", |house| {
            let mut delivery = house.arrive();
            delivery.exchange().unwrap();
            delivery.leave();
        }),
        ("while the old are put aside", |house| {
            let mut delivery = house.arrive();
            delivery.exchange().unwrap();
            delivery.leave();
            settle(&house.site, &name()).unwrap();
        }),
        ("while what has arrived is deleted", |house| {
            std::mem::forget(house.arrive());
            fs::remove_dir_all(house.site.arriving(&name()).join("srv")).unwrap();
        }),
        ("twice after the exchange", |house| {
            for _ in 0..2 {
                let mut delivery = house.arrive();
                delivery.exchange().unwrap();
                delivery.leave();
            }
        }),
    ];
    for (what, crash) in points {
        let house = House::new(true);
        crash(&house);
        let is_marked = house.site.is_marked(&name());
        assert_eq!(house.content().as_deref(), Some(if is_marked { "new" } else { "old" }), "{what}");
        let mut delivery = house.arrive();
        delivery.exchange().unwrap();
        delivery.finish().unwrap();
        assert_eq!(house.content().as_deref(), Some("new"), "{what}");
        let names = house.names();
        assert!(names.iter().all(|name| name.starts_with("srv.before-")), "{what}: {names:?}");
        let contents: Vec<_> =
            names.iter().map(|name| fs::read_to_string(house.here(name).join("file")).unwrap()).collect();
        assert_eq!(contents, ["old"], "{what}");
    }
}
