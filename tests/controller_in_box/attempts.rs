// SPDX-License-Identifier: GPL-3.0-or-later
//! What people and programs without rights can attempt in a machine where all runs, and that nothing comes of it.
//!
//! Each attempt is made in earnest. Those marked so are made by root first, who succeeds: so they are some that could. All that
//! anybody was told is searched for every secret there is; and what can be changed is afterwards as it was. The methods of
//! the API are tried in `rights.rs`.

mod document;
mod picture;
mod scene;
mod stories;
mod table;

use std::collections::BTreeMap;

use tails_box::{Options, Release, may_boot};

use self::picture::Picture;
use self::scene::Scene;
use self::table::ATTEMPTS;
use crate::system::System;

/// Who attempts something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Another user of the system, without a shell.
    Stranger,
    /// The user of the desktop in Tails: in no group that matters, and without the administrator's password.
    Desktop,
    /// The server of a service, taken over: in its mount namespace, as its user.
    Server,
    /// The controller, taken over: what its unit keeps from it is not counted on.
    Controller,
}

/// What has to come of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// It fails, and says one of these, with bars between them.
    Refused(&'static str),
    /// It may go well; what is told has no secret in it.
    Nothing,
}

impl Told {
    fn is_right(self, code: i32, told: &str) -> bool {
        match self {
            Self::Nothing => true,
            Self::Refused(reasons) => code != 0 && reasons.split('|').any(|reason| told.contains(reason)),
        }
    }
}

/// What more than one process has a part in.
type Play = fn(&Scene<'_>, &[Who]);

/// A row of the table.
pub(super) struct Attempt {
    who: &'static [Who],
    what: &'static str,
    script: &'static str,
    told: Told,
    against: &'static str,
    /// Whether root succeeds with it.
    can_root: bool,
    /// Then there is no script.
    story: Option<Play>,
}

#[test]
fn whoever_has_no_rights_learns_nothing_and_changes_nothing() {
    if !may_boot("whoever_has_no_rights_learns_nothing_and_changes_nothing") {
        return;
    }
    let [.., newest] = Release::ALL;
    let Some(system) = System::boot(newest, Options::new()) else { return };
    let scene = Scene::set(&system);
    scripts(&scene);
    stories(&scene);
}

fn scripts(scene: &Scene<'_>) {
    let scripted: Vec<(usize, &Attempt)> =
        ATTEMPTS.iter().enumerate().filter(|(_, attempt)| attempt.story.is_none()).collect();
    let waiting = scene.let_a_helper_wait();
    let before = Picture::take(scene.system);
    let as_root: Vec<_> = scripted.iter().copied().filter(|(_, attempt)| attempt.can_root).collect();
    let mut wrong = String::new();
    for (attempt, (code, told)) in scene.make(None, &as_root, &waiting) {
        if code != 0 {
            wrong.push_str(&format!("\nroot cannot {}: {told}", attempt.what));
        }
    }
    for who in [Who::Stranger, Who::Desktop, Who::Server, Who::Controller] {
        let own: Vec<_> = scripted.iter().copied().filter(|(_, attempt)| attempt.who.contains(&who)).collect();
        for (attempt, (code, told)) in scene.make(Some(who), &own, &waiting) {
            scene.holds_no_secret(who, &told);
            if !attempt.told.is_right(code, &told) {
                wrong.push_str(&format!("\n{who:?}, {}: {code}, {told}", attempt.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    Picture::take(scene.system).assert_same(&before);
    scene.let_it_go();
}

fn stories(scene: &Scene<'_>) {
    let before = Picture::take(scene.system);
    for attempt in ATTEMPTS {
        if let Some(play) = attempt.story {
            play(scene, attempt.who);
        }
    }
    Picture::take(scene.system).assert_lasts(&before);
}

/// What came of each: how it ended, and all that it said.
type Outcomes<'a> = Vec<(&'a Attempt, (i32, String))>;
/// Names for scripts.
type Variables = BTreeMap<&'static str, String>;
