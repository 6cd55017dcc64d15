// SPDX-License-Identifier: GPL-3.0-or-later
//! What happens to the descriptors of onion services.

use tails_server_state::OnionAddress;

use super::text::{arguments, keyword};

/// One `HS_DESC` event.
///
/// An `UPLOADED` names the HSDir and not the descriptor: the first of them proves neither the current descriptor nor a
/// quorum. Compare it with the `UPLOAD` events before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HsDescEvent {
    /// What happened.
    pub action: HsDescAction,
    /// The service; `None` where Tor does not know it or a filter hides it.
    pub address: Option<OnionAddress>,
    /// The fingerprint of the HSDir, 40 upper-case hexadecimal digits.
    pub hsdir: Option<String>,
    /// Which descriptor: the base64 of its blinded public key.
    pub descriptor_id: Option<String>,
    /// Why it failed, such as `NOT_FOUND` or `UPLOAD_REJECTED`.
    pub reason: Option<String>,
}

/// What happened to a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HsDescAction {
    /// Tor made one, of an own service.
    Created,
    /// Tor sends it to an HSDir.
    Upload,
    /// The HSDir took it.
    Uploaded,
    /// An upload or a fetch failed.
    Failed,
    /// Tor asks an HSDir for one.
    Requested,
    /// The HSDir gave it.
    Received,
    /// Anything newer than this program, and `IGNORE`.
    Other,
}

impl HsDescEvent {
    /// Reads what follows `HS_DESC `.
    // control-spec, HS_DESC: Action HSAddress AuthType HsDir [DescriptorID] ["REASON=" Reason] [...]
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = arguments(text).map(|word| (word.key, word.value));
        let (action, None) = words.next()? else { return None };
        let action = match keyword(action)? {
            "CREATED" => HsDescAction::Created,
            "UPLOAD" => HsDescAction::Upload,
            "UPLOADED" => HsDescAction::Uploaded,
            "FAILED" => HsDescAction::Failed,
            "REQUESTED" => HsDescAction::Requested,
            "RECEIVED" => HsDescAction::Received,
            _ => HsDescAction::Other,
        };
        let mut event = Self { action, address: None, hsdir: None, descriptor_id: None, reason: None };
        for (position, (key, value)) in words.enumerate() {
            match (position, value) {
                (_, Some(value)) if key == "REASON" => event.reason = keyword(&value).map(str::to_owned),
                (0, None) => event.address = OnionAddress::parse(key).ok(),
                // `$FINGERPRINT=NICKNAME` looks like an argument.
                (2, None | Some(_)) => event.hsdir = fingerprint(key),
                (3, None) => event.descriptor_id = descriptor_id(key),
                (_, None | Some(_)) => {}
            }
        }
        Some(event)
    }
}

/// The fingerprint of `$FINGERPRINT`, `$FINGERPRINT~NICKNAME` or `$FINGERPRINT=NICKNAME`.
fn fingerprint(word: &str) -> Option<String> {
    const DIGITS: usize = 40;
    let (digits, rest) = word.strip_prefix('$')?.split_at_checked(DIGITS)?;
    let fits = digits.bytes().all(|byte| byte.is_ascii_hexdigit()) && (rest.is_empty() || rest.starts_with('~'));
    fits.then(|| digits.to_ascii_uppercase())
}

/// 32 bytes in base64 without padding.
fn descriptor_id(word: &str) -> Option<String> {
    let fits = word.len() == 43 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    fits.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid";

    #[test]
    fn a_hidden_address_is_no_address_and_no_error() {
        for (text, action) in [
            ("UPLOADED UNKNOWN UNKNOWN $9FF98062C2056738EA04324A10D337607D296C3C~auth0", HsDescAction::Uploaded),
            ("UPLOADED {} {} redacted", HsDescAction::Uploaded),
            ("CREATED", HsDescAction::Created),
            ("IGNORE x", HsDescAction::Other),
        ] {
            let event = HsDescEvent::parse(text).unwrap();
            assert_eq!((event.action, event.address, event.descriptor_id), (action, None, None), "{text:?}");
        }
    }

    #[test]
    fn a_failed_upload_has_a_reason_with_and_without_a_descriptor() {
        let id = "aJXhdCrMKKlQZg1TWE5OsU14jzRCZ4wT4y4B5FkNXyI";
        let hsdir = "$9ff98062C2056738EA04324A10D337607D296C3C";
        for middle in [String::new(), format!("{id} ")] {
            let text = format!("FAILED {ADDRESS} UNKNOWN {hsdir} {middle}REASON=UPLOAD_REJECTED");
            let event = HsDescEvent::parse(&text).unwrap();
            assert_eq!(event.address, OnionAddress::parse(ADDRESS).ok());
            assert_eq!(event.hsdir.as_deref(), Some("9FF98062C2056738EA04324A10D337607D296C3C"));
            assert_eq!(event.descriptor_id.as_deref(), (!middle.is_empty()).then_some(id));
            assert_eq!(event.reason.as_deref(), Some("UPLOAD_REJECTED"));
        }
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let long = "A".repeat(100_000);
        let event = HsDescEvent::parse(&format!("FAILED {long} {long} ${long} {long} REASON={long}")).unwrap();
        assert_eq!((event.address, event.hsdir, event.descriptor_id, event.reason), (None, None, None, None));
    }
}
