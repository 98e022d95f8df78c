//! How rules are read: actions as names or objects with one key, problems as types or objects, and the
//! checks of a rule as a whole.

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderName, HeaderValue};
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use world::duration::Span;

use super::rule::{
    Action, DropAt, FaultProblem, FaultSubproblem, Form, Phase, ProblemType, Rule, WrongChain,
};
use super::select::Moment;
use crate::problem::{NAMESPACE, ProblemKind};

/// An action that has no value: `"hang"`, or `{"hang": true}`.
struct Flag;

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Option::<bool>::deserialize(d)? {
            None | Some(true) => Ok(Flag),
            Some(false) => Err(de::Error::custom("leave it out instead of saying false")),
        }
    }
}

/// A status that a final answer can have.
struct Status(u16);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match u16::deserialize(d)? {
            status @ 200..=599 => Ok(Status(status)),
            other => Err(de::Error::custom(format!("{other} is no status of an answer: 200 to 599 are"))),
        }
    }
}

/// A value that HTTP can carry.
struct Value(String);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        match HeaderValue::try_from(&text) {
            Ok(_) => Ok(Value(text)),
            Err(_) => Err(de::Error::custom(format!("{text:?} cannot be in a header"))),
        }
    }
}

/// The name of a header.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        match HeaderName::try_from(&text) {
            Ok(_) => Ok(Name(text)),
            Err(_) => Err(de::Error::custom(format!("{text:?} is no name of a header"))),
        }
    }
}

/// [`Action`] with values that are checked as they are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Repr {
    Status(Status),
    Problem(FaultProblem),
    Body(String),
    EmptyBody(Flag),
    CutBody(usize),
    ContentType(Value),
    Header(BTreeMap<Name, Option<Value>>),
    RetryAfter(Span),
    DropConnection(Option<DropAt>),
    Delay(Span),
    Hang(Flag),
    NoNonce(Flag),
    ReuseNonce(Flag),
    RejectNonce(Flag),
    LoseNonces(Flag),
    StuckProcessing(Option<Span>),
    FailIssuance(Option<FaultProblem>),
    WrongChain(Option<WrongChain>),
    Revoke(Option<u8>),
    ExpireObject(Flag),
    ForgetObject(Flag),
    DeactivateAccount(Flag),
    ForgetAccount(Flag),
}

impl From<Repr> for Action {
    fn from(repr: Repr) -> Self {
        match repr {
            Repr::Status(Status(status)) => Action::Status(status),
            Repr::Problem(problem) => Action::Problem(problem),
            Repr::Body(body) => Action::Body(body),
            Repr::EmptyBody(Flag) => Action::EmptyBody,
            Repr::CutBody(bytes) => Action::CutBody(bytes),
            Repr::ContentType(Value(kind)) => Action::ContentType(kind),
            Repr::Header(headers) => Action::Header(
                headers.into_iter().map(|(name, value)| (name.0, value.map(|v| v.0))).collect(),
            ),
            Repr::RetryAfter(span) => Action::RetryAfter(span),
            Repr::DropConnection(at) => Action::DropConnection(at.unwrap_or_default()),
            Repr::Delay(span) => Action::Delay(span),
            Repr::Hang(Flag) => Action::Hang,
            Repr::NoNonce(Flag) => Action::NoNonce,
            Repr::ReuseNonce(Flag) => Action::ReuseNonce,
            Repr::RejectNonce(Flag) => Action::RejectNonce,
            Repr::LoseNonces(Flag) => Action::LoseNonces,
            Repr::StuckProcessing(time) => Action::StuckProcessing(time),
            Repr::FailIssuance(problem) => Action::FailIssuance(problem),
            Repr::WrongChain(how) => Action::WrongChain(how.unwrap_or_default()),
            Repr::Revoke(reason) => Action::Revoke(reason),
            Repr::ExpireObject(Flag) => Action::ExpireObject,
            Repr::ForgetObject(Flag) => Action::ForgetObject,
            Repr::DeactivateAccount(Flag) => Action::DeactivateAccount,
            Repr::ForgetAccount(Flag) => Action::ForgetAccount,
        }
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Action;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an action, or an object with it as its one key")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Action, E> {
                let entry = std::iter::once((name, ()));
                let map = MapDeserializer::<_, E>::new(entry);
                Repr::deserialize(MapAccessDeserializer::new(map)).map(Action::from).map_err(|error| {
                    match error.to_string() {
                        text if text.starts_with("unknown variant") => error,
                        _ => E::custom(format!("`{name}` needs a value: {{\"{name}\": …}}")),
                    }
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Action, A::Error> {
                let action = Repr::deserialize(MapAccessDeserializer::new(&mut map))?;
                match map.next_key::<String>()? {
                    None => Ok(action.into()),
                    Some(more) => Err(de::Error::custom(format!(
                        "an action has one key: put `{more}` into an object of its own"
                    ))),
                }
            }
        }
        d.deserialize_any(Reader)
    }
}

impl Serialize for ProblemType {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            ProblemType::Known(kind) => s.serialize_str(kind.name()),
            ProblemType::Uri(uri) => s.serialize_str(uri),
        }
    }
}

impl<'de> Deserialize<'de> for ProblemType {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let name = text.strip_prefix(NAMESPACE).unwrap_or(&text);
        if let Some(kind) = ProblemKind::ALL.iter().find(|kind| kind.name() == name) {
            return Ok(ProblemType::Known(*kind));
        }
        if text.contains(':') {
            return Ok(ProblemType::Uri(text));
        }
        let known: Vec<String> = ProblemKind::ALL.iter().map(|kind| format!("`{}`", kind.name())).collect();
        Err(de::Error::custom(format!(
            "unknown problem type `{text}`, expected a URI or one of {}",
            known.join(", ")
        )))
    }
}

/// [`FaultProblem`] as an object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ProblemForm {
    #[serde(rename = "type")]
    kind: ProblemType,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    status: Option<Status>,
    #[serde(default)]
    retry_after: Option<Span>,
    #[serde(default)]
    subproblems: Vec<FaultSubproblem>,
}

impl<'de> Deserialize<'de> for FaultProblem {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = FaultProblem;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the type of a problem, or an object with `type`")
            }

            fn visit_str<E: de::Error>(self, kind: &str) -> Result<FaultProblem, E> {
                ProblemType::deserialize(kind.into_deserializer()).map(FaultProblem::of)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FaultProblem, A::Error> {
                let form = ProblemForm::deserialize(MapAccessDeserializer::new(map))?;
                Ok(FaultProblem {
                    kind: form.kind,
                    detail: form.detail,
                    status: form.status.map(|status| status.0),
                    retry_after: form.retry_after.map(|span| span.0),
                    subproblems: form.subproblems,
                })
            }
        }
        d.deserialize_any(Reader)
    }
}

/// A rule that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// It does nothing.
    #[error("`do` is empty: the rule does nothing")]
    Idle,
    /// An id that no URL can name.
    #[error("`{0}` is no id: letters, digits, `-`, `_` and `.` make one")]
    Id(String),
    /// No probability.
    #[error("`chance` is {0}, which is not from 0 to 1")]
    Chance(String),
    /// Counted calls that never come.
    #[error("`{0}` is 0: calls are counted from 1")]
    Zero(&'static str),
    /// A window that never opens.
    #[error("`until` is not later than `after`")]
    Window,
    /// A closing before the decision, after the decision.
    #[error("`dropConnection: beforeProcessing` cannot come in the phase `after`")]
    Drop,
    /// An answer that ends in its middle and is never begun.
    #[error("`{0}` takes a decided request: it cannot come in the phase `before`")]
    NeverDecided(&'static str),
}

impl TryFrom<Form> for Rule {
    type Error = BadRule;

    fn try_from(form: Form) -> Result<Self, BadRule> {
        let Form { id, when, actions, phase } = form;
        let plain = |id: &String| {
            !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if let Some(id) = id.as_ref().filter(|id| !plain(id)) {
            return Err(BadRule::Id(id.clone()));
        }
        if actions.is_empty() {
            return Err(BadRule::Idle);
        }
        if let Some(chance) = when.chance.filter(|chance| !(0.0..=1.0).contains(chance)) {
            return Err(BadRule::Chance(chance.to_string()));
        }
        for (key, count) in [("first", when.first), ("every", when.every)] {
            if count == Some(0) {
                return Err(BadRule::Zero(key));
            }
        }
        let shut = match (when.after, when.until) {
            (Some(Moment::Since(a)), Some(Moment::Since(b))) => b <= a,
            (Some(Moment::At(a)), Some(Moment::At(b))) => b <= a,
            _ => false,
        };
        if shut {
            return Err(BadRule::Window);
        }
        for action in &actions {
            match (action, phase) {
                (Action::DropConnection(DropAt::BeforeProcessing), Some(Phase::After)) => {
                    return Err(BadRule::Drop);
                }
                (
                    Action::StuckProcessing(_)
                    | Action::FailIssuance(_)
                    | Action::WrongChain(_)
                    | Action::Revoke(_),
                    Some(Phase::Before),
                ) => return Err(BadRule::NeverDecided(action.name())),
                _ => {}
            }
        }
        Ok(Rule { id, when, actions, phase })
    }
}
