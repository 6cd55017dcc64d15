// SPDX-License-Identifier: GPL-3.0-or-later
//! Who may ask the system's controller for what: the real bus, the real polkit, five people.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tails_box::{Answer, Options, Release, may_boot};
use tails_server::bus::api::{ArchiveProxy, ManagerProxy, RestoreOptions, hand_over};

use crate::system::{System, UNIT};

/// What polkit decides in this machine beside what comes along: each of these is given one right.
const RULES: &str = r#"polkit.addRule(function (action, subject) {
    if (action.id === "org.boum.tails.Server1." + subject.user) {
        return polkit.Result.YES;
    }
    return polkit.Result.NOT_HANDLED;
});
"#;
const RIGHTS: [&str; 3] = ["inspect", "manage", "reveal"];
/// What is said to whoever may not.
const REFUSAL: &str = "you are not allowed to do that";

const BUSCTL: &str = "busctl --timeout=20 call org.boum.tails.Server1";
/// This program in the machine, where it hands over what is no secret.
const PROGRAM: &str = "/usr/local/bin/hands-over";
const HANDS_OVER: &str = "/usr/local/bin/hands-over --ignored --exact rights::as_somebody_in_the_machine";

/// A method of the API: how it is called, and what it needs.
struct Method {
    words: String,
    needs: Option<String>,
}

/// The methods as the files in contrib/dbus/ have them.
fn methods(interface: &str, path: &str) -> Vec<Method> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("contrib/dbus/{interface}.xml"));
    let text = fs::read_to_string(file).unwrap();
    let mut methods = Vec::new();
    for part in text.split("<!--").skip(1) {
        let (comment, rest) = part.split_once("-->").unwrap();
        let Some(method) = rest.trim_start().strip_prefix("<method name=\"") else { continue };
        let name = method.split('"').next().unwrap();
        let body = method.split("</method>").next().unwrap();
        let ins = body.lines().filter(|line| line.contains("<arg ") && line.contains("direction=\"in\""));
        let types: Vec<&str> =
            ins.map(|line| line.split("type=\"").nth(1).unwrap().split('"').next().unwrap()).collect();
        let values = types.iter().map(|kind| match *kind {
            "b" => "false",
            "s" => "web",
            // What has to be in it is looked at first.
            "a{sv}" if name == "Join" => "2 Name s web Address s none",
            _ => "0",
        });
        let values: Vec<&str> = values.collect();
        // busctl has nothing to hand over: this program does it.
        let words = match types.concat().as_str() {
            with_handed if with_handed.contains('h') => format!("METHOD={name} {HANDS_OVER} --nocapture"),
            types => format!("{BUSCTL} {path} {interface} {name} '{types}' {}", values.join(" ")),
        };
        let comment = comment.split_whitespace().collect::<Vec<_>>().join(" ");
        let needs = RIGHTS.iter().find(|right| comment.contains(&format!("Needs `{right}`")));
        methods.push(Method { words, needs: needs.map(|right| (*right).to_owned()) });
    }
    assert!(methods.len() > 2, "{interface} has more than that");
    methods
}

/// All methods, those that remove the service last.
fn all_methods() -> Vec<Method> {
    let service = methods("org.boum.tails.Server1.Service", "/org/boum/tails/Server1/services/web");
    let manager = methods("org.boum.tails.Server1.Manager", "/org/boum/tails/Server1");
    let others = ["Archive", "Diagnosis"]
        .map(|name| methods(&format!("org.boum.tails.Server1.{name}"), "/org/boum/tails/Server1"));
    let all = service.into_iter().chain(manager).chain(others.into_iter().flatten());
    let (last, first) = all.partition::<Vec<_>, _>(|method| method.words.contains(" Remove "));
    first.into_iter().chain(last).collect()
}

/// Runs something as another user.
fn attempt_as(system: &System, user: &str, words: &[&str]) -> Answer {
    let user = format!("--reuid={user}");
    system
        .machine
        .attempt(&[&["setpriv", user.as_str(), "--regid=nogroup", "--init-groups", "--"], words].concat())
        .unwrap()
}

/// What each method answers this user.
fn answers(system: &System, user: &str, methods: &[Method]) -> BTreeMap<String, String> {
    system.publish(&["80:8080", "--name", "web"]);
    let calls = methods.iter().map(|method| format!("{} 2>&1 </dev/null; echo; echo ---", method.words));
    let script = calls.collect::<Vec<_>>().join("\n");
    let told = attempt_as(system, user, &["sh", "-c", &script]).stdout;
    let answers: Vec<&str> = told.split("---\n").collect();
    assert_eq!(answers.len(), methods.len() + 1, "{told}");
    methods.iter().zip(answers).map(|(method, answer)| (method.words.clone(), answer.to_owned())).collect()
}

#[test]
fn each_method_is_for_those_alone_who_have_the_right() {
    if !may_boot("each_method_is_for_those_alone_who_have_the_right") {
        return;
    }
    let [.., newest] = Release::ALL;
    let Some(system) = System::boot(newest, Options::new()) else { return };
    for user in ["inspect", "manage", "reveal", "stranger", "member"] {
        system.run(&["useradd", user]);
    }
    system.run(&["usermod", "--append", "--groups", "tails-server-admin", "member"]);
    system.machine.write("/etc/polkit-1/rules.d/10-people.rules", RULES).unwrap();
    system.run(&["systemctl", "restart", "polkit.service"]);
    system.start_web();
    system.machine.copy(&std::env::current_exe().unwrap(), PROGRAM, "0755").unwrap();

    let methods = all_methods();
    for user in ["stranger", "inspect", "manage", "reveal", "member"] {
        let answers = answers(&system, user, &methods);
        for method in &methods {
            let answer = &answers[&method.words];
            // Each of the others has the right to inspect in it.
            let has = |right: &str| right == user || (right == "inspect" && user != "stranger");
            let is_free = user == "member" || method.needs.as_deref().is_none_or(has);
            assert_eq!(!answer.contains(REFUSAL), is_free, "{user}, {}: {answer}", method.words);
        }
    }

    // Everybody may know how services are, and nobody their addresses; nor may anybody have the name.
    let web = system.publish(&["80:8080", "--name", "web"]);
    let status = attempt_as(&system, "stranger", &["tails-server", "--bus", "system", "status", "--json"]);
    assert!(status.stdout.contains("\"web\"") && !status.stdout.contains(&web), "{status:?}");
    let address = attempt_as(&system, "stranger", &["tails-server", "--bus", "system", "address", "web"]);
    assert_eq!((address.status.code(), address.stdout.as_str()), (Some(4), ""), "{address:?}");
    assert!(address.stderr.contains("Hint: ") && address.stderr.contains("tails-server-admin"), "{address:?}");
    let bus = ["busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"];
    let name = ["RequestName", "su", "org.boum.tails.Server1", "2"];
    let taken = attempt_as(&system, "member", &[&bus[..], &name].concat());
    assert!(!taken.status.success() && taken.stderr.contains("denied"), "{taken:?}");

    // A member needs no sudo and no socket; a controller that does not run is started by who asks.
    system.run(&["systemctl", "stop", UNIT]);
    let address = attempt_as(&system, "member", &["tails-server", "address", "web"]);
    assert_eq!(address.stdout.trim_end(), web, "{address:?}");

    // Without polkit nobody but root is answered.
    system.run(&["systemctl", "mask", "--runtime", "--now", "polkit.service"]);
    let address = attempt_as(&system, "member", &["tails-server", "address", "web"]);
    assert_eq!((address.status.code(), address.stdout.as_str()), (Some(4), ""), "{address:?}");
    assert_eq!(system.machine.run(&["tails-server", "--bus", "system", "address", "web"]).unwrap().trim_end(), web);

    // Nothing of what was asked and answered is in the log.
    assert!(!system.log().contains(web.trim_end_matches(".onion")), "{}", system.log());
}

/// Not a test: hands over, in the machine.
#[tokio::test]
#[ignore = "another test starts it in the machine"]
async fn as_somebody_in_the_machine() {
    let connection = zbus::Connection::system().await.unwrap();
    let manager = ManagerProxy::new(&connection).await.unwrap();
    let archive = ArchiveProxy::new(&connection).await.unwrap();
    let handed = || hand_over(b"3").unwrap();
    let answer = match std::env::var("METHOD").unwrap().as_str() {
        "SetSecretOption" => manager.set_secret_option("web", "max-streams", handed().into()).await.map(drop),
        "ReplaceKey" => manager.replace_key("web", handed().into()).await,
        "Plan" => archive.plan(handed().into(), RestoreOptions::default()).await.map(drop),
        "Restore" => archive.restore(handed().into(), RestoreOptions::default()).await.map(drop),
        other => unreachable!("nobody knows how to hand something over to {other}"),
    };
    println!("{answer:?}");
}
