// SPDX-License-Identifier: GPL-3.0-or-later
//! From what was stored once to what the program works with.
//!
//! Each version of the stored form is frozen in its own file once released and imports no live type. Only the newest is
//! written; every older one is read.

mod access;
mod farewell;
mod pending;
mod uninstall;
pub(crate) mod v1;

use zeroize::Zeroizing;

pub(crate) use self::access::{
    client_from_payload, client_key_from_payload, client_to_payload, joined_from_payload, joined_key_from_payload,
    joined_to_payload,
};
pub(crate) use self::farewell::{farewell_from_payload, farewell_to_payload};
pub(crate) use self::pending::{NUMBER_BYTES, pending_from_payload, pending_to_payload};
pub(crate) use self::uninstall::{uninstall_from_payload, uninstall_to_payload};
use crate::address::OnionAddress;
use crate::described::{Allow, LocalAccess, OptionText, ServiceKind};
use crate::exposure::{ClientAuthorization, Exposure, MaxStreams, ProofOfWork};
use crate::key::OnionKey;
use crate::name::ServiceName;
use crate::port::{PortMap, PortMapping, VirtualPort};
use crate::record::{Autostart, Persistence, ServiceRecord, Wish};

/// The version that is written.
pub(crate) const CURRENT: u16 = 1;

/// The stored form is not one of its version, or breaks a rule of the live type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Whether something about a service may have been lost, so that it stays closed until it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    None,
    Closed,
}

pub(crate) fn service_to_payload(record: &ServiceRecord) -> Result<Vec<u8>, Unreadable> {
    doubtful_service_to_payload(record, Doubt::None)
}

pub(crate) fn doubtful_service_to_payload(record: &ServiceRecord, doubt: Doubt) -> Result<Vec<u8>, Unreadable> {
    let ports = record
        .ports()
        .iter()
        .map(|mapping| v1::Port { virtual_port: mapping.virtual_port.number(), target: mapping.target.to_string() });
    v1::render(&v1::Service {
        name: record.name().as_str().to_owned(),
        persistence: place_to_v1(record.persistence()),
        autostart: match record.autostart() {
            Autostart::On => v1::Autostart::On,
            Autostart::Off => v1::Autostart::Off,
        },
        ports: ports.collect(),
        exposure: exposure_to_v1(record.exposure()),
        described: match record.kind() {
            ServiceKind::Published => None,
            ServiceKind::Described(access) => {
                Some(v1::LocalAccess { localhost: access.localhost == Allow::Yes, lan: access.lan == Allow::Yes })
            }
        },
        in_doubt: match doubt {
            Doubt::None => false,
            Doubt::Closed => true,
        },
    })
    .ok_or(Unreadable)
}

pub(crate) fn service_from_payload(payload: &[u8]) -> Result<(ServiceRecord, Doubt), Unreadable> {
    let stored: v1::Service = v1::parse(payload).ok_or(Unreadable)?;
    let mappings = stored.ports.into_iter().map(|port| {
        Ok(PortMapping {
            virtual_port: VirtualPort::new(port.virtual_port.try_into().map_err(|_| Unreadable)?),
            target: port.target.parse().map_err(|_| Unreadable)?,
        })
    });
    let ports = PortMap::try_from(mappings.collect::<Result<Vec<_>, Unreadable>>()?).map_err(|_| Unreadable)?;
    let name: ServiceName = stored.name.parse().map_err(|_| Unreadable)?;
    let autostart = match stored.autostart {
        v1::Autostart::On => Autostart::On,
        v1::Autostart::Off => Autostart::Off,
    };
    let record = ServiceRecord::new(name, place_from_v1(stored.persistence), autostart, ports);
    let record = record.map_err(|_| Unreadable)?.with_exposure(exposure_from_v1(&stored.exposure)?);
    let allow = |allowed| if allowed { Allow::Yes } else { Allow::No };
    let kind = stored.described.map_or(ServiceKind::Published, |access| {
        ServiceKind::Described(LocalAccess { localhost: allow(access.localhost), lan: allow(access.lan) })
    });
    let record = record.of_kind(kind);
    Ok((record, if stored.in_doubt { Doubt::Closed } else { Doubt::None }))
}

fn exposure_to_v1(exposure: &Exposure) -> v1::Exposure {
    v1::Exposure {
        client_authorization: match exposure.client_authorization {
            ClientAuthorization::On => v1::ClientAuthorization::On,
            ClientAuthorization::Off => v1::ClientAuthorization::Off,
        },
        max_streams: exposure.max_streams.map(MaxStreams::number),
        proof_of_work: exposure.proof_of_work.map(|pow| v1::ProofOfWork { rate: pow.rate(), burst: pow.burst() }),
    }
}

fn exposure_from_v1(stored: &v1::Exposure) -> Result<Exposure, Unreadable> {
    let max_streams = stored.max_streams.map(|number| number.try_into().map(MaxStreams::new));
    let proof_of_work = stored.proof_of_work.as_ref().map(|pow| ProofOfWork::new(pow.rate, pow.burst));
    Ok(Exposure {
        client_authorization: match stored.client_authorization {
            v1::ClientAuthorization::On => ClientAuthorization::On,
            v1::ClientAuthorization::Off => ClientAuthorization::Off,
        },
        max_streams: max_streams.transpose().map_err(|_| Unreadable)?,
        proof_of_work: proof_of_work.transpose().map_err(|_| Unreadable)?,
    })
}

pub(crate) fn wish_to_payload(wish: Wish) -> Result<Vec<u8>, Unreadable> {
    let wish = match wish {
        Wish::Enabled => v1::Wanted::Enabled,
        Wish::Disabled => v1::Wanted::Disabled,
    };
    v1::render(&v1::Wish { wish }).ok_or(Unreadable)
}

pub(crate) fn wish_from_payload(payload: &[u8]) -> Result<Wish, Unreadable> {
    let stored: v1::Wish = v1::parse(payload).ok_or(Unreadable)?;
    Ok(match stored.wish {
        v1::Wanted::Enabled => Wish::Enabled,
        v1::Wanted::Disabled => Wish::Disabled,
    })
}

/// The address goes beside the key, so that a thousand services are listed without any arithmetic on the curve.
pub(crate) fn key_to_payload(address: &OnionAddress, key: &OnionKey) -> Zeroizing<Vec<u8>> {
    let mut payload = Zeroizing::new(Vec::with_capacity(v1::KEY_BYTES));
    payload.extend_from_slice(address.public_key());
    payload.extend_from_slice(key.expose_expanded());
    payload
}

pub(crate) fn address_from_payload(payload: &[u8]) -> Result<OnionAddress, Unreadable> {
    let (address, _) = v1::split_key(payload).ok_or(Unreadable)?;
    Ok(OnionAddress::from_known_public_key(*address))
}

pub(crate) fn key_from_payload(payload: &[u8]) -> Result<OnionKey, Unreadable> {
    let (_, expanded) = v1::split_key(payload).ok_or(Unreadable)?;
    OnionKey::from_expanded(expanded).map_err(|_| Unreadable)
}

/// A row of the tree `options` is the text and nothing else: a secret in JSON leaves text behind where that is made.
pub(crate) fn option_to_payload(text: &OptionText) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.expose().as_bytes().to_vec())
}

pub(crate) fn option_from_payload(payload: &[u8]) -> Result<OptionText, Unreadable> {
    std::str::from_utf8(payload).map(OptionText::new).map_err(|_| Unreadable)
}

pub(crate) const fn place_to_v1(place: Persistence) -> v1::Place {
    match place {
        Persistence::Kept => v1::Place::Kept,
        Persistence::Amnesic => v1::Place::Amnesic,
    }
}

const fn place_from_v1(place: v1::Place) -> Persistence {
    match place {
        v1::Place::Kept => Persistence::Kept,
        v1::Place::Amnesic => Persistence::Amnesic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back_as_it_was() {
        let ports =
            PortMap::try_from(vec!["80:8080".parse().unwrap(), "81:unix:/run/a.sock".parse().unwrap()]).unwrap();
        let record = ServiceRecord::new("web".parse().unwrap(), Persistence::Kept, Autostart::On, ports).unwrap();
        let exposures = [
            Exposure::default(),
            Exposure {
                client_authorization: ClientAuthorization::On,
                max_streams: Some("7".parse().unwrap()),
                proof_of_work: Some(ProofOfWork::new(1, 2).unwrap()),
            },
        ];
        let described = ServiceKind::Described(LocalAccess { localhost: Allow::Yes, lan: Allow::No });
        let kinds = [ServiceKind::Published, described];
        for ((exposure, doubt), kind) in exposures.into_iter().zip([Doubt::None, Doubt::Closed]).zip(kinds) {
            let record = record.clone().with_exposure(exposure).of_kind(kind);
            let payload = doubtful_service_to_payload(&record, doubt).unwrap();
            assert_eq!(service_from_payload(&payload), Ok((record, doubt)));
        }
        for wish in [Wish::Enabled, Wish::Disabled] {
            assert_eq!(wish_from_payload(&wish_to_payload(wish).unwrap()), Ok(wish));
        }
        let key = OnionKey::generate().unwrap();
        let payload = key_to_payload(&key.address(), &key);
        assert_eq!(address_from_payload(&payload), Ok(key.address()));
        assert_eq!(key_from_payload(&payload).unwrap().expose_expanded(), key.expose_expanded());
        let text = OptionText::new("pass\nwörd");
        assert_eq!(option_from_payload(&option_to_payload(&text)), Ok(text));
        assert_eq!(option_from_payload(&[0xff]), Err(Unreadable));
    }

    #[test]
    fn a_stored_form_cannot_smuggle_in_what_the_live_type_refuses() {
        let exposed = |name: &str, persistence: &str, autostart: &str, port: u16, target: &str, exposure: &str| {
            format!(
                r#"{{"name":"{name}","persistence":"{persistence}","autostart":"{autostart}","ports":[{{"virtual_port":{port},"target":"{target}"}}],"exposure":{exposure},"described":null,"in_doubt":false}}"#
            )
        };
        let exposure = |authorization: &str, streams: &str, pow: &str| {
            format!(r#"{{"client_authorization":"{authorization}","max_streams":{streams},"proof_of_work":{pow}}}"#)
        };
        let open = exposure("off", "null", "null");
        let text = |name: &str, persistence: &str, autostart: &str, port: u16, target: &str| {
            exposed(name, persistence, autostart, port, target, &open)
        };
        for (right, exposure) in [
            (true, exposure("on", "1", r#"{"rate":1,"burst":1}"#)),
            (false, exposure("maybe", "null", "null")),
            (false, exposure("on", "0", "null")),
            (false, exposure("on", "null", r#"{"rate":0,"burst":1}"#)),
            (false, "null".to_owned()),
        ] {
            let stored = exposed("web", "kept", "on", 80, "127.0.0.1:80", &exposure);
            assert_eq!(service_from_payload(stored.as_bytes()).is_ok(), right, "{stored}");
        }
        assert!(service_from_payload(text("web", "kept", "on", 80, "127.0.0.1:80").as_bytes()).is_ok());
        for wrong in [
            text("../x", "kept", "on", 80, "127.0.0.1:80"),
            text("web", "amnesic", "on", 80, "127.0.0.1:80"),
            text("web", "kept", "on", 0, "127.0.0.1:80"),
            text("web", "kept", "on", 80, "192.0.2.1:80"),
            text("web", "elsewhere", "on", 80, "127.0.0.1:80"),
        ] {
            assert_eq!(service_from_payload(wrong.as_bytes()), Err(Unreadable), "{wrong}");
        }
    }
}
