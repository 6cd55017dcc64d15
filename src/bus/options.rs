// SPDX-License-Identifier: GPL-3.0-or-later
//! Options by their names: text becomes a change of the record.

use tails_server_state::{Allow, Autostart, ClientAuthorization, Persistence, ProofOfWork};

use crate::bus::api::ApiError;
use crate::controller::RecordChange;

/// The most options that are checked at once: many times those of any service.
pub(super) const MOST_CHECKED: usize = 1000;

/// What it means to give this option this value; `None` if it is none that every service has.
pub(super) fn parse(option: &str, value: &str) -> Result<Option<RecordChange>, ApiError> {
    let allow = || Ok(if is_on(option, value)? { Allow::Yes } else { Allow::No });
    let change = match option {
        "persistence" => {
            let place = if is_on(option, value)? { Persistence::Kept } else { Persistence::Amnesic };
            Ok(RecordChange::Persistence(place))
        }
        "allow-localhost" => allow().map(RecordChange::AllowLocalhost),
        "allow-lan" => allow().map(RecordChange::AllowLan),
        "autostart" => Ok(RecordChange::Autostart(if is_on(option, value)? { Autostart::On } else { Autostart::Off })),
        "client-authorization" => {
            let authorization = if is_on(option, value)? { ClientAuthorization::On } else { ClientAuthorization::Off };
            Ok(RecordChange::ClientAuthorization(authorization))
        }
        "max-streams" if value == "off" => Ok(RecordChange::MaxStreams(None)),
        "max-streams" => {
            let most = value.parse().map_err(|cause| refused(cause, "Give a number, such as 100, or off"))?;
            Ok(RecordChange::MaxStreams(Some(most)))
        }
        "pow" => proof_of_work(value).map(RecordChange::ProofOfWork),
        // Perhaps the descriptor of the service knows it.
        _ => return Ok(None),
    };
    change.map(Some)
}

fn is_on(option: &str, value: &str) -> Result<bool, ApiError> {
    match value {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err(ApiError::Invalid(format!("\"{value}\" does not fit {option}\nIt is on or off"))),
    }
}

fn proof_of_work(value: &str) -> Result<Option<ProofOfWork>, ApiError> {
    const FORM: &str = "It is on, off or RATE:BURST in requests a second and at once, such as 250:2500";
    match value {
        "off" => Ok(None),
        "on" => Ok(Some(ProofOfWork::default())),
        _ => {
            let number =
                |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            let numbers = value.split_once(':').and_then(|(rate, burst)| Some((number(rate)?, number(burst)?)));
            let (rate, burst) =
                numbers.ok_or_else(|| ApiError::Invalid(format!("\"{value}\" does not fit pow\n{FORM}")))?;
            Ok(Some(ProofOfWork::new(rate, burst).map_err(|cause| refused(cause, FORM))?))
        }
    }
}

fn refused(cause: impl std::error::Error, hint: &str) -> ApiError {
    ApiError::Invalid(format!("{cause}\n{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_values_that_are_listed_mean_something() {
        let pow = |rate, burst| RecordChange::ProofOfWork(Some(ProofOfWork::new(rate, burst).unwrap()));
        for (option, value, change) in [
            ("autostart", "on", RecordChange::Autostart(Autostart::On)),
            ("autostart", "off", RecordChange::Autostart(Autostart::Off)),
            ("client-authorization", "on", RecordChange::ClientAuthorization(ClientAuthorization::On)),
            ("client-authorization", "off", RecordChange::ClientAuthorization(ClientAuthorization::Off)),
            ("max-streams", "off", RecordChange::MaxStreams(None)),
            ("max-streams", "7", RecordChange::MaxStreams("7".parse().ok())),
            ("pow", "off", RecordChange::ProofOfWork(None)),
            ("pow", "on", pow(250, 2500)),
            ("pow", "1:2", pow(1, 2)),
            ("persistence", "true", RecordChange::Persistence(Persistence::Kept)),
            ("allow-lan", "off", RecordChange::AllowLan(Allow::No)),
            ("allow-localhost", "on", RecordChange::AllowLocalhost(Allow::Yes)),
        ] {
            assert_eq!(parse(option, value).unwrap(), Some(change), "{option} {value}");
        }
        for (option, value) in [
            ("autostart", ""),
            ("autostart", "yes"),
            ("allow-lan", "lan"),
            ("client-authorization", "On"),
            ("client-authorization", "0"),
            ("max-streams", "0"),
            ("max-streams", "on"),
            ("max-streams", "65536"),
            ("pow", ""),
            ("pow", "1"),
            ("pow", "2:1"),
            ("pow", "0:1"),
            ("pow", "+1:2"),
            ("pow", "1:2:3"),
            ("pow", "1:4294967296"),
        ] {
            let refused = parse(option, value).unwrap_err();
            assert!(
                matches!(&refused, ApiError::Invalid(text) if text.contains('\n')),
                "{option} {value}: {refused:?}"
            );
        }
        assert!(matches!(parse("welcome-message", "on"), Ok(None)));
    }
}
