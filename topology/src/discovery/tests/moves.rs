//! Hosts that move, seem to move, and may not.

use proptest::prelude::*;

use super::*;
use crate::{CONTESTED_HOST_PAUSE, DhcpAnswer, MAX_PENDING_MOVES, MAX_PENDING_MOVES_PER_PORT, StaticHost};

const CONFIRMATION: Duration = Duration::from_millis(300);

fn lab() -> Lab {
    let mut lab = Lab::new(DiscoveryConfig { move_confirmation: CONFIRMATION, ..DiscoveryConfig::default() });
    lab.discovery.handle_switch_up(DatapathId(1), ports(3), lab.now);
    lab.run(Duration::from_secs(1));
    lab
}

fn place(lab: &Lab) -> PortId {
    lab.host(1).unwrap().port
}

fn kinds(lab: &Lab) -> Vec<&'static str> {
    lab.discovery.conditions(lab.now).shown.iter().map(crate::Condition::kind).collect()
}

#[test]
fn a_move_is_believed_when_the_old_place_does_not_answer() {
    let mut lab = lab();
    lab.see(1, id(1, 1), Some("10.0.0.1"));
    lab.see(1, id(1, 2), Some("10.0.0.9"));
    let inquiry = lab.discovery.poll_host_inquiry().unwrap();
    assert_eq!((inquiry.port, inquiry.mac, inquiry.address), (id(1, 1), mac(1), "10.0.0.1".parse().unwrap()));
    lab.see(1, id(1, 2), None);
    assert_eq!(lab.discovery.poll_host_inquiry(), None);
    lab.run(CONFIRMATION - ms(1));
    assert_eq!(place(&lab), id(1, 1));
    lab.run(ms(1));
    assert_eq!((place(&lab), lab.host(1).unwrap().addresses.len()), (id(1, 2), 2));
    assert_eq!(lab.discovery.counters().hosts_moved, 1);
}

#[test]
fn who_takes_a_host_address_while_the_host_answers_gets_nothing() {
    let mut lab = lab();
    lab.see(1, id(1, 1), Some("10.0.0.1"));
    lab.see(1, id(1, 2), Some("10.0.0.1"));
    lab.see(1, id(1, 1), Some("10.0.0.1"));
    lab.run(Duration::from_secs(1));
    assert_eq!((place(&lab), lab.discovery.counters().moves_refused), (id(1, 1), 1));
    assert_eq!(kinds(&lab), ["host_contested"]);
    assert_eq!(lab.discovery.poll_host_inquiry(), None);
    lab.run(CONTESTED_HOST_PAUSE * 10);
    assert_eq!(kinds(&lab), [""; 0]);
    // A real move later is believed.
    lab.see(1, id(1, 2), None);
    lab.run(CONFIRMATION);
    assert_eq!(place(&lab), id(1, 2));
}

#[test]
fn nobody_asks_a_port_that_went_down_or_for_a_host_without_address() {
    let mut lab = lab();
    lab.see(1, id(1, 1), Some("10.0.0.1"));
    lab.see(1, id(1, 2), None);
    lab.discovery.handle_port(DatapathId(1), port(1, false), lab.now);
    assert_eq!(lab.discovery.poll_host_inquiry(), None);
    assert_eq!(lab.host(1), None);
    lab.see(1, id(1, 2), None);
    assert_eq!(place(&lab), id(1, 2));
    lab.see(1, id(1, 3), None);
    assert_eq!(place(&lab), id(1, 3));
}

#[test]
fn a_flood_of_moves_is_bounded_for_a_port_and_for_all() {
    let mut lab = lab();
    lab.discovery.handle_switch_up(DatapathId(2), ports(40), lab.now);
    lab.run(Duration::from_secs(1));
    let hosts = MAX_PENDING_MOVES as u64 + 100;
    let home = |number: u64| id(1, 1 + u32::from(number >= 1_000));
    for number in 0..hosts {
        lab.see(number, home(number), Some(&format!("10.0.{}.{}", number / 250, number % 250 + 1)));
    }
    for number in 0..hosts {
        lab.see(number, id(1, 3), None);
    }
    assert_eq!(lab.discovery.moves.pending.len(), MAX_PENDING_MOVES_PER_PORT);
    assert_eq!(lab.discovery.counters().moves_dropped, hosts - MAX_PENDING_MOVES_PER_PORT as u64);
    for number in 0..hosts {
        lab.see(number, id(2, 1 + number as u32 % 40), None);
    }
    assert_eq!(lab.discovery.moves.pending.len(), MAX_PENDING_MOVES);
    for number in 0..hosts {
        lab.see(number, home(number), None);
    }
    assert_eq!((lab.discovery.moves.pending.len(), lab.discovery.moves.contested.len()), (0, MAX_PENDING_MOVES));
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn owner(lab: &Lab, address: &str) -> MacAddr {
    lab.network().host_at(ip(address)).unwrap().mac
}

#[test]
fn an_address_stays_with_the_host_that_answers_for_it_and_who_says_it_is_told() {
    let mut lab = lab();
    lab.see(1, id(1, 1), Some("10.0.0.1"));
    lab.see(2, id(1, 2), Some("10.0.0.2"));
    lab.see(2, id(1, 2), Some("10.0.0.1"));
    assert_eq!(owner(&lab, "10.0.0.1"), mac(1));
    let inquiry = lab.discovery.poll_host_inquiry().unwrap();
    assert_eq!((inquiry.port, inquiry.mac, inquiry.address), (id(1, 1), mac(1), ip("10.0.0.1")));
    lab.see(2, id(1, 2), Some("10.0.0.1"));
    assert_eq!(lab.discovery.poll_host_inquiry(), None);
    lab.see(1, id(1, 1), Some("10.0.0.1"));
    lab.run(Duration::from_secs(1));
    assert_eq!((owner(&lab, "10.0.0.1"), kinds(&lab)), (mac(1), vec!["address_contested"]));
    lab.run(CONTESTED_HOST_PAUSE * 10);
    assert_eq!(kinds(&lab), [""; 0]);
}

#[test]
fn an_address_goes_over_when_its_owner_does_not_answer_or_cannot() {
    let mut lab = lab();
    lab.see(1, id(1, 1), Some("10.0.0.1"));
    lab.see(2, id(1, 2), Some("10.0.0.1"));
    // A frame of the owner without the address is no answer.
    lab.see(1, id(1, 1), None);
    lab.run(CONFIRMATION - ms(1));
    assert_eq!(owner(&lab, "10.0.0.1"), mac(1));
    lab.changes.clear();
    lab.run(ms(1));
    assert_eq!((owner(&lab, "10.0.0.1"), kinds(&lab)), (mac(2), vec![]));
    assert_eq!(lab.changes, [crate::Change::HostAddressed(mac(1)), crate::Change::HostAddressed(mac(2))]);
    lab.discovery.handle_switch_down(DatapathId(1), lab.now);
    lab.discovery.handle_switch_up(DatapathId(2), ports(2), lab.now);
    lab.run(Duration::from_secs(1));
    lab.see(3, id(2, 1), Some("10.0.0.1"));
    assert_eq!(owner(&lab, "10.0.0.1"), mac(3));
}

#[test]
fn who_says_the_address_of_a_static_host_is_told() {
    let mut lab = lab();
    let addresses = vec![ip("10.0.0.1")];
    lab.discovery.set_static_hosts(vec![StaticHost { port: id(1, 1), mac: mac(1), addresses }], lab.now);
    lab.see(2, id(1, 2), Some("10.0.0.1"));
    lab.run(Duration::from_secs(1));
    assert_eq!((owner(&lab, "10.0.0.1"), kinds(&lab)), (mac(1), vec!["address_contested"]));
}

#[test]
fn a_host_that_seems_to_move_is_asked_for_at_its_newest_addresses() {
    let mut lab = lab();
    for number in 1..=6 {
        lab.see(1, id(1, 1), Some(&format!("10.0.0.{number}")));
        lab.run(Duration::from_secs(1));
    }
    lab.see(1, id(1, 1), Some("10.0.0.1"));
    lab.see(1, id(1, 2), None);
    let asked: Vec<String> =
        std::iter::from_fn(|| lab.discovery.poll_host_inquiry()).map(|it| it.address.to_string()).collect();
    assert_eq!(asked, ["10.0.0.1", "10.0.0.6", "10.0.0.5", "10.0.0.4"]);
}

#[test]
fn addresses_give_way_to_newer_ones_and_those_that_were_given_up_are_forgotten() {
    let mut lab = lab();
    for number in 1..=20 {
        lab.see(1, id(1, 1), Some(&format!("fe80::{number}")));
        lab.see(1, id(1, 1), Some("10.0.0.1"));
        lab.run(Duration::from_secs(1));
    }
    let has = |lab: &Lab, address: &str| lab.host(1).unwrap().addresses.contains(ip(address));
    assert!(has(&lab, "10.0.0.1") && has(&lab, "fe80::20") && !has(&lab, "fe80::5"));
    assert_eq!(lab.host(1).unwrap().addresses.len(), crate::MAX_ADDRESSES_PER_HOST);
    let silence = DiscoveryConfig::default().host_timeout * crate::HOST_SILENCE_FACTOR;
    for _ in 0..24 {
        lab.run(silence / 8);
        lab.see(1, id(1, 1), Some("fe80::20"));
    }
    // Of its family nothing else was seen: the IPv4 address stays.
    let left: Vec<String> = lab.host(1).unwrap().addresses.iter().map(|it| it.to_string()).collect();
    assert_eq!(left, ["10.0.0.1", "fe80::20"]);
}

#[test]
fn a_static_host_is_there_without_a_word_and_stays() {
    let mut lab = lab();
    let addresses = vec!["10.0.0.1".parse().unwrap()];
    lab.see(1, id(1, 2), Some("10.0.0.5"));
    lab.discovery.set_static_hosts(vec![StaticHost { port: id(1, 1), mac: mac(1), addresses }], lab.now);
    assert_eq!((place(&lab), lab.host(1).unwrap().addresses.len()), (id(1, 1), 2));
    lab.see(1, id(1, 2), None);
    lab.see(2, id(1, 2), Some("10.0.0.1"));
    lab.discovery.handle_host_idle(id(1, 1), mac(1), lab.now);
    lab.run(DiscoveryConfig::default().host_timeout * crate::HOST_SILENCE_FACTOR - ms(1));
    assert_eq!((place(&lab), lab.discovery.counters().moves_refused), (id(1, 1), 1));
    assert_eq!(lab.network().host_at("10.0.0.1".parse().unwrap()).unwrap().mac, mac(1));
    lab.run(ms(2));
    assert!(lab.host(1).is_some());
    lab.discovery.handle_port(DatapathId(1), port(1, false), lab.now);
    lab.see(1, id(1, 2), None);
    assert_eq!((lab.host(1), kinds(&lab)), (None, vec!["host_contested"]));
    lab.discovery.handle_port(DatapathId(1), port(1, true), lab.now);
    lab.run(Duration::from_secs(1));
    assert_eq!(place(&lab), id(1, 1));
    assert_eq!(lab.network().static_port(mac(1)), Some(id(1, 1)));
    while lab.discovery.poll_event().is_some() {}
    lab.discovery.set_static_hosts(Vec::new(), lab.now);
    assert_eq!(lab.network().static_port(mac(1)), None);
    assert_eq!(lab.discovery.poll_event(), Some(crate::Change::HostFixed(mac(1))));
    lab.discovery.handle_host_idle(id(1, 1), mac(1), lab.now);
    assert_eq!(lab.host(1), None);
}

fn lease(lab: &mut Lab, at: PortId, server: u64, client: u64, address: &str) {
    let answer = DhcpAnswer { leases: std::iter::once((mac(client), address.parse().unwrap())).collect() };
    lab.discovery.handle_dhcp_answer(at, mac(server), &answer, lab.now);
}

#[test]
fn a_lease_of_a_stated_server_gives_an_address_to_a_host_that_is_known() {
    let mut lab = lab();
    lab.discovery.set_dhcp_servers([DhcpServer { port: id(1, 2), mac: Some(mac(9)) }]);
    lease(&mut lab, id(1, 2), 9, 1, "10.0.0.1");
    assert_eq!(lab.host(1), None);
    lab.see(1, id(1, 1), None);
    lease(&mut lab, id(1, 2), 9, 1, "10.0.0.1");
    assert_eq!(lab.network().host_at("10.0.0.1".parse().unwrap()).unwrap().mac, mac(1));
    assert_eq!((lab.discovery.counters().leases_learned, kinds(&lab)), (1, Vec::new()));
}

#[test]
fn who_is_not_stated_to_be_a_dhcp_server_is_a_condition_and_gives_nothing() {
    let mut lab = lab();
    lab.see(1, id(1, 1), None);
    lease(&mut lab, id(1, 3), 8, 1, "10.0.0.1");
    assert_eq!(kinds(&lab), [""; 0], "nobody has said who is one");
    lab.discovery.set_dhcp_servers([DhcpServer { port: id(1, 2), mac: Some(mac(9)) }]);
    lease(&mut lab, id(1, 3), 9, 1, "10.0.0.1");
    lease(&mut lab, id(1, 2), 8, 1, "10.0.0.1");
    assert_eq!((kinds(&lab), lab.discovery.counters().dhcp_answers_refused), (vec!["rogue_dhcp_server"; 2], 2));
    // Two behind one port do not take turns, and no number of them fills memory.
    (7..=8).cycle().take(10).for_each(|server| lease(&mut lab, id(1, 2), server, 1, "10.0.0.1"));
    assert_eq!(kinds(&lab).len(), 3);
    (20..90).for_each(|server| lease(&mut lab, id(1, 2), server, 1, "10.0.0.1"));
    assert_eq!(kinds(&lab).len(), 1 + crate::ROGUE_DHCP_SERVERS_PER_PORT);
    assert!(lab.network().host_at("10.0.0.1".parse().unwrap()).is_none());
    lab.discovery.set_dhcp_servers([id(1, 2), id(1, 3)].map(|port| DhcpServer { port, mac: None }));
    assert_eq!(kinds(&lab), [""; 0]);
    lab.discovery.set_dhcp_servers([DhcpServer { port: id(1, 2), mac: None }]);
    lease(&mut lab, id(1, 3), 9, 1, "10.0.0.1");
    lab.now = lab.now + crate::ROGUE_DHCP_SERVER_HOLD + ms(1);
    assert_eq!(kinds(&lab), [""; 0], "it is told for a while");
}

#[derive(Clone, Debug)]
enum Step {
    See(u64, u32),
    Wait(u64),
    Down(u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3u64, 1..4u32).prop_map(|(host, port)| Step::See(host, port)),
        3 => (1..1_500u64).prop_map(Step::Wait),
        1 => (1..4u32).prop_map(Step::Down),
    ]
}

/// What is known of a host, told in the plainest way.
#[derive(Clone, Default)]
struct Model {
    port: Option<u32>,
    /// Where it seems to be, and when that is believed.
    pending: Option<(u32, Time)>,
    /// Where it is not believed to be, and until when.
    paused: Option<(u32, Time)>,
}

impl Model {
    fn pass(&mut self, now: Time) {
        if let Some((port, _)) = self.pending.filter(|(_, at)| *at <= now) {
            *self = Model { port: Some(port), ..Model::default() };
        }
    }

    fn see(&mut self, port: u32, now: Time) {
        if self.port.is_none() {
            self.port = Some(port);
        } else if self.port == Some(port) {
            if let Some((elsewhere, _)) = self.pending.take() {
                self.paused = Some((elsewhere, now + CONTESTED_HOST_PAUSE));
            }
        } else if self.pending.is_none() && self.paused.is_none_or(|(at, until)| at != port || until <= now) {
            self.pending = Some((port, now + CONFIRMATION));
        }
    }
}

proptest! {
    #[test]
    fn hosts_are_where_a_plain_model_says(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut lab = lab();
        let mut models = vec![Model::default(); 3];
        for step in steps {
            match step {
                Step::See(host, at) => {
                    lab.see(host, id(1, at), Some(&format!("10.0.0.{}", host + 1)));
                    models[host as usize].see(at, lab.now);
                }
                Step::Wait(millis) => {
                    lab.run(ms(millis));
                    models.iter_mut().for_each(|model| model.pass(lab.now));
                }
                Step::Down(at) => {
                    lab.discovery.handle_port(DatapathId(1), port(at, false), lab.now);
                    lab.discovery.handle_port(DatapathId(1), port(at, true), lab.now);
                    for model in &mut models {
                        if model.port == Some(at) {
                            *model = Model::default();
                        }
                    }
                    lab.run(Duration::from_secs(1));
                    models.iter_mut().for_each(|model| {
                        // The port that was down takes no hosts before its dwell is over.
                        if model.pending.is_some_and(|(to, until)| to == at && until < lab.now) {
                            model.pending = None;
                        }
                        model.pass(lab.now);
                    });
                }
            }
            for (host, model) in models.iter().enumerate() {
                let known = lab.host(host as u64).map(|host| host.port.port_no.0);
                prop_assert_eq!(known, model.port, "host {}", host);
                let pending = lab.discovery.moves.pending.contains_key(&mac(host as u64));
                prop_assert_eq!(pending, model.pending.is_some(), "host {}", host);
            }
        }
    }
}
