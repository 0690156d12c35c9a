//! The process's own metrics, under the names that every Prometheus client gives them. Read from `/proc` at each scrape; what cannot be read
//! is left out.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto;

use crate::export::family;
use crate::metrics::Kind;

/// Name, kind and help of each.
pub(crate) const METRICS: &[(&str, Kind, &str)] = &[
    ("process_cpu_seconds_total", Kind::Counter, "Processor time that the process has used, user and system."),
    ("process_open_fds", Kind::Gauge, "Open file descriptors."),
    ("process_max_fds", Kind::Gauge, "Most file descriptors that the process may open."),
    ("process_resident_memory_bytes", Kind::Gauge, "Memory of the process that is in RAM."),
    ("process_virtual_memory_bytes", Kind::Gauge, "Address space of the process."),
    ("process_threads", Kind::Gauge, "Threads of the process."),
    ("process_start_time_seconds", Kind::Gauge, "When the process started, in seconds since 1970."),
];

/// Clock ticks per second in `/proc`: USER_HZ, which is 100 on every architecture that Rust supports with std (Linux `proc(5)`).
const TICKS_PER_SECOND: f64 = 100.0;

/// The process as a source of the registry.
pub(crate) struct Process {
    descriptions: Vec<Desc>,
}

impl Process {
    pub(crate) fn new() -> Process {
        let describe =
            |name: &str, help: &str| Desc::new(name.to_owned(), help.to_owned(), Vec::new(), Default::default());
        Process { descriptions: METRICS.iter().filter_map(|(name, _, help)| describe(name, help).ok()).collect() }
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let value = |name: &str| match name {
            "process_cpu_seconds_total" => Some((ticks(&stat, 14)? + ticks(&stat, 15)?) / TICKS_PER_SECOND),
            "process_open_fds" => Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64),
            "process_max_fds" => max_fds(&fs::read_to_string("/proc/self/limits").ok()?),
            "process_resident_memory_bytes" => field(&status, "VmRSS:").map(|kib| kib * 1024.0),
            "process_virtual_memory_bytes" => field(&status, "VmSize:").map(|kib| kib * 1024.0),
            "process_threads" => field(&status, "Threads:"),
            "process_start_time_seconds" => {
                let boot = field(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
                Some(boot + ticks(&stat, 22)? / TICKS_PER_SECOND)
            }
            _ => None,
        };
        METRICS
            .iter()
            .filter_map(|(name, kind, help)| Some(single(family(name, help, *kind), *kind, value(name)?)))
            .collect()
    }
}

fn single(mut family: proto::MetricFamily, kind: Kind, value: f64) -> proto::MetricFamily {
    let mut one = proto::Metric::default();
    if kind == Kind::Counter {
        let mut counter = proto::Counter::default();
        counter.set_value(value);
        one.set_counter(counter);
    } else {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        one.set_gauge(gauge);
    }
    family.set_metric(vec![one]);
    family
}

/// Field `number` of `/proc/self/stat`, counted from 1 as in `proc(5)`. The second one is the program's name in brackets, which may hold anything.
fn ticks(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// The first number behind `name` at a line's start.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn max_fds(limits: &str) -> Option<f64> {
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    if soft == "unlimited" { Some(f64::INFINITY) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_name_may_hold_brackets_and_spaces() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 4 0 12345 1 1";
        assert_eq!(ticks(stat, 14), Some(250.0));
        assert_eq!(ticks(stat, 15), Some(50.0));
        assert_eq!(ticks(stat, 22), Some(12345.0));
        assert_eq!(ticks("", 14), None);
    }

    #[test]
    fn a_linux_process_has_all_of_them() {
        if !cfg!(target_os = "linux") {
            eprintln!("skipped: not on Linux");
            return;
        }
        let families = Process::new().collect();
        let names: Vec<&str> = families.iter().map(proto::MetricFamily::name).collect();
        assert_eq!(names, METRICS.iter().map(|(name, _, _)| *name).collect::<Vec<_>>());
        let resident = families[3].get_metric()[0].get_gauge().get_value();
        assert!(resident > 100_000.0, "{resident}");
    }
}
