// SPDX-License-Identifier: GPL-3.0-or-later
//! The rules of ports.

use tails_server_state::{PortMap, Target};

use super::doubled;
use crate::descriptor::confinement::Capability;
use crate::descriptor::finding::{Findings, Rule};
use crate::descriptor::service::Service;

pub(super) fn check(service: &Service, findings: &mut Findings) {
    let ports = &service.port.value;
    if ports.is_empty() {
        findings.tell(Rule::PortMissing, &service.port.span, "a service has at least one port");
    }
    if ports.len() > PortMap::MAX {
        let most = PortMap::MAX;
        findings.tell(Rule::PortMissing, &service.port.span, format!("a service has at most {most} ports"));
    }
    let names = ports.iter().map(|port| (port.name.as_str(), &port.name.span));
    doubled(Rule::PortDuplicate, "a port", names, findings);
    for (number, port) in ports.iter().enumerate() {
        let before = || ports.iter().take(number);
        if let Some(other) = before().find(|other| other.target.value == port.target.value) {
            let message = format!("the port \"{}\" has this target already", *other.name);
            findings.tell(Rule::PortDuplicate, &port.target.span, message);
        }
        let Some(virtual_port) = port.default_virtual_port() else {
            findings
                .tell(Rule::FieldMissing, &port.target.span, "a socket does not say which port visitors use")
                .hint("Add it, such as: virtual-port = 80");
            continue;
        };
        if let Some(other) = before().find(|other| other.default_virtual_port() == Some(virtual_port)) {
            let span = port.virtual_port.as_ref().map_or(&port.target.span, |port| &port.span);
            let message = format!("visitors find the port \"{}\" under {virtual_port} already", *other.name);
            findings.tell(Rule::PortDuplicate, span, message);
        }
        if let Target::Tcp(address) = &port.target.value
            && address.port() < 1024
            && !service.confinement.capabilities.contains(&Capability::NetBindService)
        {
            findings
                .tell(Rule::PortPrivileged, &port.target.span, format!("port {} is root's", address.port()))
                .hint("Take a target from 1024 on: visitors use the virtual port. Or allow net-bind-service");
        }
    }
}
