// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server new`

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use tr::tr;

use crate::cli::args::New;
use crate::cli::error::Failure;
use crate::cli::talk::say;
use crate::descriptor::FILE_NAME;

/// What a new descriptor and its template look like; `@NAME@` and `@TITLE@` stand for the service.
const DESCRIPTOR: &str = include_str!("new/service.toml");
const TEMPLATE: &str = include_str!("new/server.conf");

pub(super) fn new(request: &New) -> Result<(), Failure> {
    let name = request.name.as_str();
    let directory = request.output.join(name);
    let failed = |path: &Path, cause| Failure::Write { path: path.to_owned(), cause };
    fs::create_dir_all(&request.output).map_err(|cause| failed(&request.output, cause))?;
    // What is there is somebody's work.
    fs::create_dir(&directory).map_err(|cause| failed(&directory, cause))?;
    for (file, text) in [(FILE_NAME.to_owned(), DESCRIPTOR), (format!("{name}.conf"), TEMPLATE)] {
        let path = directory.join(file);
        let text = text.replace("@NAME@", name).replace("@TITLE@", &title(name));
        let written = OpenOptions::new().write(true).create_new(true).open(&path);
        written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|cause| failed(&path, cause))?;
    }
    let path = directory.display();
    say(&tr!(
        "{path}/{file} is a beginning. Change it, and check it with: tails-server lint {path}",
        path,
        file = FILE_NAME
    ));
    Ok(())
}

fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
