// SPDX-License-Identifier: GPL-3.0-or-later
//! What people ask for, one thing after the other.

use std::fmt;

use tails_server_state::ClientAuthorization;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Publish(ClientAuthorization),
    Add(&'static str),
    Remove(&'static str),
    Authorization(ClientAuthorization),
    RenewKey,
    Disable,
    RemoveService,
    /// Waits until it is published, or will not be.
    Settle,
    /// Waits until Tor has heard so many commands, in vain if there are no more.
    Commands(usize),
    /// The control connection is cut, and stays so.
    Cut,
    /// It can be made again, as after every story.
    Return,
}

/// How a service is in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Published for these clients and nobody else.
    PublishedFor(&'static [&'static str]),
    /// Nobody may connect: withdrawn.
    ForNobody,
    Disabled,
    Removed,
}

/// A beginning without disturbance, and what is disturbed.
pub(crate) struct Story {
    name: &'static str,
    pub(crate) before: &'static [Request],
    pub(crate) disturbed: &'static [Request],
    pub(crate) ending: Ending,
}

impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

const PRIVATE: Request = Request::Publish(ClientAuthorization::On);
const PUBLIC: Request = Request::Publish(ClientAuthorization::Off);
const CLOSE: Request = Request::Authorization(ClientAuthorization::On);
const OPEN: Request = Request::Authorization(ClientAuthorization::Off);

pub(crate) const STORIES: &[Story] = &[
    Story {
        name: "publish for two",
        before: &[],
        disturbed: &[PRIVATE, Request::Add("alice"), Request::Add("bob")],
        ending: Ending::PublishedFor(&["alice", "bob"]),
    },
    Story {
        name: "add a client",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle],
        disturbed: &[Request::Add("bob")],
        ending: Ending::PublishedFor(&["alice", "bob"]),
    },
    Story {
        name: "remove a client",
        before: &[PRIVATE, Request::Add("alice"), Request::Add("bob"), Request::Settle],
        disturbed: &[Request::Remove("alice")],
        ending: Ending::PublishedFor(&["bob"]),
    },
    Story {
        name: "remove the last client",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle],
        disturbed: &[Request::Remove("alice")],
        ending: Ending::ForNobody,
    },
    Story {
        name: "replace a client",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle],
        disturbed: &[Request::Remove("alice"), Request::Add("bob")],
        ending: Ending::PublishedFor(&["bob"]),
    },
    Story {
        name: "add and remove at once",
        before: &[PRIVATE, Request::Add("bob"), Request::Settle],
        disturbed: &[Request::Add("alice"), Request::Remove("alice")],
        ending: Ending::PublishedFor(&["bob"]),
    },
    Story {
        name: "remove and take back",
        before: &[PRIVATE, Request::Add("alice"), Request::Add("bob"), Request::Settle],
        disturbed: &[Request::Remove("alice"), Request::Settle, Request::Add("alice")],
        ending: Ending::PublishedFor(&["alice", "bob"]),
    },
    Story {
        name: "close a public one",
        before: &[PUBLIC, Request::Add("alice"), Request::Settle],
        disturbed: &[CLOSE],
        ending: Ending::PublishedFor(&["alice"]),
    },
    Story {
        name: "close a public one for nobody",
        before: &[PUBLIC, Request::Settle],
        disturbed: &[CLOSE],
        ending: Ending::ForNobody,
    },
    Story {
        name: "open and close",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle],
        disturbed: &[OPEN, Request::Settle, CLOSE],
        ending: Ending::PublishedFor(&["alice"]),
    },
    Story {
        name: "open and close at once",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle],
        disturbed: &[OPEN, CLOSE],
        ending: Ending::PublishedFor(&["alice"]),
    },
    Story {
        name: "open and close while it is added",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle],
        disturbed: &[OPEN, Request::Commands(2), CLOSE],
        ending: Ending::PublishedFor(&["alice"]),
    },
    Story {
        name: "remove a client who was just let in",
        before: &[PRIVATE, Request::Add("bob"), Request::Settle],
        disturbed: &[Request::Add("alice"), Request::Commands(2), Request::Remove("alice")],
        ending: Ending::PublishedFor(&["bob"]),
    },
    Story {
        name: "remove a client who is being let in again",
        before: &[PRIVATE, Request::Add("alice"), Request::Add("bob"), Request::Settle, Request::Cut],
        disturbed: &[Request::Return, Request::Commands(6), Request::Remove("alice")],
        ending: Ending::PublishedFor(&["bob"]),
    },
    Story {
        name: "remove a client who waits for those before",
        before: &[PRIVATE, Request::Add("alice"), Request::Add("bob"), Request::Settle, Request::Cut],
        disturbed: &[Request::Return, Request::Commands(9), Request::Remove("alice")],
        ending: Ending::PublishedFor(&["bob"]),
    },
    Story {
        name: "renew the key",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle],
        disturbed: &[Request::RenewKey],
        ending: Ending::PublishedFor(&["alice"]),
    },
    Story {
        name: "disable",
        before: &[PRIVATE, Request::Add("alice"), Request::Add("bob"), Request::Settle],
        disturbed: &[Request::Disable],
        ending: Ending::Disabled,
    },
    Story {
        name: "remove",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle],
        disturbed: &[Request::RemoveService],
        ending: Ending::Removed,
    },
    Story {
        name: "remove a client while cut off",
        before: &[PRIVATE, Request::Add("alice"), Request::Add("bob"), Request::Settle, Request::Cut],
        disturbed: &[Request::Remove("alice")],
        ending: Ending::PublishedFor(&["bob"]),
    },
    Story {
        name: "remove the last client while cut off",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle, Request::Cut],
        disturbed: &[Request::Remove("alice")],
        ending: Ending::ForNobody,
    },
    Story {
        name: "disable while cut off",
        before: &[PRIVATE, Request::Add("alice"), Request::Settle, Request::Cut],
        disturbed: &[Request::Disable],
        ending: Ending::Disabled,
    },
];
