// SPDX-License-Identifier: GPL-3.0-or-later
//! A session of Tails after another one: the data of a server are on a volume, its user has another number, and somebody else has
//! the one that it had.

use serde_json::{Value, json};
use tails_box::{Options, Release, may_boot};

use crate::host::{Host, PATIENCE, wishes};

const KEPT: &str = "/var/lib/tails-server-data";
const STRANGER: &str = "stranger";
/// Whose these are is none of a server's business.
const OUTSIDE: &str = "/srv/outside";

/// A server that runs as a user of its package.
struct Server {
    service: &'static str,
    package: &'static str,
    user: &'static str,
    options: Value,
    unit: &'static str,
    here: &'static str,
    /// Where it has its data.
    path: &'static str,
    /// What it makes there by itself, as its own user.
    made: &'static str,
}

const MUMBLE: fn() -> Server = || Server {
    service: "mumble",
    package: "mumble-server",
    user: "mumble-server",
    options: json!({ "server-password": "abc" }),
    unit: "mumble-server.service",
    here: "127.0.0.1:64738",
    path: "/var/lib/mumble-server",
    made: "true",
};
const PROSODY: fn() -> Server = || Server {
    service: "prosody",
    package: "prosody",
    user: "prosody",
    options: json!({}),
    unit: "prosody.service",
    here: "127.0.0.1:5222",
    path: "/var/lib/prosody",
    made: "host=$(sed -n 's/^VirtualHost \"\\(.*\\)\"$/\\1/p' /etc/prosody/prosody.cfg.lua); prosodyctl register alice \"$host\" pass",
};

/// What a server that was taken over leaves for root to stumble over, in its data.
const TRAPS: &str = r#"umask 027; mkdir -p traps/a/b; cd traps; echo letter > a/b/letter; ln a/b/letter twin
    ln -s /srv/outside/root link; ln -s /srv/outside file; ln -s .. loop; mkfifo -m 600 pipe; mkdir -m 0 closed
    cp /bin/true setuid; chmod 6755 setuid; touch "$(printf 'a\nb')"
    perl -e 'for (1..3000) { mkdir "deep" or die "$!"; chdir "deep" or die "$!"; } open(my $file, ">", "bottom"); print $file "end";'"#;

/// As somebody who knows what is where.
const PRY: &str = r#"while :; do cat "$0/traps/twin" "$0/traps/a/b/letter" "$0"/*.key "$0"/*/* 2>/dev/null
    ls "$0" "${0%/*}" "$0/traps" 2>/dev/null; done"#;

impl Server {
    fn kept(&self) -> String {
        format!("{KEPT}/{}/{}", self.service, self.path.trim_start_matches('/').replace('/', "="))
    }

    fn apply(&self, host: &Host) -> Value {
        let mut wishes = wishes(self.service, self.options.clone());
        wishes["persistence"] = json!(true);
        host.wish(self.service, &wishes);
        let told = host.done("apply", self.service);
        host.wait_listening(self.here);
        told
    }

    /// Runs a script as the server, where it is.
    fn run(&self, host: &Host, script: &str) -> String {
        let (user, group) = (format!("--reuid={}", self.user), format!("--regid={}", self.user));
        let pid = host.main_pid(self.unit);
        let inside = ["nsenter", "--target", &pid, "--mount", "--", "setpriv", &user, &group, "--init-groups", "--"];
        host.run(&[&inside[..], &["sh", "-ec", &format!("cd {} && {{ {script}\n}}", self.path)]].concat())
    }
}

impl Host {
    fn numbers(&self, user: &str) -> (String, String) {
        let number = |of: &str| self.run(&["id", of, user]).trim().to_owned();
        (number("--user"), number("--group"))
    }

    /// All that is not on the volume is as if it never was, and somebody else is there already.
    fn next_session(&self, server: &Server) {
        let (user, group) = self.numbers(server.user);
        self.done("withdraw", server.service);
        self.run(&["apt-get", "-qq", "--yes", "purge", server.package]);
        let script = r#"rm -rf "/var/lib/tails-server-helper/$1.json" "/run/tails-server-helper/$1" "$2" /etc/systemd/system/*.service.d
            if getent passwd "$3"; then userdel "$3"; fi
            if getent group "$3"; then groupdel "$3"; fi
            if getent passwd stranger; then userdel stranger; fi
            groupadd --gid "$5" stranger; useradd --uid "$4" --gid "$5" --no-create-home stranger
            systemctl daemon-reload"#;
        self.run(&["sh", "-ec", script, "next", server.service, server.path, server.user, &user, &group]);
        assert_eq!(self.numbers(STRANGER), (user, group));
    }

    /// What of the data belongs to a number.
    fn owned(&self, server: &Server, (user, group): &(String, String)) -> String {
        let kept = server.kept();
        let found = self.run(&["find", &kept, "(", "-uid", user, "-o", "-gid", group, ")", "-printf", "%P\n"]);
        let mut found: Vec<&str> = found.split_inclusive('\n').collect();
        found.sort_unstable();
        found.concat()
    }

    /// What the data are but for whose, and without what the server writes when it starts.
    fn picture(&self, server: &Server) -> String {
        let script = r#"cd "$0"; find . -path '*/deep/deep' -prune -o -type l -printf '%p %l\n' -o ! -name '*sqlite*' -printf '%p %y %m\n' | sort
            find . -path '*/deep/deep' -prune -o -type f ! -name '*sqlite*' -exec sha256sum {} + | sort"#;
        self.run(&["sh", "-c", script, &server.kept()])
    }
}

fn next_session_finds_its_data(host: &Host, server: &Server) {
    let what = server.service;
    host.done("install", server.service);
    let print = server.apply(host)["probes"].clone();
    server.run(host, server.made);
    server.run(host, TRAPS);
    let before = host.numbers(server.user);
    host.done("withdraw", server.service);
    let picture = host.picture(server).replace("./traps/setuid f 6755", "./traps/setuid f 755");
    assert!(picture.contains("./traps/setuid f 755") && picture.contains("./traps/pipe p 600"), "{picture}");
    assert_ne!(host.owned(server, &before), "");

    host.next_session(server);
    let kept = server.kept();
    // As older versions have left it, on a volume: before anybody could know who is who, the system makes it root's.
    host.run(&["chmod", "0711", KEPT, &format!("{KEPT}/{}", server.service)]);
    host.run(&["systemd-tmpfiles", "--create", "tails-server.conf"]);
    let pry = ["systemd-run", "--quiet", "--unit=pry", "--uid=stranger", "--nice=19"];
    let pry = [&pry[..], &["--property=StandardOutput=file:/run/seen", "sh", "-c", PRY, &kept]].concat();
    host.run(&pry);
    // A name of what is the stranger's own now: nobody but root could put it there.
    let bait = r#"mkdir -p /srv/outside; cd /srv/outside; echo root > root; echo stranger > stranger
        chown stranger:stranger stranger; ln stranger "$0/traps/hard""#;
    host.run(&["sh", "-ec", bait, &kept]);
    let outside = || host.run(&["find", OUTSIDE, "-printf", "%p %u %g %m\n"]);
    let bait = outside();
    let mounted = format!("{kept}/traps/mounted");
    host.run(&["mkdir", &mounted]);
    host.run(&["mount", "-t", "tmpfs", "-o", &format!("uid={},gid={}", before.0, before.1), "none", &mounted]);

    host.done("install", server.service);
    let now = host.numbers(server.user);
    assert!(now.0 != before.0 && now.1 != before.1, "{what}: {now:?} is as before");
    let told = server.apply(host);
    assert_eq!(told["probes"], print, "{what}: another key");
    assert!(told["message"].as_str().unwrap().contains("1 files in"), "{what}: {told}");
    assert_eq!(host.owned(server, &before), "traps/hard\ntraps/mounted\n", "{what}: is another's");
    assert_eq!(outside(), bait, "{what}: a link has led there");
    host.run(&["umount", &mounted]);
    host.run(&["rm", "-r", &mounted, &format!("{kept}/traps/hard")]);
    assert_eq!(host.picture(server), picture, "{what}");
    let walk =
        r#"perl -e 'chdir "traps" or die "$!"; for (1..3000) { chdir "deep" or die "$!"; } exec "cat", "bottom"'"#;
    assert_eq!(server.run(host, walk), "end", "{what}: not its own at the bottom");
    let foreign = ["find", &kept, "(", "!", "-user", server.user, "-o", "!", "-group", server.user, ")"];
    assert_eq!(host.run(&foreign), "", "{what}: not the server's");

    let pid = host.main_pid(server.unit);
    assert_eq!(server.apply(host)["message"], "", "{what}: applied twice, it changes nothing");
    assert_eq!(host.main_pid(server.unit), pid, "{what}");
    let pried = host.machine.attempt(&["systemctl", "is-active", "pry.service"]).unwrap();
    assert_eq!(pried.stdout, "active\n", "{what}: nobody tries");
    host.run(&["systemctl", "stop", "pry.service"]);
    assert_eq!(host.run(&["cat", "/run/seen"]), "", "{what}: the stranger who has its old number has read something");
    // Whoever may go there reads it.
    assert_eq!(host.run(&["cat", &format!("{kept}/traps/twin")]), "letter\n");
    // However deep they are, nothing stays of them.
    host.done("uninstall", server.service);
    assert_eq!(host.run(&["ls", "-A", KEPT]), "", "{what}");
    assert_eq!(outside(), bait, "{what}: a link has led there");
}

#[test]
fn kept_data_are_their_servers_own_under_another_number_and_a_stranger_who_has_the_old_one_reads_nothing() {
    if !may_boot(
        "kept_data_are_their_servers_own_under_another_number_and_a_stranger_who_has_the_old_one_reads_nothing",
    ) {
        return;
    }
    // In Debian 12 mumble's server is started as root; in Debian 13 prosody's is not.
    for (release, server) in [(Release::Bookworm, MUMBLE()), (Release::Trixie, PROSODY())] {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        next_session_finds_its_data(&host, &server);
    }
}

const SFTP: fn() -> Server = || Server {
    service: "sftp",
    package: "openssh-server",
    user: "tails-sftp",
    options: json!({ "password": "abc" }),
    unit: "tails-sftp.service",
    here: "127.0.0.1:22000",
    path: "/srv/tails-sftp/files",
    made: r#"perl -e 'for my $i (1..100) { mkdir $i; for (1..1000) { open(my $f, ">", "$i/$_") or die "$!"; } }'"#,
};

/// Waits until some of the data are given away, and kills the act at once; whether it was in the middle.
const KILL: &str = r#"systemctl start --no-block tails-server-apply@sftp.service
    while [ -z "$(find "$0" -mindepth 1 -uid "$1" -print -quit)" ]; do [ "$(stat -c %u "$0")" != "$1" ]; done
    systemctl kill --signal=KILL tails-server-apply@sftp.service
    systemctl stop tails-server-apply@sftp.service; stat -c %u "$0""#;

#[test]
fn many_files_are_given_in_no_time_and_a_crash_in_the_middle_is_mended_also_under_a_third_number() {
    if !may_boot("many_files_are_given_in_no_time_and_a_crash_in_the_middle_is_mended_also_under_a_third_number") {
        return;
    }
    let Some(host) = Host::boot(Release::Trixie, Options::new()) else { return };
    let server = SFTP();
    host.done("install", server.service);
    server.apply(&host);
    server.run(&host, server.made);
    host.done("withdraw", server.service);
    let key = "/var/lib/tails-server-data/sftp/var=lib=tails-sftp/ssh_host_ed25519_key";
    let first = host.numbers(server.user);
    let kept = server.kept();
    let renumber = |number: u32| {
        let number = number.to_string();
        host.run(&["groupmod", "--gid", &number, server.user]);
        host.run(&["usermod", "--uid", &number, server.user]);
        (number.clone(), number)
    };

    let mut before = first;
    // Whoever is too slow for it tries again, under yet another number.
    let is_cut = (700..720).any(|number| {
        let now = renumber(number);
        let top = host.run(&["sh", "-c", KILL, &kept, &now.0]);
        let is_cut = top.trim() == before.0 && !host.owned(&server, &now).is_empty();
        if !is_cut {
            before = now;
        }
        is_cut
    });
    assert!(is_cut, "it is never in the middle");
    println!("given of 100100 before the crash: {}", 100_100 - host.owned(&server, &before).lines().count());

    let now = renumber(800);
    let begun = std::time::Instant::now();
    server.apply(&host);
    let took = begun.elapsed();
    assert_eq!(host.owned(&server, &now).lines().count(), 100_101, "all of it");
    assert_eq!(host.run(&["stat", "--format=%u %g", key]), "0 0\n", "what is root's stays root's");
    let begun = std::time::Instant::now();
    server.apply(&host);
    println!("100000 files: {took:?} to give and start, {:?} when nothing is to be done", begun.elapsed());
    assert!(took < PATIENCE / 4, "{took:?}");
}
