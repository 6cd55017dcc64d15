// SPDX-License-Identifier: GPL-3.0-or-later
//! Why something was not done, as errors of the contract: one line, and a hint on a second.

use tails_server_state::{ServiceName, StoreError};
use zbus::DBusError;

use crate::bus::api::ApiError;
use crate::controller::{CheckError, RequestError, RequestErrorKind};
use crate::errors::with_causes;

impl From<RequestError> for ApiError {
    fn from(cause: RequestError) -> Self {
        let mut text = with_causes(&cause);
        if let Some(hint) = cause.hint() {
            text.push('\n');
            text.push_str(&hint);
        }
        if let RequestError::Store(store) = &cause
            && let Some(of_kind) = of_store(store)
        {
            return of_kind(text);
        }
        match cause.kind() {
            RequestErrorKind::Unknown => Self::UnknownService(text),
            RequestErrorKind::Exists => Self::Exists(text),
            RequestErrorKind::Invalid => Self::Invalid(text),
            RequestErrorKind::Store => Self::Store(text),
            RequestErrorKind::Postponed => Self::Postponed(text),
            RequestErrorKind::Failed => Self::Failed(text),
        }
    }
}

/// Which error of the contract it is when the store refuses what is no matter of the disk.
fn of_store(error: &StoreError) -> Option<fn(String) -> ApiError> {
    let is_unknown = matches!(
        error,
        StoreError::UnknownClient { .. } | StoreError::UnknownRequest { .. } | StoreError::NotJoined { .. }
    );
    let is_taken = matches!(
        error,
        StoreError::ClientExists { .. }
            | StoreError::ClientKeyTaken { .. }
            | StoreError::RequestExists { .. }
            | StoreError::AddressTaken { .. }
            | StoreError::Shadowed { .. }
    );
    let is_senseless = matches!(error, StoreError::TooLarge { .. });
    let is_failed = matches!(
        error,
        StoreError::TooManyClients { .. } | StoreError::SecretElsewhere { .. } | StoreError::OtherPlace { .. }
    );
    if is_unknown {
        Some(ApiError::Unknown)
    } else if is_taken {
        Some(ApiError::Exists)
    } else if is_senseless {
        Some(ApiError::Invalid)
    } else {
        is_failed.then_some(ApiError::Failed)
    }
}

/// What an error says: one line, and a hint on a second.
pub(super) fn text(error: &ApiError) -> String {
    error.description().unwrap_or_default().to_owned()
}

/// Why no descriptor was fetched back.
pub(super) fn check(cause: CheckError) -> ApiError {
    match cause {
        CheckError::NoTor(_) => ApiError::NoTor(format!("{cause}\nSee `tails-server status`")),
        CheckError::NotFound { .. } => {
            let hint = "It may not be published yet, or the HSDirs may have changed: wait a minute and check again";
            ApiError::NotFound(format!("{cause}\n{hint}"))
        }
        CheckError::TimedOut { .. } => {
            ApiError::TimedOut(format!("{cause}\nThe network may be slow: check again; see `tails-server status`"))
        }
    }
}

/// Why a service of somebody else was not remembered.
pub(super) fn join(cause: RequestError) -> ApiError {
    if let RequestError::Store(StoreError::AddressTaken { name }) = cause {
        return ApiError::Exists(format!(
            "you know this service as \"{name}\" already\nLeave out --name to renew what you know of it, or leave it first: \
             tails-server leave {name}"
        ));
    }
    let RequestError::Exists(name) = cause else { return cause.into() };
    ApiError::Exists(format!(
        "you know another service as \"{name}\" already\nChoose another name with --name, or leave that one first: \
         tails-server leave {name}"
    ))
}

/// No service of somebody else has this name.
pub(super) fn not_joined(name: ServiceName) -> ApiError {
    RequestError::Store(StoreError::NotJoined { name }).into()
}

/// No request was made here for this key.
pub(super) fn no_request() -> ApiError {
    ApiError::Unknown(
        "no request with this key was made here\nThe invitation answers a request that another user or computer made, or \
         one that is forgotten"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_refuses_has_the_kind_of_what_is_wrong() {
        let service: ServiceName = "web".parse().unwrap();
        let client = || "alice".parse().unwrap();
        let of = |error| ApiError::from(RequestError::from(error));
        let unknown = of(StoreError::UnknownClient { service: service.clone(), client: client() });
        assert!(matches!(&unknown, ApiError::Unknown(text) if text.contains("\"alice\"") && text.contains('\n')));
        assert!(matches!(
            of(StoreError::ClientExists { service: service.clone(), client: client() }),
            ApiError::Exists(_)
        ));
        assert!(matches!(of(StoreError::TooManyClients { service: service.clone() }), ApiError::Failed(_)));
        assert!(matches!(of(StoreError::TooLarge { name: service.clone() }), ApiError::Invalid(_)));
        assert!(matches!(of(StoreError::Full { path: "/x".into() }), ApiError::Store(_)));
        assert!(matches!(of(StoreError::Unknown { name: service.clone() }), ApiError::UnknownService(_)));
        let taken = join(RequestError::Exists(service));
        assert!(matches!(&taken, ApiError::Exists(text) if text.contains("tails-server leave web")));
        let known = join(RequestError::from(StoreError::AddressTaken { name: "pad".parse().unwrap() }));
        assert!(matches!(&known, ApiError::Exists(text) if text.contains("this service as \"pad\"")));
    }
}
