// SPDX-License-Identifier: GPL-3.0-or-later
//! What visitors need to know: lines for people, a link for their client, and what goes into an invitation.

use super::scope::{Audience, Scope};
use super::service::ServiceDescriptor;
use super::template::{Medium, RenderError, Rendered, Template};

/// How to connect to a service.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// A link that the client application opens.
    pub uri: Option<InfoLine>,
    /// Line by line, beside the address and the ports. An invitation carries the address and the ports by itself, and these
    /// lines beside them.
    pub lines: Vec<InfoLine>,
}

/// One thing that visitors need to know.
#[derive(Debug)]
pub struct InfoLine {
    /// What it is.
    pub label: String,
    /// The value.
    pub value: Rendered,
    /// Whether it is shown only when asked for.
    pub is_secret: bool,
}

impl ServiceDescriptor {
    /// How to connect to the service as it is now.
    ///
    /// # Errors
    /// A value that can not be shown to people, by the name of its option.
    pub fn connection_info(&self, scope: &Scope<'_>) -> Result<ConnectionInfo, RenderError> {
        let context = scope.context(self, Audience::Visitors);
        let mut lines = Vec::new();
        for line in &self.connection.line {
            let label = line.label.to_string();
            let value = Template::parse(&label, &line.value.value, Medium::Line)?.render(&context)?;
            if !value.expose().is_empty() {
                lines.push(InfoLine { value, is_secret: line.secret, label });
            }
        }
        let uri = match &self.connection.uri {
            None => None,
            Some(source) => {
                let template = Template::parse("uri", source, Medium::Uri)?;
                let is_secret = self.names_a_secret(&template).is_some();
                Some(InfoLine { label: "Link".to_owned(), value: template.render(&context)?, is_secret })
            }
        };
        Ok(ConnectionInfo { uri, lines })
    }
}

impl super::service::Service {
    /// The first secret option that a template names.
    pub(super) fn names_a_secret(&self, template: &Template<'_>) -> Option<String> {
        let references = template.references();
        let secret = self
            .option
            .iter()
            .find(|option| option.is_secret() && references.contains(&format!("option.{}", option.name().variable())));
        secret.map(|option| option.name().to_string())
    }
}
