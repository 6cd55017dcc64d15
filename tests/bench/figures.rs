// SPDX-License-Identifier: GPL-3.0-or-later
//! What the programs cost: time, memory and wake-ups, each compared with its target. tests/bench/README.md says how to
//! read it.

mod bare;
mod busy;
mod claims;
mod daemon;
mod gate;
mod idle;
mod memory;
mod pacing;
mod process;
mod prompt;
mod publish;
mod report;
mod republish;
mod script;
mod services;
mod start;
mod status;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::report::Report;
use crate::services::Stock;

/// How often a figure is taken that takes no minutes.
const ROUNDS: usize = 11;

/// What a measurement gives; an error ends it, never a slow machine.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Measure what the programs cost
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure [default: all but pacing]
    names: Vec<Name>,

    /// Print one line of JSON for each figure instead of the table
    #[arg(long)]
    json: bool,

    /// End with 1 when a target is missed
    #[arg(long)]
    check: bool,

    /// How often each figure is taken; the median counts [default: 11, and 5 for pacing]
    #[arg(long)]
    rounds: Option<usize>,

    /// `cargo bench` says this to every benchmark; `cargo test --all-targets` does not
    #[arg(long, hide = true)]
    bench: bool,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// From Tor being ready to the last reply for as many services as Tor is given at once
    Republish,
    /// From the start to READY with a thousand services
    Start,
    /// Resident memory with ten and a thousand services
    Memory,
    /// `tails-server status` from end to end
    Status,
    /// What somebody at a prompt waits for: help, completion, and the status of 100 services
    Prompt,
    /// Wake-ups in 30 s in which nothing happens
    Idle,
    /// `tails-server publish`, and the store's part of it
    Publish,
    /// From a fresh boot until all of 30 and of 100 services are published: takes a quarter of an hour
    Pacing,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.bench {
        // A run of all tests is no place for measurements.
        return ExitCode::SUCCESS;
    }
    let mut report = Report::begin(arguments.json);
    let stock = Stock::default();
    let rounds = arguments.rounds.unwrap_or(ROUNDS);
    // Pacing takes longer than all others together.
    let is_wanted =
        |name: &&Name| arguments.names.contains(name) || arguments.names.is_empty() && **name != Name::Pacing;
    for name in Name::value_variants().iter().filter(is_wanted) {
        let measured = match name {
            Name::Republish => republish::measure(&mut report, &stock, rounds),
            Name::Start => start::measure(&mut report, &stock, rounds),
            Name::Memory => memory::measure(&mut report, &stock),
            Name::Status => status::measure(&mut report, &stock, rounds),
            Name::Prompt => prompt::measure(&mut report, &stock, rounds),
            Name::Idle => idle::measure(&mut report, &stock),
            Name::Publish => publish::measure(&mut report, &stock, rounds),
            Name::Pacing => pacing::measure(&mut report, &stock, arguments.rounds.unwrap_or(pacing::ROUNDS)),
        };
        if let Err(cause) = measured {
            report.failed(&*cause);
        }
    }
    report.end(arguments.check)
}
