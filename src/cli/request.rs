// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server request`

use serde::Serialize;
use tails_server_state::ClientPublicKey;
use tr::tr;

use crate::cli::args::Ask;
use crate::cli::code;
use crate::cli::error::Failure;
use crate::cli::output::{Form, print, print_line};
use crate::cli::session::Session;
use crate::cli::talk::say;
use crate::invitation::Request;

pub(super) async fn request(session: &Session, asked: Ask, form: Form) -> Result<(), Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct View<'a> {
        name: &'a str,
        persistence: bool,
        request: &'a str,
    }
    let Ask { name, persistent, qr } = asked;
    let there = session.answer(session.manager.requests()).await?;
    let known = there.into_iter().find(|(there, _, _)| there == name.as_str());
    // Asked for again, it is the same one: it may have been sent already.
    let (public_key, persistence, is_new) = match known {
        Some((_, public_key, persistence)) => (public_key, persistence, false),
        None => (session.answer(session.manager.make_request(name.as_str(), persistent)).await?, persistent, true),
    };
    let public_key = ClientPublicKey::parse(&public_key).map_err(|_| Failure::Garbled)?;
    let request = Request { name, public_key };
    let text = request.to_text();
    match form {
        Form::Yaml => print_line(text.trim_end())?,
        Form::Json => print(&View { name: request.name.as_str(), persistence, request: &text }, form)?,
    }
    if qr {
        code::show(&request.to_uri())?;
    }
    if !is_new {
        say(&tr!("This is the request \"{name}\" that you made before.", name = request.name));
    }
    say(&tr!(
        "Send it to the host of the service; there is no secret in it. Follow the invitation that answers it with \
              `tails-server join`, on this computer."
    ));
    if !persistence {
        say(&tr!("Its key is forgotten when this computer shuts down: the invitation is of no use after that."));
    }
    Ok(())
}
