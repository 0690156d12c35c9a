//! Text to syntax tree.

use super::super::ParseError;
use super::super::number::normal;

/// Longest expression. Long lists of ASes belong in a set of AS numbers.
pub const TEXT_LIMIT: usize = 4096;
/// Deepest nesting of parentheses: nobody reads more, and the parser recurses.
const NESTING_LIMIT: usize = 32;
/// Most repetitions that `{n}` can ask for. An AS_PATH of the longest kind that is accepted has 750.
const REPEAT_LIMIT: u32 = 1000;

/// An expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Node {
    /// Beginning of the path.
    Start,
    /// End of the path.
    End,
    /// One AS in any of these ranges, which are sorted and apart.
    Class(Vec<(u32, u32)>),
    /// One after the other; none of them matches nothing.
    Sequence(Vec<Node>),
    /// Any of them.
    Either(Vec<Node>),
    /// So many times.
    Repeat { node: Box<Node>, min: u32, max: Option<u32> },
}

pub(super) fn parse(text: &str) -> Result<Node, ParseError> {
    if text.len() > TEXT_LIMIT {
        return Err(ParseError::new(format!("the AS-path expression is longer than {TEXT_LIMIT} characters")));
    }
    let mut parser = Parser { text, at: 0 };
    let node = parser.either(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.error("`)` closes nothing")),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn error(&self, what: impl AsRef<str>) -> ParseError {
        let column = self.text.get(..self.at).map_or(0, |before| before.chars().count()) + 1;
        ParseError::new(format!("AS-path expression, character {column}: {}", what.as_ref()))
    }

    fn either(&mut self, depth: usize) -> Result<Node, ParseError> {
        if depth > NESTING_LIMIT {
            return Err(self.error(format!("more than {NESTING_LIMIT} parentheses inside each other")));
        }
        let mut branches = vec![self.sequence(depth)?];
        while self.eat('|') {
            branches.push(self.sequence(depth)?);
        }
        Ok(match (branches.pop(), branches.is_empty()) {
            (Some(only), true) => only,
            (last, _) => Node::Either(branches.into_iter().chain(last).collect()),
        })
    }

    fn sequence(&mut self, depth: usize) -> Result<Node, ParseError> {
        let mut nodes = Vec::new();
        while let Some(next) = self.peek() {
            match next {
                '|' | ')' => break,
                '_' | ' ' => {
                    self.next();
                    continue;
                }
                '^' => {
                    self.next();
                    nodes.push(Node::Start);
                    self.no_repeat("^")?;
                    continue;
                }
                '$' => {
                    self.next();
                    nodes.push(Node::End);
                    self.no_repeat("$")?;
                    continue;
                }
                _ => {}
            }
            let atom = self.atom(depth)?;
            nodes.push(self.repeated(atom)?);
        }
        Ok(Node::Sequence(nodes))
    }

    fn no_repeat(&self, what: &str) -> Result<(), ParseError> {
        match self.peek() {
            Some(mark @ ('*' | '+' | '?' | '{')) => {
                Err(self.error(format!("`{mark}` after `{what}`, which cannot be repeated")))
            }
            _ => Ok(()),
        }
    }

    fn atom(&mut self, depth: usize) -> Result<Node, ParseError> {
        match self.peek() {
            Some('0'..='9') => {
                let asn = self.number()?;
                // Other routers compare digits; there this would mean many AS numbers.
                match self.peek() {
                    Some('.' | '[') => Err(self.error(format!(
                        "AS numbers are whole here: write `{asn} .` for AS {asn} and one more, or `[{asn}0-{asn}9]` for a range"
                    ))),
                    Some('-') => Err(self.error("a range of ASes stands in brackets: [64512-65534]")),
                    _ => Ok(Node::Class(vec![(asn, asn)])),
                }
            }
            Some('.') => {
                self.next();
                Ok(Node::Class(vec![(0, u32::MAX)]))
            }
            Some('[') => self.class(),
            Some('(') => {
                self.next();
                let node = self.either(depth + 1)?;
                if self.eat(')') { Ok(node) } else { Err(self.error("a `(` is not closed")) }
            }
            Some(mark @ ('*' | '+' | '?')) => Err(self.error(format!("`{mark}` has nothing before it to repeat"))),
            Some('{' | '}') => Err(self.error("an AS_SET needs no braces: each of its ASes counts at its place")),
            Some(letter) if letter.is_alphabetic() => {
                Err(self.error(format!("`{letter}`: AS numbers are written as numbers only, without letters")))
            }
            other => Err(self.error(format!("`{}` has no meaning here", other.unwrap_or(' ').escape_default()))),
        }
    }

    fn repeated(&mut self, mut node: Node) -> Result<Node, ParseError> {
        loop {
            let (min, max) = match self.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => {
                    self.next();
                    let bounds = self.bounds()?;
                    node = Node::Repeat { node: Box::new(node), min: bounds.0, max: bounds.1 };
                    continue;
                }
                _ => return Ok(node),
            };
            self.next();
            // `**` is `*`; without this a text of stars would nest as deep as it is long.
            if matches!(&node, Node::Repeat { min: 0, max: None, .. }) {
                continue;
            }
            node = Node::Repeat { node: Box::new(node), min, max };
            if matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
                return Err(self.error("repeated twice: put what is repeated in parentheses"));
            }
        }
    }

    /// The inside of `{…}`, and the closing brace.
    fn bounds(&mut self) -> Result<(u32, Option<u32>), ParseError> {
        let min = self.number()?;
        let max = match (self.eat(','), self.peek()) {
            (false, _) => Some(min),
            (true, Some('}')) => None,
            (true, _) => Some(self.number()?),
        };
        if !self.eat('}') {
            return Err(self.error("expected `}`: repetitions are {n}, {n,} or {n,m}"));
        }
        if max.is_some_and(|max| max < min) || min > REPEAT_LIMIT || max.is_some_and(|max| max > REPEAT_LIMIT) {
            return Err(self.error(format!("{{n,m}} needs n ≤ m ≤ {REPEAT_LIMIT}")));
        }
        match self.peek() {
            Some('*' | '+' | '?' | '{') => Err(self.error("repeated twice: put what is repeated in parentheses")),
            _ => Ok((min, max)),
        }
    }

    fn number(&mut self) -> Result<u32, ParseError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest.get(..digits).unwrap_or_default();
        let value = number.parse().map_err(|_| match digits {
            0 => self.error("expected a number"),
            _ => self.error(format!("{} is over 4294967295", super::super::shorten(number))),
        })?;
        self.at += digits;
        Ok(value)
    }

    fn class(&mut self) -> Result<Node, ParseError> {
        let open = self.at;
        self.next();
        let negated = self.eat('^');
        let mut ranges = Vec::new();
        loop {
            match self.peek() {
                Some(']') => {
                    self.next();
                    break;
                }
                Some(' ' | ',' | '_') => {
                    self.next();
                }
                Some('0'..='9') => {
                    let first = self.number()?;
                    let last = if self.eat('-') { self.number()? } else { first };
                    if last < first {
                        return Err(self.error(format!("{first}-{last} holds no AS number")));
                    }
                    ranges.push((first, last));
                }
                Some(other) => {
                    return Err(self.error(format!("`{}` between brackets", other.escape_default())));
                }
                None => {
                    self.at = open;
                    return Err(self.error("a `[` is not closed"));
                }
            }
        }
        if ranges.is_empty() {
            self.at = open;
            return Err(self.error("no AS number between the brackets"));
        }
        if ranges == [(0, 9)] {
            self.at = open;
            return Err(self.error(
                "`[0-9]` is a digit in other routers' expressions, but numbers are whole here: write `.` for one AS",
            ));
        }
        let ranges = normal(ranges);
        Ok(Node::Class(if negated { complement(&ranges) } else { ranges }))
    }
}

fn complement(ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut out = Vec::with_capacity(ranges.len() + 1);
    let mut next = Some(0);
    for (first, last) in ranges {
        if let Some(next) = next
            && next < *first
        {
            out.push((next, first - 1));
        }
        next = last.checked_add(1);
    }
    out.extend(next.map(|next| (next, u32::MAX)));
    out
}
