//! [`Simulator`]: a controller and a fabric with a control network between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use controller::core::{ConnectionId, Core, CoreConfig, CoreEvent, FabricSettings, LinkQuestion};
use controller::path::Weights;
use emulator::{Fabric, FabricEvent, FabricSpec, HostIndex, ProbeId};
use net::{DatapathId, PortId, Time};
use openflow::FrameCodec;
use tokio_util::codec::Decoder;

/// How the simulation is set up.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// Everything random follows from it.
    pub seed: u64,
    /// One way through the control network.
    pub control_latency: Duration,
    /// The controller's own parameters; seed and key are overwritten.
    pub core: CoreConfig,
}

impl Default for SimulatorOptions {
    fn default() -> SimulatorOptions {
        // As a configuration that says nothing has it.
        let core = CoreConfig { weights: Arc::new(Weights::with_bypasses()), ..CoreConfig::default() };
        SimulatorOptions { seed: 1, control_latency: Duration::from_micros(100), core }
    }
}

/// Adds up what the controller's turns take by somebody's clock: the simulation itself has none.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    /// Nanoseconds since any moment.
    pub clock: fn() -> u64,
    /// Nanoseconds of all turns.
    pub total: u64,
    /// Nanoseconds of the longest turn.
    pub longest: u64,
}

impl Stopwatch {
    /// Nothing measured yet.
    pub fn new(clock: fn() -> u64) -> Stopwatch {
        Stopwatch { clock, total: 0, longest: 0 }
    }
}

/// The ends of the links that would make something worse; none to say nothing at all.
pub type Verifier = fn(&LinkQuestion) -> Option<BTreeSet<PortId>>;

/// One turn of the controller, with the clock beside it if there is one.
fn timed<T>(stopwatch: &mut Option<Stopwatch>, turn: impl FnOnce() -> T) -> T {
    let Some(stopwatch) = stopwatch else { return turn() };
    let start = (stopwatch.clock)();
    let result = turn();
    let took = (stopwatch.clock)().saturating_sub(start);
    stopwatch.total += took;
    stopwatch.longest = stopwatch.longest.max(took);
    result
}

/// Octets, or an end of a connection, under way in the control network.
enum Parcel {
    ToController(ConnectionId, Bytes),
    ToSwitch(DatapathId, ConnectionId, Bytes),
    CloseFromController(DatapathId, ConnectionId),
    CloseFromSwitch(ConnectionId),
}

/// A TCP connection as the controller's end sees it.
struct Link {
    datapath_id: DatapathId,
    codec: FrameCodec,
    buffer: BytesMut,
}

/// Controller and fabric on one clock.
pub struct Simulator {
    /// The controller; `None` while it is dead.
    pub core: Option<Core>,
    /// The network.
    pub fabric: Fabric,
    /// What the core said, in order, with the time.
    pub core_events: Vec<(Time, CoreEvent)>,
    /// What the fabric said, in order, with the time.
    pub fabric_events: Vec<(Time, FabricEvent)>,
    /// What the controller has sent on connections that are no switch's: the test plays those itself.
    pub to_strangers: BTreeMap<ConnectionId, BytesMut>,
    /// What has come to which switch from the controller and when, from the moment on when this is some.
    pub delivered: Option<Vec<(Time, DatapathId, Bytes)>>,
    /// What links that come would make worse, if somebody says that; without it nothing.
    pub verifier: Option<Verifier>,
    /// What the controller's turns take, if somebody holds a clock beside them.
    pub stopwatch: Option<Stopwatch>,
    options: SimulatorOptions,
    now: Time,
    runs: u64,
    next_connection: u64,
    links: BTreeMap<ConnectionId, Link>,
    by_switch: BTreeMap<DatapathId, ConnectionId>,
    network: BTreeMap<Time, VecDeque<Parcel>>,
    reconnects: BTreeMap<Time, Vec<DatapathId>>,
}

impl Simulator {
    /// The fabric of `spec`, every switch connected to a controller that has just started.
    pub fn new(spec: &FabricSpec, options: SimulatorOptions) -> Simulator {
        let mut simulator = Simulator {
            core: None,
            fabric: Fabric::new(options.seed, spec, Time::ZERO),
            core_events: Vec::new(),
            fabric_events: Vec::new(),
            to_strangers: BTreeMap::new(),
            delivered: None,
            verifier: None,
            stopwatch: None,
            options,
            now: Time::ZERO,
            runs: 0,
            next_connection: 1,
            links: BTreeMap::new(),
            by_switch: BTreeMap::new(),
            network: BTreeMap::new(),
            reconnects: BTreeMap::new(),
        };
        simulator.start_controller(Duration::ZERO);
        simulator
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The living controller.
    ///
    /// # Panics
    /// If it is dead: that is a mistake of the test.
    pub fn core(&self) -> &Core {
        self.core.as_ref().expect("the controller is dead")
    }

    /// A new controller process; switch number `n` connects after `spread` × n.
    pub fn start_controller(&mut self, spread: Duration) {
        self.runs += 1;
        let mut config = self.options.core.clone();
        config.seed = self.options.seed.wrapping_mul(1_000).wrapping_add(self.runs);
        config.probe_key = [self.runs as u8; 32];
        self.core = Some(Core::new(config, self.now));
        let ids: Vec<DatapathId> = self.fabric.datapath_ids().collect();
        for (n, id) in ids.into_iter().enumerate() {
            self.reconnects.entry(self.now + spread * n as u32).or_default().push(id);
        }
    }

    /// The controller takes on another configuration, if it lives; the next one starts with it. What was different, as keys of the file.
    pub fn configure(&mut self, settings: FabricSettings) -> Vec<&'static str> {
        let config = &mut self.options.core;
        config.discovery = settings.discovery.clone();
        config.wiring = settings.wiring.clone();
        config.rules = settings.rules.clone();
        config.isolation = settings.isolation.clone();
        config.weights = settings.weights.clone();
        config.verifies_links = settings.verifies_links;
        let now = self.now;
        let Some(core) = &mut self.core else { return Vec::new() };
        timed(&mut self.stopwatch, || core.handle_config(settings, now))
    }

    /// The controller dies without a word: its connections break, its rules stay.
    pub fn kill_controller(&mut self) {
        self.core = None;
        self.links.clear();
        self.by_switch.clear();
        self.network.clear();
        self.reconnects.clear();
        self.fabric.disconnect_all(self.now);
    }

    /// A switch's control connection breaks; it comes back after `pause`.
    pub fn break_connection(&mut self, id: DatapathId, pause: Duration) {
        self.fabric.disconnect(id, self.now);
        self.hang_up(id);
        self.reconnects.entry(self.now + pause).or_default().push(id);
    }

    /// The controller hears of the end of a switch's connection.
    fn hang_up(&mut self, id: DatapathId) {
        if let Some(connection) = self.by_switch.remove(&id) {
            self.post(Parcel::CloseFromSwitch(connection));
        }
    }

    fn post(&mut self, parcel: Parcel) {
        self.network.entry(self.now + self.options.control_latency).or_default().push_back(parcel);
    }

    fn connect(&mut self, id: DatapathId) {
        let Some(core) = &mut self.core else { return };
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let link = Link { datapath_id: id, codec: FrameCodec, buffer: BytesMut::new() };
        self.links.insert(connection, link);
        self.by_switch.insert(id, connection);
        self.fabric.connect(id, self.now);
        core.handle_connect(connection, self.now);
    }

    /// Let `duration` pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Let time pass until `end`; everything due at `end` has happened then.
    pub fn run_until(&mut self, end: Time) {
        loop {
            self.exchange();
            let next = [
                self.network.keys().next().copied(),
                self.reconnects.keys().next().copied(),
                self.fabric.poll_timeout().map(|(at, _)| at),
                self.core.as_ref().and_then(|core| core.poll_timeout()).map(|(at, _)| at),
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            self.happen();
        }
    }

    /// Let time pass until `done` says so; false if `limit` passes first.
    pub fn run_while(&mut self, limit: Duration, mut going: impl FnMut(&mut Simulator) -> bool) -> bool {
        let end = self.now + limit;
        while going(self) {
            if self.now >= end {
                return false;
            }
            self.run_for(Duration::from_millis(1));
        }
        true
    }

    /// Everything that is due now.
    fn happen(&mut self) {
        let now = self.now;
        while let Some(entry) = self.reconnects.first_entry().filter(|entry| *entry.key() <= now) {
            for id in entry.remove() {
                if !self.by_switch.contains_key(&id) {
                    self.connect(id);
                }
            }
        }
        while let Some(entry) = self.network.first_entry().filter(|entry| *entry.key() <= now) {
            for parcel in entry.remove() {
                self.deliver(parcel);
            }
        }
        if self.fabric.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.fabric.handle_timeout(now);
        }
        if let Some(core) = &mut self.core
            && core.poll_timeout().is_some_and(|(at, _)| at <= now)
        {
            timed(&mut self.stopwatch, || core.handle_timeout(now));
            let later = core.poll_timeout();
            assert!(later.is_none_or(|(at, _)| at > now), "a deadline that handle_timeout does not move: {later:?}");
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        let now = self.now;
        match parcel {
            Parcel::ToController(id, octets) => {
                let (Some(core), Some(link)) = (&mut self.core, self.links.get_mut(&id)) else { return };
                link.buffer.extend_from_slice(&octets);
                let mut frames = Vec::new();
                loop {
                    match link.codec.decode(&mut link.buffer) {
                        Ok(Some(frame)) => frames.push(frame),
                        Ok(None) => break,
                        Err(error) => panic!("a software switch lost its framing: {error}"),
                    }
                }
                timed(&mut self.stopwatch, || core.handle_frames(id, frames, now));
            }
            Parcel::ToSwitch(datapath_id, id, octets) => {
                if self.by_switch.get(&datapath_id) == Some(&id) {
                    if let Some(delivered) = &mut self.delivered {
                        delivered.push((now, datapath_id, octets.clone()));
                    }
                    self.fabric.handle_bytes(datapath_id, &octets, now);
                }
            }
            Parcel::CloseFromController(datapath_id, id) => {
                if self.by_switch.get(&datapath_id) == Some(&id) {
                    self.by_switch.remove(&datapath_id);
                    self.fabric.disconnect(datapath_id, now);
                    self.reconnects.entry(now + Duration::from_secs(1)).or_default().push(datapath_id);
                }
                self.links.remove(&id);
                if let Some(core) = &mut self.core {
                    timed(&mut self.stopwatch, || core.handle_closed(id, now));
                }
            }
            Parcel::CloseFromSwitch(id) => {
                self.links.remove(&id);
                if let Some(core) = &mut self.core {
                    timed(&mut self.stopwatch, || core.handle_closed(id, now));
                }
            }
        }
    }

    /// Take what both sides have to say into the control network.
    fn exchange(&mut self) {
        while let Some((id, octets)) = self.fabric.poll_transmit() {
            if let Some(&connection) = self.by_switch.get(&id) {
                self.post(Parcel::ToController(connection, octets));
            }
        }
        while let Some(event) = self.fabric.poll_event() {
            if let FabricEvent::Closed { datapath_id, .. } = &event {
                let id = *datapath_id;
                self.hang_up(id);
                self.reconnects.entry(self.now + Duration::from_secs(1)).or_default().push(id);
            }
            self.fabric_events.push((self.now, event));
        }
        let Some(core) = &mut self.core else { return };
        let (mut parcels, mut questions) = (Vec::new(), Vec::new());
        while let Some(id) = core.poll_ready() {
            while let Some(octets) = core.take_output(id) {
                match self.links.get(&id) {
                    Some(link) => parcels.push(Parcel::ToSwitch(link.datapath_id, id, octets)),
                    None => self.to_strangers.entry(id).or_default().extend_from_slice(&octets),
                }
            }
        }
        while let Some(event) = core.poll_event() {
            if let CoreEvent::Close { connection, .. } = &event
                && let Some(link) = self.links.get(connection)
            {
                parcels.push(Parcel::CloseFromController(link.datapath_id, *connection));
            }
            if let CoreEvent::LinksWait(question) = &event {
                questions.push(question.clone());
            }
            self.core_events.push((self.now, event));
        }
        for parcel in parcels {
            self.post(parcel);
        }
        for question in questions {
            let wrong = self.verifier.map_or_else(|| Some(BTreeSet::new()), |verifier| verifier(&question));
            if let (Some(wrong), Some(core)) = (wrong, &mut self.core) {
                core.handle_links_verified(question.number, &wrong, self.now);
                self.exchange();
            }
        }
    }

    // ---- what tests ask ------------------------------------------------------------------------------------------

    /// Bidirectional links that the controller knows.
    pub fn links_known(&self) -> usize {
        self.core().network().bidirectional_links().count()
    }

    /// Hosts that the controller knows.
    pub fn hosts_known(&self) -> usize {
        self.core().network().hosts.len()
    }

    /// Every host announces itself.
    pub fn announce_all(&mut self) {
        for host in 0..self.fabric.spec().hosts.len() {
            self.fabric.announce(HostIndex(host), self.now);
        }
    }

    /// Until all links are known and all hosts learned and every switch holds what it should.
    ///
    /// # Panics
    /// If that takes longer than 30 s.
    pub fn converge(&mut self) {
        let (links, hosts) = (self.fabric.spec().links.len(), self.fabric.spec().hosts.len());
        let found = self.run_while(Duration::from_secs(15), |simulator| simulator.links_known() < links);
        assert!(found, "{} of {links} links after 15 s", self.links_known());
        self.run_for(Duration::from_secs(1));
        self.announce_all();
        let learned = self.run_while(Duration::from_secs(15), |simulator| simulator.hosts_known() < hosts);
        assert!(learned, "{} of {hosts} hosts after 15 s", self.hosts_known());
        self.run_for(Duration::from_secs(1));
    }

    /// One echo from every host to every other, `apart` from each other.
    pub fn probe_all_pairs(&mut self, apart: Duration) -> Vec<ProbeId> {
        let hosts = self.fabric.spec().hosts.len();
        let mut probes = Vec::new();
        for source in 0..hosts {
            for target in 0..hosts {
                if source != target {
                    probes.push(self.fabric.send_probe(HostIndex(source), HostIndex(target), self.now));
                    self.run_for(apart);
                }
            }
        }
        probes
    }

    /// Nothing looped, nothing was doubled.
    ///
    /// # Panics
    /// If something was.
    pub fn assert_no_loop(&self) {
        let stats = self.fabric.stats();
        assert_eq!(
            (stats.looped_frames, stats.frames_overflowed, stats.probes_duplicated),
            (0, 0, 0),
            "seed {}: looped frames, overflowed frames, doubled probes",
            self.options.seed
        );
    }

    /// What is stated is what a recompute from the network says, whatever the switches hold.
    ///
    /// # Panics
    /// If it is not, or if something is still to be stated or looked for after 5 s.
    pub fn assert_desired_is_recomputed(&mut self) {
        self.run_while(Duration::from_secs(5), |simulator| {
            simulator.core().is_stating() || simulator.core().paths().has_doubts()
        });
        for (id, expected) in &self.core().recompute() {
            let want = controller::flow::normalized_desired(expected, *id);
            let stated = controller::flow::normalized_desired(self.core().reconciler(), *id);
            assert_eq!(stated, want, "seed {}: what is stated for {id} is not the recompute", self.options.seed);
        }
    }

    /// What each switch holds is what a recompute from the network says, group numbers aside.
    ///
    /// # Panics
    /// If it is not.
    pub fn assert_installed_is_desired(&self) {
        let recomputed = self.core().recompute();
        for (id, expected) in &recomputed {
            let want = controller::flow::normalized_desired(expected, *id);
            let stated = controller::flow::normalized_desired(self.core().reconciler(), *id);
            assert_eq!(stated, want, "seed {}: what is stated for {id} is not the recompute", self.options.seed);
            let installed = controller::flow::normalized_installed(self.core().reconciler(), *id);
            assert_eq!(installed, want, "seed {}: what is believed installed on {id}", self.options.seed);
            let switch = self.fabric.switch(*id).expect("a switch of the fabric");
            assert_eq!(switch.flow_count(), want.rules.len(), "seed {}: flow entries on {id}", self.options.seed);
            let held = controller::flow::normalized_held(switch);
            assert_eq!(held, want, "seed {}: what is on {id}", self.options.seed);
        }
    }
}
