// SPDX-License-Identifier: GPL-3.0-or-later
//! A Tor on a control socket that remembers what it was told, and fails once, at a given command.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use crate::model::{Connection, Echo, LATENCY, Model, verb};

/// How long a Tor that was killed is away.
const AWAY: Duration = Duration::from_millis(300);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is cut, and the command was never read.
    CutBefore,
    /// The connection is cut before the reply.
    CutAfter,
    /// Tor is killed, and comes back knowing nothing.
    TorKilled,
    /// 551, and nothing was done.
    Refused,
    /// 551, and it was done all the same.
    RefusedAndDone,
    /// From here on such a command is refused until the connection ends.
    Stubborn,
    /// It is done, and the reply is none.
    Garbled,
    /// The controller is killed, and the command was never read.
    ControllerKilledBefore,
    /// The controller is killed when it was done, before the reply.
    ControllerKilledAfter,
    /// ADD_ONION alone: somebody else is let in than was asked for, and Tor says so.
    Wrong(Echo),
}

impl Fault {
    /// All that can happen to this command.
    pub(crate) fn of(command: &str) -> Vec<Self> {
        let mut faults = vec![
            Self::CutBefore,
            Self::CutAfter,
            Self::TorKilled,
            Self::Refused,
            Self::RefusedAndDone,
            Self::Garbled,
            Self::ControllerKilledBefore,
            Self::ControllerKilledAfter,
        ];
        if command.starts_with("DEL_ONION") {
            faults.push(Self::Stubborn);
        }
        if command.starts_with("ADD_ONION") {
            faults.push(Self::Wrong(Echo::HasOneMore));
            if command.contains("ClientAuthV3=") {
                faults.extend([Self::Wrong(Echo::LacksOne), Self::Wrong(Echo::HasNone)]);
            }
        }
        faults
    }

    pub(crate) fn kills_the_controller(self) -> bool {
        matches!(self, Self::ControllerKilledBefore | Self::ControllerKilledAfter)
    }
}

/// The Tor, for those who look at it.
#[derive(Debug, Clone)]
pub(crate) struct ScriptedTor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    model: Mutex<Model>,
    plan: Mutex<Plan>,
    dies: Notify,
    /// The fault happened.
    struck: Notify,
}

/// When it fails, and what it heard since that was decided.
#[derive(Debug, Default)]
struct Plan {
    fault: Option<(usize, Fault)>,
    heard: Vec<String>,
    connections: u64,
    is_away: bool,
    has_struck: bool,
}

impl ScriptedTor {
    pub(crate) fn new(path: &Path, model: Model) -> Self {
        let shared = Shared {
            path: path.to_owned(),
            model: Mutex::new(model),
            plan: Mutex::default(),
            dies: Notify::new(),
            struck: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Serves until aborted.
    pub(crate) fn start(&self) -> JoinHandle<()> {
        let tor = self.clone();
        tokio::spawn(async move {
            loop {
                if !tor.plan().is_away {
                    tor.live().await;
                }
                // Not to wait for anything: this is how long it is away.
                tokio::time::sleep(AWAY).await;
            }
        })
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.shared.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts commands from here on, and fails at the one with this number, from 1.
    pub(crate) fn fail_at(&self, fault: Option<(usize, Fault)>) {
        let mut plan = self.plan();
        plan.fault = fault;
        plan.heard.clear();
    }

    /// What was heard since.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.plan().heard.clone()
    }

    /// How many commands were heard since.
    pub(crate) fn count(&self) -> usize {
        self.plan().heard.len()
    }

    /// Whether the fault happened.
    pub(crate) fn has_struck(&self) -> bool {
        self.plan().has_struck
    }

    /// Returns when the fault happens.
    pub(crate) async fn struck(&self) {
        self.shared.struck.notified().await;
    }

    /// Cuts all connections and takes no new ones, but lives, until told otherwise.
    pub(crate) fn be_away(&self, is_away: bool) {
        self.plan().is_away = is_away;
        if is_away {
            self.shared.dies.notify_one();
        }
    }

    /// It is killed, and comes back knowing nothing.
    pub(crate) fn restart(&self) {
        self.model().die();
        self.shared.dies.notify_one();
    }

    /// From the moment it listens until it is killed.
    async fn live(&self) {
        let listener = UnixListener::bind(&self.shared.path).unwrap();
        let mut talks = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let tor = self.clone();
                    talks.spawn(async move { tor.talk(accepted.unwrap().0).await });
                }
                () = self.shared.dies.notified() => break,
            }
        }
        drop(listener);
        std::fs::remove_file(&self.shared.path).unwrap();
        talks.shutdown().await;
    }

    async fn talk(&self, stream: UnixStream) {
        let number = {
            let mut plan = self.plan();
            plan.connections += 1;
            plan.connections
        };
        // The guard ends with this talk, however that ends.
        let mut talk = Talk { tor: self, connection: Connection::new(number), refuses: None };
        let mut stream = BufReader::new(stream);
        while let Some(command) = line(&mut stream).await {
            let reply = match verb(&command) {
                "PROTOCOLINFO" => {
                    "250-PROTOCOLINFO 1\r\n250-AUTH METHODS=NULL\r\n250-VERSION Tor=\"0.4.9.11\"\r\n250 OK\r\n"
                        .to_owned()
                }
                "AUTHENTICATE" => "250 OK\r\n".to_owned(),
                _ => match talk.answer(&command) {
                    Answer::Reply(reply) => reply,
                    Answer::Hang => {
                        while line(&mut stream).await.is_some() {}
                        return;
                    }
                    Answer::Cut => return,
                },
            };
            // Not to wait for anything: this is how slow it is.
            tokio::time::sleep(LATENCY).await;
            if stream.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

enum Answer {
    Reply(String),
    /// The other side is killed before it reads anything more.
    Hang,
    Cut,
}

struct Talk<'a> {
    tor: &'a ScriptedTor,
    connection: Connection,
    /// What it refuses until its end.
    refuses: Option<String>,
}

impl Talk<'_> {
    fn answer(&mut self, command: &str) -> Answer {
        let fault = {
            let mut plan = self.tor.plan();
            plan.heard.push(command.to_owned());
            let heard = plan.heard.len();
            plan.fault.take_if(|(number, _)| *number == heard).map(|(_, fault)| fault)
        };
        let refused = "551 Internal error\r\n".to_owned();
        let mut model = self.tor.model();
        model.hear(&self.connection, command);
        if self.refuses.as_deref() == Some(verb(command)) {
            return Answer::Reply(refused);
        }
        let Some(fault) = fault else { return Answer::Reply(model.act(&mut self.connection, command, Echo::True)) };
        self.tor.plan().has_struck = true;
        self.tor.shared.struck.notify_one();
        match fault {
            Fault::CutBefore => Answer::Cut,
            Fault::CutAfter => {
                model.act(&mut self.connection, command, Echo::True);
                Answer::Cut
            }
            Fault::TorKilled => {
                model.die();
                self.tor.shared.dies.notify_one();
                Answer::Cut
            }
            Fault::Refused => Answer::Reply(refused),
            Fault::Stubborn => {
                self.refuses = Some(verb(command).to_owned());
                Answer::Reply(refused)
            }
            Fault::RefusedAndDone => {
                model.act(&mut self.connection, command, Echo::True);
                Answer::Reply(refused)
            }
            Fault::Garbled => {
                model.act(&mut self.connection, command, Echo::True);
                Answer::Reply("2x0 ServiceID\r\n".to_owned())
            }
            Fault::ControllerKilledBefore => Answer::Hang,
            Fault::ControllerKilledAfter => {
                model.act(&mut self.connection, command, Echo::True);
                Answer::Hang
            }
            Fault::Wrong(echo) => Answer::Reply(model.act(&mut self.connection, command, echo)),
        }
    }
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        self.tor.model().disconnect(&self.connection);
    }
}

/// The next line, without CRLF; `None` once the other side is gone.
async fn line(stream: &mut BufReader<UnixStream>) -> Option<String> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).await.unwrap_or(0);
    (length > 0).then(|| line.trim_end().to_owned())
}
