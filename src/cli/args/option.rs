// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server set-option`, `get-option` and `reset-option`

pub(super) const SET_HELP: &str = "\
Options:
  persistence           on, off         keep it after a shutdown: its address, its clients, its options, its data
  autostart             on, off         publish it again after every boot (needs persistence)
  client-authorization  on, off         let in only the clients that were added
  max-streams           1..65535, off   the most streams of a visitor; whoever opens more is disconnected
  pow                   on, off, RATE:BURST   have visitors solve puzzles when there are too many of them

A service of the catalogue has more of them, which `tails-server info NAME --details` lists, and these:
  virtual-port          1..65535        the port that visitors use
  allow-localhost       on, off         let programs on this computer connect without Tor
  allow-lan             on, off         let computers in the local network connect without Tor

What is secret is better not written on a command line: give - as the value, and it is read from standard input.

Examples:
  tails-server set-option web persistence on
  tails-server set-option web autostart on
  tails-server set-option web client-authorization on
  tails-server set-option web max-streams 100
  tails-server set-option web pow 250:2500
  tails-server set-option mumble persistence on
  tails-server set-option mumble autostart on
  tails-server set-option mumble welcome-message \"Hello\"
  tails-server set-option mumble server-password - < password.txt";

pub(super) const GET_HELP: &str = "\
Examples:
  tails-server get-option web client-authorization   on or off";

pub(super) const RESET_HELP: &str = "\
Examples:
  tails-server reset-option mumble welcome-message   its default again
  tails-server reset-option web persistence          off again: forgotten when this computer shuts down
  tails-server reset-option mumble server-password   another one, made at random";
