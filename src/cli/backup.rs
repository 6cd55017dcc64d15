// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server backup` and `restore`

mod data;
mod error;
mod file;
mod freight;
mod passphrase;
mod place;

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::AsFd;

use serde::Serialize;
use tr::tr;
use zbus::Fd;

use crate::bus::api::{self, ApiError, ArchiveProxy, RestorationProperties, RestoreOptions};
use crate::cli::args::{Backup, Restore};
use crate::cli::ask;
use crate::cli::backup::data::Delivery;
pub(super) use crate::cli::backup::error::BackupError;
use crate::cli::backup::freight::{Freight, View as DataView, collect, starting, unhurried};
pub(super) use crate::cli::backup::place::NewFile;
use crate::cli::error::{Act, Failure, Refusal};
use crate::cli::meter::Meter;
use crate::cli::output::{Form, print};
use crate::cli::session::Session;
use crate::cli::talk::say;

/// The most bytes that the controller gives: more than it takes back.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Makes a backup.
pub(super) async fn backup(session: &Session, request: Backup) -> Result<(), Failure> {
    // Before anybody is asked for anything.
    place::ensure_free(&request.file)?;
    let cargo = if request.with_data { Some(collect(session, &request).await?) } else { None };
    let passphrase = if request.generate_passphrase {
        let made_up = passphrase::make_up().map_err(Failure::System)?;
        let told =
            tr!("The passphrase of the backup, which is shown only now: {passphrase}", passphrase = made_up.as_str());
        // Nobody could open a backup whose passphrase nobody has read.
        let shown = writeln!(std::io::stderr(), "{told}");
        shown.map_err(|cause| BackupError::Write { path: "/dev/stderr".into(), cause })?;
        made_up
    } else {
        passphrase::for_new(&request.passphrase).await?
    };
    let exported = session.answer(archive(session).await?.export()).await?;
    let remembered = api::take(exported.into(), MOST_BYTES).await.map_err(|_| Failure::Garbled)?;
    let path = request.file.clone();
    let has_data = match cargo {
        None => {
            file::write(&path, &remembered, &passphrase, None)?;
            false
        }
        Some(mut cargo) => {
            let stop = cargo.stop();
            let work = move || file::write(&path, &remembered, &passphrase, Some(&mut cargo)).map(|()| cargo);
            let cargo = unhurried(stop, work).await??;
            cargo.notes().lines().iter().for_each(|line| say(line));
            !cargo.declared().is_empty()
        }
    };
    say(&tr!("The backup is in {path}.", path = request.file.display()));
    say(&tr!("Whoever has it and the passphrase is every service in it: keep them apart."));
    let path = request.file.display();
    say(&if has_data {
        tr!("The data of the servers are in it, as said above. To try it: tails-server restore {path} --dry-run", path)
    } else {
        tr!("The data of the servers are not in it. To try it: tails-server restore {path} --dry-run", path)
    });
    Ok(())
}

/// Restores a backup.
pub(super) async fn restore(session: &Session, request: Restore, form: Form) -> Result<(), Failure> {
    let passphrase = passphrase::for_known(&request.passphrase).await?;
    // Whoever interrupts this ends the program: there is nothing to put in order yet.
    let opened = file::open(&request.file, &passphrase, Meter::new())?;
    say(&tr!(
        "The backup was made at {time} by version {version}.",
        time = opened.manifest.made_at,
        version = opened.manifest.made_by
    ));
    let archive = archive(session).await?;
    let handed = api::hand_over(&opened.remembered).map_err(Failure::System)?;
    let options = RestoreOptions { replace: Some(request.replace), enable: Some(request.enable) };
    let planned = session.answer(archive.plan(Fd::from(handed.as_fd()), options.clone())).await.map_err(refused)?;
    let starting = starting(&opened.remembered);
    let mut freight = Freight::plan(opened, &planned, &request)?;
    tell(&planned, &freight);
    let count = planned.iter().filter(|item| item.done).count();
    let is_nothing = count == 0 && freight.is_empty();
    if request.dry_run || is_nothing {
        if is_nothing {
            say(&tr!("There is nothing to restore."));
        } else if count > 0 {
            say(&tr!("One thing would be restored." | "{n} things would be restored." % count));
        }
        return show(&planned, &freight, form);
    }
    freight.ensure_possible(&request)?;
    warn(&planned);
    if !request.yes {
        let question = tr!("Type the word restore to do it: ");
        ask::for_word(&question, "restore", Act::Restore).await?;
    }
    let mut deliveries = freight.unpack(session, &request, passphrase).await?;
    for delivery in &mut deliveries {
        delivery.exchange().map_err(BackupError::from)?;
    }
    // Nothing changes about the data any more; and if what was planned has, nothing is done.
    let fd = || Fd::from(handed.as_fd());
    if !deliveries.is_empty() && session.answer(archive.plan(fd(), options.clone())).await.map_err(refused)? != planned
    {
        return Err(BackupError::ChangedMeanwhile.into());
    }
    let done = if count == 0 { Ok(planned) } else { session.answer(archive.restore(fd(), options)).await };
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            // Nobody knows whether it is remembered: with the one data or the other, they may not be those of its wishes.
            if !deliveries.is_empty() {
                say(&tr!(
                    "No server starts on the data of the backup yet. Once what follows is mended, restore it once more."
                ));
            }
            deliveries.into_iter().for_each(Delivery::leave);
            return Err(refused(error));
        }
    };
    // Each of them, even if one fails: it is remembered.
    let finished: Vec<_> = deliveries.into_iter().map(Delivery::finish).collect();
    for finished in finished {
        for aside in finished.map_err(BackupError::from)? {
            say(&tr!(
                "The data that were here are in {path}; delete them once you need them no more.",
                path = aside.display()
            ));
        }
    }
    let count = done.iter().filter(|item| item.done).count();
    if count > 0 {
        say(&tr!("One thing is restored." | "{n} things are restored." % count));
    }
    for load in freight.restored() {
        say(&tr!("The data of \"{name}\" are restored.", name = load.name));
    }
    let asleep = done.iter().find(|item| item.done && !item.enabled && (item.was_enabled || freight.has(&item.name)));
    if let Some(asleep) = asleep {
        say(&tr!(
            "To publish what is restored, once no other computer does: tails-server enable {name}",
            name = asleep.name
        ));
    }
    say_what_starts_no_more(session, &done, &starting).await?;
    show(&done, &freight, form)
}

/// Says how to have services started at boot that were when the backup was made.
async fn say_what_starts_no_more(
    session: &Session,
    done: &[RestorationProperties],
    starting: &BTreeSet<String>,
) -> Result<(), Failure> {
    let restored: Vec<_> = done.iter().filter(|item| item.done && starting.contains(&item.name)).collect();
    if restored.is_empty() {
        return Ok(());
    }
    let (_, _, services) = session.answer(session.manager.overview()).await?;
    for item in restored {
        if item.kind == "service" && services.get(&item.name).is_some_and(|service| !service.autostart) {
            say(&tr!(
                "\"{name}\" is not started at boot any more. To have it started: tails-server set-option {name} autostart on",
                name = item.name
            ));
        }
    }
    Ok(())
}

async fn archive(session: &Session) -> Result<ArchiveProxy<'static>, Failure> {
    Ok(ArchiveProxy::new(session.manager.inner().connection()).await?)
}

/// That a backup can not be used is no mistake on the command line.
fn refused(error: ApiError) -> Failure {
    let mut failure = Failure::from(error);
    if let Failure::Refused { because, .. } = &mut failure {
        *because = Refusal::Failed;
    }
    failure
}

/// Says what is going to be done, a line for each thing.
fn tell(planned: &[RestorationProperties], freight: &Freight) {
    for item in planned {
        let name = match item.kind.as_str() {
            "joined" => tr!("{name}, a service of somebody else", name = item.name),
            "request" => tr!("{name}, a request to be let in", name = item.name),
            _ => item.name.clone(),
        };
        let what = item.differences.join(", ");
        say(&match (item.verdict.as_str(), item.done) {
            ("new", _) => tr!("+ {name}: is added", name),
            ("same", _) => tr!("= {name}: is here as it is in the backup", name),
            ("taken", _) => tr!(
                "! {name}: is left out, as its key or address is here already, as \"{other}\"",
                name,
                other = item.taken_by.as_deref().unwrap_or_default()
            ),
            (_, true) => tr!("~ {name}: is replaced; other than here: {differences}", name, differences = what),
            (_, false) => {
                tr!(
                    "! {name}: is left alone, as it is otherwise here; other than here: {differences}. To replace it: --replace",
                    name,
                    differences = what
                )
            }
        });
        if let Some(problem) = item.problem.as_ref().filter(|_| item.done) {
            let problem = problem.as_str();
            say(&tr!("  It can not run here as it is: {problem}", problem = tr!(problem)));
        }
        if let Some(load) = freight.loads.get(&item.name).filter(|_| item.kind == "service") {
            load.lines().iter().for_each(|line| say(line));
        }
    }
}

/// Says what to mind before it is done.
fn warn(planned: &[RestorationProperties]) {
    let chosen = || planned.iter().filter(|item| item.done);
    let loses = |what: &str| chosen().any(|item| item.differences.iter().any(|difference| difference == what));
    if loses("key") || loses("address") {
        say(&tr!(
            "WARNING: the keys that are replaced, and their addresses, are lost for ever, unless you have them elsewhere."
        ));
    }
    if loses("clients") {
        say(&tr!("WARNING: clients that you removed since the backup was made are let in again."));
    }
    if chosen().any(|item| item.kind == "service" && item.verdict == "new") {
        say(&tr!(
            "WARNING: one key on two computers harms both: visitors end up at the one or the other by chance, and it shows."
        ));
        say(&if chosen().any(|item| item.verdict == "new" && item.enabled) {
            tr!("They are enabled: make sure that no other computer publishes them any more.")
        } else {
            tr!(
                "So they are restored disabled, without autostart. Remove them from the other computer before you enable them."
            )
        });
    }
}

fn show(items: &[RestorationProperties], freight: &Freight, form: Form) -> Result<(), Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct View<'a> {
        kind: &'a str,
        name: &'a str,
        action: &'a str,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        differences: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        taken_by: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        enabled: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<DataView>,
    }
    let view = |item: &'_ RestorationProperties| {
        let action = match (item.verdict.as_str(), item.done) {
            ("new", _) => "add",
            ("same", _) => "keep",
            (_, true) => "replace",
            (_, false) => "leave",
        };
        (action, item.kind == "service")
    };
    let views: Vec<_> = items
        .iter()
        .map(|item| {
            let (action, is_service) = view(item);
            View {
                kind: &item.kind,
                name: &item.name,
                action,
                differences: &item.differences,
                taken_by: item.taken_by.as_deref(),
                enabled: is_service.then_some(item.enabled),
                data: freight.loads.get(&item.name).filter(|_| is_service).map(freight::Load::view),
            }
        })
        .collect();
    print(&views, form)
}
