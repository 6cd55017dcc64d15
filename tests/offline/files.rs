// SPDX-License-Identifier: GPL-3.0-or-later
//! Files that a person names and that are none: they are refused at once, and what a shell makes of `<(COMMAND)` is read.

use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::given::{CLI, controller, publish, run};

#[test]
fn a_named_pipe_is_refused_wherever_a_file_is_meant() {
    let controller = controller();
    publish(&controller, "web", &[]);
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let passphrase = place.path().join("passphrase");
    std::fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    let (pipe, passphrase) = (pipe.to_str().unwrap(), passphrase.to_str().unwrap());
    let backup = place.path().join("backup");
    for arguments in [
        &["import-settings", pipe, "--yes"][..],
        &["restore", pipe, "--passphrase-file", passphrase],
        &["backup", backup.to_str().unwrap(), "--passphrase-file", pipe],
        &["join", pipe, "--yes"],
        &["invite", "web", "--request", pipe],
        &["key", "import", "web", pipe, "--yes"],
        &["lint", pipe],
    ] {
        // It ends by itself, or this fails.
        let answer = run(&mut controller.cli_command(arguments));
        assert!(answer.code != Some(0) && answer.stderr.contains("file"), "{arguments:?}: {answer:?}");
    }
}

#[test]
fn what_a_shell_makes_of_a_command_is_read_as_a_file() {
    let controller = controller();
    publish(&controller, "web", &[]);
    let place = tempfile::tempdir().unwrap();
    let line = format!(
        "set -e; cd '{}'; bus='unix:{}'; ts='{CLI}'
         \"$ts\" --bus \"$bus\" import-settings <(\"$ts\" --bus \"$bus\" export-settings)
         \"$ts\" --bus \"$bus\" import-settings - < <(\"$ts\" --bus \"$bus\" export-settings --json)
         \"$ts\" --bus \"$bus\" backup one --passphrase-file <(echo 'correct horse battery staple')
         \"$ts\" --bus \"$bus\" restore <(cat one) --passphrase-file <(echo 'correct horse battery staple') --dry-run",
        place.path().display(),
        controller.bus().display()
    );
    let answer = run(Command::new("bash").args(["-c", &line])).succeeded();
    assert!(answer.stderr.contains("nothing to change") && answer.stderr.contains("nothing to restore"), "{answer:?}");
}
