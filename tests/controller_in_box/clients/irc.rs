// SPDX-License-Identifier: GPL-3.0-or-later
//! IRC (RFC 2812).

use std::net::TcpStream;

use super::{hear, say};

/// Somebody in a channel.
pub(crate) struct Guest(TcpStream);

impl Guest {
    /// Registers and joins; the guest, and all that was said on the way.
    pub(crate) fn join(stream: TcpStream, nick: &str, password: &str, channel: &str) -> (Self, String) {
        let mut guest = Self(stream);
        say(&mut guest.0, &format!("PASS {password}\r\nNICK {nick}\r\nUSER {nick} 0 * :{nick}\r\n"));
        // The end of the message of the day, 376, or that there is none, 422; both have the nick next.
        let greeting = hear(&mut guest.0, &format!(" 001 {nick} "));
        say(&mut guest.0, &format!("JOIN #{channel}\r\n"));
        // The end of the list of names.
        let joined = hear(&mut guest.0, " 366 ");
        (guest, greeting + &joined)
    }

    pub(crate) fn tell(&mut self, channel: &str, words: &str) {
        say(&mut self.0, &format!("PRIVMSG #{channel} :{words}\r\n"));
    }

    pub(crate) fn hears(&mut self, words: &str) {
        hear(&mut self.0, words);
    }
}
