//! Random events over a mesh of speakers; after quiescence the tables are right and nothing is left over.

use super::world::{World, address, config, open_neighbor};
use super::{V4, v4};
use bgp::rib::FamilyCounts;
use bgp::speaker::SpeakerConfig;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

const SPEAKERS: u8 = 4;
const PREFIXES: u16 = 6;

#[derive(Clone, Debug)]
enum Operation {
    Originate { speaker: u8, prefix: u16 },
    Withdraw { speaker: u8, prefix: u16 },
    Cut { a: u8, b: u8 },
    Mend,
    Stall { speaker: u8, stalled: bool },
    Remove { speaker: u8, neighbor: u8 },
    Add { speaker: u8, neighbor: u8 },
    Refresh { speaker: u8, neighbor: u8 },
    Wait { millis: u64 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let speaker = || 1..=SPEAKERS;
    prop_oneof![
        5 => (speaker(), 0..PREFIXES).prop_map(|(speaker, prefix)| Operation::Originate { speaker, prefix }),
        4 => (speaker(), 0..PREFIXES).prop_map(|(speaker, prefix)| Operation::Withdraw { speaker, prefix }),
        1 => (speaker(), speaker()).prop_map(|(a, b)| Operation::Cut { a, b }),
        1 => Just(Operation::Mend),
        1 => (speaker(), any::<bool>()).prop_map(|(speaker, stalled)| Operation::Stall { speaker, stalled }),
        1 => (speaker(), speaker()).prop_map(|(speaker, neighbor)| Operation::Remove { speaker, neighbor }),
        2 => (speaker(), speaker()).prop_map(|(speaker, neighbor)| Operation::Add { speaker, neighbor }),
        1 => (speaker(), speaker()).prop_map(|(speaker, neighbor)| Operation::Refresh { speaker, neighbor }),
        6 => prop_oneof![0u64..10, 100u64..5000, 60_000u64..200_000].prop_map(|millis| Operation::Wait { millis }),
    ]
}

fn asn(speaker: u8) -> u32 {
    65000 + u32::from(speaker)
}

fn mesh() -> World {
    let configs = (1..=SPEAKERS).map(|speaker| {
        let others = (1..=SPEAKERS).filter(|other| *other != speaker);
        SpeakerConfig {
            neighbors: others.map(|other| open_neighbor(other, asn(other))).collect(),
            ..config(speaker, asn(speaker))
        }
    });
    World::new(configs.collect())
}

fn is_quiet(world: &World) -> bool {
    let mut statuses = world.nodes.iter().map(|node| node.speaker.status(world.now));
    statuses.all(|status| {
        let all = status.neighbors.len() == usize::from(SPEAKERS) - 1;
        all && status.neighbors.iter().all(|n| n.uptime_seconds.is_some() && !n.behind && n.unsent_octets == 0)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn after_any_events_every_speaker_has_every_prefix_and_then_none(
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let mut world = mesh();
        let mut originated = BTreeSet::new();
        for operation in operations {
            let now = world.now;
            match operation {
                Operation::Originate { speaker, prefix } => {
                    // The same prefixes everywhere: speakers compete for them.
                    originated.insert((speaker, prefix));
                    world.speaker(speaker).originate(v4(0, prefix), now);
                }
                Operation::Withdraw { speaker, prefix } => {
                    originated.remove(&(speaker, prefix));
                    world.speaker(speaker).withdraw(v4(0, prefix), now);
                }
                Operation::Cut { a, b } => world.cut(a, b),
                Operation::Mend => world.mend(),
                Operation::Stall { speaker, stalled } => world.stall(speaker, stalled),
                Operation::Remove { speaker, neighbor } => {
                    world.speaker(speaker).remove_neighbor(address(neighbor), now);
                }
                Operation::Add { speaker, neighbor } if speaker != neighbor => {
                    let _ = world.speaker(speaker).add_neighbor(open_neighbor(neighbor, asn(neighbor)), now);
                }
                Operation::Add { .. } => {}
                Operation::Refresh { speaker, neighbor } => {
                    world.speaker(speaker).request_refresh(address(neighbor), V4, now);
                }
                Operation::Wait { millis } => world.run(Duration::from_millis(millis)),
            }
        }

        world.mend();
        let now = world.now;
        for speaker in 1..=SPEAKERS {
            world.stall(speaker, false);
            for neighbor in (1..=SPEAKERS).filter(|neighbor| *neighbor != speaker) {
                let _ = world.speaker(speaker).add_neighbor(open_neighbor(neighbor, asn(neighbor)), now);
            }
        }
        // Longer than the longest pause between attempts.
        world.run(Duration::from_secs(150));
        world.run_until(Duration::from_secs(600), "quiescence", is_quiet);
        world.run(Duration::from_secs(1));
        let expected: BTreeSet<u16> = originated.iter().map(|(_, prefix)| *prefix).collect();
        for speaker in 1..=SPEAKERS {
            for prefix in 0..PREFIXES {
                let best = world.speaker(speaker).rib().best(v4(0, prefix));
                prop_assert_eq!(best.is_some(), expected.contains(&prefix), "speaker {} prefix {}", speaker, prefix);
                // In a full mesh nothing is further than one hop.
                if let Some(route) = best {
                    prop_assert!(route.attributes.attributes.as_path.length() <= 1, "{:?}", route);
                }
            }
        }

        let now = world.now;
        for speaker in 1..=SPEAKERS {
            (0..PREFIXES).for_each(|prefix| world.speaker(speaker).withdraw(v4(0, prefix), now));
        }
        world.run(Duration::from_secs(5));
        for speaker in 1..=SPEAKERS {
            prop_assert_eq!(world.speaker(speaker).rib().counts(V4), FamilyCounts::default(), "speaker {}", speaker);
        }
    }
}
