//! The usual shapes of networks: switches and the links between them, without hosts. What is emulated, benchmarked and tested in them is made
//! of the same lists.

pub mod graphml;

use std::collections::BTreeMap;

use net::{DatapathId, PortId, PortNo};

use crate::random::Random;

/// Ports that a switch of [`Shape::fat_tree`] has at most: 2,880 switches at 48, 30,976 at this.
pub const MAX_FAT_TREE_PORTS: usize = 176;

/// Switches and links. Ports have the numbers 1, 2, 3 … of each switch, in the order in which links were added.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// Each datapath id once, with what people call it.
    pub switches: Vec<(DatapathId, String)>,
    /// Both ends of each link.
    pub links: Vec<(PortId, PortId)>,
    /// The highest port in use, by switch.
    ports: BTreeMap<DatapathId, u32>,
}

impl Shape {
    /// Adds a switch.
    pub fn add_switch(&mut self, id: DatapathId, name: String) {
        self.switches.push((id, name));
    }

    /// A link between the next free ports of two switches.
    pub fn add_link(&mut self, a: DatapathId, b: DatapathId) {
        let ends = [a, b].map(|id| {
            let port = self.ports.entry(id).or_default();
            *port += 1;
            PortId::new(id, PortNo(*port))
        });
        self.links.push((ends[0], ends[1]));
    }

    /// `n` switches without links: datapath ids 1 to n, names `s1` to `s<n>`.
    pub fn row(n: usize) -> Shape {
        let mut shape = Shape::default();
        for number in 1..=n {
            shape.add_switch(DatapathId(number as u64), format!("s{number}"));
        }
        shape
    }

    /// A fat-tree of `k`-port switches (Al-Fares et al., SIGCOMM 2008): `k²/4` cores, `k` pods of `k/2` aggregation and `k/2` edge
    /// switches. `k` is rounded up to an even number from 2 to [`MAX_FAT_TREE_PORTS`].
    ///
    /// Datapath ids say what a switch is: `0xc0NNNN` core, `0xa0PPNN` aggregation NN of pod PP, `0xe0PPNN` edge NN of pod PP (hexadecimal,
    /// from 1); names say it in words: `core-1`, `agg-1-2`, `edge-1-2`.
    pub fn fat_tree(k: usize) -> Shape {
        let k = k.clamp(2, MAX_FAT_TREE_PORTS).next_multiple_of(2);
        let half = k / 2;
        let id = |kind: u64, pod: usize, number: usize| DatapathId((kind << 16) | ((pod as u64) << 8) | number as u64);
        let mut shape = Shape::default();
        for core in 1..=half * half {
            shape.add_switch(id(0xc0, 0, core), format!("core-{core}"));
        }
        for pod in 1..=k {
            for number in 1..=half {
                shape.add_switch(id(0xa0, pod, number), format!("agg-{pod}-{number}"));
                shape.add_switch(id(0xe0, pod, number), format!("edge-{pod}-{number}"));
            }
        }
        for pod in 1..=k {
            for agg in 1..=half {
                for core in 1..=half {
                    shape.add_link(id(0xa0, pod, agg), id(0xc0, 0, (agg - 1) * half + core));
                }
                for edge in 1..=half {
                    shape.add_link(id(0xe0, pod, edge), id(0xa0, pod, agg));
                }
            }
        }
        shape
    }

    /// Every leaf linked with every spine: names `spine-1` …, `leaf-1` …, datapath ids `0x51NNNN` and `0x1eNNNN`.
    pub fn leaf_spine(leaves: usize, spines: usize) -> Shape {
        let mut shape = Shape::default();
        let (spine, leaf) = (|n: usize| DatapathId(0x51_0000 + n as u64), |n: usize| DatapathId(0x1e_0000 + n as u64));
        (1..=spines).for_each(|n| shape.add_switch(spine(n), format!("spine-{n}")));
        (1..=leaves).for_each(|n| shape.add_switch(leaf(n), format!("leaf-{n}")));
        for n in 1..=leaves {
            (1..=spines).for_each(|to| shape.add_link(leaf(n), spine(to)));
        }
        shape
    }

    /// `n` switches in a circle (at least 3).
    pub fn ring(n: usize) -> Shape {
        let n = n.max(3);
        let mut shape = Shape::row(n);
        for number in 0..n {
            shape.add_link(DatapathId(number as u64 + 1), DatapathId(((number + 1) % n) as u64 + 1));
        }
        shape
    }

    /// `rows` times `columns` switches (at least 3 each), each linked with its four neighbours, around the edges too. Switch `r` of column
    /// `c` has datapath id `r * columns + c + 1`.
    pub fn torus(rows: usize, columns: usize) -> Shape {
        let (rows, columns) = (rows.max(3), columns.max(3));
        let mut shape = Shape::row(rows * columns);
        let id = |row: usize, column: usize| DatapathId(((row % rows) * columns + column % columns + 1) as u64);
        for row in 0..rows {
            for column in 0..columns {
                shape.add_link(id(row, column), id(row, column + 1));
                shape.add_link(id(row, column), id(row + 1, column));
            }
        }
        shape
    }

    /// `n` switches and at least `links` links, the same ones for the same seed: a random tree, so that it is all of one piece, and links
    /// between switches at random, some of them parallel.
    pub fn random(n: usize, links: usize, seed: u64) -> Shape {
        let n = n.max(2);
        let mut shape = Shape::row(n);
        let mut random = Random::new(seed);
        for number in 2..=n as u64 {
            shape.add_link(DatapathId(number), DatapathId(1 + random.below(number - 1)));
        }
        while shape.links.len() < links {
            let (a, b) = (1 + random.below(n as u64), 1 + random.below(n as u64));
            if a != b {
                shape.add_link(DatapathId(a), DatapathId(b));
            }
        }
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Switches, links, and the fewest and most ports that a switch has.
    fn size(shape: &Shape) -> (usize, usize, u32, u32) {
        let ports = |shape: &Shape| shape.ports.values().copied().collect::<Vec<_>>();
        let ids: std::collections::BTreeSet<DatapathId> = shape.switches.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), shape.switches.len(), "each datapath id once");
        let ends: std::collections::BTreeSet<PortId> = shape.links.iter().flat_map(|&(a, b)| [a, b]).collect();
        assert_eq!(ends.len(), 2 * shape.links.len(), "each port once");
        assert!(ends.iter().all(|end| ids.contains(&end.datapath_id)));
        let ports = ports(shape);
        (ids.len(), shape.links.len(), *ports.iter().min().unwrap(), *ports.iter().max().unwrap())
    }

    #[test]
    fn shapes_have_the_sizes_that_their_definitions_say() {
        assert_eq!(size(&Shape::fat_tree(4)), (20, 32, 2, 4));
        assert_eq!(size(&Shape::fat_tree(16)), (320, 2_048, 8, 16));
        assert_eq!(size(&Shape::fat_tree(48)), (2_880, 55_296, 24, 48));
        assert_eq!(size(&Shape::leaf_spine(6, 3)), (9, 18, 3, 6));
        assert_eq!(size(&Shape::ring(5)), (5, 5, 2, 2));
        assert_eq!(size(&Shape::torus(3, 4)), (12, 24, 4, 4));
        let random = Shape::random(30, 60, 7);
        assert_eq!((size(&random).0, size(&random).1), (30, 60));
        assert_eq!(random, Shape::random(30, 60, 7));
        assert_ne!(random, Shape::random(30, 60, 8));
    }
}
