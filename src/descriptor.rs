// SPDX-License-Identifier: GPL-3.0-or-later
//! What a service is: one TOML file, and the templates beside it. No code, a closed vocabulary.
//!
//! [`check`] makes a [`ServiceDescriptor`] of the text, or says all that is the matter with it. [`OptionValues`] are what
//! people wish; with them and a [`Scope`], [`ServiceDescriptor::render`] writes the configuration of the server, and
//! [`ServiceDescriptor::connection_info`] what visitors need to know. [`Catalog`] has all descriptors of this computer.
//! The types that read a descriptor also write its JSON Schema: [`json_schema`].

mod catalog;
mod check;
mod common;
mod confinement;
mod connection;
mod finding;
mod names;
mod option;
mod places;
mod read;
mod render;
mod report;
mod schema;
mod scope;
mod service;
mod tables;
mod template;

pub use self::catalog::{Broken, Catalog, Entry, FILE_NAME, Origin, Source, Trust, Untrusted, lint_file};
pub use self::check::{Checked, Companions, FORMAT, MAX_BYTES, check};
pub use self::common::{Common, CommonOption};
pub use self::confinement::{Capability, Confinement, Home, System};
pub use self::connection::{ConnectionInfo, InfoLine};
pub use self::finding::{Finding, Rule, Severity};
pub(crate) use self::names::hides;
pub use self::names::{
    CompanionName, Documentation, Help, InvalidText, Line, PackageName, ProgramName, UnitName, UserName, Word,
};
pub use self::option::{
    Access, BoolKeys, Characters, Choice, Cost, EnumKeys, Folder, FolderKeys, Group, IntKeys, InvalidValue, OptionHead,
    OptionKind, OptionSpec, OptionType, OptionValue, OptionValues, PortKeys, ProbeKeys, SecretKeys, SecretText,
    SetError, StringKeys, TextKeys,
};
pub use self::places::{Mode, ServicePath};
pub use self::read::{Alternatives, At};
pub use self::render::{FolderMount, RenderedFile};
pub use self::report::{Located, Report};
pub use self::schema::json_schema;
pub use self::scope::{Debian, Scope};
pub use self::service::{Service, ServiceDescriptor};
pub use self::tables::{
    Client, Connection, ConnectionLine, Directory, File, Gecos, Hook, Install, KeyPair, KeyPairKind, Moment, Persist,
    Port, Unit, User,
};
pub use self::template::{CannotCarry, Format, RenderError, Rendered};
