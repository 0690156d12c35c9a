//! Tests of the pipeline: what a scrape sees of what was measured.

use super::*;
use proptest::prelude::*;

fn quiet() -> (Pipeline, Exporter) {
    Pipeline::new(Options { process: false, ..Options::default() })
}

/// The exported counter of the one series of `PortReceivedBytes`.
fn bytes(pipeline: &Pipeline) -> Option<u64> {
    let store = pipeline.store.lock().unwrap();
    let mut series = store.rows.values().flatten().filter(|(metric, _)| *metric == Metric::PortReceivedBytes);
    series.next().map(|(_, series)| match series.state {
        State::Counter { exported, .. } => exported,
        _ => panic!("not a counter"),
    })
}

fn sample(value: Value) -> [Sample; 1] {
    [Sample::new(Metric::PortReceivedBytes, value).label("1").label("1")]
}

fn dropped(exporter: &Exporter, reason: &str) -> bool {
    exporter.render().contains(&format!("trunkline_telemetry_samples_dropped_total{{reason=\"{reason}\"}} 1\n"))
}

#[test]
fn a_counter_that_was_reset_goes_on_from_where_it_was() {
    let (mut pipeline, _) = quiet();
    for (total, expected) in [(1000, 1000), (1500, 1500), (200, 1700), (200, 1700), (0, 1700), (7, 1707)] {
        pipeline.record(sample(Value::Total(total)), Time::ZERO);
        assert_eq!(bytes(&pipeline), Some(expected));
    }
}

#[test]
fn a_32_bit_counter_that_wraps_goes_on() {
    let (mut pipeline, _) = quiet();
    for (total, expected) in [(u32::MAX - 9, 4_294_967_286), (10, 4_294_967_306), (5, 4_294_967_311)] {
        pipeline.record(sample(Value::Total32(total)), Time::ZERO);
        assert_eq!(bytes(&pipeline), Some(expected));
    }
}

#[test]
fn a_counter_that_the_switch_does_not_have_is_passed_over() {
    let (mut pipeline, _) = quiet();
    pipeline.record(sample(Value::Total(u64::MAX)), Time::ZERO);
    assert_eq!(bytes(&pipeline), None);
}

#[test]
fn a_series_that_is_no_longer_sampled_goes_away_and_a_message_counter_stays() {
    let (mut pipeline, exporter) = quiet();
    pipeline.record(sample(Value::Total(5)), Time::ZERO);
    pipeline.record([Sample::add(Metric::MessagesReceived, 3).label("packet_in")], Time::ZERO);
    pipeline.record([], Time::from_secs(60));
    assert_eq!(bytes(&pipeline), Some(5));
    pipeline.record([], Time::from_secs(61));
    assert_eq!(bytes(&pipeline), None);
    assert!(exporter.render().contains("trunkline_openflow_messages_received_total{type=\"packet_in\"} 3\n"));
}

#[test]
fn samples_that_do_not_fit_are_dropped_and_counted() {
    let (mut pipeline, exporter) = quiet();
    pipeline.record([Sample::gauge(Metric::Links, 1.0).label("one too many")], Time::ZERO);
    pipeline.record([Sample::add(Metric::Links, 1)], Time::ZERO);
    assert!(dropped(&exporter, "labels") && dropped(&exporter, "kind"));
    let observed = Observations { counts: vec![1], sum: 0.0 };
    pipeline.record([Sample::new(Metric::RerouteDuration, Value::Observed(observed))], Time::ZERO);
    assert!(exporter.render().contains("reason=\"kind\"} 2\n"));
}

#[test]
fn series_beyond_the_limit_are_dropped_and_the_others_go_on() {
    let (mut pipeline, exporter) = quiet();
    let series = |index: usize| Sample::total(Metric::PortReceivedBytes, 1).label("1").label(index);
    pipeline.record((0..=MAX_SERIES).map(series), Time::ZERO);
    assert!(dropped(&exporter, "series_limit"));
    let store = pipeline.store.lock().unwrap();
    assert_eq!(store.counts[&Metric::PortReceivedBytes], MAX_SERIES);
}

/// What happens to a source counter.
#[derive(Clone, Debug)]
enum Step {
    Grow(u64),
    Reset(u64),
}

proptest! {
    #[test]
    fn the_exported_counter_never_falls(totals in proptest::collection::vec(any::<u64>(), 1..40), wide in any::<bool>()) {
        let (mut pipeline, _) = quiet();
        let mut last = 0;
        for total in totals {
            let value = if wide { Value::Total(total.min(u64::MAX - 1)) } else { Value::Total32(total as u32) };
            pipeline.record(sample(value), Time::ZERO);
            let exported = bytes(&pipeline).unwrap();
            prop_assert!(exported >= last);
            last = exported;
        }
    }

    #[test]
    fn growth_and_resets_are_counted_exactly(steps in proptest::collection::vec(prop_oneof![
        (0u64..1 << 40).prop_map(Step::Grow),
        (0u64..1 << 20).prop_map(Step::Reset),
    ], 1..40)) {
        let (mut pipeline, _) = quiet();
        let (mut source, mut expected) = (0u64, 0u64);
        for step in steps {
            match step {
                Step::Grow(amount) => {
                    source += amount;
                    expected += amount;
                }
                // After a reset that the poll cannot see (the source is past its old mark already), the growth before it is lost.
                Step::Reset(amount) => {
                    expected += if amount >= source { amount - source } else { amount };
                    source = amount;
                }
            }
            pipeline.record(sample(Value::Total(source)), Time::ZERO);
            prop_assert_eq!(bytes(&pipeline), Some(expected));
        }
    }

    #[test]
    fn a_32_bit_counter_is_followed_through_any_number_of_wraps(
        start in any::<u32>(), steps in proptest::collection::vec(0u64..1 << 30, 1..40)
    ) {
        // Polled often enough: less than a quarter of the range between two polls.
        let (mut pipeline, _) = quiet();
        let mut real = u64::from(start);
        pipeline.record(sample(Value::Total32(start)), Time::ZERO);
        for step in steps {
            real += step.min((1 << 30) - 2);
            pipeline.record(sample(Value::Total32(real as u32)), Time::ZERO);
            prop_assert_eq!(bytes(&pipeline), Some(real));
        }
    }

    #[test]
    fn a_series_lives_as_long_as_it_is_sampled(gaps in proptest::collection::vec(0u64..120, 1..30)) {
        let (mut pipeline, _) = quiet();
        let mut now = Time::ZERO;
        pipeline.record(sample(Value::Total(1)), now);
        for gap in gaps {
            now = now + Duration::from_secs(gap);
            pipeline.record([], now);
            prop_assert_eq!(bytes(&pipeline).is_some(), gap <= 60);
            pipeline.record(sample(Value::Total(1)), now);
        }
    }
}
