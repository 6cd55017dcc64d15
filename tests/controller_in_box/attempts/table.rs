// SPDX-License-Identifier: GPL-3.0-or-later
//! What is attempted, by whom, and what stands in the way: the table in contrib/tails/SECURITY.md is made of this.

use super::{Attempt, Told, Who, stories};

use Told::{Nothing, Refused};
use Who::{Controller, Desktop, Server, Stranger};

/// Everybody but us.
const OTHERS: &[Who] = &[Stranger, Desktop, Server];
/// And a controller that somebody has taken over: it is not root.
const ALL: &[Who] = &[Stranger, Desktop, Server, Controller];
const PEOPLE: &[Who] = &[Stranger, Desktop];
/// All but a server: it sees no other processes, and no bus.
const UNCONFINED: &[Who] = &[Stranger, Desktop, Controller];
const TAKEN_OVER: &[Who] = &[Controller];

/// What the kernel says.
const DENIED: Told = Refused("Permission denied");
const NOT_PERMITTED: Told = Refused("Operation not permitted");

/// Something that root can do as well, which shows that the attempt is a real one.
const fn read(who: &'static [Who], what: &'static str, script: &'static str, against: &'static str) -> Attempt {
    Attempt { can_root: true, ..attempt(who, what, script, DENIED, against) }
}

const fn attempt(
    who: &'static [Who],
    what: &'static str,
    script: &'static str,
    told: Told,
    against: &'static str,
) -> Attempt {
    Attempt { who, what, script, told, against, can_root: false, story: None }
}

const fn story(who: &'static [Who], what: &'static str, play: super::Play, against: &'static str) -> Attempt {
    Attempt { story: Some(play), ..attempt(who, what, "", Nothing, against) }
}

pub(super) const ATTEMPTS: &[Attempt] = &[
    // Files.
    read(OTHERS, "read the store of the kept services", r#"cat "$KEPT""#, "directory 0700 of `tails-server`"),
    read(OTHERS, "read the store of the amnesic services", r#"cat "$AMNESIC""#, "directory 0700 of `tails-server`"),
    read(
        OTHERS,
        "read what people wish, with the passwords of servers",
        "cat /run/tails-server/wishes/ngircd.json",
        "directory 0700 of `tails-server`",
    ),
    read(
        ALL,
        "read the configuration of a server, with its password, where the helper wrote it",
        r#"cat "$RENDERED""#,
        "directory 0700 of root; a server sees its own file through a mount",
    ),
    read(
        OTHERS,
        "read what the helper tells the controller",
        "cat /run/tails-server-helper/ngircd/outcome.json",
        "file 0640 of root and `tails-server`",
    ),
    read(
        ALL,
        "read what the helper remembers",
        "for file in \"$LEDGER\" /run/tails-server-helper/ngircd/applied.json /run/tails-server-helper/.firewall.nft; do
            cat \"$file\" && open=yes
        done; [ \"$open\" ]",
        "directory 0700 and files 0600 of root",
    ),
    read(ALL, "list the data that servers keep", "ls /var/lib/tails-server-data", "directory 0700 of root"),
    read(TAKEN_OVER, "read other secrets of the system", "cat /etc/shadow", "the controller is not root"),
    attempt(
        ALL,
        "find a secret in all files of ours that can be read",
        r"find $PLACES -type f -readable ! -user tails-server ! -path '/usr/lib/*' -exec cat {} + 2>/dev/null",
        Nothing,
        "no secret is in a file that everybody may read",
    ),
    Attempt {
        can_root: true,
        ..attempt(
            ALL,
            "find a file or directory of ours that can be written",
            r#"found=$(find $PLACES -writable ! -type l ! -user tails-server 2>/dev/null)
            [ "$found" ] || echo "there is none"; echo "$found"; [ "$found" ]"#,
            Refused("there is none"),
            "owners and modes",
        )
    },
    attempt(
        OTHERS,
        "plant a descriptor, wishes, a drop-in, a rule or a link wherever we read and write",
        r#"for place in $PLACES /run/systemd/system /etc/systemd/system/ngircd.service.d /usr/share/tails-server/services \
            /run/tails-server/wishes /run/tails-server-helper/ngircd /etc/polkit-1/rules.d /etc/dbus-1/system.d; do
            ln -s /etc/passwd "$place/planted" && open=yes
            mkdir "$place/planted" && open=yes
            mkfifo "$place/ngircd.json" && open=yes
        done; [ "$open" ]"#,
        DENIED,
        "owners and modes",
    ),
    attempt(
        OTHERS,
        "put a link or a socket in the place of the controller's socket",
        "ln -sfn /tmp/elsewhere /run/tails-server/bus || mv /run/tails-server/bus /tmp/",
        DENIED,
        "only `tails-server` writes its directory",
    ),
    story(PEOPLE, "prepare and watch /tmp, /var/tmp and /dev/shm while a server is installed", stories::temporary, "PrivateTmp; no file of ours is made there"),
    story(
        TAKEN_OVER,
        "have the helper read a file of root, by a link in the place of the wishes",
        stories::link,
        "the helper follows no link, and repeats no value",
    ),
    attempt(
        OTHERS,
        "read as root of a user namespace",
        r#"unshare --user --map-root-user -- cat "$KEPT" /run/tails-server/wishes/ngircd.json"#,
        DENIED,
        "files belong to a user whom the namespace does not map",
    ),
    // Tor.
    read(OTHERS, "read Tor's cookie", "cat /run/tor/control.authcookie", "file 0640 of `debian-tor`"),
    Attempt {
        can_root: true,
        ..attempt(
            OTHERS,
            "connect to Tor's control socket",
            "connect /run/tor/control",
            DENIED,
            "socket of `debian-tor`",
        )
    },
    attempt(
        OTHERS,
        "speak with Tor's control port without the cookie",
        r#"exec 3<>/dev/tcp/127.0.0.1/9052
        printf 'AUTHENTICATE\r\nGETINFO onions/current\r\n' >&3; cat <&3 | tee /dev/stderr | grep -q ^250"#,
        Refused("515 "),
        "Tor asks for the cookie; in Tails the firewall lets only root connect, too",
    ),
    // Processes.
    read(
        PEOPLE,
        "read the memory, the environment and the open files of the controller and the helper",
        r#"for process in $CONTROLLER $HELPER; do
            for file in environ maps mem auxv; do head -c1 "/proc/$process/$file" >/dev/null && open=yes; done
            ls "/proc/$process/fd" "/proc/$process/root/" "/proc/$process/cwd/" >/dev/null && open=yes
        done; [ "$open" ]"#,
        "the kernel: other users, and a controller that is not dumpable",
    ),
    Attempt {
        can_root: true,
        ..attempt(UNCONFINED, "ptrace the controller or the helper", "trace $CONTROLLER || trace $HELPER", NOT_PERMITTED, "the kernel; a controller is not dumpable")
    },
    attempt(
        PEOPLE,
        "end or stop the controller by a signal",
        "kill -KILL $CONTROLLER || kill -STOP $CONTROLLER",
        NOT_PERMITTED,
        "the kernel",
    ),
    attempt(ALL, "end or stop the helper by a signal", "kill -KILL $HELPER || kill -STOP $HELPER", NOT_PERMITTED, "the kernel"),
    attempt(
        UNCONFINED,
        "find a secret in what programs were started with",
        r"cat /proc/[0-9]*/cmdline | tr '\0' '\n'",
        Nothing,
        "secrets are in no command line",
    ),
    attempt(
        ALL,
        "find a secret in the journal",
        "journalctl --no-pager 2>&1; journalctl --no-pager --unit=tails-serverd --unit=ngircd",
        Nothing,
        "the journal is not theirs, and has no secret",
    ),
    attempt(
        ALL,
        "find a secret in what systemd and the kernel tell everybody",
        r#"systemctl --no-pager status $UNITS; systemctl --no-pager show $UNITS; systemctl --no-pager cat $UNITS
        cat /proc/net/unix /proc/net/tcp /proc/net/tcp6 /proc/self/mountinfo"#,
        Nothing,
        "secrets are in no unit, drop-in or environment",
    ),
    // The controller.
    Attempt {
        can_root: true,
        ..attempt(OTHERS, "connect to the controller's socket", "connect /run/tails-server/bus", DENIED, "socket 0600 of `tails-server`")
    },
    attempt(
        OTHERS,
        "connect to the controller's socket five hundred times",
        "for once in $(seq 500); do echo /run/tails-server/bus; done | xargs perl -e \"$CONNECT\"",
        DENIED,
        "socket 0600 of `tails-server`",
    ),
    story(PEOPLE, "open hundreds of connections to the bus, each with a call to the controller", stories::crowd, "the limits of the bus, and the controller's for each caller"),
    attempt(
        PEOPLE,
        "find a secret in the properties of all objects",
        "busctl call org.boum.tails.Server1 / org.freedesktop.DBus.ObjectManager GetManagedObjects
        busctl call org.boum.tails.Server1 /org/boum/tails/Server1 org.freedesktop.DBus.ObjectManager GetManagedObjects
        for object in '' /services/kept /services/amnesic /services/ngircd; do
            busctl introspect org.boum.tails.Server1 /org/boum/tails/Server1$object
        done",
        Nothing,
        "properties have no address and no value of an option",
    ),
    attempt(
        OTHERS,
        "run a controller of one's own in the system's places",
        "timeout 5 tails-serverd",
        Refused("belongs to another user"),
        "owners and modes",
    ),
    // The bus.
    attempt(
        UNCONFINED,
        "take the name of the controller, or another one",
        "for name in org.boum.tails.Server1.Other org.freedesktop.PolicyKit1 $CONTROLLER_NAME; do
            busctl call $BUS RequestName su $name 3 && open=yes
        done; [ \"$open\" ]",
        Refused("denied"),
        "the bus: contrib/dbus/org.boum.tails.Server1.conf",
    ),
    story(PEOPLE, "take the name of the controller while it does not run", stories::before_it_starts, "the bus: contrib/dbus/org.boum.tails.Server1.conf"),
    Attempt {
        can_root: true,
        ..attempt(
            UNCONFINED,
            "become a monitor of the bus",
            "busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus.Monitoring BecomeMonitor asu 0 0",
            Refused("denied"),
            "the bus",
        )
    },
    story(PEOPLE, "listen to what goes over the bus, or eavesdrop, while addresses and passwords are asked for and changed", stories::eavesdrop, "the bus delivers what is for others to nobody; signals have no secret; secrets go as file descriptors"),
    story(PEOPLE, "send signals in the controller's name", stories::false_signals, "clients believe the owner of the name alone"),
    attempt(
        &[Server],
        "reach the bus, systemd and polkit",
        "busctl list || systemctl start tor@default.service || tails-server --bus system status",
        Refused("Operation not permitted|Permission denied"),
        "the server's unit: /run/dbus is inaccessible, other processes are invisible",
    ),
    attempt(
        &[Server],
        "see the processes of others",
        "ls -d /proc/$CONTROLLER || ls -d /proc/$HELPER",
        Refused("No such file"),
        "the server's unit: ProtectProc=invisible",
    ),
    // systemd.
    attempt(
        PEOPLE,
        "start, stop, kill, reload, disable, mask or change the controller's unit",
        r#"for verb in stop restart reload kill disable mask "set-property --runtime" revert; do
            argument=; case "$verb" in set-*) argument=User=root ;; esac
            systemctl --no-ask-password $verb tails-serverd.service $argument && open=yes
        done; [ "$open" ]"#,
        Refused("uthentication required"),
        "systemd asks polkit, and polkit for the password of an administrator",
    ),
    attempt(
        PEOPLE,
        "start, stop, kill or change the helper's units",
        r#"for act in install apply withdraw uninstall; do
            for verb in start stop restart kill; do
                systemctl --no-ask-password $verb tails-server-$act@ngircd.service && open=yes
            done
        done; systemctl --no-ask-password start tails-server-firewall.service && open=yes; [ "$open" ]"#,
        Refused("uthentication required"),
        "systemd asks polkit, and polkit for the password of an administrator",
    ),
    attempt(
        TAKEN_OVER,
        "do anything else with the helper's units than to start and stop them",
        r#"for verb in restart kill "set-property --runtime" reload; do
            argument=; case "$verb" in set-*) argument=TasksMax=1 ;; esac
            systemctl --no-ask-password $verb tails-server-apply@ngircd.service $argument && open=yes
        done
        busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss \
            tails-server-apply@ngircd.service isolate && open=yes
        [ "$open" ]"#,
        Refused("denied"),
        "contrib/polkit/tails-server-helper.rules",
    ),
    attempt(
        TAKEN_OVER,
        "start other units, or the helper with a name that is none",
        r#"for unit in tor@default.service ngircd.service tails-server-firewall.service tails-serverd.service \
            tails-server-apply@-x.service tails-server-apply@a_b.service 'tails-server-apply@a\x2fb.service' \
            tails-server-apply@..-..-etc.service tails-server-apply@A.service tails-server-run@ngircd.service; do
            systemctl --no-ask-password start "$unit" && open=yes
            systemctl --no-ask-password stop "$unit" && open=yes
        done; [ "$open" ]"#,
        Refused("denied"),
        "contrib/polkit/tails-server-helper.rules",
    ),
    attempt(
        UNCONFINED,
        "run something as root in a unit of one's own",
        "for unit in own.service tails-server-apply@own.service tails-server-apply@ngircd.service; do
            systemd-run --no-ask-password --unit=$unit id && open=yes
        done; [ \"$open\" ]",
        Refused("denied|uthentication required"),
        "polkit; what has a file is no transient unit",
    ),
    attempt(
        UNCONFINED,
        "change what units are: enable, link, mask, reload, set the environment of all",
        r#"printf '[Service]\nExecStart=id\n' > /tmp/own-$$.service
        systemctl --no-ask-password link /tmp/own-$$.service && open=yes
        systemctl --no-ask-password mask --runtime tails-server-withdraw@.service && open=yes
        systemctl --no-ask-password daemon-reload && open=yes
        systemctl --no-ask-password set-environment LD_PRELOAD=/tmp/own.so && open=yes
        rm /tmp/own-$$.service; [ "$open" ]"#,
        Refused("denied|uthentication required"),
        "polkit",
    ),
    // The helper.
    attempt(
        ALL,
        "run the helper's program, with an environment of one's own",
        r#"mkdir -p /tmp/path-$$; for program in apt-get dpkg systemctl nft; do
            printf '#!/bin/sh\necho it ran\n' > /tmp/path-$$/$program; chmod 755 /tmp/path-$$/$program
        done
        for act in install apply withdraw uninstall; do
            env PATH="/tmp/path-$$:$PATH" DPKG_ROOT=/tmp /usr/lib/tails-server/tails-server-helper $act ngircd && open=yes
        done; rm -r /tmp/path-$$; [ "$open" ]"#,
        DENIED,
        "it is not setuid: without root it can do nothing",
    ),
    // polkit.
    attempt(
        PEOPLE,
        "have polkit say yes without an administrator",
        r#"for action in inspect manage reveal; do
            pkcheck --action-id org.boum.tails.Server1.$action --process $$ && open=yes
        done; [ "$open" ]"#,
        Refused("requires authentication|ot authorized"),
        "auth_admin_keep for everybody: contrib/polkit/org.boum.tails.Server1.policy",
    ),
    attempt(
        UNCONFINED,
        "answer polkit as if one were its agent",
        "busctl call org.freedesktop.PolicyKit1 /org/freedesktop/PolicyKit1/Authority org.freedesktop.PolicyKit1.Authority \
            AuthenticationAgentResponse2 'us(sa{sv})' 0 cookie unix-user 1 uid u 0",
        Refused("uid 0"),
        "polkit believes root's helper alone",
    ),
    // Servers.
    story(
        &[Stranger, Desktop, Controller],
        "connect to a server with allow-localhost off",
        stories::connect_to_server,
        "rules of the firewall: Tor alone",
    ),
    attempt(
        PEOPLE,
        "listen in the place of a server that runs",
        "listen 127.0.0.1 6667",
        Refused("Address already in use"),
        "the kernel; while it does not run: the controller publishes no listener of another user",
    ),
];
