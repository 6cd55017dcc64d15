// SPDX-License-Identifier: GPL-3.0-or-later
//! An invitation fits where it has to: into a mail without being wrapped again, and into a QR code that a phone reads.

use tails_server::invitation::{Access, Detail, Expiry, InvalidInvitation, Invitation, Secrecy};
use tails_server::qr::QrCode;

use crate::samples::{address, key, request, typical};

fn version(uri: &str) -> u16 {
    QrCode::new(uri).unwrap().version()
}

#[test]
fn a_typical_invitation_is_a_small_code() {
    let bare = Invitation::new(address(), ["80".parse().unwrap()]).unwrap().with_access(Access::Key(key()));
    // How large each is, so that nobody makes them larger without noticing.
    let sizes: Vec<(usize, usize, u16)> = [bare.expose_text(), typical().expose_text()]
        .iter()
        .map(|text| {
            let uri = Invitation::parse(text).unwrap().expose_uri();
            (text.len(), uri.len(), version(&uri))
        })
        .collect();
    assert_eq!(sizes, [(227, 159, 7), (448, 377, 12)]);
    assert!(sizes.iter().all(|(_, _, version)| *version <= 15));
    assert_eq!((request().to_text().len(), version(&request().to_uri())), (169, 5));
}

#[test]
fn the_largest_invitation_fits_in_a_code() {
    let value = "\u{1f642}".repeat(365);
    let largest = Invitation::new(address(), (1..=32).map(|port| format!("{}", 65000 + port).parse().unwrap()))
        .unwrap()
        .with_title("\u{1f642}".repeat(80).parse().unwrap())
        .with_client("a".repeat(32).parse().unwrap())
        .with_access(Access::Key(key()))
        .with_expiry(Expiry::from_unix_seconds(253_402_300_799).unwrap())
        .with_details(vec![Detail::new("Certificate", &value, Secrecy::Open).unwrap()])
        .unwrap();
    assert!(version(&largest.expose_uri()) <= 40);
    assert_eq!(Invitation::parse(&largest.expose_text()).unwrap().details()[0].expose_value(), value);
}

#[test]
fn what_would_not_fit_is_refused_at_once() {
    let detail = |length| Detail::new("a", &"b".repeat(length), Secrecy::Open).unwrap();
    let bare = || Invitation::new(address(), ["80".parse().unwrap()]).unwrap();
    assert!(bare().with_details(vec![detail(494), detail(494), detail(494)]).is_ok());
    let refused = bare().with_details(vec![detail(494), detail(494), detail(495)]).err();
    assert_eq!(refused, Some(InvalidInvitation::TooLong { found: 1501, most: 1500 }));
    assert_eq!(Invitation::new(address(), []).err(), Some(InvalidInvitation::NoPort));
    let many = (1..=33).map(|port| format!("{port}").parse().unwrap());
    assert_eq!(Invitation::new(address(), many).err(), Some(InvalidInvitation::TooManyPorts { most: 32 }));
}

#[test]
fn a_camera_reads_a_typical_invitation_from_the_terminal() {
    let uri = typical().expose_uri();
    let code = QrCode::new(&uri).unwrap();
    let text = code.terminal(tails_server::qr::Paint::DarkOnLight);
    let rows: Vec<Vec<bool>> = text
        .lines()
        .flat_map(|line| [['█', '▀'], ['█', '▄']].map(|ink| line.chars().map(|c| ink.contains(&c)).collect()))
        .collect();
    let side = rows[0].len();
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(
            side * 4,
            side * 4,
            |x, y| if rows[y / 4][x / 4] { 0 } else { 255 },
        );
    let scanned = image.detect_grids()[0].decode().unwrap().1;
    assert_eq!(Invitation::parse(&scanned).unwrap().expose_uri(), uri);
}
