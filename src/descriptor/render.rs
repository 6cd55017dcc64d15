// SPDX-License-Identifier: GPL-3.0-or-later
//! The configuration of a service as it is now.

use super::option::{Access, Folder, OptionKind, OptionSpec, OptionValue, OptionValues, SetError};
use super::places::ServicePath;
use super::scope::{Audience, Scope};
use super::service::{Service, ServiceDescriptor};
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

/// A folder of a person, and where the server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderMount<'a> {
    /// The person's folder.
    pub folder: &'a Folder,
    /// The path under which the server sees it.
    pub mount: &'a ServicePath,
    /// What the server may do with it.
    pub access: Access,
}

impl Service {
    /// The folders that the server sees.
    #[must_use]
    pub fn folder_mounts<'a>(&'a self, values: &'a OptionValues) -> Vec<FolderMount<'a>> {
        let mount = |option: &'a OptionSpec| match (&option.kind, values.value(option.name().as_str())) {
            (OptionKind::Folder(keys), Some(OptionValue::Folder(folder))) => {
                Some(FolderMount { folder, mount: &keys.mount, access: keys.access })
            }
            (_, _) => None,
        };
        self.option.iter().filter_map(|option| mount(&option.value)).collect()
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
