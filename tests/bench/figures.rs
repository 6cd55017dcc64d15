// SPDX-License-Identifier: GPL-3.0-or-later
//! What the programs cost: time, memory and wake-ups, each compared with its target. tests/bench/README.md says how to
//! read it.

mod bare;
mod daemon;
mod gate;
mod idle;
mod memory;
mod process;
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

/// What a measurement gives; an error ends it, never a slow machine.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Measure what the programs cost
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure [default: all]
    names: Vec<Name>,

    /// Print one line of JSON for each figure instead of the table
    #[arg(long)]
    json: bool,

    /// End with 1 when a target is missed
    #[arg(long)]
    check: bool,

    /// How often each figure is taken; the median counts
    #[arg(long, default_value_t = 11)]
    rounds: usize,

    /// `cargo bench` says this to every benchmark; `cargo test --all-targets` does not
    #[arg(long, hide = true)]
    bench: bool,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// From Tor being ready to the last reply for a hundred services
    Republish,
    /// From the start to READY with a thousand services
    Start,
    /// Resident memory with ten and a thousand services
    Memory,
    /// `tails-server status` from end to end
    Status,
    /// Wake-ups in 30 s in which nothing happens
    Idle,
    /// `tails-server publish`, and the store's part of it
    Publish,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.bench {
        // A run of all tests is no place for measurements.
        return ExitCode::SUCCESS;
    }
    let mut report = Report::begin(arguments.json);
    let stock = Stock::default();
    for name in
        Name::value_variants().iter().filter(|name| arguments.names.is_empty() || arguments.names.contains(name))
    {
        let measured = match name {
            Name::Republish => republish::measure(&mut report, &stock, arguments.rounds),
            Name::Start => start::measure(&mut report, &stock, arguments.rounds),
            Name::Memory => memory::measure(&mut report, &stock),
            Name::Status => status::measure(&mut report, &stock, arguments.rounds),
            Name::Idle => idle::measure(&mut report, &stock),
            Name::Publish => publish::measure(&mut report, &stock, arguments.rounds),
        };
        if let Err(cause) = measured {
            report.failed(&*cause);
        }
    }
    report.end(arguments.check)
}
