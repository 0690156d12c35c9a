//! `docs/interoperability.md` is the table that the lab checks, in words.

#[path = "../lab/interop/table.rs"]
mod table;

use std::fs;
use std::path::Path;

use table::{DAEMONS, ROWS, page};

#[test]
fn the_page_is_made_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/interoperability.md");
    let page = page();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/interoperability.md is not the table: run this with UPDATE_EXPECT=1");
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
