//! The verifier against packets that are followed one by one.

use proptest::prelude::*;

use super::*;

const SWITCHES: u64 = 3;

fn port(switch: u64, number: u32) -> PortId {
    PortId::new(DatapathId(switch), PortNo(number))
}

/// Three switches in a triangle: ports 1 and 2 are links, 3 and 4 are edges, 5 leads nowhere.
fn verifier(members: Members) -> Verifier {
    let mut links = Vec::new();
    for switch in 1..=SWITCHES {
        let next = switch % SWITCHES + 1;
        links.push((port(switch, 2), port(next, 1)));
        links.push((port(next, 1), port(switch, 2)));
    }
    let edges = (1..=SWITCHES).flat_map(|switch| [port(switch, 3), port(switch, 4)]);
    Verifier::new(links, edges, members)
}

/// The edge ports 3 of the first two switches are one group, 4 at switch 1 another. Packets that name this as source belong to the other one too, and so do those that name it as destination.
const NAMED: u64 = 6;

fn members() -> Members {
    let (one, other) = (Membership { of: 1, never: 2 }, Membership { of: 2, never: 1 });
    let mut members = Members::default();
    for (at, membership) in [(port(1, 3), one), (port(2, 3), one), (port(1, 4), other)] {
        members.add_port(at, membership);
    }
    let [from, to] = [Field::EthSrc, Field::EthDst].map(|field| Ternary::default().with_exact(field, NAMED));
    members.add_header(from, to, other);
    members
}

/// Groups that a packet from here must not reach, and the one that it names.
fn groups_of(enters: PortId, header: &Header) -> (u64, u64) {
    let of_port = match (enters.datapath_id.0, enters.port_no.0) {
        (1 | 2, 3) => 2,
        (1, 4) => 1,
        _ => 0,
    };
    let named = |field| header.field(field) == NAMED;
    (of_port | u64::from(named(Field::EthSrc)), if named(Field::EthDst) { 2 } else { 0 })
}

fn groups_at(leaves: PortId) -> u64 {
    match (leaves.datapath_id.0, leaves.port_no.0) {
        (1 | 2, 3) => 1,
        (1, 4) => 2,
        _ => 0,
    }
}

#[derive(Clone, Debug)]
struct Small {
    number: u32,
    switch: u64,
    table: u8,
    priority: u16,
    in_port: Option<u32>,
    dst: (u64, u64),
    src: (u64, u64),
    kind: Option<u64>,
    outputs: Vec<u32>,
    goto: bool,
    /// What is asked of the metadata, and what is written.
    metadata: Option<u64>,
    writes: u64,
}

/// A mask over the lowest two bits, or the whole field.
fn ternary(field: Field, (value, mask): (u64, u64), header: Ternary) -> Ternary {
    match mask {
        3 => header.with_exact(field, value),
        mask => header.with(field, value, mask),
    }
}

impl Small {
    fn rule(&self) -> VerifiedRule {
        let header = ternary(Field::EthDst, self.dst, Ternary::default());
        let mut header = ternary(Field::EthSrc, self.src, header);
        if let Some(kind) = self.kind {
            header = header.with_exact(Field::EthType, kind);
        }
        VerifiedRule {
            number: RuleNumber(self.number),
            datapath_id: DatapathId(self.switch),
            table: self.table,
            priority: self.priority,
            in_port: self.in_port.map(PortNo),
            header,
            metadata: self.metadata.map_or((0, 0), |metadata| (metadata, 1)),
            partial: false,
            effect: Effect {
                outputs: self
                    .outputs
                    .iter()
                    .map(|port| if *port == 6 { PortNo::IN_PORT } else { PortNo(*port) })
                    .collect(),
                goto: (self.goto && self.table == 0).then_some(1),
                metadata: (self.writes, self.writes),
                unknown: false,
            },
        }
    }
}

fn any_rule() -> impl Strategy<Value = Small> {
    let bits = || (0..4_u64, prop_oneof![2 => Just(0_u64), 3 => Just(3), 1 => Just(1), 1 => Just(2)]);
    let ports = proptest::collection::vec(prop_oneof![12 => 1..5_u32, 2 => Just(5), 1 => Just(6)], 0..3);
    (
        (0..24_u32, 1..=SWITCHES, 0..2_u8, 0..4_u16),
        proptest::option::weighted(0.3, 1..5_u32),
        bits(),
        (prop_oneof![4 => 0..2_u64, 1 => Just(NAMED)], prop_oneof![3 => Just(0_u64), 1 => Just(3)]),
        proptest::option::weighted(0.2, 0..2_u64),
        ports,
        any::<bool>(),
        (proptest::option::weighted(0.2, 0..2_u64), prop_oneof![3 => Just(0_u64), 1 => Just(1)]),
    )
        .prop_map(|((number, switch, table, priority), in_port, dst, src, kind, outputs, goto, metadata)| Small {
            number,
            switch,
            table,
            priority,
            in_port,
            dst,
            src,
            kind,
            outputs,
            goto,
            // Only the second table can find something written.
            metadata: metadata.0.filter(|_| table == 1),
            writes: metadata.1,
        })
}

fn any_change() -> impl Strategy<Value = RuleChange> {
    prop_oneof![
        4 => any_rule().prop_map(|rule| RuleChange::Put(Box::new(rule.rule()))),
        1 => (0..24_u32).prop_map(|number| RuleChange::Remove(RuleNumber(number))),
    ]
}

/// Every packet that the small rules can tell apart: the values that they name, and one beside them.
fn headers() -> impl Iterator<Item = Header> {
    // Bits 2 and 3 are in no mask but the full one, and nobody has a name from 8 on.
    (0..12).flat_map(move |dst| {
        [0, 1, 4, NAMED].into_iter().flat_map(move |src| {
            (0..3).map(move |kind| {
                let mut header = Header::default();
                header.0[Field::EthDst as usize] = dst;
                header.0[Field::EthSrc as usize] = src;
                header.0[Field::EthType as usize] = kind;
                header
            })
        })
    })
}

/// What becomes of one packet, by going along all its ways with a list of all rules.
fn fate(verifier: &Verifier, rules: &[VerifiedRule], enters: PortId, header: &Header) -> [bool; 3] {
    fn go(
        verifier: &Verifier,
        rules: &[VerifiedRule],
        at: PortId,
        enters: PortId,
        header: &Header,
        way: &[PortId],
        wrong: &mut [bool; 3],
    ) {
        if way.contains(&at) {
            wrong[0] = true;
            return;
        }
        let way = [way, &[at]].concat();
        let (mut table, mut outputs, mut missed, mut metadata) = (Some(0), BTreeSet::new(), false, 0);
        while let Some(now) = table {
            let matching = rules.iter().filter(|rule| {
                rule.datapath_id == at.datapath_id
                    && rule.table == now
                    && rule.in_port.is_none_or(|port| port == at.port_no)
                    && rule.header.matches(header)
                    && metadata & rule.metadata.1 == rule.metadata.0
            });
            let first = matching.min_by(|one, other| one.order(other));
            missed = first.is_none();
            outputs.extend(first.iter().flat_map(|rule| rule.effect.outputs.iter().copied()));
            metadata |= first.map_or(0, |rule| rule.effect.metadata.0);
            table = first.and_then(|rule| rule.effect.goto);
        }
        outputs.remove(&at.port_no);
        wrong[1] |= missed && outputs.is_empty() && at != enters;
        for port_no in outputs {
            let port_no = if port_no == PortNo::IN_PORT { at.port_no } else { port_no };
            let out = PortId::new(at.datapath_id, port_no);
            match (verifier.links.get(&out), verifier.edges.contains(&out)) {
                (Some(&next), _) => go(verifier, rules, next, enters, header, &way, wrong),
                (None, true) => {
                    let (never, named) = groups_of(enters, header);
                    wrong[2] |= never & (named | groups_at(out)) != 0;
                }
                (None, false) => wrong[1] = true,
            }
        }
    }
    let mut wrong = [false; 3];
    go(verifier, rules, enters, enters, header, &[], &mut wrong);
    wrong
}

fn is_wrong(verifier: &Verifier, rules: &[VerifiedRule]) -> bool {
    headers().any(|header| verifier.edges.iter().any(|edge| fate(verifier, rules, *edge, &header) != [false; 3]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 1_000, ..ProptestConfig::default() })]

    /// From rules without a problem on, each change is refused exactly if a packet goes wrong then; and the example is such a packet.
    #[test]
    fn a_change_is_found_wrong_exactly_if_a_packet_goes_wrong(changes in proptest::collection::vec(any_change(), 1..24)) {
        let mut verifier = verifier(members());
        for change in changes {
            let mut after = verifier.clone();
            let problems = after.change(change);
            let rules: Vec<VerifiedRule> = after.rules.values().map(|rule| (**rule).clone()).collect();
            prop_assert_eq!(problems.is_empty(), !is_wrong(&after, &rules), "{:?}", problems);
            prop_assert_eq!(after.all().is_empty(), problems.is_empty());
            for problem in &problems {
                let (example, kind, named) = match problem {
                    Problem::Loop { example, rules } => (example, 0, rules),
                    Problem::BlackHole { example, rules, .. } => (example, 1, rules),
                    Problem::Isolation { example, rules, .. } => (example, 2, rules),
                    Problem::NotProven { why: CUT_SHORT, .. } if problems.len() > 1 => continue,
                    Problem::NotProven { .. } => return Err(TestCaseError::fail("all of it can be proven")),
                };
                prop_assert!(fate(&after, &rules, example.enters, &example.header)[kind], "{:?}", problem);
                prop_assert!(!named.is_empty() && named.iter().all(|rule| after.rules.contains_key(rule)), "{:?}", problem);
            }
            // A change that is wrong is not made.
            if problems.is_empty() {
                verifier = after;
            }
        }
    }
}

/// What leads to eight hosts, two of them at a port: the shortest way around the triangle.
fn trees() -> Vec<VerifiedRule> {
    let home = |host: u64| port(host % SWITCHES + 1, 3 + (host / SWITCHES % 2) as u32);
    let pairs = (0..8).flat_map(|host| (1..=SWITCHES).map(move |switch| (host, switch)));
    let rules = pairs.map(|(host, switch)| {
        let home = home(host);
        let out = match (home.datapath_id.0 + SWITCHES - switch) % SWITCHES {
            0 => home.port_no.0,
            1 => 2,
            _ => 1,
        };
        let number = 100 + (host * SWITCHES + switch) as u32;
        let to = Ternary::default().with_exact(Field::EthDst, host);
        VerifiedRule { table: 1, ..*rule(number, switch, 2, to, &[out]) }
    });
    let on = (1..=SWITCHES).map(|switch| VerifiedRule {
        effect: Effect { goto: Some(1), ..Effect::default() },
        ..*rule(90 + switch as u32, switch, 0, Ternary::default(), &[])
    });
    let rest = (1..=SWITCHES)
        .map(|switch| VerifiedRule { table: 1, ..*rule(95 + switch as u32, switch, 0, Ternary::default(), &[]) });
    rules.chain(on).chain(rest).collect()
}

/// One verifier through many changes, with all that it keeps from one to the next, against the packets followed one by one. Rules that end a packet's way
/// are made as often as any others, so that most changes are well and stay.
fn goes_through_many_changes(seed: u64, count: usize) -> [usize; 2] {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let octets: Vec<u8> = seed.to_be_bytes().repeat(4);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &octets);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let mut verifier = verifier(if seed.is_multiple_of(2) { Members::default() } else { members() });
    trees().into_iter().for_each(|rule| verifier.apply(RuleChange::Put(Box::new(rule))));
    let wrong = |verifier: &Verifier| {
        let rules: Vec<VerifiedRule> = verifier.rules.values().map(|rule| (**rule).clone()).collect();
        let parts = |header: &Header, edge: &PortId| {
            let [looped, lost, reached] = fate(verifier, &rules, *edge, header);
            looped || lost || reached && !verifier.members.is_empty()
        };
        headers().any(|header| verifier.edges.iter().any(|edge| parts(&header, edge)))
    };
    let mut told = [0; 2];
    // By the trees alone those reach each other who must not: what they send is dropped.
    if !verifier.members.is_empty() {
        let of_named = Ternary::default().with_exact(Field::EthSrc, NAMED);
        for switch in 1..=SWITCHES {
            verifier.apply(RuleChange::Put(rule(80 + switch as u32, switch, 9, of_named, &[])));
        }
        for (number, at) in [(85, port(1, 3)), (86, port(2, 3)), (87, port(1, 4))] {
            let drop = VerifiedRule {
                in_port: Some(at.port_no),
                ..*rule(number, at.datapath_id.0, 9, Ternary::default(), &[])
            };
            verifier.apply(RuleChange::Put(Box::new(drop)));
        }
    }
    assert!(!wrong(&verifier), "seed {seed}");
    for n in 0..count {
        let mut change = any_change().new_tree(&mut runner).expect("a change").current();
        if let RuleChange::Put(rule) = &mut change
            && n % 4 == 0
        {
            rule.effect.outputs.retain(|port| (3..5).contains(&port.0));
        }
        if n % 16 == 7 {
            // A host goes and comes.
            change = match trees().into_iter().nth(n / 16 % 24) {
                Some(rule) if verifier.rule(rule.number).is_none() => RuleChange::Put(Box::new(rule)),
                Some(rule) => RuleChange::Remove(rule.number),
                None => continue,
            };
        }
        let own = verifier.rules.keys().copied().filter(|number| number.0 < 24);
        if let Some(oldest) = own.clone().min_by_key(|number| (number.0 + n as u32) % 24)
            && own.count() > 5
            && n % 3 == 0
        {
            change = RuleChange::Remove(oldest);
        }
        let before = verifier.clone();
        let problems = verifier.change(change.clone());
        let is_wrong = wrong(&verifier);
        assert_eq!(problems.is_empty(), !is_wrong, "seed {seed}, change {n}: {change:?}: {problems:?}");
        if n % 8 == 0 {
            assert_eq!(verifier.all().is_empty(), !is_wrong, "seed {seed}, after change {n}: {change:?}");
        }
        told[usize::from(is_wrong)] += 1;
        if is_wrong {
            verifier = before;
        }
    }
    told
}

#[test]
fn what_is_kept_from_change_to_change_says_the_same_as_packets_followed_one_by_one() {
    let told = (0..24)
        .map(|seed| goes_through_many_changes(seed, 100))
        .fold([0; 2], |sum, told| [sum[0] + told[0], sum[1] + told[1]]);
    assert!(told[0] > 500 && told[1] > 20, "well and wrong: {told:?}");
}

fn rule(number: u32, switch: u64, priority: u16, header: Ternary, outputs: &[u32]) -> Box<VerifiedRule> {
    let outputs = outputs.iter().map(|port| PortNo(*port)).collect();
    let effect = Effect { outputs, ..Effect::default() };
    Box::new(VerifiedRule {
        number: RuleNumber(number),
        datapath_id: DatapathId(switch),
        table: 0,
        priority,
        in_port: None,
        header,
        metadata: (0, 0),
        partial: false,
        effect,
    })
}

#[test]
fn a_loop_is_told_with_a_packet_and_its_rules() {
    let mut verifier = verifier(Members::default());
    let to = Ternary::default().with_exact(Field::EthDst, 9);
    // Around the triangle: each rule alone loses packets at the next switch.
    verifier.apply(RuleChange::Put(rule(1, 1, 5, to, &[2])));
    verifier.apply(RuleChange::Put(rule(2, 2, 5, to, &[2])));
    let problems = verifier.change(RuleChange::Put(rule(3, 3, 5, to, &[2])));
    let [Problem::Loop { example, rules }] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!(example.header.0[Field::EthDst as usize], 9);
    assert_eq!(rules[..], [1, 2, 3, 1, 2].map(RuleNumber), "around, until it comes to a port again");
    // Out at the third one: all is well.
    assert_eq!(verifier.change(RuleChange::Put(rule(3, 3, 5, to, &[3]))), []);
    let gone = verifier.change(RuleChange::Remove(RuleNumber(3)));
    assert!(matches!(gone[..], [Problem::BlackHole { at: DatapathId(3), .. }]), "{gone:?}");
}

#[test]
fn a_rule_that_changes_headers_is_not_proven() {
    let mut verifier = verifier(Members::default());
    let mut changing = rule(1, 1, 5, Ternary::default().with_exact(Field::Ipv4Dst, 7), &[3]);
    changing.effect.unknown = true;
    let problems = verifier.change(RuleChange::Put(changing));
    assert!(matches!(problems[..], [Problem::NotProven { example: Some(_), .. }]), "{problems:?}");
    assert_eq!(
        verifier.change(RuleChange::Put(rule(2, 3, 5, Ternary::default().with_exact(Field::Ipv4Dst, 8), &[3]))),
        []
    );
}

#[test]
fn a_bit_that_nobody_asks_for_divides_nothing() {
    let mut verifier = verifier(Members::default());
    // The lowest bit of 48: the 47 above it are of no account.
    let odd = Ternary::default().with(Field::EthDst, 1, 1);
    verifier.apply(RuleChange::Put(rule(1, 3, 5, odd, &[3])));
    assert_eq!(verifier.constraints.divide(&Ternary::default(), Field::EthDst).len(), 2);
    assert_eq!(verifier.constraints.divide(&Ternary::default(), Field::VlanVid).len(), 1);
}

#[test]
fn a_change_looks_at_its_own_packets_however_many_other_rules_there_are() {
    let mut verifier = verifier(Members::default());
    for host in 0..2_000 {
        let to = Ternary::default().with_exact(Field::EthDst, 100 + host);
        verifier.apply(RuleChange::Put(rule(host as u32, 3, 5, to, &[3])));
    }
    let header = Ternary::default().with_exact(Field::EthDst, 7);
    assert_eq!(verifier.change(RuleChange::Put(rule(5_000, 3, 5, header, &[3]))), []);
    // What matches everything else is one class, because more important rules take all the others.
    assert_eq!(verifier.change(RuleChange::Put(rule(5_001, 3, 1, Ternary::default(), &[5]))).len(), 1);
}

#[test]
fn a_rule_that_may_match_or_not_is_no_problem_where_both_are_well_and_not_proven_elsewhere() {
    let mut verifier = verifier(Members::default());
    let to = Ternary::default().with_exact(Field::EthDst, 9);
    verifier.apply(RuleChange::Put(rule(1, 3, 5, to, &[3])));
    let partial = |outputs: &[u32]| Box::new(VerifiedRule { partial: true, ..*rule(2, 3, 9, to, outputs) });
    assert_eq!(verifier.change(RuleChange::Put(partial(&[]))), []);
    assert_eq!(verifier.change(RuleChange::Put(partial(&[4]))), []);
    let problems = verifier.change(RuleChange::Put(partial(&[5])));
    assert!(matches!(problems[..], [Problem::NotProven { .. }]), "{problems:?}");
}

#[test]
fn prefixes_divide_a_field_as_any_other_masks_do() {
    let full = Field::Ipv4Dst.full();
    let mut constraints = Constraints::default();
    let prefixes =
        [(0xffff_0000, 0x0a01_0000), (0xff00_0000, 0x0a00_0000), (full, 0x0a01_0005), (full, 0), (full, full)];
    for (mask, value) in prefixes {
        constraints.add(&Ternary::default().with(Field::Ipv4Dst, value, mask));
    }
    let of = |constraints: &Constraints| {
        let values = constraints.divide(&Ternary::default(), Field::Ipv4Dst);
        let values = values.iter().filter_map(|class| class.exact(Field::Ipv4Dst));
        let alike = |value: u64| prefixes.map(|(mask, of)| value & mask == of);
        let classes: Vec<_> = values.map(alike).collect();
        (classes.len(), classes.into_iter().collect::<BTreeSet<_>>())
    };
    let (count, classes) = of(&constraints);
    assert_eq!((count, classes.len()), (6, 6), "five prefixes and what is in none");
    // A mask that is no prefix, which divides nothing further: the other way to the same.
    constraints.add(&Ternary::default().with(Field::Ipv4Dst, 0, 0x00ff_00ff & !0xff));
    assert!(of(&constraints).1.is_superset(&classes));
}

#[test]
fn which_of_two_equals_counts_is_the_same_for_all_destinations_whatever_their_numbers() {
    let to = |number, destination| rule(number, 1, 5, Ternary::default().with_exact(Field::EthDst, destination), &[3]);
    let of_type = |number| rule(number, 1, 5, Ternary::default().with_exact(Field::EthType, 0x800), &[2]);
    for (one, other, named) in [(1, 2, 3), (3, 2, 1), (1, 3, 2), (2, 1, 3)] {
        assert!(to(one, 7).order(&of_type(other)).is_lt() && to(named, 8).order(&of_type(other)).is_lt());
    }
    assert!(of_type(1).order(&rule(2, 1, 6, Ternary::default(), &[2])).is_gt(), "the priority comes first");
}

#[test]
fn the_longest_way_fits_on_the_stack_that_is_stated() {
    // A line of more switches than are followed, with ten tables each.
    let length = WAY_MAX as u64 + 100;
    let links = (1..length).flat_map(|n| [(port(n, 2), port(n + 1, 1)), (port(n + 1, 1), port(n, 2))]);
    let mut verifier = Verifier::new(links, (1..=length).map(|n| port(n, 3)), Members::default());
    let mut number = 0;
    for switch in 1..=length {
        for table in 0..10 {
            number += 1;
            let mut next = *rule(number, switch, 5, Ternary::default(), if table == 9 { &[2] } else { &[] });
            (next.table, next.effect.goto) = (table, (table < 9).then_some(table + 1));
            verifier.apply(RuleChange::Put(Box::new(next)));
        }
    }
    let look = move || verifier.all();
    let problems = std::thread::Builder::new().stack_size(STACK).spawn(look).unwrap().join().unwrap();
    assert!(!problems.is_empty(), "the packets never leave");
}
