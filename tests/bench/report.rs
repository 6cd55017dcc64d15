// SPDX-License-Identifier: GPL-3.0-or-later
//! Figures, their targets, and how they are shown.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Seconds,
    Mebibytes,
    /// One of two times divided by the other, both of the same round.
    Ratio,
    Times,
    Services,
}

/// What a median is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    const fn value(self) -> f64 {
        match self {
            Self::AtMost(value) | Self::AtLeast(value) => value,
        }
    }

    fn is_met(self, median: f64) -> bool {
        match self {
            Self::AtMost(most) => median <= most,
            Self::AtLeast(least) => median >= least,
        }
    }
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Mebibytes => "MiB",
            Self::Ratio => "x",
            Self::Times => "times",
            Self::Services => "services",
        }
    }
}

/// What was measured so far.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    missed: bool,
    failed: bool,
}

impl Report {
    /// Begins with what has to be known of the machine.
    pub(crate) fn begin(json: bool) -> Self {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        if json {
            say(&json!({ "machine": { "cores": cores, "load": load } }).to_string());
        } else {
            say(&format!("{cores} cores, load {load}"));
            say(&format!("{:60} {:>9} {:>19}  {:>9}", "", "median", "least .. most", "target"));
        }
        Self { json, missed: false, failed: false }
    }

    /// Takes a figure in and shows it.
    pub(crate) fn figure(&mut self, what: &str, samples: &[f64], unit: Unit, target: Option<Target>) {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
        let (least, most) = (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN));
        let met = target.map(|target| target.is_met(median));
        let value = target.map(Target::value);
        self.missed |= met == Some(false);
        if self.json {
            let unit = unit.as_str();
            say(&json!({ "figure": what, "unit": unit, "median": median, "target": value, "met": met, "samples": samples })
                .to_string());
            return;
        }
        let target = value.map_or(String::new(), |value| format!("{value} {}", unit.as_str()));
        let verdict = met.map_or("", |met| if met { "met" } else { "MISSED" });
        let range = if samples.len() > 1 { format!("{least:.2} .. {most:.2}") } else { String::new() };
        say(&format!("{what:60} {:>9} {range:>19}  {target:>9}  {verdict}", format!("{median:.2} {}", unit.as_str())));
    }

    /// Takes in times.
    pub(crate) fn times(&mut self, what: &str, samples: &[Duration], target: Option<f64>) {
        let samples: Vec<f64> = samples.iter().map(|time| time.as_secs_f64() * 1000.0).collect();
        self.figure(what, &samples, Unit::Milliseconds, target.map(Target::AtMost));
    }

    /// Says something beside the figures.
    pub(crate) fn note(&self, text: &str) {
        if self.json {
            say(&json!({ "note": text }).to_string());
        } else {
            say(&format!("  {text}"));
        }
    }

    /// A measurement that did not come to its end.
    pub(crate) fn failed(&mut self, cause: &dyn Error) {
        self.failed = true;
        self.note(&format!("failed: {cause}"));
    }

    /// The exit code.
    pub(crate) fn end(self, check: bool) -> ExitCode {
        if self.failed || check && self.missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn say(line: &str) {
    // Whoever closed standard output does not want the figures.
    let _ = writeln!(std::io::stdout(), "{line}");
}
