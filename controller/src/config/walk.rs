//! The walk over the tree: takes values out of nodes by the shapes of the schema, and collects every problem on the way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use net::{DatapathId, PortNo, Prefix};

use super::problem::{Problem, Severity};
use super::schema::{Key, MAX_SOCKET_PATH, Need, ROOT, Section, Shape};
use super::tree::{Content, Mark, Node};
use super::types::{CertificateName, Connect, ControlSocketPath, Listen};
use super::words;

/// The state of a walk.
pub(super) struct Walk<'b> {
    pub(super) problems: Vec<Problem>,
    /// The folder at which relative paths start; without it nothing is looked for on disk.
    pub(super) base: Option<&'b Path>,
}

/// A mapping whose keys have been sorted out.
pub(super) struct Fields<'n> {
    section: &'static Section,
    path: String,
    pub(super) mark: Mark,
    values: Vec<Option<&'n Node>>,
}

/// One value with all that a message about it needs.
pub(super) struct Field<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
    shape: &'static Shape,
    rule: &'static str,
}

impl<'n> Field<'n> {
    /// The document itself.
    pub(super) fn root(node: &'n Node) -> Field<'n> {
        static SHAPE: Shape = Shape::Section(&ROOT);
        Field { node, path: String::new(), shape: &SHAPE, rule: "" }
    }

    /// The same as what it is: a plain value or a section, where either may stand.
    pub(super) fn either(self) -> Field<'n> {
        let Shape::Either { plain, section } = *self.shape else { return self };
        let shape = if matches!(self.node.content, Content::Mapping(_)) { section } else { plain };
        Field { shape, ..self }
    }

    /// Whether a section has to stand here.
    pub(super) fn is_section(&self) -> bool {
        matches!(self.shape, Shape::Section(_))
    }
}

impl<'n> Fields<'n> {
    /// The value of a key that stands in the file.
    pub(super) fn get(&self, name: &str) -> Option<Field<'n>> {
        let at = self.section.keys.iter().position(|key| key.name == name);
        debug_assert!(at.is_some(), "{name} is not in the schema");
        let at = at?;
        let (key, node) = (self.section.keys.get(at)?, (*self.values.get(at)?)?);
        Some(Field { node, path: join(&self.path, name), shape: &key.shape, rule: key.rule })
    }

    /// Key path of a key, whether it stands in the file or not.
    pub(super) fn path_of(&self, name: &str) -> String {
        join(&self.path, name)
    }
}

impl Walk<'_> {
    /// Notes a problem that refuses the file.
    pub(super) fn refuse(&mut self, mark: Mark, path: &str, message: impl Display) {
        self.note(Severity::Error, mark, path, message);
    }

    /// Notes something odd.
    pub(super) fn warn(&mut self, mark: Mark, path: &str, message: impl Display) {
        self.note(Severity::Warning, mark, path, message);
    }

    fn note(&mut self, severity: Severity, mark: Mark, path: &str, message: impl Display) {
        let message = one_line(&message.to_string());
        self.problems.push(Problem { severity, line: mark.line, column: mark.column, path: one_line(path), message });
    }

    /// Takes `name` out of `fields` with one of the readers below.
    pub(super) fn read<'n, T>(
        &mut self,
        fields: &Fields<'n>,
        name: &str,
        reader: impl FnOnce(&mut Self, &Field<'n>) -> Option<T>,
    ) -> Option<T> {
        let field = fields.get(name)?;
        reader(self, &field)
    }

    /// A mapping: refuses unknown, duplicate and missing keys.
    pub(super) fn section<'n>(&mut self, field: &Field<'n>) -> Option<Fields<'n>> {
        let Shape::Section(section) = field.shape else { return None };
        let Content::Mapping(pairs) = &field.node.content else {
            self.wrong_type(field, "a mapping (key: value)");
            return None;
        };
        let mut values: Vec<Option<&Node>> = vec![None; section.keys.len()];
        let mut lines: Vec<usize> = vec![0; section.keys.len()];
        for (key, value) in pairs {
            let Content::Scalar { text: name, .. } = &key.content else {
                if !matches!(key.content, Content::Refused) {
                    self.refuse(key.mark, &field.path, format!("a key cannot be {}", key.noun()));
                }
                continue;
            };
            let at = section.keys.iter().position(|key| key.name == name);
            let slot = at.and_then(|at| Some((values.get_mut(at)?, lines.get_mut(at)?)));
            match slot {
                None => self.unknown_key(key.mark, field, name, section),
                Some((Some(_), line)) => {
                    let message = format!("the key stands twice, first in line {line}");
                    self.refuse(key.mark, &join(&field.path, name), message);
                }
                Some((slot, line)) => {
                    *slot = Some(value);
                    *line = key.mark.line;
                }
            }
        }
        for (key, value) in section.keys.iter().zip(&values) {
            if value.is_none() && matches!(key.need, Need::Required) {
                self.refuse(field.node.mark, &join(&field.path, key.name), "missing: the key is required");
            }
        }
        Some(Fields { section, path: field.path.clone(), mark: field.node.mark, values })
    }

    fn unknown_key(&mut self, mark: Mark, field: &Field<'_>, name: &str, section: &Section) {
        let names: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
        let hint = if let Some(near) = words::nearest(name, names.iter().copied()) {
            format!("did you mean `{near}`?")
        } else if let Some(path) = find_key(&ROOT, "", name) {
            format!("`{path}` is a known key, it does not stand here")
        } else {
            format!("known here: {}", names.join(", "))
        };
        self.refuse(mark, &join(&field.path, &shorten(name)), format!("unknown key: {hint}"));
    }

    /// A list's items.
    pub(super) fn items<'n>(&mut self, field: &Field<'n>) -> Option<Vec<Field<'n>>> {
        let Shape::List { of, min } = field.shape else { return None };
        let Content::Sequence(nodes) = &field.node.content else {
            self.wrong_type(field, "a list");
            return None;
        };
        if nodes.len() < *min {
            self.refuse(field.node.mark, &field.path, "the list is empty: at least one entry is needed");
        }
        let item =
            |(index, node)| Field { node, path: format!("{}[{index}]", field.path), shape: of, rule: field.rule };
        Some(nodes.iter().enumerate().map(item).collect())
    }

    /// A list of which each item is read by `reader`, equal ones refused. Items with a problem are left out.
    pub(super) fn list<'n, T: Clone + Eq + Hash>(
        &mut self,
        field: &Field<'n>,
        mut reader: impl FnMut(&mut Self, &Field<'n>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut values: Vec<T> = Vec::new();
        let mut indices: HashMap<T, usize> = HashMap::new();
        for (index, item) in self.items(field)?.into_iter().enumerate() {
            let Some(value) = reader(self, &item) else { continue };
            match indices.entry(value.clone()) {
                Entry::Occupied(first) => {
                    let message = format!("stands twice, first as {}[{}]", field.path, first.get());
                    self.refuse(item.node.mark, &item.path, message);
                }
                Entry::Vacant(entry) => {
                    entry.insert(index);
                    values.push(value);
                }
            }
        }
        Some(values)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, field: &Field<'_>) -> Option<bool> {
        match self.scalar(field, "true or false")? {
            ("true" | "True" | "TRUE", true) => Some(true),
            ("false" | "False" | "FALSE", true) => Some(false),
            (text, _) => {
                self.refuse(field.node.mark, &field.path, format!("expected true or false, found `{}`", shorten(text)));
                None
            }
        }
    }

    /// An integer of the schema's range.
    pub(super) fn integer<T: TryFrom<u64>>(&mut self, field: &Field<'_>) -> Option<T> {
        let Shape::Integer { min, max } = *field.shape else { return None };
        let (text, plain) = self.scalar(field, "an integer")?;
        let range = format!("{min} to {max}");
        if !plain {
            self.refuse(
                field.node.mark,
                &field.path,
                format!("expected an integer, {range}, found a text: remove the quotes"),
            );
            return None;
        }
        match words::number::<u64>(text) {
            Some(value) if value < min || value > max => {
                self.refuse(field.node.mark, &field.path, format!("{value} is outside {range}{}", cite(field.rule)));
                None
            }
            Some(value) => T::try_from(value).ok(),
            None => {
                let message = format!("expected an integer, {range}, found `{}`", shorten(text));
                self.refuse(field.node.mark, &field.path, message);
                None
            }
        }
    }

    /// A duration of the schema's range.
    pub(super) fn duration(&mut self, field: &Field<'_>) -> Option<Duration> {
        let Shape::Duration { min, max, step, or_zero } = *field.shape else { return None };
        let (text, _) = self.scalar(field, "a duration such as 90s")?;
        let value = match words::duration(&shorten(text)) {
            Ok(value) => value,
            Err(message) => {
                self.refuse(field.node.mark, &field.path, message);
                return None;
            }
        };
        let zero = if or_zero { ", and not 0" } else { "" };
        let wrong = if or_zero && value.is_zero() {
            return Some(value);
        } else if value < min {
            format!("{} is below {}{zero}", shorten(text), words::show_duration(min))
        } else if value > max {
            format!("{} is above {}", shorten(text), words::show_duration(max))
        } else if value.as_nanos() % step.as_nanos().max(1) != 0 {
            format!("{} is not a multiple of {}", shorten(text), words::show_duration(step))
        } else {
            return Some(value);
        };
        self.refuse(field.node.mark, &field.path, format!("{wrong}{}", cite(field.rule)));
        None
    }

    /// Free text.
    pub(super) fn text(&mut self, field: &Field<'_>) -> Option<String> {
        let Shape::Text { max } = *field.shape else { return None };
        let (text, plain) = self.scalar(field, "a text")?;
        let wrong = if plain && (text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok()) {
            format!("`{text}` is not a text: put it in quotes")
        } else if text.chars().count() > max {
            format!("longer than {max} characters")
        } else if text.chars().any(char::is_control) {
            "holds a control character".to_owned()
        } else {
            return Some(text.to_owned());
        };
        self.refuse(field.node.mark, &field.path, wrong);
        None
    }

    /// One of the schema's words, as its index.
    pub(super) fn word(&mut self, field: &Field<'_>) -> Option<usize> {
        let Shape::Word(words) = *field.shape else { return None };
        let (text, _) = self.scalar(field, &words.join(" or "))?;
        let found = words.iter().position(|word| *word == text);
        if found.is_none() {
            let known = words.join(" or ");
            let message = match words::nearest(text, words.iter().copied()) {
                Some(near) => format!("`{}` is not {known}: did you mean `{near}`?", shorten(text)),
                None => format!("`{}` is not {known}", shorten(text)),
            };
            self.refuse(field.node.mark, &field.path, message);
        }
        found
    }

    /// An IP prefix without host bits.
    pub(super) fn prefix(&mut self, field: &Field<'_>) -> Option<Prefix> {
        self.parsed(field, "a prefix such as 192.0.2.0/24", |text| {
            text.parse().map_err(|error: net::ParsePrefixError| format!("`{text}`: {error}"))
        })
    }

    /// An IPv4 or IPv6 address.
    pub(super) fn address(&mut self, field: &Field<'_>) -> Option<IpAddr> {
        self.parsed(field, "an IP address", |text| parse_address(text, "an IP address"))
    }

    /// An IPv4 address.
    pub(super) fn ipv4(&mut self, field: &Field<'_>) -> Option<Ipv4Addr> {
        self.parsed(field, "four numbers such as 10.0.0.1", |text| {
            parse_address(text, "four numbers with dots, such as 10.0.0.1")
        })
    }

    /// An IPv6 address.
    pub(super) fn ipv6(&mut self, field: &Field<'_>) -> Option<Ipv6Addr> {
        self.parsed(field, "an IPv6 address", |text| parse_address(text, "an IPv6 address"))
    }

    /// An address and a port.
    pub(super) fn socket_address(&mut self, field: &Field<'_>) -> Option<SocketAddr> {
        self.parsed(field, "ADDRESS:PORT", words::socket_address)
    }

    /// A place to listen at, in OVS's words. The folder of a Unix socket has to exist.
    pub(super) fn listen(&mut self, field: &Field<'_>) -> Option<Listen> {
        let mut listen = self.parsed(field, "ptcp:PORT[:HOST], pssl:PORT[:HOST] or punix:PATH", words::listen)?;
        if let (Some(base), Listen::Unix(path)) = (self.base, &mut listen) {
            *path = base.join(&*path);
            let folder = path.parent().unwrap_or(Path::new("/"));
            if !folder.is_dir() {
                let message = format!("the socket's folder `{}` does not exist", folder.display());
                self.refuse(field.node.mark, &field.path, message);
            }
        }
        Some(listen)
    }

    /// A switch to connect to, in OVS's words.
    pub(super) fn connect(&mut self, field: &Field<'_>) -> Option<Connect> {
        let connect = self.parsed(field, "tcp:HOST[:PORT], ssl:HOST[:PORT] or unix:PATH", words::connect)?;
        self.placed(connect)
    }

    /// The same with another usual port. `passive` says what the passive forms are.
    pub(super) fn connect_to(&mut self, field: &Field<'_>, port: u16, passive: &str) -> Option<Connect> {
        let parse = |text: &str| words::connect_to(text, port, passive);
        let connect = self.parsed(field, "tcp:HOST[:PORT], ssl:HOST[:PORT] or unix:PATH", parse)?;
        self.placed(connect)
    }

    fn placed(&self, mut connect: Connect) -> Option<Connect> {
        if let (Some(base), Connect::Unix(path)) = (self.base, &mut connect) {
            *path = base.join(&*path);
        }
        Some(connect)
    }

    /// A switch's number.
    pub(super) fn datapath_id(&mut self, field: &Field<'_>) -> Option<DatapathId> {
        self.parsed(field, "a datapath id such as 0x1", |text| {
            text.parse()
                .map_err(|_| format!("`{}` is not a datapath id such as 0x1 or 0000000000000001", shorten(text)))
        })
    }

    /// What a certificate is known by.
    pub(super) fn certificate(&mut self, field: &Field<'_>) -> Option<CertificateName> {
        self.parsed(field, "sha256:FINGERPRINT or a name", words::certificate)
    }

    /// The path of a Unix socket, or `off`. Its folder has to exist.
    pub(super) fn control_socket(&mut self, field: &Field<'_>) -> Option<ControlSocketPath> {
        let (text, _) = self.scalar(field, "a socket's path, or off")?;
        let wrong = match text {
            "off" => return Some(ControlSocketPath::Off),
            "" => "the socket's path is empty: write off for none".to_owned(),
            text if text.len() > MAX_SOCKET_PATH => {
                format!("a socket's path has at most {MAX_SOCKET_PATH} octets")
            }
            text => {
                let Some(base) = self.base else { return Some(ControlSocketPath::At(PathBuf::from(text))) };
                let path = base.join(text);
                let folder = path.parent().unwrap_or(Path::new("/"));
                if folder.is_dir() {
                    return Some(ControlSocketPath::At(path));
                }
                format!("the socket's folder `{}` does not exist", folder.display())
            }
        };
        self.refuse(field.node.mark, &field.path, wrong);
        None
    }

    /// A folder that is there or can be made.
    pub(super) fn folder(&mut self, field: &Field<'_>) -> Option<PathBuf> {
        let (text, _) = self.scalar(field, "a folder's path")?;
        if text.is_empty() {
            self.refuse(field.node.mark, &field.path, "the folder's path is empty");
            return None;
        }
        let Some(base) = self.base else { return Some(PathBuf::from(text)) };
        let path = base.join(text);
        if path.exists() && !path.is_dir() {
            self.refuse(field.node.mark, &field.path, format!("`{}` is not a folder", path.display()));
            return None;
        }
        Some(path)
    }

    /// A file that has to be there and readable.
    pub(super) fn file(&mut self, field: &Field<'_>) -> Option<PathBuf> {
        let (text, _) = self.scalar(field, "a file's path")?;
        let Some(base) = self.base else { return Some(PathBuf::from(text)) };
        let path = base.join(text);
        let wrong = match std::fs::File::open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_file() => return Some(path),
            Ok(_) => format!("`{}` is not a file", path.display()),
            Err(error) => format!("`{}` cannot be read: {error}", path.display()),
        };
        self.refuse(field.node.mark, &field.path, wrong);
        None
    }

    /// A mapping from names of one's own, in the order of the file.
    pub(super) fn named<'n>(&mut self, field: &Field<'n>) -> Option<Vec<(&'n str, Field<'n>)>> {
        let Shape::Map { of } = field.shape else { return None };
        let Content::Mapping(pairs) = &field.node.content else {
            self.wrong_type(field, "a mapping (name: value)");
            return None;
        };
        let mut lines: HashMap<&str, usize> = HashMap::new();
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, node) in pairs {
            let Content::Scalar { text: name, .. } = &key.content else {
                if !matches!(key.content, Content::Refused) {
                    self.refuse(key.mark, &field.path, format!("a name cannot be {}", key.noun()));
                }
                continue;
            };
            let path = join(&field.path, &shorten(name));
            if !words::is_name(name) {
                let message = "not a name: 1 to 64 small letters, digits, - and _, the first a letter";
                self.refuse(key.mark, &path, message);
                continue;
            }
            match lines.entry(name) {
                Entry::Occupied(first) => {
                    self.refuse(key.mark, &path, format!("the name stands twice, first in line {}", first.get()));
                }
                Entry::Vacant(entry) => {
                    entry.insert(key.mark.line);
                    entries.push((name.as_str(), Field { node, path, shape: of, rule: field.rule }));
                }
            }
        }
        Some(entries)
    }

    /// A mapping from port numbers, in the order of the file.
    pub(super) fn ports<'n>(&mut self, field: &Field<'n>) -> Option<Vec<(PortNo, Field<'n>)>> {
        let Shape::Ports { of } = field.shape else { return None };
        let Content::Mapping(pairs) = &field.node.content else {
            self.wrong_type(field, "a mapping (port number: value)");
            return None;
        };
        let mut lines: HashMap<PortNo, usize> = HashMap::new();
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, node) in pairs {
            let Content::Scalar { text, .. } = &key.content else {
                if !matches!(key.content, Content::Refused) {
                    self.refuse(key.mark, &field.path, format!("a port's number cannot be {}", key.noun()));
                }
                continue;
            };
            let path = join(&field.path, &shorten(text));
            let number = words::number::<u32>(text).map(PortNo).filter(|port| port.is_physical());
            let Some(port_no) = number else {
                let message = format!("not a port's number, 1 to {} (OpenFlow 1.3.5 §7.2.1)", PortNo::MAX.0);
                self.refuse(key.mark, &path, message);
                continue;
            };
            if let Some(first) = lines.insert(port_no, key.mark.line) {
                self.refuse(key.mark, &path, format!("the port stands twice, first in line {first}"));
                continue;
            }
            entries.push((port_no, Field { node, path, shape: of, rule: field.rule }));
        }
        Some(entries)
    }

    /// A name of one's own.
    pub(super) fn name(&mut self, field: &Field<'_>) -> Option<String> {
        self.parsed(field, "a name", |text| match words::is_name(text) {
            true => Ok(text.to_owned()),
            false => Err("not a name: 1 to 64 small letters, digits, - and _, the first a letter".to_owned()),
        })
    }

    /// One value or a list of them; an empty list is refused.
    pub(super) fn one_or_more<'n>(&mut self, field: &Field<'n>) -> Option<Vec<Field<'n>>> {
        let Shape::OneOrMore { of } = field.shape else { return None };
        let item = |node, path| Field { node, path, shape: field.shape, rule: field.rule };
        match &field.node.content {
            Content::Sequence(nodes) if nodes.is_empty() => {
                self.refuse(field.node.mark, &field.path, "the list is empty: at least one entry is needed");
                None
            }
            Content::Sequence(nodes) => {
                let path = |index| format!("{}[{index}]", field.path);
                Some(nodes.iter().enumerate().map(|(index, node)| item(node, path(index))).collect())
            }
            Content::Scalar { .. } if !field.node.is_null() => Some(vec![item(field.node, field.path.clone())]),
            _ => {
                self.wrong_type(field, &format!("{} or a list", of.what));
                None
            }
        }
    }

    /// A value that `parse` reads; an error of it is the problem's message.
    pub(super) fn parsed<T>(
        &mut self,
        field: &Field<'_>,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (text, _) = self.scalar(field, what)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.refuse(field.node.mark, &field.path, message);
                None
            }
        }
    }

    /// The scalar's text, and whether it stands without quotes.
    pub(super) fn scalar<'n>(&mut self, field: &Field<'n>, what: &str) -> Option<(&'n str, bool)> {
        match &field.node.content {
            Content::Scalar { text, plain } if !field.node.is_null() => Some((text, *plain)),
            _ => {
                self.wrong_type(field, what);
                None
            }
        }
    }

    fn wrong_type(&mut self, field: &Field<'_>, what: &str) {
        if !matches!(field.node.content, Content::Refused) {
            self.refuse(field.node.mark, &field.path, format!("expected {what}, found {}", field.node.noun()));
        }
    }
}

fn parse_address<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{}` is not {what}", shorten(text)))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn cite(rule: &str) -> String {
    if rule.is_empty() { String::new() } else { format!(" ({rule})") }
}

/// Where in the schema a key of this name stands, if anywhere.
fn find_key(section: &Section, path: &str, name: &str) -> Option<String> {
    let here = section.keys.iter().find(|key| key.name == name).map(|key| join(path, key.name));
    here.or_else(|| {
        section.keys.iter().find_map(|key: &Key| {
            let (inner, more) = key.shape.inner()?;
            find_key(inner, &format!("{}{more}", join(path, key.name)), name)
        })
    })
}

/// A text that may be anything, cut to what fits in a message.
pub(super) fn shorten(text: &str) -> String {
    const MAX_QUOTED: usize = 60;
    if text.chars().count() <= MAX_QUOTED {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MAX_QUOTED).collect();
    short.push('…');
    short
}

/// Control characters escaped: what the file holds must not write on the terminal of whoever checks it.
fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
