// SPDX-License-Identifier: GPL-3.0-or-later
#![doc = include_str!("README.md")]

pub mod descriptor;
pub mod invitation;
pub mod key_files;
pub mod qr;
pub mod torctl;

pub mod controller;

pub mod adapters;
pub mod bus;
pub mod sim;

pub mod cli;
pub mod daemon;
mod errors;
pub mod helper;
