//! What the rules that strike a call come to: plain data, for whoever holds the connection.

use std::time::Duration;

use serde::Serialize;

use super::rule::{Action, DropAt, FaultProblem, Phase, Rule, WrongChain};

/// Everything that happens to one call. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// The rules that have struck, in their order.
    pub hits: Vec<Hit>,
    /// What was drawn, hit or not.
    pub draws: Vec<Draw>,
    /// How much longer the decision takes.
    pub delay_before: Duration,
    /// How much longer the answer takes, once it is decided.
    pub delay_after: Duration,
    /// There is no answer until the client goes; `Before`: and the request has no effect.
    pub hang: Option<Phase>,
    /// The connection is closed.
    pub drop: Option<DropAt>,
    /// The request is not decided: the answer is only what [`Effects::answer`] says.
    pub replaced: bool,
    /// What the answer is changed to.
    pub answer: Answer,
    /// What happens to nonces.
    pub nonce: Nonce,
    /// How long what the request starts is held back; `Some(None)` is for ever.
    pub stuck: Option<Option<Duration>>,
    /// What becomes of a certificate that is issued, or asked for.
    pub issuance: Issuance,
    /// What happens to objects before the decision.
    pub objects: Vec<ObjectFault>,
}

/// A rule that has struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// The rule.
    pub rule: String,
    /// Which of the calls that fit it this was, from 1.
    pub call: u64,
    /// The names of its actions.
    pub actions: Vec<&'static str>,
}

/// A draw for a rule with a `chance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Draw {
    /// The rule.
    pub rule: String,
    /// Whether it strikes.
    pub struck: bool,
}

/// Changes to an answer; `None` leaves a part as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: Option<u16>,
    /// A problem document for a body; its status counts when [`Answer::status`] has none.
    pub problem: Option<FaultProblem>,
    /// Another body.
    pub body: Option<String>,
    /// So many bytes of the body.
    pub cut: Option<usize>,
    /// The content type.
    pub content_type: Option<String>,
    /// Headers that are set, or taken away.
    pub headers: Vec<(String, Option<String>)>,
}

/// Faults of nonces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nonce {
    /// The answer has none.
    pub none: bool,
    /// The answer has one that was given away before.
    pub reuse: bool,
    /// All that are out become bad before the decision.
    pub lose: bool,
}

/// Faults of certificates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issuance {
    /// It fails, with this problem or the usual one.
    pub fail: Option<Option<FaultProblem>>,
    /// Its chain is wrong.
    pub chain: Option<WrongChain>,
    /// It is revoked with this reason.
    pub revoke: Option<u8>,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFault {
    /// What the URL names is over its time.
    Expire,
    /// What the URL names is not known.
    Forget,
    /// The account is deactivated.
    DeactivateAccount,
    /// The account is not known.
    ForgetAccount,
}

/// Puts `value` where nothing is yet: the first rule has it.
fn first<T>(place: &mut Option<T>, value: T) {
    if place.is_none() {
        *place = Some(value);
    }
}

impl Effects {
    /// Whether nothing happens.
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// Adds what a rule does that strikes.
    pub(super) fn add(&mut self, id: &str, call: u64, rule: &Rule) {
        let actions = rule.actions.iter().map(Action::name).collect();
        self.hits.push(Hit { rule: id.to_owned(), call, actions });
        // A rule has what it wants of the answer as a whole, or none of it: a status of one rule with the
        // problem of another is what nobody asked for.
        let taken = self.answer.status.is_some() || self.answer.problem.is_some();
        for action in &rule.actions {
            self.act(action, rule.phase.unwrap_or(action.phase()), taken);
        }
        // `before` alone, with an action that falls on the answer: there is only the answer.
        let only_answer = rule.actions.iter().any(falls_on_answer);
        self.replaced |= rule.phase == Some(Phase::Before) && only_answer;
    }

    fn act(&mut self, action: &Action, phase: Phase, taken: bool) {
        match action {
            Action::Status(status) if !taken => {
                first(&mut self.answer.status, *status);
                self.replaced |= phase == Phase::Before;
            }
            Action::Problem(problem) if !taken => {
                first(&mut self.answer.problem, problem.clone());
                self.replaced |= phase == Phase::Before;
                if let Some(wait) = problem.retry_after {
                    self.retry_after(wait);
                }
            }
            Action::RejectNonce if !taken => {
                let kind = super::ProblemType::Known(crate::problem::ProblemKind::BadNonce);
                let detail = Some("JWS has an invalid anti-replay nonce".to_owned());
                first(&mut self.answer.problem, FaultProblem { detail, ..FaultProblem::of(kind) });
                self.replaced |= phase == Phase::Before;
            }
            Action::Status(_) | Action::Problem(_) | Action::RejectNonce => {}
            Action::Body(body) => {
                first(&mut self.answer.body, body.clone());
                self.replaced |= phase == Phase::Before;
            }
            Action::EmptyBody => first(&mut self.answer.body, String::new()),
            Action::CutBody(bytes) => first(&mut self.answer.cut, *bytes),
            Action::ContentType(kind) => first(&mut self.answer.content_type, kind.clone()),
            Action::Header(headers) => {
                headers.iter().for_each(|(name, value)| self.header(name, value.clone()));
            }
            Action::RetryAfter(span) => self.retry_after(span.0),
            Action::DropConnection(at) => {
                first(&mut self.drop, *at);
                self.replaced |= phase == Phase::Before;
            }
            Action::Delay(span) if phase == Phase::Before => {
                self.delay_before = self.delay_before.saturating_add(span.0);
            }
            Action::Delay(span) => self.delay_after = self.delay_after.saturating_add(span.0),
            Action::Hang => first(&mut self.hang, phase),
            Action::NoNonce => self.nonce.none = true,
            Action::ReuseNonce => self.nonce.reuse = true,
            Action::LoseNonces => self.nonce.lose = true,
            Action::StuckProcessing(time) => first(&mut self.stuck, time.map(|span| span.0)),
            Action::FailIssuance(problem) => first(&mut self.issuance.fail, problem.clone()),
            Action::WrongChain(how) => first(&mut self.issuance.chain, *how),
            Action::Revoke(reason) => first(&mut self.issuance.revoke, reason.unwrap_or(0)),
            Action::ExpireObject => self.objects.push(ObjectFault::Expire),
            Action::ForgetObject => self.objects.push(ObjectFault::Forget),
            Action::DeactivateAccount => self.objects.push(ObjectFault::DeactivateAccount),
            Action::ForgetAccount => self.objects.push(ObjectFault::ForgetAccount),
        }
    }

    fn header(&mut self, name: &str, value: Option<String>) {
        if !self.answer.headers.iter().any(|(there, _)| there.eq_ignore_ascii_case(name)) {
            self.answer.headers.push((name.to_owned(), value));
        }
    }

    fn retry_after(&mut self, wait: Duration) {
        self.header("Retry-After", Some(wait.as_nanos().div_ceil(1_000_000_000).to_string()));
    }
}

const fn falls_on_answer(action: &Action) -> bool {
    matches!(
        action,
        Action::Status(_)
            | Action::Problem(_)
            | Action::Body(_)
            | Action::EmptyBody
            | Action::CutBody(_)
            | Action::ContentType(_)
            | Action::Header(_)
            | Action::RetryAfter(_)
    )
}
