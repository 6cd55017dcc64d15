// SPDX-License-Identifier: GPL-3.0-or-later
//! The bases of the machines: made once, kept between runs, never changed.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, syncfs};

use crate::{Error, Release, recipe};

/// What a base is made of decides on its name, so that one of another recipe is never used.
const RECIPE: &str = include_str!("recipe.rs");

/// A tree to boot from and a repository to install from.
#[derive(Clone, Debug)]
pub struct Base {
    directory: PathBuf,
}

impl Base {
    /// The base of a release that [`prepare`](Self::prepare) has made.
    ///
    /// # Errors
    /// If it was not made.
    pub fn of(release: Release) -> Result<Self, Error> {
        let path = cache()?.join(name(release));
        if path.is_dir() { Ok(Self { directory: path }) } else { Err(Error::NotPrepared { release, path }) }
    }

    /// Makes the base of a release if there is none, with packages from the host's mirrors. This needs root and a
    /// network; others who want to make it wait meanwhile.
    ///
    /// # Errors
    /// If there is no cache directory, a program is missing, or the mirrors do not have the packages.
    pub fn prepare(release: Release) -> Result<Self, Error> {
        let cache = cache()?;
        DirBuilder::new().recursive(true).mode(0o755).create(&cache).map_err(Error::file("create", &cache))?;
        let lock_path = cache.join(format!("{}.lock", release.codename()));
        let lock = File::create(&lock_path).map_err(Error::file("create", &lock_path))?;
        // It goes when the file is closed, also by our death.
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| Error::file("lock", &lock_path)(error.into()))?;
        if let Ok(base) = Self::of(release) {
            return Ok(base);
        }
        let (half, whole) = (cache.join(format!("{}.half", release.codename())), cache.join(name(release)));
        if half.exists() {
            fs::remove_dir_all(&half).map_err(Error::file("remove", &half))?;
        }
        DirBuilder::new().mode(0o755).create(&half).map_err(Error::file("create", &half))?;
        recipe::make(release, &half)?;
        // Its name says that it is whole; so all of it has to be on the disk before it has the name.
        let directory = File::open(&half).map_err(Error::file("open", &half))?;
        syncfs(&directory).map_err(|error| Error::file("sync", &half)(error.into()))?;
        fs::rename(&half, &whole).map_err(Error::file("create", &whole))?;
        Ok(Self { directory: whole })
    }

    /// The root of the file system of a machine that was never booted.
    pub(crate) fn tree(&self) -> PathBuf {
        self.directory.join("tree")
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.directory.join("repository")
    }

    /// Where it is kept.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The directory of the bases of all releases and recipes. Removing it costs a few minutes and nothing else.
fn cache() -> Result<PathBuf, Error> {
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache"))).ok_or(Error::NoCache)?;
    Ok(user.join("tails-server").join("box"))
}

fn name(release: Release) -> String {
    // Another version of Rust may hash it to another value: then it is made once more.
    let mut hasher = DefaultHasher::new();
    RECIPE.hash(&mut hasher);
    format!("{}-{:016x}", release.codename(), hasher.finish())
}
