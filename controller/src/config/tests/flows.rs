//! `switches`, `vlans` and `flows`; `groups` and `meters`.

use net::{DatapathId, PortNo};
use openflow::syntax::parse_flow;

use super::*;

const NAMED: &str = "\
switches:
  s1: { datapath_id: \"0x1\", ports: { 1: { name: uplink }, 2: { name: rack-4 } } }
  s2: { datapath_id: \"0x2\" }
vlans: { office: 10, voice: { id: 20 } }
";

fn with(flows: &str) -> String {
    format!("{NAMED}{flows}")
}

/// A switch's rules as text, in the order of the file.
fn rules(text: &str, datapath_id: u64) -> Vec<(u32, String)> {
    let config = Config::parse(text).unwrap_or_else(|problems| panic!("{problems}"));
    let mut rules: Vec<(u32, String)> = config
        .flows
        .of(DatapathId(datapath_id))
        .rules()
        .iter()
        .map(|rule| {
            let flow_mod = openflow::FlowMod {
                instructions: rule.rule.body.instructions(),
                ..openflow::FlowMod::add(rule.rule.table, rule.rule.priority, rule.rule.body.match_())
            };
            (rule.line, flow_mod.to_string())
        })
        .collect();
    rules.sort();
    rules
}

fn printed(rule: &str) -> String {
    let mut flow_mod = parse_flow(rule).unwrap();
    flow_mod.match_ = flow_mod.match_.canonical();
    flow_mod.to_string()
}

#[test]
fn rules_of_all_and_of_one_switch_are_read_with_their_lines_and_names() {
    let text = with(
        "flows:
  all:
    - priority=100,dl_vlan=office,actions=drop
  s1:
    - \"priority=200,in_port=uplink,actions=output:rack-4\"
    - |

      # comments and empty lines are passed over

      priority=300,dl_vlan=voice,in_port=uplink,actions=goto_table:100
        table=100,priority=0,actions=mod_vlan_vid:office,output:rack-4
",
    );
    let all = (7, printed("priority=100,dl_vlan=10,actions=drop"));
    let of_all = [all];
    assert_eq!(rules(&text, 2), of_all);
    assert_eq!(rules(&text, 77), of_all, "a switch without a name has those of all");
    let [all] = of_all;
    assert_eq!(
        rules(&text, 1),
        [
            all,
            (9, printed("priority=200,in_port=1,actions=output:2")),
            (14, printed("priority=300,dl_vlan=20,in_port=1,actions=goto_table:100")),
            (15, printed("table=100,priority=0,actions=mod_vlan_vid:10,output:2")),
        ]
    );
}

#[test]
fn names_of_ports_and_descriptions_are_kept() {
    let text = "switches: { s1: { datapath_id: \"0x1\", description: d, ports: { 7: { name: a, description: b } } } }";
    let config = Config::parse(text).unwrap();
    let switch = &config.switches["s1"];
    assert_eq!((switch.datapath_id, switch.description.as_deref()), (DatapathId(1), Some("d")));
    let port = &switch.ports[&PortNo(7)];
    assert_eq!((port.name.as_deref(), port.description.as_deref()), (Some("a"), Some("b")));
}

#[test]
fn a_mistake_in_a_rule_is_told_with_its_place() {
    let one = |rule: &str| with(&format!("flows:\n  s1:\n    - {rule}\n"));
    for (rule, problem) in [
        (
            "priority=5,in_port=uplnk,actions=drop",
            "7:26: flows.s1[0]: expected a port's number or name, found `uplnk` (did you mean uplink?)",
        ),
        (
            "\"priority=5,nw_dts=10.0.0.1,actions=drop\"",
            "7:19: flows.s1[0]: expected a field, a protocol or a word of a flow, found `nw_dts` (did you mean nw_dst?)",
        ),
        (
            "dl_vlan=offic,actions=drop",
            "7:15: flows.s1[0]: expected a number from 0 to 65535, found `offic` (did you mean office?)",
        ),
        ("priority=5", "7:17: flows.s1[0]: expected actions=... (actions=drop drops packets), found nothing"),
        (
            "priority=0,actions=drop",
            "7:7: flows.s1[0]: priority 0: in table 0 it is 1 to 65534; the rest is the controller's: `priority=0,actions=drop`",
        ),
        (
            "priority=65535,actions=drop",
            "7:7: flows.s1[0]: priority 65535: in table 0 it is 1 to 65534; the rest is the controller's: `priority=65535,actions=drop`",
        ),
        (
            "table=1,actions=drop",
            "7:7: flows.s1[0]: table 1: rules may stand in table 0 and in 100 to 199: `table=1,actions=drop`",
        ),
        (
            "cookie=5,actions=drop",
            "7:7: flows.s1[0]: cookie: the controller marks its rules by cookies of its own: `cookie=5,actions=drop`",
        ),
        (
            "idle_timeout=5,actions=drop",
            "7:7: flows.s1[0]: idle_timeout: a stated rule stays; one that timed out would be put back: `idle_timeout=5,actions=drop`",
        ),
        (
            "hard_timeout=5,actions=drop",
            "7:7: flows.s1[0]: hard_timeout: a stated rule stays; one that timed out would be put back: `hard_timeout=5,actions=drop`",
        ),
        (
            "send_flow_rem,actions=drop",
            "7:7: flows.s1[0]: flags such as send_flow_rem or check_overlap are the controller's own: `send_flow_rem,actions=drop`",
        ),
        (
            "delete in_port=1",
            "7:7: flows.s1[0]: rules are stated: a rule that stands here is there, one that does not is not; leave out the command: `delete in_port=1`",
        ),
        ("actions=group:1", "7:21: flows.s1[0]: there is no group 1: `groups` has none of this switch or of all"),
        (
            "actions=meter:1,output:1",
            "7:21: flows.s1[0]: there is no meter 1: `meters` has none of this switch or of all",
        ),
        (
            "actions=clone(group:0x11)",
            "7:27: flows.s1[0]: there is no group 17: `groups` has none of this switch or of all",
        ),
        (
            "actions=goto_table:2",
            "7:7: flows.s1[0]: goto_table: table 2 is not for this; 1 (on to the controller's own tables) and a higher one of 100 to 199 are: `actions=goto_table:2`",
        ),
        (
            "table=150,actions=goto_table:1",
            "7:7: flows.s1[0]: goto_table: 1 is below the rule's own table 150: `table=150,actions=goto_table:1`",
        ),
        (
            "in_port=1,actions=set_field:7->tcp_dst,output:2",
            "7:7: flows.s1[0]: a switch would refuse it: instruction.actions: need what the match doesn't promise of the packets: `in_port=1,actions=set_field:7->tcp_dst,output:2`",
        ),
    ] {
        let found = lines(&one(rule));
        assert_eq!(found, problem, "{rule}");
    }
}

#[test]
fn a_mistake_in_a_block_is_told_with_its_line_and_column() {
    let text = with("flows:\n  s1:\n    - |\n      actions=drop\n\n      in_port=1,actoins=drop\n");
    assert_problem(&text, "10:29: flows.s1[0]: expected actions=... (actions=drop drops packets), found nothing");
    let text = with("flows:\n  s1:\n    - |\n      # grüße\n      in_port=nowhere,actions=drop\n");
    assert_problem(&text, "9:15: flows.s1[0]: expected a port's number or name, found `nowhere`");
}

#[test]
fn two_rules_of_one_identity_are_told_also_one_of_all_and_one_of_a_switch() {
    let text = with(
        "flows:\n  s2:\n    - |\n      in_port=1,actions=drop\n      actions=drop\n      in_port=1,actions=output:2\n",
    );
    assert_eq!(
        lines(&text),
        "10:1: flows.s2: line 8 has a rule of the same table, priority and match: one of them has to go"
    );
    let text =
        with("flows:\n  s2:\n    - tcp,dl_vlan=10,actions=drop\n  all:\n    - dl_vlan=10,tcp,actions=output:1\n");
    assert_eq!(
        lines(&text),
        "7:1: flows.s2: line 9 has a rule of the same table, priority and match: one of them has to go"
    );
}

#[test]
fn names_that_are_nobodys_or_twice_are_told() {
    for (text, problem) in [
        (with("flows: { s3: [] }"), "5:14: flows.s3: there is no switch of this name: did you mean `s1`?"),
        (
            with("flows: { unheard-of: [] }"),
            "5:22: flows.unheard-of: there is no switch of this name: known are those of switches, and `all`",
        ),
        (
            with("flows: { all: [\"in_port=uplink,actions=drop\"] }"),
            "5:25: flows.all[0]: expected a port's number or name, found `uplink`; a port's name is one switch's, and `all` is every switch",
        ),
        (
            "switches: { all: { datapath_id: \"0x1\" } }".to_owned(),
            "1:18: switches.all: a switch cannot have this name: in flows it means every switch",
        ),
        (
            "switches: { a: { datapath_id: \"0x1\" }, b: { datapath_id: \"0x1\" } }".to_owned(),
            "1:43: switches.b.datapath_id: a has the same",
        ),
        (
            "switches: { a: { datapath_id: \"0x1\", ports: { 1: { name: x }, 2: { name: x } } } }".to_owned(),
            "1:66: switches.a.ports.2.name: port 1 has the same name",
        ),
        (
            "switches: { a: { datapath_id: \"0x1\", ports: { 1: { name: local } } } }".to_owned(),
            "1:50: switches.a.ports.1.name: `local` is a port that every switch has",
        ),
        (
            "switches: { a: { datapath_id: \"0x1\", ports: { 0: { name: x } } } }".to_owned(),
            "1:47: switches.a.ports.0: not a port's number, 1 to 4294967040 (OpenFlow 1.3.5 §7.2.1)",
        ),
        ("vlans: { a: 4095 }".to_owned(), "1:13: vlans.a: 4095 is outside 1 to 4094"),
        ("vlans: { a: { description: x } }".to_owned(), "1:13: vlans.a.id: missing: the key is required"),
        ("vlans: { a: 7, b: 7 }".to_owned(), "1:19: warning: vlans.b: 7 is a too"),
    ] {
        assert_eq!(lines(&text), problem);
    }
}

#[test]
fn a_key_is_the_same_wherever_its_rule_stands() {
    let key = |text: &str| Config::parse(text).unwrap().flows.of(DatapathId(2)).rules()[0].rule.key;
    let one = key(&with("flows: { s2: [\"tcp,dl_vlan=office,actions=drop\"] }"));
    let other = key(&with("flows:\n  all:\n  - |\n    # elsewhere\n    dl_vlan=10,tcp,actions=output:1\n"));
    assert_eq!(one, other);
}

#[test]
fn with_rules_switches_are_waited_for_also_beside_bgp() {
    let bgp = "bgp: { asn: 1, router_id: 10.0.0.1 }\n";
    assert!(Config::parse(bgp).unwrap().openflow.listen.is_empty());
    assert!(!Config::parse(&format!("{bgp}flows: {{ all: [\"actions=drop\"] }}")).unwrap().openflow.listen.is_empty());
}

#[test]
fn a_hundred_thousand_rules_fit() {
    let mut text = with("flows:\n  s1:\n    - |\n");
    for n in 0..100_000_u32 {
        let [_, b, c, d] = n.to_be_bytes();
        let rule = format!("priority=100,in_port=uplink,dl_vlan=office,ip,nw_dst=10.{b}.{c}.{d},actions=output:rack-4");
        text.push_str(&format!("      {rule}\n"));
    }
    assert!(text.len() as u64 <= MAX_FILE_OCTETS);
    let config = Config::parse(&text).unwrap();
    assert_eq!(config.flows.of(DatapathId(1)).rules().len(), 100_000);
}

/// Groups and meters of a switch: their lines, stages and texts, in the order of their numbers.
fn numbered(text: &str, datapath_id: u64) -> Vec<(u32, u16, String)> {
    let config = Config::parse(text).unwrap_or_else(|problems| panic!("{problems}"));
    let numbered = config.flows.numbered_of(DatapathId(datapath_id)).clone();
    let groups = numbered.groups().map(|of| {
        let group_id = of.group.key.stated_group().unwrap();
        let desc = openflow::GroupDesc { group_type: of.group.group_type, group_id, buckets: of.group.buckets.clone() };
        (of.line, of.group.stage, desc.to_string())
    });
    let meters = numbered.meters().map(|of| {
        let meter_id = of.meter.key.stated_meter().unwrap();
        let config = openflow::MeterConfig { meter_id, flags: of.meter.flags, bands: of.meter.bands.clone() };
        (of.line, 0, config.to_string())
    });
    groups.chain(meters).collect()
}

#[test]
fn groups_and_meters_are_read_with_their_lines_and_rules_name_them() {
    let text = with(
        "groups:
  all:
    - group_id=1,type=all,bucket=output:1
  s1:
    - |
      # what others lead to may stand behind them
      group_id=2,type=ff,bucket=watch_port:uplink,output:uplink,bucket=watch_group:3,group:3
      group_id=3,type=select,bucket=group:1
meters:
  s1: [\"meter=4,pktps,burst,bands=type=drop,rate=100,burst_size=10\"]
flows:
  all: [\"dl_vlan=office,actions=group:1\"]
  s1:
    - in_port=uplink,actions=meter:4,group:2
    - in_port=rack-4,actions=clone(group:3),group:1
",
    );
    assert_eq!(numbered(&text, 2), [(7, 0, "group_id=1,type=all,bucket=actions=output:1".to_owned())]);
    assert_eq!(
        numbered(&text, 1),
        [
            (7, 0, "group_id=1,type=all,bucket=actions=output:1".to_owned()),
            (
                11,
                2,
                "group_id=2,type=ff,bucket=watch_port:1,actions=output:1,bucket=watch_group:3,actions=group:3"
                    .to_owned()
            ),
            (12, 1, "group_id=3,type=select,bucket=actions=group:1".to_owned()),
            (14, 0, "meter=4 pktps burst bands= type=drop rate=100 burst_size=10".to_owned()),
        ]
    );
    assert_eq!(rules(&text, 1).len(), 3);
    let config = Config::parse(&text).unwrap();
    let key = crate::flow::Key::of_group(crate::flow::Owner::StaticRules, openflow::GroupId(3));
    assert_eq!(config.flows.origin_of_key(DatapathId(1), openflow::TableId::ALL, &key), Some(12));
}

#[test]
fn a_mistake_in_a_group_or_a_meter_is_told_with_its_place() {
    for (text, problem) in [
        (
            "groups: { s1: [\"group_id=1,type=al,bucket=output:1\"] }",
            "5:33: groups.s1[0]: expected one of all, select, indirect, ff, found `al` (did you mean all?)",
        ),
        (
            "groups: { s1: [\"group_id=1,type=all,bucket=output:uplnk\"] }",
            "5:51: groups.s1[0]: expected a port's number or name, found `uplnk` (did you mean uplink?)",
        ),
        (
            "groups: { s1: [\"group_id=0x54000001,type=all,bucket=output:1\"] }",
            "5:17: groups.s1[0]: group 0x54000001: numbers from 0x54000000 to 0x54ffffff are the controller's own: \
             `group_id=0x54000001,type=all,bucket=output:1`",
        ),
        (
            "groups: { s1: [\"group_id=1,type=all,bucket=group:2\"] }",
            "5:50: groups.s1[0]: there is no group 2: `groups` has none of this switch or of all",
        ),
        (
            "groups: { s1: [\"group_id=1,type=all,bucket=group:2\", \"group_id=2,type=all,bucket=group:1\"] }",
            "5:17: groups.s1[0]: group 1: it leads back to itself\n5:55: groups.s1[1]: group 2: it leads back to itself",
        ),
        (
            "groups: { s1: [\"group_id=1,type=all,bucket=resubmit(,100)\"] }",
            "5:17: groups.s1[0]: resubmit: a bucket may not look a packet up again: \
             `group_id=1,type=all,bucket=resubmit(,100)`",
        ),
        (
            "groups:\n  all: [\"group_id=1,type=all,bucket=output:1\"]\n  s1:\n    - \"group_id=1,type=all,bucket=output:2\"",
            "8:8: groups.s1[0]: line 6 has a group of the same number: one of them has to go",
        ),
        ("groups: { s3: [] }", "5:15: groups.s3: there is no switch of this name: did you mean `s1`?"),
        (
            "meters: { s1: [\"meter=0,kbps,bands=type=drop,rate=5\"] }",
            "5:17: meters.s1[0]: meter 0: the first number is 1 (OpenFlow 1.3.5 §7.3.4.4): \
             `meter=0,kbps,bands=type=drop,rate=5`",
        ),
        (
            "meters: { s1: [\"meter=all,kbps,bands=type=drop,rate=5\"] }",
            "5:17: meters.s1[0]: meter 4294967295: the last number is 4294901760: \
             `meter=all,kbps,bands=type=drop,rate=5`",
        ),
        (
            "meters: { s1: [\"meter=1,bands=type=drop,rate=5\"] }",
            "5:17: meters.s1[0]: expected kbps or pktps, found `meter=1,bands=type=drop,rate=5`",
        ),
        (
            "groups: { s1: [\"group_id=1,type=all,bucket=output:1\"] }\nflows: { all: [\"actions=group:1\"] }",
            "6:31: flows.all[0]: there is no group 1: `groups` has none of all, as the rule is",
        ),
    ] {
        assert_eq!(lines(&with(text)), problem, "{text}");
    }
}

#[test]
fn an_entry_that_falls_apart_at_its_commas_is_told_to_need_quotes() {
    for (text, place) in [
        ("flows: { s1: [priority=100,tcp,tp_dst=23,actions=drop] }", "5:15: flows.s1[0]"),
        ("flows: { all: [\"priority=1,actions=drop\", priority=100, actions=drop] }", "5:43: flows.all[1]"),
        ("groups: { s1: [group_id=1,type=all,bucket=output:1] }", "5:27: groups.s1[1]"),
        ("meters: { s1: [meter=1,kbps,band=type=drop rate=100] }", "5:24: meters.s1[1]"),
    ] {
        let problems = Config::parse(&with(text)).unwrap_err().to_string();
        assert!(problems.contains(place) && problems.contains("put each entry in quotes"), "{text}: {problems}");
        assert_eq!(problems.matches("s1[").count() + problems.matches("all[").count(), 1, "once: {problems}");
    }
    let whole = with("flows: { s1: [in_port=1 actions=drop, in_port=2 actions=drop] }");
    assert_eq!(rules(&whole, 1).len(), 2);
}
