// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server lint`

use tr::tr;

use crate::cli::args::{Lint, LintFormat};
use crate::cli::error::Failure;
use crate::cli::output::{Form, print, print_line};
use crate::cli::talk::say;
use crate::descriptor::{Located, Severity, lint_file};

pub(super) fn lint(request: &Lint, form: Form) -> Result<(), Failure> {
    let mut findings: Vec<Located> = Vec::new();
    let least = if request.strict { Severity::Warning } else { Severity::Error };
    let mut failing = 0_usize;
    for file in &request.files {
        let report = lint_file(file).map_err(|cause| Failure::Descriptor { path: file.clone(), cause })?;
        failing += usize::from(report.fails(least));
        findings.extend_from_slice(report.findings());
    }
    let by_default = match form {
        Form::Yaml => LintFormat::Text,
        Form::Json => LintFormat::Json,
    };
    match request.format.unwrap_or(by_default) {
        LintFormat::Text => lines(findings.iter().map(Located::text))?,
        LintFormat::Github => lines(findings.iter().map(Located::github))?,
        LintFormat::Json => print(&findings, Form::Json)?,
    }
    let of = request.files.len();
    if failing > 0 {
        return Err(Failure::NotClean { failing, of });
    }
    say(&tr!("The descriptor is fine." | "All {n} descriptors are fine." % of));
    Ok(())
}

fn lines(texts: impl Iterator<Item = String>) -> Result<(), Failure> {
    texts.into_iter().try_for_each(|text| print_line(&text))
}
