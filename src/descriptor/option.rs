// SPDX-License-Identifier: GPL-3.0-or-later
//! The options of a service: their types, defaults and ranges, and the values that people give them.

mod folder;
mod kinds;
mod secret;
mod value;
mod values;

use serde_json::{Value as Json, json};

pub use self::folder::Folder;
pub use self::kinds::{
    Access, BoolKeys, Characters, Choice, EnumKeys, FolderKeys, IntKeys, PortKeys, ProbeKeys, SecretKeys, StringKeys,
    TextKeys,
};
pub use self::secret::SecretText;
pub use self::value::{InvalidValue, OptionValue};
pub use self::values::{OptionValues, SetError};
use super::finding::Findings;
use super::names::{Help, Line, Word};
use super::read::{At, Fields, Read, Table, TableSchema, Toml, table, words};

words! {
    /// The type of an option.
    pub enum OptionType {
        /// On or off.
        Bool = "bool",
        /// A whole number in a range.
        Int = "int",
        /// A TCP port.
        Port = "port",
        /// One line of text.
        String = "string",
        /// Lines of text.
        Text = "text",
        /// One of some words.
        Enum = "enum",
        /// A password or the like; generated unless somebody gives one.
        Secret = "secret",
        /// A folder of a person, which the server sees under a path of its own.
        Folder = "folder",
        /// Read-only: SHA-256 of the certificate of a key pair.
        TlsFingerprint = "tls-fingerprint",
        /// Read-only: the public key of an SSH host key.
        SshHostKey = "ssh-host-key",
    }
}

words! {
    /// Where the window shows an option.
    pub enum Group {
        /// What visitors need to connect.
        Connection = "connection",
        /// Who may do what.
        Access = "access",
        /// All else.
        Service = "service",
    }
}

words! {
    /// What it costs to change an option.
    pub enum Cost {
        /// The server notices by itself.
        Nothing = "nothing",
        /// The server reads its configuration again, and nobody is disconnected.
        Reload = "reload",
        /// The server starts again: visitors are disconnected for a moment.
        Restart = "restart",
        /// The onion service is published again: visitors are disconnected, and find it again after some seconds.
        Republish = "republish",
    }
}

table! {
    /// What all options have.
    pub struct OptionHead {
        /// The name on the command line.
        required name: At<Word>,
        /// The type, which says what other keys there are.
        required r#type: OptionType,
        /// The name in the window.
        required label: Line,
        /// A sentence for those who do not know what it is.
        optional help: Help,
        /// Where the window shows it.
        or(Group::Service) group: Group,
        /// What it costs to change it.
        or(Cost::Restart) change: Cost,
    }
}

/// One option of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionSpec {
    /// What all options have.
    pub head: OptionHead,
    /// What its type asks for.
    pub kind: OptionKind,
}

/// The type of an option, with what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionKind {
    /// On or off.
    Bool(BoolKeys),
    /// A whole number.
    Int(IntKeys),
    /// A TCP port.
    Port(PortKeys),
    /// One line.
    String(StringKeys),
    /// Lines.
    Text(TextKeys),
    /// One of some words.
    Enum(EnumKeys),
    /// A password.
    Secret(SecretKeys),
    /// A folder of a person.
    Folder(FolderKeys),
    /// The fingerprint of a certificate.
    TlsFingerprint(ProbeKeys),
    /// The public half of a host key.
    SshHostKey(ProbeKeys),
}

impl OptionSpec {
    /// The name.
    #[must_use]
    pub const fn name(&self) -> &Word {
        &self.head.name.value
    }

    /// Whether its value is a secret.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, OptionKind::Secret(_))
    }

    /// Whether it is found out, and never set.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.probe().is_some()
    }

    pub(super) const fn probe(&self) -> Option<&ProbeKeys> {
        match &self.kind {
            OptionKind::TlsFingerprint(keys) | OptionKind::SshHostKey(keys) => Some(keys),
            OptionKind::Bool(_)
            | OptionKind::Int(_)
            | OptionKind::Port(_)
            | OptionKind::String(_)
            | OptionKind::Text(_)
            | OptionKind::Enum(_)
            | OptionKind::Secret(_)
            | OptionKind::Folder(_) => None,
        }
    }
}

/// Calls a macro for each type and its keys.
macro_rules! each_kind {
    ($then:ident) => {
        $then! {
            Bool BoolKeys, Int IntKeys, Port PortKeys, String StringKeys, Text TextKeys, Enum EnumKeys, Secret SecretKeys,
            Folder FolderKeys, TlsFingerprint ProbeKeys, SshHostKey ProbeKeys
        }
    };
}

impl Read for OptionSpec {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        let table = Table::open(value, findings)?;
        let head = OptionHead::read_fields(&table, findings);
        // Without its type nothing can be said of the other keys.
        let kind = head
            .as_ref()
            .map(|head| head.r#type)
            .or_else(|| table.optional::<OptionType>("type", &mut Findings::default()).flatten())?;
        macro_rules! read {
            ($($variant:ident $keys:ident),+) => {
                match kind {
                    $(OptionType::$variant => {
                        table.close(&[OptionHead::keys(), $keys::keys()].concat(), findings);
                        $keys::read_fields(&table, findings).map(OptionKind::$variant)
                    })+
                }
            };
        }
        let kind = each_kind!(read);
        Some(Self { head: head?, kind: kind? })
    }

    fn schema() -> Json {
        fn one<K: Fields>(kind: OptionType) -> Json {
            let mut schema = TableSchema::default();
            OptionHead::describe(&mut schema);
            K::describe(&mut schema);
            let mut schema = schema.finish();
            if let Some(described) = schema.pointer_mut("/properties/type") {
                *described = json!({ "const": kind.as_str() });
            }
            schema
        }
        macro_rules! schemas {
            ($($variant:ident $keys:ident),+) => { vec![$(one::<$keys>(OptionType::$variant)),+] };
        }
        json!({ "oneOf": each_kind!(schemas) })
    }
}
