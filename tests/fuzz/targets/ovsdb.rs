//! A database server that says anything, at any time, in any pieces: the client never panics, its deadlines move on, what it says is JSON-RPC.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use net::Time;
use ovsdb::bfd::{Settings, adjust};
use ovsdb::{Client, ClientConfig, Framer};
use trunkline_fuzz::steps;

fuzz_target!(|octets: &[u8]| {
    let mut now = Time::ZERO;
    let mut client = Client::new(ClientConfig::default(), now);
    let mut spoken = Framer::default();
    for step in steps(octets) {
        now = now + Duration::from_millis(u64::from(step.kind >> 4) * 200);
        match step.kind % 16 {
            0 => {
                if let Some((deadline, _)) = client.poll_timeout() {
                    now = now.max(deadline);
                }
                client.handle_timeout(now);
                assert!(client.poll_timeout().is_none_or(|(deadline, _)| deadline > now), "a deadline stays in the past");
            }
            // A change of every row, so that there are questions to be answered.
            1 => {
                let settings = Settings { min_tx_ms: 10, min_rx_ms: 10, mult: 3 };
                let rows: Vec<_> =
                    client.replica().interfaces().filter_map(|(row, it)| adjust(row, it, Some(&settings))).collect();
                for row in &rows {
                    client.transact(row, now);
                }
            }
            // What a server would have said first.
            2 => client.handle_octets(b"{\"id\":0,\"result\":[\"Open_vSwitch\"],\"error\":null}", now),
            3 => client.handle_octets(
                b"{\"id\":0,\"result\":{\"tables\":{\"Interface\":{\"columns\":{\"name\":1,\"bfd\":1}}}},\"error\":null}",
                now,
            ),
            _ => client.handle_octets(step.octets, now),
        }
        while client.poll_event().is_some() {}
        while let Some(octets) = client.poll_transmit() {
            spoken.push(&octets);
            while spoken.next_message().expect("what the client says is JSON").is_some() {}
        }
    }
});
