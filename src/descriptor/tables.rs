// SPDX-License-Identifier: GPL-3.0-or-later
//! The tables of a descriptor, format 1, as they stand in the file. Options have a room of their own.

use std::num::NonZeroU16;

use serde_json::json;
use tails_server_state::{Target, VirtualPort};
use toml::de::DeValue;

use super::finding::{Findings, Rule};
use super::names::{CompanionName, InvalidText, Line, PackageName, ProgramName, UnitName, UserName, Word, newtype};
use super::places::{Mode, ServicePath};
use super::read::{Alternatives, At, Read, Toml, small_number, table, text, words, wrong_type};
use super::template::Format;

table! {
    /// The program with which people use the service, on their side.
    pub struct Client {
        /// The program that they start.
        required application: ProgramName,
        /// Its name in the window.
        required title: Line,
        /// The Debian package that it is in.
        optional package: PackageName,
        /// Its desktop file.
        optional desktop_file: ProgramName,
    }
}

table! {
    /// What is installed.
    pub struct Install {
        /// Debian packages; an entry that is a list has alternatives, and the first that exists is installed.
        many packages: Alternatives<PackageName>,
        /// Whether what the packages recommend is installed, too.
        or(false) recommends: bool,
        /// Units of these packages that the service does not use, and that never start.
        many quiet: UnitName,
    }
}

table! {
    /// The systemd unit that runs the server.
    pub struct Unit {
        /// Its name; in a list, the first that exists.
        required name: At<Alternatives<UnitName>>,
        /// A unit file beside the descriptor, for packages that have none.
        optional provided: At<CompanionName>,
    }
}

table! {
    /// A port that the server opens, and under which visitors find it.
    pub struct Port {
        /// What templates call it; the first port is the main one.
        required name: At<Word>,
        /// Where the server listens: a port on 127.0.0.1, or `unix:` and the path of a socket.
        required target: At<Target>,
        /// The port of the onion service, if it is another.
        optional virtual_port: At<NonZeroU16>,
    }
}

impl Port {
    /// The port of the onion service unless somebody wishes another. `None` for a socket that says none.
    #[must_use]
    pub fn default_virtual_port(&self) -> Option<VirtualPort> {
        let explicit = self.virtual_port.as_ref().map(|port| port.value);
        let own = match &self.target.value {
            Target::Tcp(address) => NonZeroU16::new(address.port()),
            Target::Unix(_) => None,
        };
        explicit.or(own).map(VirtualPort::new)
    }
}

impl Read for Target {
    fn read(value: &Toml<'_>, findings: &mut Findings) -> Option<Self> {
        let text = match value.get_ref() {
            DeValue::Integer(_) => small_number(value, findings)?.to_string(),
            DeValue::String(text) => text.to_string(),
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                return wrong_type(value, "a port, or text that begins with unix:", findings);
            }
        };
        text.parse()
            .map_err(|reason| {
                findings.tell(Rule::PortTarget, &value.span(), format!("\"{}\": {reason}", text.escape_debug()));
            })
            .ok()
    }

    fn schema() -> serde_json::Value {
        json!({ "oneOf": [NonZeroU16::schema(), { "type": "string", "pattern": "^(unix:/|127\\.0\\.0\\.1:|\\[::1\\]:)" }] })
    }
}

table! {
    /// A configuration file, rendered whole from a template and laid over the packaged one.
    pub struct File {
        /// Where the server looks for it; in a list, the first that exists.
        required path: At<Alternatives<ServicePath>>,
        /// The template, a file beside the descriptor.
        required template: At<CompanionName>,
        /// How values are written into it.
        required format: Format,
        /// Whose it is.
        or(root()) owner: UserName,
        /// The group that it belongs to.
        or(root()) group: UserName,
        /// Who may read it.
        or(unplaced(Mode::FILE)) mode: At<Mode>,
    }
}

table! {
    /// A directory that has to be there before the server starts.
    pub struct Directory {
        /// Its path.
        required path: At<ServicePath>,
        /// Whose it is.
        or(root()) owner: UserName,
        /// The group that it belongs to.
        or(root()) group: UserName,
        /// Who may enter and read it.
        or(unplaced(Mode::DIRECTORY)) mode: At<Mode>,
    }
}

table! {
    /// What survives a reboot, if the service is persistent.
    pub struct Persist {
        /// The directory, with all that is in it; in a list, the first that exists.
        required path: At<Alternatives<ServicePath>>,
        /// Whose it is.
        or(root()) owner: UserName,
        /// The group that it belongs to.
        or(root()) group: UserName,
        /// Who may enter and read it.
        or(unplaced(Mode::DIRECTORY)) mode: At<Mode>,
    }
}

words! {
    /// What a key pair is for.
    pub enum KeyPairKind {
        /// A key and a self-signed certificate, both PEM.
        Tls = "tls",
        /// A host key for SSH, Ed25519.
        Ssh = "ssh",
    }
}

table! {
    /// A key and its public half, made once before the server first starts.
    pub struct KeyPair {
        /// What options call it.
        required name: At<Word>,
        /// What it is for.
        required kind: KeyPairKind,
        /// The file of the secret half; its owner and its group may read it.
        required secret: At<ServicePath>,
        /// The file of the public half: the certificate, or the public key.
        required public: At<ServicePath>,
        /// Whose they are.
        or(root()) owner: UserName,
        /// The group that they belong to.
        or(root()) group: UserName,
    }
}

newtype!(
    /// Who a user of the system is, in plain words.
    Gecos, TextLine, "^[A-Za-z0-9][A-Za-z0-9 ]*$",
    |text| {
        let is_plain = (1..=60).contains(&text.len())
            && text.trim() == text
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
        is_plain.then_some(()).ok_or(InvalidText("use letters, digits and spaces"))
    }
);

table! {
    /// A user of the system, with a group of the same name, made when the service is installed.
    pub struct User {
        /// The name.
        required name: UserName,
        /// Who that is.
        required description: Gecos,
        /// The home directory, which is not made.
        optional home: ServicePath,
    }
}

impl User {
    /// The line for systemd-sysusers. sysusers.d(5)
    #[must_use]
    pub fn sysusers_line(&self) -> String {
        let home = self.home.as_ref().map_or("-", ServicePath::as_str);
        format!("u {} - \"{}\" {home}", self.name, self.description)
    }
}

words! {
    /// When a hook program is called. The contract is in contrib/services/README.md.
    pub enum Moment {
        /// After the packages, users, directories and key pairs are there, once.
        Installed = "installed",
        /// After the configuration was written and before the server starts or reloads.
        Configured = "configured",
        /// After the server was started.
        Started = "started",
        /// After the server was stopped because it is not wanted any more.
        Withdrawn = "withdrawn",
        /// Before what was installed is removed.
        Uninstalling = "uninstalling",
    }
}

table! {
    /// A program beside the descriptor that does what a file can not say.
    pub struct Hook {
        /// Its file.
        required program: At<CompanionName>,
        /// When it is called, at least one moment.
        required moments: At<Vec<Moment>>,
    }
}

table! {
    /// A thing that visitors need to know.
    pub struct ConnectionLine {
        /// What it is.
        required label: Line,
        /// A template for its value; a line that is empty is left out.
        required value: At<String>,
        /// Whether it is shown only when asked for.
        or(false) secret: bool,
    }
}

table! {
    /// What visitors need to know, beside the address and the ports. Goes into invitations.
    pub struct Connection {
        /// A template for a link that the client application opens; every value in it is percent-encoded.
        optional uri: At<String>,
        /// Line by line.
        many line: At<ConnectionLine>,
    }
}

fn root() -> UserName {
    "root".parse().expect("root is a user name")
}

/// A value that stands nowhere in the file.
fn unplaced<T>(value: T) -> At<T> {
    At { value, span: 0..0 }
}
