// SPDX-License-Identifier: GPL-3.0-or-later
//! What a control port says: cut into replies as on a real connection, then read as an event and as every kind of answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tails_server::torctl::{
    parse_bootstrap_phase, parse_circuits, parse_event, parse_listeners, parse_onions, parse_time,
};
use torut::control::Conn;

fuzz_target!(|data: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs nothing");
    runtime.block_on(async {
        let mut connection = Conn::new(data);
        while let Ok((_, lines)) = connection.receive_data().await {
            let _ = parse_event(&lines);
            for line in &lines {
                let value = line.split_once('=').map_or(line.as_str(), |(_, value)| value);
                let _ = parse_bootstrap_phase(value);
                let _ = parse_circuits(value);
                let _ = parse_listeners(value);
                let _ = parse_onions(value);
                let _ = parse_time(value);
            }
        }
    });
});
