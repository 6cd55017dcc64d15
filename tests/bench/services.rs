// SPDX-License-Identifier: GPL-3.0-or-later
//! Stored services whose targets listen.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tails_server_state::{Autostart, OnionKey, Persistence, PortMap, ServiceRecord, Store, StoreLayout, Target, Wish};
use tempfile::TempDir;

use crate::Outcome;

/// More targets than this are shared: each costs this process a descriptor.
const LISTENERS: usize = 200;

/// A store with services, to be copied for each measurement: filling one takes seconds.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    made: RefCell<BTreeMap<usize, Rc<Services>>>,
}

/// Enabled kept services, and the store that remembers them.
#[derive(Debug)]
pub(crate) struct Services {
    /// Key and target of each.
    pub(crate) all: Vec<(OnionKey, Target)>,
    _listeners: Vec<TcpListener>,
    directories: Directories,
}

/// A state directory on the disk and a runtime directory in memory, as on a real system.
#[derive(Debug)]
pub(crate) struct Directories {
    state: TempDir,
    runtime: TempDir,
}

impl Stock {
    /// This many services.
    pub(crate) fn services(&self, count: usize) -> Outcome<Rc<Services>> {
        if let Some(made) = self.made.borrow().get(&count) {
            return Ok(Rc::clone(made));
        }
        let made = Rc::new(Services::make(count)?);
        self.made.borrow_mut().insert(count, Rc::clone(&made));
        Ok(made)
    }
}

impl Services {
    fn make(count: usize) -> Outcome<Self> {
        let directories = Directories::create()?;
        let store = Store::open(&directories.layout());
        let listeners =
            (0..count.min(LISTENERS)).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
        let targets = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        let mut all = Vec::with_capacity(count);
        for (number, address) in targets.iter().cycle().take(count).enumerate() {
            let target: Target = address.to_string().parse()?;
            let key = OnionKey::generate()?;
            store.add(&record(&name(number), &target)?, &key, Wish::Enabled)?;
            all.push((key, target));
        }
        Ok(Self { all, _listeners: listeners, directories })
    }

    /// A copy of the store for one measurement.
    pub(crate) fn copy(&self) -> Outcome<Directories> {
        self.copy_to(Directories::create()?)
    }

    /// The same with no disk in it.
    pub(crate) fn copy_in_memory(&self) -> Outcome<Directories> {
        self.copy_to(Directories { state: make(&memory()?)?, runtime: make(&memory()?)? })
    }

    fn copy_to(&self, copy: Directories) -> Outcome<Directories> {
        copy_tree(self.directories.state(), copy.state())?;
        copy_tree(self.directories.runtime(), copy.runtime())?;
        Ok(copy)
    }
}

impl Directories {
    fn create() -> Outcome<Self> {
        let disk = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(disk)?;
        Ok(Self { state: make(disk)?, runtime: make(&memory()?)? })
    }

    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    pub(crate) fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    /// Where the controller has its store in these directories.
    pub(crate) fn layout(&self) -> StoreLayout {
        StoreLayout { kept: self.state().join("kept"), amnesic: self.runtime().join("amnesic") }
    }
}

/// A directory in memory, where the system has one. Its path is short: that of a socket has 108 bytes at most.
fn memory() -> Outcome<PathBuf> {
    let places = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    Ok(places.into_iter().find(|path| path.is_dir()).ok_or("no temporary directory")?)
}

fn make(parent: &Path) -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix("ts-bench-").tempdir_in(parent)
}

/// What the service with this number is called.
pub(crate) fn name(number: usize) -> String {
    format!("service-{number}")
}

/// The wishes for one kept service.
pub(crate) fn record(name: &str, target: &Target) -> Outcome<ServiceRecord> {
    let ports = PortMap::try_from(vec![format!("80:{target}").parse()?])?;
    Ok(ServiceRecord::new(name.parse()?, Persistence::Kept, Autostart::On, ports)?)
}

fn copy_tree(from: &Path, to: &Path) -> Outcome {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
