use super::parse::Node;
use super::*;
use crate::wire::{Asn, SegmentKind};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn path(asns: &[u32]) -> AsPath {
    AsPath::sequence(&asns.iter().copied().map(Asn).collect::<Vec<_>>())
}

fn matches(pattern: &str, asns: &[u32]) -> bool {
    pattern.parse::<AsPathPattern>().unwrap().matches(&path(asns))
}

#[test]
fn the_operators_notation_means_what_operators_mean() {
    for (pattern, asns, expected) in [
        ("^65001_", &[65001][..], true),
        ("^65001_", &[65001, 65002], true),
        ("^65001_", &[65002, 65001], false),
        ("_65001_", &[1, 65001, 2], true),
        ("_65001_", &[1, 650011], false),
        ("_65001$", &[1, 65001], true),
        ("_65001$", &[65001, 1], false),
        ("^65001$", &[65001], true),
        ("^65001$", &[65001, 65001], false),
        ("^65001 _ .* $", &[65001, 7, 8], true),
        ("^65001(_65001)*$", &[65001, 65001, 65001], true),
        ("^65001(_65001)*$", &[65001, 65002], false),
        ("^(65001|65002)_", &[65002, 1], true),
        ("(^|_)65001(_|$)", &[1, 65001], true),
        ("^$", &[], true),
        ("^$", &[1], false),
        ("", &[1, 2], true),
        (".", &[], false),
        ("^.{2,3}$", &[1, 2], true),
        ("^.{2,3}$", &[1, 2, 3, 4], false),
        ("^.{3,}$", &[1, 2], false),
        ("[64512-65534 4200000000-4294967294]", &[1, 64600, 2], true),
        ("[64512-65534]", &[1, 65535], false),
        ("^[^174 3356]+$", &[1299, 2914], true),
        ("^[^174 3356]+$", &[1299, 174], false),
        ("^1?2$", &[2], true),
        ("4294967295", &[4_294_967_295], true),
    ] {
        assert_eq!(matches(pattern, asns), expected, "{pattern} {asns:?}");
    }
}

#[test]
fn each_as_of_a_set_stands_at_its_place_and_confederation_segments_are_left_out() {
    let segments = AsPath::from_segments([
        (SegmentKind::AsConfedSequence, &[Asn(64512)][..]),
        (SegmentKind::AsSequence, &[Asn(1), Asn(2)]),
        (SegmentKind::AsSet, &[Asn(3), Asn(4)]),
    ]);
    for (pattern, expected) in [
        ("^1 2 3$", true),
        ("^1 2 4$", true),
        ("^1 2 3 4$", false),
        ("64512", false),
        ("^1 2 [^3]$", true),
        ("5$", false),
    ] {
        assert_eq!(pattern.parse::<AsPathPattern>().unwrap().matches(&segments), expected, "{pattern}");
    }
}

#[test]
fn what_would_mean_something_else_on_another_router_is_refused_with_the_way_to_write_it() {
    for (pattern, part) in [
        ("^65001.*$", "AS numbers are whole here"),
        ("6500[0-9]", "AS numbers are whole here"),
        ("^[0-9]+$", "write `.` for one AS"),
        ("65001-65010", "a range of ASes stands in brackets"),
        ("{65001}", "an AS_SET needs no braces"),
        ("AS65001", "character 1: `A`: AS numbers are written as numbers only"),
        ("^65001)", "character 7: `)` closes nothing"),
        ("(65001", "a `(` is not closed"),
        ("[65001", "character 1: a `[` is not closed"),
        ("[]", "no AS number between the brackets"),
        ("*1", "nothing before it to repeat"),
        ("^*", "cannot be repeated"),
        ("1**", "repeated twice"),
        ("4294967296", "is over 4294967295"),
        ("1{3,2}", "n ≤ m"),
        ("1{1001}", "n ≤ m ≤ 1000"),
        ("1\\.2", "has no meaning here"),
    ] {
        let error = pattern.parse::<AsPathPattern>().unwrap_err().to_string();
        assert!(error.contains(part), "{pattern}: {error}");
    }
}

#[test]
fn expressions_that_would_grow_without_bound_are_refused_at_once() {
    for pattern in ["(((1{9}){9}){9}){9}".to_owned(), "(.*1.{10}){20}".to_owned(), format!("1.*2{}", " .".repeat(40))] {
        let error = pattern.replace("1.", "1 .").parse::<AsPathPattern>();
        if let Err(error) = error {
            assert!(error.to_string().contains("too complex"), "{pattern}: {error}");
        }
    }
    // The table of "1, and 30 places later the end" would have 2^30 states.
    let error = format!("1{} $", " .".repeat(30)).parse::<AsPathPattern>().unwrap_err();
    assert!(error.to_string().contains("too complex"), "{error}");
    assert!("(".repeat(5000).parse::<AsPathPattern>().is_err());
    assert!("(".repeat(4000).parse::<AsPathPattern>().unwrap_err().to_string().contains("parentheses"));
    assert!(format!("1{}", "*".repeat(4000)).parse::<AsPathPattern>().is_err());
}

/// Where a match that begins at `at` can end: straight from the tree, with sets for places.
fn ends(node: &Node, path: &[Vec<u32>], at: usize) -> BTreeSet<usize> {
    match node {
        Node::Start => (at == 0).then_some(at).into_iter().collect(),
        Node::End => (at == path.len()).then_some(at).into_iter().collect(),
        Node::Class(ranges) => {
            let inside = |asn: &u32| ranges.iter().any(|(first, last)| first <= asn && asn <= last);
            path.get(at).filter(|place| place.iter().any(inside)).map(|_| at + 1).into_iter().collect()
        }
        Node::Sequence(nodes) => nodes
            .iter()
            .fold(BTreeSet::from([at]), |places, node| places.iter().flat_map(|at| ends(node, path, *at)).collect()),
        Node::Either(nodes) => nodes.iter().flat_map(|node| ends(node, path, at)).collect(),
        Node::Repeat { node, min, max } => {
            let once = |places: &BTreeSet<usize>| places.iter().flat_map(|at| ends(node, path, *at)).collect();
            let mut places = BTreeSet::from([at]);
            for _ in 0..*min {
                places = once(&places);
            }
            // More often than there are places brings nothing new.
            let more = max.map_or(path.len() + 1, |max| (max - min) as usize);
            let mut all = places.clone();
            for _ in 0..more {
                places = once(&places);
                all.extend(&places);
            }
            all
        }
    }
}

pub(in crate::policy) fn naive(text: &str, path: &AsPath) -> bool {
    let node = parse::parse(text).unwrap();
    let mut places: Vec<Vec<u32>> = Vec::new();
    for segment in path.segments() {
        match segment.kind {
            SegmentKind::AsSequence => places.extend(segment.asns().map(|asn| vec![asn.0])),
            SegmentKind::AsSet => places.push(segment.asns().map(|asn| asn.0).collect()),
            SegmentKind::AsConfedSequence | SegmentKind::AsConfedSet => {}
        }
    }
    (0..=places.len()).any(|at| !ends(&node, &places, at).is_empty())
}

pub(in crate::policy) fn expression() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        8 => (1u32..5).prop_map(|asn| asn.to_string()),
        3 => Just(".".to_owned()),
        2 => (1u32..5, 0u32..3).prop_map(|(first, more)| format!("[{first}-{}]", first + more)),
        1 => (1u32..5).prop_map(|asn| format!("[^{asn}]")),
        1 => Just("^".to_owned()),
        1 => Just("$".to_owned()),
        1 => Just("_".to_owned()),
    ];
    atom.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 0..4).prop_map(|parts| parts.join(" ")),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("|"))),
            2 => (inner, prop::sample::select(vec!["*", "+", "?", "{2}", "{1,}", "{0,2}"]))
                .prop_map(|(inner, mark)| format!("({inner}){mark}")),
        ]
    })
}

pub(in crate::policy) fn any_path() -> impl Strategy<Value = AsPath> {
    let kind = prop::sample::select(vec![
        SegmentKind::AsSequence,
        SegmentKind::AsSequence,
        SegmentKind::AsSet,
        SegmentKind::AsConfedSequence,
    ]);
    let segment = (kind, prop::collection::vec((1u32..7).prop_map(Asn), 1..4));
    prop::collection::vec(segment, 0..4)
        .prop_map(|segments| AsPath::from_segments(segments.iter().map(|(kind, asns)| (*kind, asns.as_slice()))))
}

proptest! {
    #[test]
    fn the_table_says_what_the_tree_says(text in expression(), paths in prop::collection::vec(any_path(), 8)) {
        let pattern: AsPathPattern = text.parse().unwrap();
        for path in paths {
            prop_assert_eq!(pattern.matches(&path), naive(&text, &path), "{} on {}", text, path);
        }
    }

    #[test]
    fn every_text_is_read_or_refused(text in "[0-9.^$_ |()*+?{},\\[\\]a-]{0,40}") {
        let _ = text.parse::<AsPathPattern>();
    }
}
