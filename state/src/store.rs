// SPDX-License-Identifier: GPL-3.0-or-later
//! The durable store: two places of one kind, and what is wished of the services in them.

mod access;
mod aside;
mod ballast;
mod contents;
mod databases;
mod defect;
mod disk;
mod envelope;
mod error;
mod export;
mod exporter;
mod files;
mod ladder;
mod lock;
mod notes;
mod place;
mod places;
mod recovery;
mod restoring;
mod salvage;
mod unhurried;
mod volume;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::defect::Defect;
pub use self::error::StoreError;
pub use self::recovery::{Loss, Recovery, Rung};
pub use self::volume::KeptMounts;

use self::exporter::Exporter;
use self::places::Places;
use crate::Change;
use crate::address::OnionAddress;
use crate::client::AuthorizedClient;
use crate::described::{OptionName, OptionText};
use crate::key::OnionKey;
use crate::name::ServiceName;
use crate::record::{Persistence, ServiceRecord, Wish};

/// Where the two places are. They are made if they are not there, for us alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLayout {
    /// On the persistent volume.
    pub kept: PathBuf,
    /// On a file system in memory: it survives a crash of ours, not a reboot.
    pub amnesic: PathBuf,
}

/// A service as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredService {
    /// What it is.
    pub record: ServiceRecord,
    /// Its address; the key stays in the store.
    pub address: OnionAddress,
    /// Whether it is wanted in this session.
    pub wish: Wish,
    /// Whom it lets in when client authorisation is on, by name.
    pub clients: Vec<AuthorizedClient>,
    /// When its wish was said: larger is later. 0 if nothing was said in this session.
    pub enabled_at: u64,
}

/// What is remembered of all services, in two places.
///
/// The record and the key of a service lie in the place that its [`Persistence`] names. What is wished of it in this
/// session always lies in the amnesic place: after a reboot nothing but autostart counts.
///
/// What returned is durable: it survives a crash and a power cut. All calls block while the disk works, except
/// [`Store::services`], [`Store::problem`] and [`Store::recovery`]. There is one writer at a time.
///
/// # Examples
/// ```
/// use tails_server_state::{Autostart, OnionKey, Persistence, PortMap, ServiceRecord, Store, StoreLayout, Wish};
///
/// # let directory = tempfile::tempdir()?;
/// # let layout = StoreLayout { kept: directory.path().join("kept"), amnesic: directory.path().join("amnesic") };
/// let store = Store::open(&layout);
/// let ports = PortMap::try_from(vec!["80:8080".parse()?])?;
/// let record = ServiceRecord::new("web".parse()?, Persistence::Kept, Autostart::On, ports)?;
/// store.add(&record, &OnionKey::generate()?, Wish::Enabled)?;
/// drop(store);
///
/// assert_eq!(Store::open(&layout).services()[0].record, record);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Store {
    // Dropped, and thereby joined, before the places are closed.
    exporter: Exporter,
    places: Arc<Places>,
}

impl Store {
    /// Opens both places. Each of them is open afterwards or has a [`Store::problem`].
    #[must_use]
    pub fn open(layout: &StoreLayout) -> Self {
        Self::open_once_mounted(layout, &KeptMounts::default())
    }

    /// As [`Store::open`], but the kept place is used only while `mounts` are there. Until then, and whenever they are not,
    /// it has the problem [`StoreError::NotMounted`], and nothing is written where it would be.
    #[must_use]
    pub fn open_once_mounted(layout: &StoreLayout, mounts: &KeptMounts) -> Self {
        let places = Arc::new(Places::open_once_mounted(layout, mounts));
        let theirs = Arc::clone(&places);
        let store = Self { exporter: Exporter::start(move || theirs.export()), places };
        store.wake_exporter();
        store
    }

    /// Why a place can not be used now.
    #[must_use]
    pub fn problem(&self, place: Persistence) -> Option<Arc<StoreError>> {
        self.places.of(place).view().problem.clone()
    }

    /// What had to be done to open a damaged place.
    #[must_use]
    pub fn recovery(&self, place: Persistence) -> Option<Recovery> {
        self.places.of(place).view().recovery.clone()
    }

    /// Looks whether the volume of the kept place has come or gone, and opens or closes the place accordingly.
    pub fn look_at_mounts(&self) -> Change {
        self.write(Places::look_at_mounts)
    }

    /// All services, by name. Taken from memory.
    #[must_use]
    pub fn services(&self) -> Vec<StoredService> {
        self.places.services().into_values().collect()
    }

    /// Remembers a new service.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name is taken in either place, [`StoreError::AddressTaken`] if the key is, [`StoreError::Full`] if there is no room, and whatever
    /// is wrong with a place that is needed. After an error the service was taken back; where
    /// that was not possible either, it is listed as a whole, and disabled until [`Store::set_wish`] succeeds.
    pub fn add(&self, record: &ServiceRecord, key: &OnionKey, wish: Wish) -> Result<(), StoreError> {
        self.add_with_options(record, key, wish, &[])
    }

    /// As [`Store::add`], with values of its options: all of it or nothing.
    ///
    /// # Errors
    /// As [`Store::add`], and [`StoreError::TooLarge`] for a value that is too long.
    pub fn add_with_options(
        &self,
        record: &ServiceRecord,
        key: &OnionKey,
        wish: Wish,
        options: &[(OptionName, OptionText)],
    ) -> Result<(), StoreError> {
        self.write(|places| places.add(record, key, wish, options))
    }

    /// Remembers whether a service is wanted in this session.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, and whatever is wrong with the amnesic place. After an error a
    /// service that was to be enabled is disabled.
    pub fn set_wish(&self, name: &ServiceName, wish: Wish) -> Result<Change, StoreError> {
        self.write(|places| places.set_wish(name, wish))
    }

    /// Forgets a service: record, key and wish are gone from all files before this returns, except from those that were
    /// put aside as damaged. Its address is among the [`Store::farewells`] until [`Store::forget_farewell`].
    ///
    /// # Errors
    /// Whatever is wrong with a place that is needed. After an error it can be called again, whether the service is still
    /// listed or not; what is left of a service that is no longer listed is overwritten as soon as that is possible.
    pub fn remove(&self, name: &ServiceName) -> Result<Change, StoreError> {
        self.write(|places| places.remove(name))
    }

    /// The secret key of a service.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, and whatever is wrong with its place.
    pub fn key(&self, name: &ServiceName) -> Result<OnionKey, StoreError> {
        self.places.key(name)
    }

    /// Does something that changes the places.
    fn write<T>(&self, act: impl FnOnce(&Places) -> T) -> T {
        let writer = self.places.lock();
        let done = act(&self.places);
        drop(writer);
        self.wake_exporter();
        done
    }

    fn wake_exporter(&self) {
        if self.places.is_behind() {
            self.exporter.wake();
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}
