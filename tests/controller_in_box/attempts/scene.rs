// SPDX-License-Identifier: GPL-3.0-or-later
//! A machine in which all runs that could be attacked, and the people in it.

use tails_box::{Answer, wait_until};

use super::{Attempt, Outcomes, Variables, Who};
use crate::system::{PATIENCE, System, UNIT};

/// The user of a server in this machine.
const SERVER: &str = "ngircd";
const HELPER_UNIT: &str = "tails-server-apply@ngircd.service";
/// Where scripts are, for everybody to read.
const SCRIPTS: &str = "/usr/local/lib/attempts";

/// What scripts can use. Perl has what a shell has not: sockets, and system calls.
const PRELUDE: &str = r#"cd /
export CONNECT='use Socket; my $failed = 0; my $why = "";
    for my $path (@ARGV) {
        socket(my $socket, AF_UNIX, SOCK_STREAM, 0) or die "$!\n";
        connect($socket, sockaddr_un($path)) or $failed++, $why = $!;
    }
    print "$failed times: $why\n"; exit($failed == @ARGV ? 1 : 0);'
export TRACE='my %ptrace = (x86_64 => 101, aarch64 => 117); chomp(my $machine = `uname -m`);
    syscall($ptrace{$machine}, 0x4206, $ARGV[0] + 0, 0, 0) == 0 or die "$!\n";'
export LISTEN='use Socket; socket(my $socket, AF_INET, SOCK_STREAM, 0); setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
    setsockopt($socket, SOL_SOCKET, SO_REUSEPORT, 1);
    bind($socket, sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) && listen($socket, 1) or die "$!\n";'
connect() { perl -e "$CONNECT" "$@"; }
trace() { perl -e "$TRACE" "$@"; }
listen() { perl -e "$LISTEN" "$@"; }
export -f connect trace listen
export BUS="org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus"
export PLACES="/run/tails-server /run/tails-server-helper /var/lib/tails-server /var/lib/tails-server-helper \
    /var/lib/tails-server-data /etc/tails-server /usr/share/tails-server /usr/lib/tails-server /etc/ngircd \
    /run/systemd/system /run/systemd/transient /etc/systemd/system"
export UNITS="tails-serverd.service tails-server-apply@ngircd.service ngircd.service tor@default.service"
"#;
/// How long one attempt may take: some wait for a password that nobody gives.
const SECONDS: u32 = 60;

/// The machine, and what nobody must learn.
pub(super) struct Scene<'a> {
    pub(super) system: &'a System,
    secrets: Vec<String>,
    /// A server that was taken over has its own, from the file that was made for it.
    password: String,
}

impl Who {
    pub(super) fn user(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Desktop => "amnesia",
            Self::Server => "irc",
            Self::Controller => "tails-server",
        }
    }
}

impl<'a> Scene<'a> {
    pub(super) fn set(system: &'a System) -> Self {
        system.run(&["useradd", "--system", "--shell", "/usr/sbin/nologin", "stranger"]);
        system.run(&["useradd", "--uid", "1000", "--create-home", "--shell", "/bin/bash", "amnesia"]);
        system.run(&["mkdir", "-p", "/etc/tails-server/services"]);
        system.start_web();
        system.start_tor();
        let kept = system.publish(&["80:8080", "--name", "kept", "--persistent", "--autostart"]);
        let amnesic = system.publish(&["81:8080", "--name", "amnesic"]);
        system.cli(&["set-option", "ngircd", "allow-localhost", "false"]);
        system.cli(&["enable", "ngircd"]);
        system.wait_for_state("ngircd", "waiting-for-tor");
        let password = system.option("ngircd", "password");
        let mut secrets = Vec::new();
        for address in [kept, amnesic, system.address("ngircd")] {
            secrets.push(address.trim_end_matches(".onion").to_owned());
        }
        let cookie = system.run(&["od", "-An", "-v", "-tx1", "/run/tor/control.authcookie"]);
        secrets.push(cookie.split_whitespace().collect());
        assert!(secrets.iter().all(|secret| secret.len() >= 20), "{secrets:?}");
        assert_eq!(password.len(), 20);
        Self { system, secrets, password }
    }

    pub(super) fn holds_no_secret(&self, who: Who, told: &str) {
        let password = (who != Who::Server).then_some(&self.password);
        for secret in self.secrets.iter().chain(password) {
            let line = told.lines().find(|line| line.contains(secret.as_str()));
            assert!(line.is_none(), "{who:?} was told a secret: {line:?}");
        }
    }

    /// A helper that waits as long as it takes, and what scripts have to know of this machine.
    pub(super) fn let_a_helper_wait(&self) -> Variables {
        let hold = ["systemd-run", "--quiet", "--unit=holder", "flock", "/run/tails-server-helper/.locks/ngircd"];
        self.system.run(&[&hold[..], &["sleep", "infinity"]].concat());
        self.system.run(&["systemctl", "start", "--no-block", HELPER_UNIT]);
        let waiting = wait_until(PATIENCE, || {
            let process = self.process(HELPER_UNIT);
            let program = self.system.machine.attempt(&["readlink", &format!("/proc/{process}/exe")]).unwrap();
            program.stdout.contains("tails-server-helper").then_some(process)
        });
        let first = |place: &str| {
            self.system.run(&["sh", "-c", r#"find "$0" -type f -size +0 | sort | head -n1"#, place]).trim().to_owned()
        };
        Variables::from([
            ("HELPER", waiting.unwrap()),
            ("CONTROLLER", self.process(UNIT)),
            ("SERVER", self.process("ngircd.service")),
            ("KEPT", first("/var/lib/tails-server/kept")),
            ("AMNESIC", first("/run/tails-server/amnesic")),
            ("RENDERED", first("/run/tails-server-helper/ngircd/files")),
            ("LEDGER", first("/var/lib/tails-server-helper")),
        ])
    }

    /// Ends what [`Self::let_a_helper_wait`] began.
    pub(super) fn let_it_go(&self) {
        self.system.run(&["systemctl", "stop", HELPER_UNIT, "holder.service"]);
        self.system.wait_for_state("ngircd", "waiting-for-tor");
    }

    /// Makes these attempts, one after the other; as root, if nobody is named.
    pub(super) fn make<'t>(
        &self,
        who: Option<Who>,
        attempts: &[(usize, &'t Attempt)],
        variables: &Variables,
    ) -> Outcomes<'t> {
        let mut script = String::from(PRELUDE);
        for (name, value) in variables {
            assert!(!value.is_empty() && value != "0", "there is no {name}");
            script.push_str(&format!("export {name}='{value}'\n"));
        }
        let own_name = if who == Some(Who::Controller) { "" } else { "org.boum.tails.Server1" };
        script.push_str(&format!("export CONTROLLER_NAME={own_name}\n"));
        for (number, attempt) in attempts {
            let path = format!("{SCRIPTS}/{number}");
            self.system.machine.write(&path, attempt.script).unwrap();
            script.push_str(&format!(
                "timeout --kill-after=1 {SECONDS} bash {path} 2>&1 </dev/null | tr -d '\\0'\ncode=${{PIPESTATUS[0]}}; echo; echo \"--- $code\"\n"
            ));
        }
        let answer = self.run_as(who, &script);
        let mut rest = answer.stdout.as_str();
        let mut outcomes = Outcomes::new();
        for (_, attempt) in attempts {
            let (told, after) = rest.split_once("\n--- ").unwrap_or_else(|| unreachable!("{answer:?}"));
            let (code, after) = after.split_once('\n').unwrap();
            outcomes.push((*attempt, (code.parse().unwrap(), told.to_owned())));
            rest = after;
        }
        outcomes
    }

    /// Runs a script as one of these.
    pub(super) fn run_as(&self, who: Option<Who>, script: &str) -> Answer {
        let path = format!("{SCRIPTS}/of-{}", who.map_or("root", Who::user));
        self.system.machine.write(&path, script).unwrap();
        let user = who.map(|who| format!("--reuid={}", who.user()));
        let group = who.map(|who| format!("--regid={}", self.system.run(&["id", "--group", who.user()]).trim()));
        let as_user = match (&user, &group) {
            (Some(user), Some(group)) => vec!["setpriv", user, group, "--init-groups", "--"],
            _ => Vec::new(),
        };
        let process = self.process(&format!("{SERVER}.service"));
        let inside = match who {
            Some(Who::Server) => vec!["nsenter", "--target", &process, "--mount", "--"],
            Some(Who::Stranger | Who::Desktop | Who::Controller) | None => Vec::new(),
        };
        self.system.machine.attempt(&[inside, as_user, vec!["bash", &path]].concat()).unwrap()
    }

    pub(super) fn process(&self, unit: &str) -> String {
        self.system.run(&["systemctl", "show", "--value", "--property=MainPID", unit]).trim().to_owned()
    }
}
