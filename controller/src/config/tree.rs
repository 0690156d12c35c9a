//! YAML text to a tree of nodes that know where they stand.
//!
//! Built from the parser's events rather than by its loader: a loader stops at the first duplicate key, expands aliases, and recurses once
//! per level of nesting. Here duplicates are kept for the walk to report, anchors, aliases and tags are refused (nothing can multiply),
//! and depth is bounded before anything recurses.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::problem::{Problem, Severity};

/// Longest file that is read. 100,000 rules of 600 octets each are below, and so are a route server's prefix sets; a mistaken path to something
/// huge is refused at once instead of filling memory.
pub const MAX_FILE_OCTETS: u64 = 64 << 20;
/// Deepest nesting. The schema needs 8; more is a mistake, and the parser should not be led into the depths.
const MAX_DEPTH: usize = 32;

/// Where a node starts, both from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Mark {
    /// The start of the text.
    pub(super) const START: Mark = Mark { line: 1, column: 1 };

    fn new(marker: Marker) -> Mark {
        Mark { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

/// A node of the document.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) content: Content,
    /// A block of text whose lines are kept (`|`). Its mark is its first line that is not empty.
    pub(super) block: bool,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Content {
    /// A scalar; `plain` if it stands without quotes and may so be a number, a truth value or nothing.
    Scalar { text: String, plain: bool },
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in the order of the file, duplicates included.
    Mapping(Vec<(Node, Node)>),
    /// Something whose problem is reported already.
    Refused,
}

impl Node {
    /// A scalar that means "nothing": empty, `~` or `null` without quotes.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// For messages: what this is.
    pub(super) fn noun(&self) -> &'static str {
        match &self.content {
            Content::Scalar { .. } if self.is_null() => "nothing",
            Content::Scalar { .. } => "a single value",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
            Content::Refused => "something refused",
        }
    }
}

/// Parses `text` as one document; `None` if it is empty. Problems of YAML itself go to `problems`.
///
/// An error is a text that cannot be parsed further: the tree would have holes whose consequences are no problems of the file.
pub(super) fn parse(text: &str, problems: &mut Vec<Problem>) -> Result<Option<Node>, Problem> {
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut stack: Vec<Open> = Vec::new();
    let mut root = None;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = Mark::new(*error.marker());
            problem(at, format!("not YAML: {}", error.info()))
        })?;
        let mark = Mark::new(span.start);
        let mut refuse =
            |what: &str| problems.push(problem(mark, format!("{what} are not supported: write the value out")));
        if let Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) =
            &event
        {
            if *anchor > 0 {
                refuse("anchors");
            }
            if tag.is_some() {
                refuse("tags");
            }
        }
        let node = match event {
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => continue,
            Event::StreamEnd => break,
            Event::DocumentStart(_) if root.is_some() => {
                return Err(problem(mark, "a second document starts here: the file has to be one".to_owned()));
            }
            Event::DocumentStart(_) => continue,
            Event::Alias(_) => {
                refuse("aliases");
                Node { mark, content: Content::Refused, block: false }
            }
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                let block = style == ScalarStyle::Literal;
                Node { mark, content: Content::Scalar { text: text.into_owned(), plain }, block }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if stack.len() >= MAX_DEPTH => {
                return Err(problem(mark, format!("nested deeper than {MAX_DEPTH} levels")));
            }
            Event::SequenceStart(..) => {
                stack.push(Open { mark, is_mapping: false, children: Vec::new() });
                continue;
            }
            Event::MappingStart(..) => {
                stack.push(Open { mark, is_mapping: true, children: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(open) => open.close(),
                None => continue,
            },
        };
        match stack.last_mut() {
            Some(open) => open.children.push(node),
            None => root = Some(node),
        }
    }
    Ok(root)
}

/// A collection whose end has not been seen yet. A mapping's children are key, value, key, value.
struct Open {
    mark: Mark,
    is_mapping: bool,
    children: Vec<Node>,
}

impl Open {
    fn close(self) -> Node {
        let content = if self.is_mapping {
            let mut pairs = Vec::with_capacity(self.children.len() / 2);
            let mut children = self.children.into_iter();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                pairs.push((key, value));
            }
            Content::Mapping(pairs)
        } else {
            Content::Sequence(self.children)
        };
        Node { mark: self.mark, content, block: false }
    }
}

fn problem(mark: Mark, message: String) -> Problem {
    Problem { severity: Severity::Error, line: mark.line, column: mark.column, path: String::new(), message }
}
