//! The routing tables and a model of them say the same under any operations. The fuzz target `rib` goes on searching.

mod model;

use proptest::prelude::*;
use std::fs;
use std::path::Path;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn under_any_operations_the_tables_say_what_a_naive_model_says_and_leave_nothing_behind(
        octets in prop::collection::vec(any::<u8>(), 0..700),
    ) {
        model::run(&octets);
    }
}

#[test]
fn what_the_fuzzer_begins_with_runs() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds/rib");
    let mut count = 0;
    for seed in fs::read_dir(seeds).unwrap() {
        model::run(&fs::read(seed.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0);
}
