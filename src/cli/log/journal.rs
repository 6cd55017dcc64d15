// SPDX-License-Identifier: GPL-3.0-or-later
//! journalctl(1), with the rights of the person and without a shell.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::line::Line;
use super::source::{Journal, Source};
use crate::cli::error::Failure;

const JOURNALCTL: &str = "/usr/bin/journalctl";
/// What it says where a person may not read all that was asked for.
const DENIED: [&str; 2] = ["insufficient permissions", "not seeing messages from"];
const FIELDS: &str = "--output-fields=MESSAGE,UNIT,USER_UNIT,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER";

/// A journalctl that goes on until it is dropped.
pub(super) struct Following(tokio::task::JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The last lines of these units.
pub(super) async fn last(journal: Journal, units: &[String], most: u32) -> Result<Vec<Line>, Failure> {
    let output = command(journal, units).arg(format!("--lines={most}")).output().await.map_err(Failure::NoJournal)?;
    let told = String::from_utf8_lossy(&output.stderr);
    if journal == Journal::OfSystem && DENIED.iter().any(|words| told.contains(words)) {
        return Err(Failure::JournalDenied);
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(Line::of_entry).collect())
}

/// Tells of each new line. A log in a file is not followed: nobody tells when it grows.
pub(super) fn follow_all(sources: &[Source], tell: &mpsc::Sender<Line>) -> Result<Vec<Following>, Failure> {
    let followed = sources.iter().filter_map(|source| match source {
        Source::Units(units) => Some(follow(command(Journal::OfSystem, units), None, tell.clone())),
        Source::Controller { unit, journal, service } => {
            let about = Some(service.to_string());
            Some(follow(command(*journal, std::slice::from_ref(unit)), about, tell.clone()))
        }
        Source::File { .. } => None,
    });
    followed.collect()
}

fn follow(mut command: Command, about: Option<String>, tell: mpsc::Sender<Line>) -> Result<Following, Failure> {
    let command = command.args(["--follow", "--lines=0"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.kill_on_drop(true).spawn().map_err(Failure::NoJournal)?;
    Ok(Following(tokio::spawn(read(child, about, tell))))
}

async fn read(mut child: Child, about: Option<String>, tell: mpsc::Sender<Line>) {
    let Some(output) = child.stdout.take() else { return };
    let mut entries = BufReader::new(output).lines();
    while let Ok(Some(entry)) = entries.next_line().await {
        let line = Line::of_entry(&entry).filter(|line| about.as_ref().is_none_or(|service| line.is_about(service)));
        if let Some(line) = line
            && tell.send(line).await.is_err()
        {
            return;
        }
    }
}

fn command(journal: Journal, units: &[String]) -> Command {
    let mut command = Command::new(JOURNALCTL);
    command.env("LC_ALL", "C").stdin(Stdio::null()).args(["--no-pager", "--output=json", "--all", FIELDS]);
    if journal == Journal::OfUser {
        command.arg("--user");
    }
    command.args(units.iter().map(|unit| format!("--unit={unit}")));
    command
}
