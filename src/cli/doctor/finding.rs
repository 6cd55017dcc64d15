// SPDX-License-Identifier: GPL-3.0-or-later
//! One thing that was looked at.

use serde::Serialize;
use tr::tr;

use crate::bus::api::FindingProperties;
use crate::cli::log::Redactor;

/// How bad something is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Severity {
    Ok,
    Note,
    Warning,
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Stable, in kebab-case.
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<String>,
    pub(super) looked_at: String,
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_step: Option<String>,
}

impl Finding {
    pub(super) fn new(id: &str, severity: Severity, looked_at: impl Into<String>, found: impl Into<String>) -> Self {
        let (id, looked_at, found) = (id.to_owned(), looked_at.into(), found.into());
        Self { severity, id, service: None, looked_at, found, cause: None, next_step: None }
    }

    pub(super) fn about(self, service: &str) -> Self {
        Self { service: Some(service.to_owned()), ..self }
    }

    pub(super) fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    pub(super) fn so(self, next_step: impl Into<String>) -> Self {
        Self { next_step: Some(next_step.into()), ..self }
    }

    /// Without what must not be pasted in public, wherever it came from.
    pub(super) fn redacted(self, redactor: &Redactor) -> Self {
        let clean = |text: String| redactor.redact(&text);
        Self {
            looked_at: clean(self.looked_at),
            found: clean(self.found),
            cause: self.cause.map(clean),
            next_step: self.next_step.map(clean),
            ..self
        }
    }
}

impl From<FindingProperties> for Finding {
    fn from(told: FindingProperties) -> Self {
        let FindingProperties { id, severity, service, looked_at, found, cause, next_step } = told;
        let severity = match severity.as_str() {
            "ok" => Severity::Ok,
            "note" => Severity::Note,
            "warning" => Severity::Warning,
            // A word of a newer controller is not taken for a good one.
            _ => Severity::Error,
        };
        let (looked_at, found) = (looked_at.as_str(), found.as_str());
        let (cause, next_step) = (cause.as_deref(), next_step.as_deref());
        Self {
            severity,
            id,
            service,
            looked_at: tr!(looked_at),
            found: tr!(found),
            cause: cause.map(|cause| tr!(cause)),
            next_step: next_step.map(|next_step| tr!(next_step)),
        }
    }
}
