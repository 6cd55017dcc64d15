// SPDX-License-Identifier: GPL-3.0-or-later
//! Each service that comes with Tails Server: it says the first words of its protocol, to loopback alone.

use serde_json::{Value, json};
use tails_box::{Options, Release, may_boot};

use crate::host::{Host, wishes};

/// What a server is told and answers. Without a password it sends nothing that needs one.
struct Greeting {
    service: &'static str,
    options: Value,
    port: u16,
    say: &'static str,
    answer: &'static str,
}

fn greetings() -> Vec<Greeting> {
    let greeting = |service, options, port, say, answer| Greeting { service, options, port, say, answer };
    let stream = "<?xml version='1.0'?><stream:stream to='pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion' \
                  xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
    vec![
        greeting("ngircd", json!({ "password": "abc" }), 6667, "PASS abc\r\nNICK a\r\nUSER a 0 * :a\r\n", " 001 a :"),
        greeting("nginx", json!({ "password": "abc" }), 8089, "GET / HTTP/1.0\r\n\r\n", "hello.txt"),
        greeting("ssh", json!({ "user": "root" }), 22022, "SSH-2.0-x\r\n", "SSH-2.0-OpenSSH"),
        greeting("sftp", json!({ "password": "abc" }), 22000, "SSH-2.0-x\r\n", "SSH-2.0-OpenSSH"),
        greeting("prosody", json!({}), 5222, stream, "<stream:features>"),
        greeting(
            "gobby",
            json!({ "password": "abc" }),
            6523,
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' version='1.0' to='x'>",
            "<stream:stream",
        ),
    ]
}

#[test]
fn each_service_answers_on_loopback_and_leaves_nothing() {
    if !may_boot("each_service_answers_on_loopback_and_leaves_nothing") {
        return;
    }
    for release in Release::ALL {
        let Some(host) = Host::boot(release, Options::new()) else { continue };
        let before = host.packages();
        let watch = host.machine.watch_listeners().unwrap();
        for Greeting { service, options, port, say, answer } in greetings() {
            host.done("install", service);
            assert!(host.listening().is_empty(), "{release}, {service}: {:?}", host.listening());
            let packaged = host.etc();
            host.wish(service, &wishes(service, options));
            host.done("apply", service);
            let address = format!("127.0.0.1:{port}");
            host.wait_listening(&address);
            assert_eq!(host.listening(), [address], "{release}");
            if service == "nginx" {
                host.machine.write("/srv/tails-server/website/hello.txt", "hello").unwrap();
            }
            let said = host.talk(port, say, answer);
            assert!(said.contains(answer), "{release}, {service} says: {said}");
            host.done("withdraw", service);
            assert!(host.listening().is_empty(), "{release}, {service}: {:?}", host.listening());
            let differences = host.etc_differences(&packaged);
            // A user of the system has no password before, and a locked one after.
            let accounts = ["/etc/passwd-", "/etc/shadow", "/etc/shadow-"];
            let expected: &[&str] = if service == "sftp" { &accounts } else { &[] };
            assert!(differences.iter().all(|path| expected.contains(&path.as_str())), "{service}: {differences:?}");
            assert_eq!(host.traces(service), "outcome.json\n", "{release}");
        }
        // Two of them use the same package: it goes with the last.
        for Greeting { service, .. } in greetings() {
            host.done("uninstall", service);
        }
        assert_eq!(host.packages(), before, "{release}");
        let masks = host.run(&["find", "/etc/systemd/system", "-lname", "/dev/null", "-not", "-name", "tor*"]);
        assert_eq!(masks, "", "{release}");
        assert_eq!(watch.reachable().unwrap(), [], "{release}");
    }
}
