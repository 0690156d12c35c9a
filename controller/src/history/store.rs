//! Configurations that were taken on, as files in a folder: what is remembered outlives the process.
//!
//! One file for each, `NUMBER.configuration`: a line of JSON, then the text as it was given. A file comes to its name when all of it is on the disk,
//! and none is ever changed. They are for their owner alone (0600), for a text may have passwords. (One is written anew, as a whole too, when it is confirmed.) A file that is not what its own digest says is
//! named and passed over; it goes when its turn comes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{History, How, OCTETS_MAX, Source, TakenOn, digest_of};

/// What a file's name ends with.
const SUFFIX: &str = ".configuration";
/// What the name of one that is being written ends with. One that is found was never finished.
const UNFINISHED: &str = ".unfinished";
/// The form of the files.
const FORMAT: u64 = 1;
/// Longest first line.
const HEAD_MAX: usize = 64 * 1024;
/// Names in the folder that are looked at: it is ours alone, and has as many files as there are configurations remembered.
const NAMES_MAX: usize = 100_000;

/// A folder of configurations.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

/// What a folder had.
#[derive(Debug, Default)]
pub struct Found {
    /// Configurations, the oldest first.
    pub taken: Vec<TakenOn>,
    /// The highest number that any file has, readable or not.
    pub last: u64,
    /// What was passed over, and why.
    pub skipped: Vec<String>,
}

impl Store {
    /// The folder, made if it isn't there, and what is in it: the newest `keep` configurations at most.
    ///
    /// # Errors
    /// The folder cannot be made, read or written in; where and why.
    pub fn open(folder: &Path, keep: usize) -> Result<(Store, Found), String> {
        let store = Store { folder: folder.to_owned() };
        let found = store.read(keep).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok((store, found))
    }

    /// Where they are kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn read(&self, keep: usize) -> io::Result<Found> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut found = Found::default();
        let mut numbers: Vec<u64> = Vec::new();
        for entry in fs::read_dir(&self.folder)?.take(NAMES_MAX) {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if is_unfinished(name) {
                fs::remove_file(self.folder.join(name))?;
            }
            numbers.extend(number_of(name));
        }
        numbers.sort_unstable();
        found.last = numbers.last().copied().unwrap_or(0);
        // Whether it can be written in is known now, and not when somebody needs a way back.
        let probe = self.folder.join(format!("probe{UNFINISHED}"));
        create(&probe)?;
        fs::remove_file(&probe)?;
        let mut octets = 0;
        for number in numbers.into_iter().rev() {
            if found.taken.len() >= keep {
                break;
            }
            let path = self.path(number);
            match read_one(&path, number) {
                Ok(one) => {
                    octets += one.source.text.len();
                    if octets > OCTETS_MAX && found.taken.len() >= 2 {
                        break;
                    }
                    found.taken.push(one);
                }
                Err(why) => found.skipped.push(format!("{}: {why}", path.display())),
            }
        }
        found.taken.reverse();
        Ok(found)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:06}{SUFFIX}"))
    }

    /// The newest configuration is on the disk, and none that is no longer remembered.
    ///
    /// # Errors
    /// It cannot be written; where and why. What was there before is still there.
    pub fn keep(&self, history: &History) -> Result<(), String> {
        self.written(history).map_err(|error| format!("{}: {error}", self.folder.display()))
    }

    fn written(&self, history: &History) -> io::Result<()> {
        let (Some(newest), Some(oldest)) = (history.current(), history.iter().next()) else { return Ok(()) };
        let path = self.path(newest.number);
        // What another process has put there is nobody's to write over: two must not share a folder.
        let kept = path.exists().then(|| read_one(&path, newest.number).ok()).flatten();
        if path.exists() && kept.as_ref().is_none_or(|kept| kept.source != newest.source) {
            let why = format!("{} is there already: another process keeps its own in this folder", path.display());
            return Err(io::Error::other(why));
        }
        if kept.as_ref().is_none_or(|kept| kept.unconfirmed != newest.unconfirmed) {
            let unfinished = self.folder.join(format!("{:06}{UNFINISHED}", newest.number));
            // What another one of this name was never finished with.
            let _ = fs::remove_file(&unfinished);
            let mut file = create(&unfinished)?;
            let whole = file.write_all(&octets(newest)).and_then(|()| file.sync_all());
            if let Err(error) = whole.and_then(|()| fs::rename(&unfinished, &path)) {
                let _ = fs::remove_file(&unfinished);
                return Err(error);
            }
        }
        for entry in fs::read_dir(&self.folder)?.take(NAMES_MAX) {
            let name = entry?.file_name();
            if let Some(number) = name.to_str().and_then(number_of).filter(|number| *number < oldest.number) {
                fs::remove_file(self.path(number))?;
            }
        }
        // The names are on the disk when the folder is.
        File::open(&self.folder)?.sync_all()
    }
}

/// A file that is nobody's yet, for its owner alone.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A file of ours that was never finished.
fn is_unfinished(name: &str) -> bool {
    let number = name.strip_suffix(UNFINISHED);
    number.is_some_and(|number| number == "probe" || number_of(&format!("{number}{SUFFIX}")).is_some())
}

/// Of a file that we have named; as we name it.
fn number_of(name: &str) -> Option<u64> {
    let number: u64 = name.strip_suffix(SUFFIX)?.parse().ok()?;
    // None is so high that there is no next one.
    (format!("{number:06}{SUFFIX}") == name && number < u64::MAX / 2).then_some(number)
}

fn octets(one: &TakenOn) -> Vec<u8> {
    let TakenOn { number, at, how, source, changes, unconfirmed, .. } = one;
    let head = json!({
        "format": FORMAT,
        "number": number,
        "at_ms": at.as_millis() as u64,
        "how": how.name(),
        "file": source.name,
        "changes": changes,
        "unconfirmed": unconfirmed,
        "sha256": whole_digest(&source.text),
    });
    format!("{head}\n{}", source.text).into_bytes()
}

fn whole_digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A configuration, or why it is none.
fn read_one(path: &Path, number: u64) -> Result<TakenOn, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let limit = (OCTETS_MAX + HEAD_MAX) as u64;
    let length = file.take(limit + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if length as u64 > limit {
        return Err(format!("it has more than {limit} octets"));
    }
    let (head, text) = text.split_once('\n').ok_or("its first line has no end")?;
    let head: Value = serde_json::from_str(head).map_err(|_| "its first line is no JSON")?;
    let number_at = |name: &str| head.get(name).and_then(Value::as_u64);
    let text_at = |name: &str| head.get(name).and_then(Value::as_str);
    if number_at("format") != Some(FORMAT) {
        return Err("it is of another form: another version has written it".to_owned());
    }
    if text_at("sha256") != Some(&whole_digest(text)) || number_at("number") != Some(number) {
        return Err("it is not what it was written as".to_owned());
    }
    let missing = || "its first line does not say everything".to_owned();
    Ok(TakenOn {
        number,
        at: Duration::from_millis(number_at("at_ms").ok_or_else(missing)?),
        how: text_at("how").and_then(How::of_name).ok_or_else(missing)?,
        source: Source { name: text_at("file").ok_or_else(missing)?.to_owned(), text: text.into() },
        digest: digest_of(text),
        changes: number_at("changes").and_then(|changes| usize::try_from(changes).ok()).ok_or_else(missing)?,
        unconfirmed: head.get("unconfirmed").and_then(Value::as_bool).unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("trunkline-history-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Folder(path.join("inner"))
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }

        /// As a process that starts with what is there.
        fn opened(&self, keep: usize) -> (Store, History, Vec<String>) {
            let (store, Found { taken, last, skipped }) = Store::open(&self.0, keep).unwrap();
            (store, History::restored(taken, last, keep), skipped)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    fn take_on(store: &Store, history: &mut History, text: &str) -> u64 {
        let source = Source { name: format!("{text}.yaml"), text: text.into() };
        let number = history.taken_on(source, How::Reload, 3, Duration::from_millis(1_234_567));
        store.keep(history).unwrap();
        number
    }

    #[test]
    fn what_was_taken_on_is_there_after_a_restart_and_numbers_go_on() {
        let folder = Folder::new("restart");
        let before = {
            let (store, mut history, _) = folder.opened(20);
            for text in ["a\nb\n", "", "password: x"] {
                take_on(&store, &mut history, text);
            }
            history.iter().cloned().collect::<Vec<_>>()
        };
        let (store, mut history, skipped) = folder.opened(20);
        assert_eq!((history.iter().cloned().collect::<Vec<_>>(), skipped), (before, vec![]));
        assert_eq!(history.target(Some(1)).unwrap().text.as_ref(), "a\nb\n", "there is a way back");
        assert_eq!(take_on(&store, &mut history, "password: x"), 3, "the same text is the same configuration");
        assert_eq!(take_on(&store, &mut history, "other"), 4);
        let modes: Vec<u32> = folder.names().iter().map(|name| mode(&folder.0.join(name))).collect();
        assert_eq!((modes, mode(&folder.0)), (vec![0o600; 4], 0o700));
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn no_more_are_kept_than_are_remembered() {
        let folder = Folder::new("bound");
        let (store, mut history, _) = folder.opened(3);
        for number in 0..7 {
            take_on(&store, &mut history, &format!("text {number}"));
        }
        assert_eq!(folder.names(), ["000005.configuration", "000006.configuration", "000007.configuration"]);
        // With fewer the newest count.
        let (store, mut history, _) = folder.opened(2);
        assert_eq!(history.iter().map(|one| one.number).collect::<Vec<_>>(), [6, 7]);
        take_on(&store, &mut history, "new");
        assert_eq!(folder.names(), ["000007.configuration", "000008.configuration"]);
    }

    #[test]
    fn damaged_files_are_named_and_passed_over_and_their_numbers_not_given_again() {
        let folder = Folder::new("damaged");
        let (store, mut history, _) = folder.opened(20);
        for text in ["one", "two", "three", "four", "five", "six"] {
            take_on(&store, &mut history, text);
        }
        let path = |number: u64| store.path(number);
        let text = fs::read_to_string(path(2)).unwrap();
        fs::write(path(2), text.replace("two", "twp")).unwrap();
        fs::write(path(3), "").unwrap();
        fs::write(path(4), [0xff, 0xfe]).unwrap();
        fs::write(path(5), fs::read_to_string(path(5)).unwrap().replace("\"format\":1", "\"format\":2")).unwrap();
        fs::write(path(7), fs::read_to_string(path(6)).unwrap()).unwrap();
        fs::write(folder.0.join("000009.unfinished"), "half").unwrap();
        fs::write(folder.0.join("notes.txt"), "not ours").unwrap();
        let (store, mut history, skipped) = folder.opened(20);
        assert_eq!(history.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 6]);
        assert_eq!(skipped.len(), 5, "{skipped:?}");
        for (number, why) in [(2, "not what it was"), (3, "no end"), (5, "another version"), (7, "not what it was")] {
            let name = path(number).display().to_string();
            assert!(skipped.iter().any(|line| line.starts_with(&name) && line.contains(why)), "{skipped:?}");
        }
        assert_eq!(take_on(&store, &mut history, "eight"), 8);
        assert!(folder.names().contains(&"notes.txt".to_owned()));
        assert!(!folder.names().iter().any(|name| name.ends_with(UNFINISHED)));
    }

    #[test]
    fn a_folder_that_is_none_is_said() {
        let folder = Folder::new("none");
        fs::create_dir_all(folder.0.parent().unwrap()).unwrap();
        fs::write(&folder.0, "a file").unwrap();
        let error = Store::open(&folder.0, 20).unwrap_err();
        assert!(error.starts_with(&folder.0.display().to_string()), "{error}");
        fs::remove_file(&folder.0).unwrap();
    }
}
