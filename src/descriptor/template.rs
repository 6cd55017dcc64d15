// SPDX-License-Identifier: GPL-3.0-or-later
//! Templates: a whole file, a link or a line, with values that can not break out of it.
//!
//! The language is minijinja's, without filters, functions, loops, names for values, and includes. Every value that
//! is printed passes the escaper of the format; nothing in a template can turn that off.

mod escape;
mod layout;
mod size;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use zeroize::Zeroizing;

pub use self::escape::{CannotCarry, Format};
use self::escape::{Scalar, to_line, to_uri};
pub(super) use self::layout::misplaced;

/// More steps than any configuration takes: a template that runs away ends here.
const FUEL: u64 = 1_000_000;

/// More than all values of any configuration have, in bytes: what would be larger ends here, before it takes all memory. The
/// rest of a template is there once, as nothing repeats it.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Into what values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// A configuration file.
    File(Format),
    /// A link: everything is percent-encoded.
    Uri,
    /// A line for people.
    Line,
}

impl Medium {
    fn write(self, scalar: &Scalar<'_>) -> Result<Zeroizing<String>, CannotCarry> {
        match self {
            Self::File(format) => format.write(scalar),
            Self::Uri => Ok(to_uri(scalar)),
            Self::Line => to_line(scalar),
        }
    }

    /// What it is, for people.
    const fn about(self) -> &'static str {
        match self {
            Self::File(format) => format.as_str(),
            Self::Uri => "link",
            Self::Line => "line",
        }
    }
}

/// What was rendered. It may have secrets in it: `Debug` hides it.
pub struct Rendered(Zeroizing<String>);

impl Rendered {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Rendered({} bytes)", self.0.len())
    }
}

/// Why a template was not rendered. Never repeats a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The format has no way to write this value.
    #[error("the value of \"{option}\" has {reason} in it, which the format \"{medium}\" can not carry")]
    CannotCarry {
        /// The option; with several names, one of them.
        option: String,
        /// What can not be carried.
        reason: CannotCarry,
        /// The name of the format.
        medium: &'static str,
    },
    /// The template is wrong.
    #[error("{template}, line {line}: {message}")]
    Template {
        /// Its file, or what it is for.
        template: String,
        /// Counted from 1.
        line: usize,
        /// What is the matter.
        message: String,
    },
}

/// A template that can be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template<'a> {
    name: &'a str,
    source: &'a str,
    medium: Medium,
}

impl<'a> Template<'a> {
    /// A template from its source.
    pub(super) fn parse(name: &'a str, source: &'a str, medium: Medium) -> Result<Self, RenderError> {
        let template = Self { name, source, medium };
        if let Some((span, reason)) = size::too_large(source) {
            let line = source.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
            return Err(RenderError::Template { template: name.to_owned(), line, message: reason.to_owned() });
        }
        template.environment().template_from_named_str(name, source).map_err(|error| template.failed(&error))?;
        Ok(template)
    }

    /// What it names, such as `option.welcome_message`.
    pub(super) fn references(&self) -> BTreeSet<String> {
        let environment = self.environment();
        let Ok(template) = environment.template_from_named_str(self.name, self.source) else { return BTreeSet::new() };
        template.undeclared_variables(true).into_iter().collect()
    }

    /// Renders it.
    pub(super) fn render(&self, context: &Value) -> Result<Rendered, RenderError> {
        let environment = self.environment();
        let template =
            environment.template_from_named_str(self.name, self.source).map_err(|error| self.failed(&error))?;
        match template.render(context) {
            Ok(text) => Ok(Rendered(Zeroizing::new(text))),
            Err(error) => Err(self.culprit(context).unwrap_or_else(|| self.failed(&error))),
        }
    }

    fn environment(&self) -> Environment<'static> {
        let (medium, printed) = (self.medium, AtomicUsize::new(0));
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_keep_trailing_newline(true);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        // What is printed passes here whatever `autoescape` says.
        environment.set_formatter(move |out, _, value| {
            let written = scalar(value)
                .ok_or_else(|| Zeroizing::new(String::new()))
                .and_then(|scalar| medium.write(&scalar).map_err(|_| Zeroizing::new(String::new())));
            match written {
                Ok(text)
                    if printed.fetch_add(text.len(), Ordering::Relaxed).saturating_add(text.len()) > MOST_BYTES =>
                {
                    let message = format!("its values are larger than {MOST_BYTES} bytes");
                    Err(minijinja::Error::new(ErrorKind::WriteFailure, message))
                }
                Ok(text) => out.write_str(&text).map_err(|_| ErrorKind::WriteFailure.into()),
                Err(_) => Err(minijinja::Error::new(ErrorKind::BadEscape, "a value can not be written here")),
            }
        });
        environment
    }

    /// The option whose value the medium can not carry.
    fn culprit(&self, context: &Value) -> Option<RenderError> {
        self.references().into_iter().find_map(|reference| {
            let option = reference.strip_prefix("option.")?;
            let value = context.get_attr("option").and_then(|options| options.get_attr(option)).ok()?;
            let reason = self.medium.write(&scalar(&value)?).err()?;
            Some(RenderError::CannotCarry { option: option.replace('_', "-"), reason, medium: self.medium.about() })
        })
    }

    fn failed(&self, error: &minijinja::Error) -> RenderError {
        let message = match error.detail() {
            // A detail may name what was looked up, and never a value.
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        RenderError::Template { template: self.name.to_owned(), line: error.line().unwrap_or(1), message }
    }
}

/// A value that can be written. Lists, maps and numbers with a point can not.
fn scalar(value: &Value) -> Option<Scalar<'_>> {
    if let Some(text) = value.as_str() {
        return Some(Scalar::Text(text));
    }
    if value.kind() == ValueKind::Bool {
        return Some(Scalar::Bool(value.is_true()));
    }
    value.is_integer().then(|| i64::try_from(value.clone()).ok().map(Scalar::Int)).flatten()
}
