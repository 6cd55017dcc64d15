// SPDX-License-Identifier: GPL-3.0-or-later
//! `tornet run`.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use tornet::{Network, Tor, TorOptions};

use crate::arguments::RunOptions;
use crate::chain;
use crate::command::{BOOTSTRAP_PATIENCE, Command};

/// What is printed when everything is ready.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Picture<'a> {
    directory: &'a Path,
    /// A file with the torrc lines for further tors.
    torrc_lines: &'a Path,
    host: TorPicture<'a>,
    client: TorPicture<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct TorPicture<'a> {
    control_socket: &'a Path,
    cookie: &'a Path,
    socks_port: u16,
    torrc: &'a Path,
    log: &'a Path,
}

impl<'a> From<&'a Tor> for TorPicture<'a> {
    fn from(tor: &'a Tor) -> Self {
        Self {
            control_socket: tor.control_socket(),
            cookie: tor.cookie_file(),
            socks_port: tor.socks_port(),
            torrc: tor.torrc(),
            log: tor.log(),
        }
    }
}

impl Picture<'_> {
    fn yaml(&self) -> String {
        format!(
            "directory: {}\ntorrc-lines: {}\nhost:\n{}client:\n{}",
            quoted(self.directory),
            quoted(self.torrc_lines),
            self.host.yaml(),
            self.client.yaml().trim_end(),
        )
    }
}

impl TorPicture<'_> {
    fn yaml(&self) -> String {
        let Self { control_socket, cookie, socks_port, torrc, log } = self;
        format!(
            "  control-socket: {}\n  cookie: {}\n  socks-port: {socks_port}\n  torrc: {}\n  log: {}\n",
            quoted(control_socket),
            quoted(cookie),
            quoted(torrc),
            quoted(log),
        )
    }
}

/// Runs until the end of standard input, or, mostly, until a signal ends the process.
///
/// No signal is handled: the guard of the network's directory cleans up after any end.
///
/// # Errors
/// If the network does not come up or standard output is closed.
pub(crate) fn run(options: &RunOptions) -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    let progress = |message: &str| eprintln!("[{:5.1} s] {message}", begin.elapsed().as_secs_f32());
    let network = Network::start_with_progress(progress)?;
    progress("starting host and client");
    let host = network.tor(TorOptions::host())?;
    let client = network.tor(TorOptions::client())?;
    for tor in [&host, &client] {
        tor.wait_bootstrapped(BOOTSTRAP_PATIENCE)?;
    }
    progress("ready; Ctrl-C ends it");
    let picture = Picture {
        directory: network.directory(),
        torrc_lines: network.client_torrc(),
        host: TorPicture::from(&host),
        client: TorPicture::from(&client),
    };
    print(&if options.json { serde_json::to_string(&picture)? } else { picture.yaml() })?;
    for line in io::stdin().lines() {
        let line = line?;
        if !line.trim().is_empty() {
            print(&answer(line.trim(), &host, &client))?;
        }
    }
    if options.until_eof && !io::stdin().is_terminal() {
        return Ok(());
    }
    loop {
        thread::park();
    }
}

/// Executes a command and says how it went.
fn answer(line: &str, host: &Tor, client: &Tor) -> String {
    let result = line.parse::<Command>().map_err(Box::<dyn Error>::from);
    match result.and_then(|command| Ok(command.execute(host, client)?)) {
        Ok(()) => format!("done {line}"),
        // One line, whatever is in the error: it may quote a log.
        Err(error) => format!("failed {line}: {}", chain(error.as_ref()).replace('\n', " | ")),
    }
}

/// Prints a line at once: the reader waits for it.
fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}

/// A path as a string of YAML, which is a string of JSON.
fn quoted(path: &Path) -> Value {
    Value::from(path.to_string_lossy())
}
