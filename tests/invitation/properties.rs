// SPDX-License-Identifier: GPL-3.0-or-later
//! For all invitations: they arrive as they were sent. For all texts: nothing panics.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tails_server::invitation::{Access, Detail, Expiry, Invitation, Pasted, Request, Secrecy, Title};
use tails_server_state::{ClientPublicKey, ClientSecretKey, OnionKey, VirtualPort};

prop_compose! {
    fn detail()(label in "[a-zA-Zäöü]{1,40}", value in "[!-~äöü♟]{1,80}", secret: bool) -> (String, String, Secrecy) {
        (label, value, if secret { Secrecy::Secret } else { Secrecy::Open })
    }
}

prop_compose! {
    fn invitation()(
        expanded: [u8; 32],
        ports in vec(1..=u16::MAX, 1..=32),
        access in 0..3,
        key in vec(1..=u8::MAX, 32),
        client in option::of("[a-z][a-z0-9-]{0,31}"),
        title in option::of("[!-~]([ -~äöü♟]{0,78}[!-~])?"),
        expiry in option::of(0..=253_402_300_799_u64),
        details in vec(detail(), 0..6),
    ) -> Invitation {
        let mut bytes = [0x55; 64];
        bytes[..32].copy_from_slice(&expanded);
        bytes[0] &= 248;
        bytes[31] = bytes[31] & 63 | 64;
        let address = OnionKey::from_expanded(&bytes).unwrap().address();
        let key = ClientSecretKey::from_bytes(&key.try_into().unwrap()).unwrap();
        let ports = ports.into_iter().map(|port| VirtualPort::new(port.try_into().unwrap()));
        let mut invitation = Invitation::new(address, ports).unwrap().with_access(match access {
            0 => Access::Open,
            1 => Access::Requested(key.public_key()),
            _ => Access::Key(key),
        });
        if let Some(client) = client {
            invitation = invitation.with_client(client.parse().unwrap());
        }
        if let Some(title) = title {
            invitation = invitation.with_title(title.parse::<Title>().unwrap());
        }
        if let Some(expiry) = expiry {
            invitation = invitation.with_expiry(Expiry::from_unix_seconds(expiry).unwrap());
        }
        let details = details.into_iter().map(|(label, value, secrecy)| Detail::new(&label, &value, secrecy).unwrap());
        invitation.with_details(details.collect()).unwrap()
    }
}

/// All that can be seen of an invitation.
fn seen(invitation: &Invitation) -> String {
    let key = match invitation.access() {
        Access::Open => String::new(),
        Access::Key(key) => key.expose_base32().to_string(),
        Access::Requested(key) => key.base32(),
    };
    let details: Vec<_> = invitation.details().iter().map(|d| (d.label(), d.expose_value(), d.secrecy())).collect();
    format!(
        "{} {:?} {key} {:?} {:?} {:?} {details:?}",
        invitation.address().service_id(),
        invitation.ports(),
        invitation.client(),
        invitation.title(),
        invitation.expiry()
    )
}

proptest! {
    #[test]
    fn what_arrives_is_what_was_sent(invitation in invitation()) {
        for text in [invitation.expose_text(), invitation.expose_uri()] {
            let read = Invitation::parse(&text).unwrap();
            prop_assert_eq!(seen(&read), seen(&invitation));
            prop_assert_eq!(read.expose_text(), invitation.expose_text());
        }
    }

    #[test]
    fn requests_arrive_too(name in "[a-z][a-z0-9-]{0,31}", bytes: [u8; 32]) {
        prop_assume!(ClientPublicKey::from_bytes(bytes).is_ok());
        let request = Request { name: name.parse().unwrap(), public_key: ClientPublicKey::from_bytes(bytes).unwrap() };
        prop_assert_eq!(Request::parse(&request.to_text()), Ok(request.clone()));
        prop_assert_eq!(Request::parse(&request.to_uri()), Ok(request));
    }

    #[test]
    fn no_text_makes_it_panic(
        text in ".{0,300}",
        letters in "[A-Z2-7 >\n-]{0,300}",
        place in 0..4_usize,
    ) {
        let mark = ["BEGIN TAILS SERVER INVITATION", "END TAILS SERVER", "TAILS-SERVER:", "TAILSINV"][place];
        for text in [&text, &letters, &format!("{text}{mark}{letters}"), &format!("{mark}{letters}{mark}{text}")] {
            let _ = Pasted::read(text);
        }
    }

    #[test]
    fn no_field_makes_it_panic_and_what_is_read_is_written_the_same(
        fields in vec((prop_oneof![1..8_u8, 127..131_u8, any::<u8>()], vec(any::<u8>(), 0..40)), 0..6),
        request: bool,
    ) {
        let mut fields = fields;
        fields.sort();
        let fields: Vec<u8> =
            fields.into_iter().flat_map(|(tag, value)| [vec![tag, 0, value.len() as u8], value].concat()).collect();
        let magic = if request { [0x98, 0x10, 0xb9, 0x44, 0x90] } else { [0x98, 0x10, 0xb9, 0x21, 0xb5] };
        let mut bytes = [&magic[..], &[1], &(fields.len() as u16).to_be_bytes(), &fields].concat();
        let sum = Sha256::digest(&bytes);
        bytes.extend(&sum[..8]);
        let text = base32::encode(base32::Alphabet::Rfc4648 { padding: false }, &bytes);
        if let Ok(Pasted::Invitation(invitation)) = Pasted::read(&text) {
            let again = Invitation::parse(&invitation.expose_uri()).unwrap();
            prop_assert_eq!(seen(&again), seen(&invitation));
        }
    }
}
