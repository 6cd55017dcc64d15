// SPDX-License-Identifier: GPL-3.0-or-later
//! Somebody else on the control port, who knows which onion services are published.

use std::time::{Duration, Instant};

use crate::uploads::{Asked, Uploads};
use crate::{Control, ControlError, Error, Tor};

/// An independent control connection that hears of all uploads from its beginning on, for one life of a Tor.
///
/// It judges whether a service is published: whether more than half of the HSDirs have confirmed the descriptor that
/// visitors ask for, since Tor has the service.
#[derive(Debug)]
pub struct Observer {
    control: Control,
    uploads: Uploads,
    asked: Option<Asked>,
    is_ready: bool,
}

impl Observer {
    /// Observes this Tor from here on. What it uploaded before counts for nothing.
    ///
    /// # Errors
    /// If the Tor does not run or does not let us in.
    pub fn of(tor: &Tor) -> Result<Self, Error> {
        let mut control = tor.control()?;
        control.command("SETEVENTS HS_DESC STATUS_CLIENT").map_err(|source| tor.refused(source))?;
        Ok(Self { control, uploads: Uploads::default(), asked: None, is_ready: false })
    }

    /// Waits until Tor says that it is connected to the network; when that was heard.
    ///
    /// # Errors
    /// [`ControlError::TimeOut`] if it does not come; otherwise the connection.
    pub fn wait_ready(&mut self, timeout: Duration) -> Result<Instant, ControlError> {
        let deadline = Instant::now() + timeout;
        while !self.is_ready {
            self.hear_one(deadline.saturating_duration_since(Instant::now()))?;
        }
        let ready = Instant::now();
        self.catch_up()?;
        Ok(ready)
    }

    /// Hears the next event.
    ///
    /// # Errors
    /// [`ControlError::TimeOut`] if none comes in time; otherwise the connection.
    pub fn hear_one(&mut self, timeout: Duration) -> Result<(), ControlError> {
        let event = self.control.next_event(timeout)?;
        self.is_ready |= event.starts_with("STATUS_CLIENT") && event.contains("PROGRESS=100");
        self.uploads.hear(&event);
        Ok(())
    }

    /// Hears all that Tor has told anybody so far. No other client knows more than this observer then.
    ///
    /// # Errors
    /// If the connection is lost; all that came before has been heard then, too.
    // Tor writes an event to all control connections in the same turn, and its answer to a question comes after that.
    pub fn catch_up(&mut self) -> Result<(), ControlError> {
        let times = self.control.info("consensus/valid-after").and_then(|valid_after| {
            let fresh_until = self.control.info("consensus/fresh-until")?;
            Ok(Asked::of_consensus(&valid_after, &fresh_until))
        });
        let heard = loop {
            match self.hear_one(Duration::ZERO) {
                Ok(()) => (),
                Err(ControlError::TimeOut) => break Ok(()),
                Err(cause) => break Err(cause),
            }
        };
        match times {
            Ok(asked) => self.asked = asked,
            // Before its first consensus, Tor refuses to tell the times.
            Err(ControlError::Refused { .. }) => self.asked = None,
            Err(cause) => return Err(cause),
        }
        heard
    }

    /// Tor has no service any more, because who added them is gone: nothing of what was told of them counts.
    pub fn services_are_gone(&mut self) {
        self.uploads.forget();
    }

    /// Whether this service is published, by what was heard so far.
    pub fn is_published(&self, address: &str) -> bool {
        self.asked.is_some_and(|asked| self.uploads.is_published(id(address), asked))
    }

    /// The descriptor of this service that visitors ask for, in Tor's writing.
    pub fn descriptor(&self, address: &str) -> Option<&str> {
        self.uploads.asked(id(address), self.asked?)
    }
}

fn id(address: &str) -> &str {
    address.trim_end_matches(".onion")
}
