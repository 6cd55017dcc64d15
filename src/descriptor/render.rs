// SPDX-License-Identifier: GPL-3.0-or-later
//! The configuration of a service as it is now.

use super::option::SetError;
use super::scope::{Audience, Scope};
use super::service::ServiceDescriptor;
use super::tables::File;
use super::template::{Medium, RenderError, Rendered, Template};

/// A configuration file, rendered.
#[derive(Debug)]
pub struct RenderedFile<'a> {
    /// Where it goes, and whose it is.
    pub file: &'a File,
    /// The whole of it.
    pub contents: Rendered,
}

impl ServiceDescriptor {
    /// All configuration files of the service.
    ///
    /// # Errors
    /// A value that a format can not carry, by the name of its option: then there is no file at all.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Vec<RenderedFile<'_>>, RenderError> {
        let context = scope.context(self, Audience::Server);
        let mut files = Vec::new();
        for file in self.file.iter().map(|file| &file.value) {
            let source = self.companion(&file.template.value);
            let template = Template::parse(file.template.as_str(), source, Medium::File(file.format))?;
            files.push(RenderedFile { file, contents: template.render(&context)? });
        }
        Ok(files)
    }
}

impl SetError {
    /// Which option it is about.
    #[must_use]
    pub fn option(&self) -> &str {
        match self {
            Self::Unknown(option) | Self::Invalid { option, .. } => option,
        }
    }
}
