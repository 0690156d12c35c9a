//! Import and export policy: today accept or reject everything per neighbour; the rule language takes this place later.
//!
//! A policy is asked once per attribute set, not once per prefix: nothing in it looks at the prefix.

use crate::rib::SourceKind;
use crate::wire::PathAttributes;
use std::fmt;
use std::str::FromStr;

/// What a neighbour's routes are put through on their way in, or ours on their way out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Policy {
    /// None configured: nothing passes between different ASes (RFC 8212), everything inside one.
    #[default]
    Unset,
    /// Everything passes unchanged.
    Accept,
    /// Nothing passes.
    Reject,
}

/// A policy's answer for one attribute set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PolicyVerdict {
    /// The route passes with its attributes as they are.
    Accept,
    /// The route passes with these attributes instead.
    Modify(Box<PathAttributes>),
    /// The route does not pass.
    Reject,
    /// There is no policy, and without one nothing passes (RFC 8212 §2).
    NoPolicy,
}

impl Policy {
    /// What happens to routes with `attributes` that cross a session of this kind.
    pub fn evaluate(&self, session: SourceKind, _attributes: &PathAttributes) -> PolicyVerdict {
        match (self, session) {
            (Policy::Accept, _) | (Policy::Unset, SourceKind::Internal | SourceKind::Local) => PolicyVerdict::Accept,
            (Policy::Unset, SourceKind::External) => PolicyVerdict::NoPolicy,
            (Policy::Reject, _) => PolicyVerdict::Reject,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Policy::Unset => "unset",
            Policy::Accept => "accept",
            Policy::Reject => "reject",
        })
    }
}

/// A text that is not a policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParsePolicyError;

impl fmt::Display for ParsePolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a policy: expected accept or reject")
    }
}

impl std::error::Error for ParsePolicyError {}

impl FromStr for Policy {
    type Err = ParsePolicyError;

    /// `accept` or `reject`: [`Policy::Unset`] is the absence of a text.
    fn from_str(text: &str) -> Result<Policy, ParsePolicyError> {
        match text {
            "accept" => Ok(Policy::Accept),
            "reject" => Ok(Policy::Reject),
            _ => Err(ParsePolicyError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_policy_nothing_crosses_an_external_session_and_everything_an_internal_one() {
        let attributes = PathAttributes::default();
        assert_eq!(Policy::Unset.evaluate(SourceKind::External, &attributes), PolicyVerdict::NoPolicy);
        assert_eq!(Policy::Unset.evaluate(SourceKind::Internal, &attributes), PolicyVerdict::Accept);
        assert_eq!(Policy::Reject.evaluate(SourceKind::Internal, &attributes), PolicyVerdict::Reject);
        assert_eq!(Policy::Accept.evaluate(SourceKind::External, &attributes), PolicyVerdict::Accept);
    }

    #[test]
    fn policies_parse_as_they_print() {
        for policy in [Policy::Accept, Policy::Reject] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert!("unset".parse::<Policy>().is_err());
    }
}
