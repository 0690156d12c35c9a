//! `docs/interoperability.md` is the table that the lab checks, in words.

#[path = "../lab/interop/table.rs"]
mod table;

#[path = "../lab/interop/decision.rs"]
mod decision;

use std::fs;
use std::path::Path;

use table::{DAEMONS, ROWS, page};

#[test]
fn the_page_is_made_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/interoperability.md");
    let page = page() + &decision::page(&DAEMONS);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/interoperability.md is not the table: run this with UPDATE_EXPECT=1");
}

#[test]
fn every_candidate_is_of_a_router_and_every_winner_a_candidate() {
    for case in decision::CASES {
        let routers: Vec<&str> = case.candidates.iter().map(|candidate| candidate.router).collect();
        assert!(
            routers.iter().all(|name| decision::ROUTERS.iter().any(|router| router.name == *name)),
            "{}",
            case.about
        );
        assert!(
            case.theirs
                .iter()
                .chain([&case.ours])
                .flat_map(|winners| winners.split(" or "))
                .all(|winner| routers.contains(&winner)),
            "{}",
            case.about
        );
    }
}

#[test]
fn every_feature_stands_once_and_some_daemon_has_it() {
    for (at, row) in ROWS.iter().enumerate() {
        assert!(ROWS.iter().skip(at + 1).all(|other| other.feature != row.feature), "{} stands twice", row.feature);
        assert!(row.cells.contains(&table::Cell::Yes), "nobody has {}", row.feature);
        assert_eq!(row.cells.len(), DAEMONS.len(), "{:?}", row.trip);
        assert!(!row.about.is_empty() && !row.standard.is_empty());
    }
}
