// SPDX-License-Identifier: GPL-3.0-or-later
//! All descriptors of this computer: several directories, laid over one another. The only place of this room that reads files.

mod lint;
mod trusted;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use self::lint::lint_file;
use self::trusted::{Tree, TreeError};
pub use self::trusted::{Trust, Untrusted};
use super::check::{Companions, check};
use super::finding::{Finding, Rule, Severity};
use super::names::CompanionName;
use super::report::{Located, Report};
use super::service::ServiceDescriptor;

/// The descriptor in the directory of its service.
pub const FILE_NAME: &str = "service.toml";

/// Where a descriptor comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Installed with Tails Server: `/usr/share/tails-server/services`.
    Vendor,
    /// From the administrator: `/etc/tails-server/services`.
    Admin,
    /// A person's own: `$XDG_CONFIG_HOME/tails-server/services`. It can not install anything, nor run a unit.
    Personal,
}

/// A directory that has a directory for each service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub origin: Origin,
}

/// One service of the catalogue.
#[derive(Debug)]
pub struct Entry {
    /// Where it comes from.
    pub origin: Origin,
    /// The descriptor, or why there is none.
    pub descriptor: Result<Arc<ServiceDescriptor>, Broken>,
    /// What is doubtful in it.
    pub warnings: Vec<Located>,
}

/// Why a service can not be used.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Others could change what it does.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// It can not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// It breaks rules.
    #[error("{}", summary(.0))]
    Rules(Vec<Located>),
}

/// The first error, and how many there are.
fn summary(findings: &[Located]) -> String {
    let errors: Vec<&Located> =
        findings.iter().filter(|finding| finding.severity == Severity::Error.as_str()).collect();
    match errors.as_slice() {
        [] => "the descriptor is broken".to_owned(),
        [Located { file, line, message, .. }] => format!("{file}, line {line}: {message}"),
        [Located { file, line, message, .. }, rest @ ..] => {
            format!("{file}, line {line}: {message} (and {} more)", rest.len())
        }
    }
}

/// The descriptors of this computer. One that is broken breaks one service only.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: BTreeMap<String, Entry>,
    problems: Vec<Broken>,
}

impl Catalog {
    /// Reads directories; a service in a later one takes the place of the same in an earlier one, whole. A directory that is
    /// not there is empty.
    #[must_use]
    pub fn load(sources: &[Source], trust: Trust) -> Self {
        let mut catalog = Self::default();
        for source in sources {
            if let Err(problem) = catalog.add(source, trust) {
                catalog.problems.push(problem);
            }
        }
        catalog
    }

    /// The services by name, the broken ones too.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// One service.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// Whole directories that can not be used, and why.
    #[must_use]
    pub fn problems(&self) -> &[Broken] {
        &self.problems
    }

    fn add(&mut self, source: &Source, trust: Trust) -> Result<(), Broken> {
        let Some(tree) = Tree::open(&source.path, trust)? else { return Ok(()) };
        for name in tree.directories()? {
            let entry = match Self::read(&tree, &name, source.origin) {
                Ok((descriptor, warnings)) => Entry { origin: source.origin, descriptor: Ok(descriptor), warnings },
                // A broken one does not fall back to the one below: nobody would know which of the two is in use.
                Err(broken) => Entry { origin: source.origin, descriptor: Err(broken), warnings: Vec::new() },
            };
            self.entries.insert(name, entry);
        }
        Ok(())
    }

    fn read(tree: &Tree, name: &str, origin: Origin) -> Result<(Arc<ServiceDescriptor>, Vec<Located>), Broken> {
        let directory = tree.enter(name)?;
        let text = directory.text(FILE_NAME)?;
        let mut checked = check(name, &text, &directory);
        if origin == Origin::Personal {
            let privileged = checked.descriptor.as_deref().and_then(needs_root);
            if let Some(finding) = privileged {
                checked.descriptor = None;
                checked.findings.push(finding);
            }
        }
        let path = directory.path().join(FILE_NAME).display().to_string();
        let texts = BTreeMap::new();
        let findings = Report::new(&path, &text, &texts, checked.findings).findings().to_vec();
        match checked.descriptor {
            Some(descriptor) => Ok((Arc::new(descriptor), findings)),
            None => Err(Broken::Rules(findings)),
        }
    }
}

/// What only root could do.
fn needs_root(service: &super::service::Service) -> Option<Finding> {
    let what = service.needs_root()?;
    let message = format!("a service that {what} needs root, and a person's own has none");
    let hint = Some("Put the descriptor into /etc/tails-server/services as root".to_owned());
    Some(Finding { rule: Rule::UnitPersonal, companion: None, span: service.name.span.clone(), message, hint })
}

impl Companions for trusted::Directory {
    fn text(&self, name: &CompanionName) -> Result<String, String> {
        self.text(name.as_str()).map_err(|error| Broken::from(error).to_string())
    }

    fn program(&self, name: &CompanionName) -> Result<[u8; 32], String> {
        self.program(name.as_str()).map_err(|error| Broken::from(error).to_string())
    }
}

impl From<TreeError> for Broken {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Untrusted(untrusted) => Self::Untrusted(untrusted),
            TreeError::Read { path, cause } => Self::Read { path, cause },
        }
    }
}

/// SHA-256 of a program, which may be of any size.
fn program_digest(program: &mut impl io::Read) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = [0; 8192];
    loop {
        match program.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => hash.update(buffer.get(..count).unwrap_or_default()),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

/// How people know a path.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
