// SPDX-License-Identifier: GPL-3.0-or-later
//! What tests do where there is no root.

/// Says that tests that need root are to be left out.
const WITHOUT_ROOT: &str = "TAILS_SERVER_WITHOUT_ROOT";

/// Whether to go on with a test that boots a machine: not if `TAILS_SERVER_WITHOUT_ROOT` is set, which it then prints.
///
/// # Panics
/// Without root, if it is not set: a test that nobody left out must not seem to pass.
#[expect(clippy::print_stdout, reason = "the only way for a test to say that it did nothing")]
pub fn may_boot(test: &str) -> bool {
    if std::env::var_os(WITHOUT_ROOT).is_some() {
        println!("{test}: LEFT OUT, because {WITHOUT_ROOT} is set");
        return false;
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "this test boots a machine: run it as root, or set {WITHOUT_ROOT}=1 to leave it out"
    );
    true
}
