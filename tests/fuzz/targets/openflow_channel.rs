//! The OpenFlow channel, either side, fed with frames and time: it never panics, its deadlines move on, and what it sends is OpenFlow.
#![no_main]

use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use net::Time;
use openflow::channel::{Channel, ChannelConfig, CloseReason};
use openflow::{Message, frame_length};
use trunkline_fuzz::steps;

fuzz_target!(|octets: &[u8]| {
    let Some((&side, rest)) = octets.split_first() else { return };
    let mut now = Time::ZERO;
    let mut channel = match side & 1 {
        0 => Channel::controller(ChannelConfig::default(), now),
        _ => Channel::switch(ChannelConfig::default(), now),
    };
    let mut asked = 0;
    for step in steps(rest) {
        now = now + Duration::from_millis(u64::from(step.kind >> 4) * 200);
        match step.kind % 16 {
            0..=3 => match frame_length(step.octets) {
                Ok(Some(length)) if length == step.octets.len() => {
                    channel.handle_frame(Bytes::copy_from_slice(step.octets), now);
                }
                Ok(_) => {}
                Err(error) => channel.handle_frame_error(error, now),
            },
            4 => {
                match Message::decode(&Bytes::copy_from_slice(step.octets)) {
                    // The channel says HELLO by itself, its owner never does.
                    Ok((_, Message::Hello(_))) | Err(_) => {}
                    Ok((xid, message)) => channel.send_with_xid(xid, &message),
                }
            }
            5 => channel.probe(now, Duration::from_secs(1)),
            6 => {
                if let Some((deadline, _)) = channel.poll_timeout() {
                    now = now.max(deadline);
                }
                channel.handle_timeout(now);
            }
            7 => channel.close(CloseReason::Shutdown),
            8 => {
                if channel.take_packet_in(step.octets, now).is_some() {
                    assert!(channel.poll_event().is_none(), "a packet-in has overtaken an event");
                }
            }
            9 | 10 => match Message::decode(&Bytes::copy_from_slice(step.octets)) {
                Ok((_, Message::Hello(_))) | Err(_) => {}
                Ok((_, message)) => asked = channel.request(&message, Duration::from_secs(1)),
            },
            // What the last question was answered with, under its number.
            11..=13 => {
                let mut answer = step.octets.to_vec();
                if let Some(xid) = answer.get_mut(4..8) {
                    xid.copy_from_slice(&asked.to_be_bytes());
                }
                if matches!(frame_length(&answer), Ok(Some(length)) if length == answer.len()) {
                    channel.handle_frame(Bytes::from(answer), now);
                }
            }
            14 => {
                let frame = Bytes::copy_from_slice(step.octets);
                // Its owner says whole messages of this version that can be read.
                if frame.first() == Some(&4) && !matches!(Message::decode(&frame), Ok((_, Message::Hello(_))) | Err(_))
                {
                    channel.send_frames(step.octets);
                }
            }
            _ => channel.finish(now, Duration::from_secs(2)),
        }
        while let Some(sent) = channel.poll_transmit() {
            let mut rest = sent;
            while !rest.is_empty() {
                let length = frame_length(&rest).expect("a frame").expect("a whole frame");
                let frame = rest.split_to(length);
                // A refusal is written in the peer's own version, which the decoder of 1.3 need not read.
                if frame[0] == 4 {
                    Message::decode(&frame).expect("what is sent can be read");
                }
            }
        }
        while channel.poll_event().is_some() {}
        // A deadline that has been served must not stand there for ever.
        for _ in 0..64 {
            match channel.poll_timeout() {
                Some((deadline, _)) if deadline <= now => channel.handle_timeout(now),
                _ => break,
            }
            while channel.poll_transmit().is_some() {}
            while channel.poll_event().is_some() {}
        }
        assert!(channel.poll_timeout().is_none_or(|(deadline, _)| deadline > now), "a deadline stays due");
    }
});
