// SPDX-License-Identifier: GPL-3.0-or-later
//! The real programs over a scripted Tor that fails while a client is removed: a sample of the matrix.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tails_server_state::ClientSecretKey;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tornet::{Website, wait_until};

use crate::harness::{Answer, Controller, PATIENCE};
use crate::model::{Echo, Model, Open, verb};
use crate::tor::{Fault, ScriptedTor};

/// As many as there are usually processors, and as many again, for most of the time they wait.
const AT_ONCE: usize = 4;

/// A scripted Tor with a thread of its own, until dropped.
struct Running {
    tor: ScriptedTor,
    place: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(model: Model) -> Self {
        let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
        let tor = ScriptedTor::new(&place.path().join("control"), model);
        let (stop, stopped) = oneshot::channel::<()>();
        let theirs = tor.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let serving = theirs.start();
                // Told so, or dropped: the same.
                let _ = stopped.await;
                serving.abort();
            });
        });
        Self { tor, place, stop: Some(stop), thread: Some(thread) }
    }

    fn control(&self) -> String {
        format!("unix:{}", self.place.path().join("control").display())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A private service with two clients, both connected, and a stranger at the door.
struct Scene {
    tor: Running,
    controller: Controller,
    address: String,
    bob: Open,
    _site: Website,
}

impl Scene {
    fn set() -> Self {
        let [alice, bob, eve] = [(); 3].map(|()| ClientSecretKey::generate().unwrap().public_key().base32());
        let crowd = vec![Some(alice.clone()), Some(bob.clone()), Some(eve), None];
        let tor = Running::start(Model::with_crowd(crowd));
        let mut controller = Controller::new(tor.control());
        controller.start();
        let site = Website::start("page").unwrap();
        let port = format!("80:{}", site.port());
        controller.cli(["publish", "--private", "--name", "web", &port]).succeeded();
        for (name, key) in [("alice", &alice), ("bob", &bob)] {
            controller.cli(["client", "add", "web", name, "--public-key", key]).succeeded();
        }
        let address = controller.address("web");
        let scene = Self { tor, controller, address, bob: Open::To([bob.clone()].into()), _site: site };
        scene.settle(&Open::To([alice, bob].into()));
        scene
    }

    /// Waits until the controller says that it is published and nobody too many is connected, and Tor has it like this.
    fn settle(&self, open: &Open) {
        let reached = wait_until(PATIENCE, || {
            let status = self.controller.status("web");
            let is_settled = status["access-settled"] == true;
            if is_settled {
                self.assert_closed("access-settled");
            }
            let has = self.tor.tor.model().services().get(&self.address) == Some(open);
            (is_settled && status["state"] == "published" && has).then_some(())
        });
        assert!(reached.is_some(), "{} {}", self.controller.status("web"), self.controller.log());
    }

    /// Nobody is let in, nor connected, whom it was promised that they are not.
    fn assert_closed(&self, said: &str) {
        let model = self.tor.tor.model();
        assert_eq!(model.too_open(&self.address), None, "{said}: {}", self.controller.log());
        assert!(model.violations.is_empty(), "{said}: {:?}", model.violations);
    }

    fn remove_alice(&self) -> Answer {
        self.controller.cli(["client", "remove", "web", "alice", "--yes"])
    }
}

/// How the command line answered, and how long it took until all was as it should be.
fn remove_a_client_with(fault: Option<(usize, Fault)>) -> (Vec<String>, Duration) {
    let mut scene = Scene::set();
    scene.tor.tor.fail_at(fault);
    let began = Instant::now();
    let kills = fault.is_some_and(|(_, fault)| fault.kills_the_controller());
    let answer = if kills {
        let mut removing = scene.controller.cli_command(["client", "remove", "web", "alice", "--yes"]).spawn().unwrap();
        let struck = wait_until(PATIENCE, || scene.tor.tor.has_struck().then_some(()));
        scene.controller.kill();
        assert!(struck.is_some(), "{fault:?}");
        assert!(!removing.wait().unwrap().success(), "{fault:?}: it was killed before the access had ended");
        scene.controller.start();
        // It was remembered before Tor heard of it.
        scene.remove_alice().failed(3)
    } else {
        scene.remove_alice()
    };
    scene.tor.tor.model().promise(&scene.address, scene.bob.clone());
    let says_ended = answer.stderr.contains("ended at");
    assert_eq!(says_ended, answer.code == Some(0), "{fault:?}: {answer:#?}");
    if says_ended {
        scene.assert_closed("ended");
    }
    if let Some((_, Fault::Wrong(_))) = fault {
        let status = scene.controller.status("web");
        let failed = wait_until(PATIENCE, || (scene.controller.service_state("web") == "failed").then_some(()));
        assert!(failed.is_some() && scene.tor.tor.model().services().is_empty(), "{fault:?}: {status}");
        scene.controller.cli(["enable", "web"]).succeeded();
    }
    scene.settle(&scene.bob);
    let took = began.elapsed();
    assert!(fault.is_none() || scene.tor.tor.has_struck(), "{fault:?}: it never came to it");
    let log = scene.controller.log();
    assert!(!log.contains("panicked") && !log.contains("bug:"), "{fault:?}: {log}");
    (scene.tor.tor.heard(), took)
}

#[test]
fn a_client_is_removed_whatever_fails_on_the_way() {
    let (undisturbed, took) = remove_a_client_with(None);
    println!("undisturbed: {took:.1?}, {:?}", undisturbed.iter().map(|command| verb(command)).collect::<Vec<_>>());
    let last = undisturbed.len();
    let faults = [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::TorKilled,
        Fault::RefusedAndDone,
        Fault::ControllerKilledBefore,
        Fault::ControllerKilledAfter,
    ];
    let mut cells: Vec<_> =
        faults.into_iter().flat_map(|fault| (1..=last).map(move |number| (number, fault))).collect();
    cells.extend([Echo::HasNone, Echo::HasOneMore].map(|echo| (last, Fault::Wrong(echo))));
    let (next, began) = (AtomicUsize::new(0), Instant::now());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(&(number, fault)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (_, took) = remove_a_client_with(Some((number, fault)));
                    println!("{fault:?} at command {number}: {took:.1?}");
                }
            });
        }
    });
    println!("{} cells with the real programs in {:.1?}", cells.len(), began.elapsed());
}
