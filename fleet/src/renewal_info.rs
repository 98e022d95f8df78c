//! Renewal by the CA's suggestion (RFC 9773), for engines whose switch `ari` is on: when the CA is asked about a
//! certificate, and when that leads to its renewal.
//!
//! Which instant is drawn, when the CA is asked again, and which window counts is decided by the engine's functions;
//! the window is the CA's own. The random numbers are of other streams than those of a whole engine, so that times
//! agree with its times in distribution, not one by one.

use engine::acme::renewal_info::{RenewalInfo, next_check};
use engine::compat::Compat;
use engine::schedule::{asks, instant, opened};
use world::{Rng, Timestamp};

use crate::authority::Authority;
use crate::plan::{Outage, OutageKind};

/// What a Certificate's status says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    last_checked: Option<Timestamp>,
    next_check: Option<Timestamp>,
    window: Option<(Timestamp, Timestamp)>,
    renewal: Option<Timestamp>,
}

/// A certificate, and when it would be renewed without a suggestion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) valid: (Timestamp, Timestamp),
    pub(crate) by_itself: Timestamp,
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct RenewalInfos<'a> {
    pub(crate) compat: &'a Compat,
    pub(crate) authority: &'a Authority,
    pub(crate) outages: &'a [Outage],
    pub(crate) rng: &'a Rng,
}

impl RenewalInfos<'_> {
    /// When the certificate is renewed, looked at from `now` on; `None` is not before `until`. The CA is asked on the
    /// way.
    pub(crate) fn due(
        &self,
        known: &mut Known,
        subject: Subject,
        mut now: Timestamp,
        until: Timestamp,
    ) -> Option<Timestamp> {
        self.look(known, subject, now);
        while now < until {
            let window = known.window.map(|(start, _)| start);
            if opened(window, subject.valid.0, now).unwrap_or(now >= subject.by_itself) {
                return Some(now);
            }
            let wakes = [known.next_check, known.renewal].into_iter().flatten().filter(|at| *at > now);
            now = wakes.min()?;
            self.look(known, subject, now);
        }
        None
    }

    /// What certificates-readiness does: it asks if it is time to, and writes down when to renew.
    fn look(&self, known: &mut Known, subject: Subject, now: Timestamp) {
        if asks(known.last_checked, known.next_check, subject.valid.0, now) {
            self.ask(known, subject, now);
        }
        // Its own write has it look again, at once.
        let in_window = |at: &Timestamp| known.window.is_some_and(|(start, end)| start <= *at && *at <= end);
        let kept = known.renewal.filter(|at| self.compat.renewal_info_kept && in_window(at));
        known.renewal = Some(kept.unwrap_or(subject.by_itself));
    }

    fn ask(&self, known: &mut Known, subject: Subject, now: Timestamp) {
        known.last_checked = Some(now.truncate_to_secs());
        let down = |o: &Outage| o.kind == OutageKind::Unavailable && o.window().contains(now);
        let retry_after = if self.outages.iter().any(down) {
            None
        } else {
            let window = self.authority.suggested(subject.valid, now);
            let (start, end) = (window.start.truncate_to_secs(), window.end.truncate_to_secs());
            let retry_after = Some(self.authority.ask_again(self.rng));
            let info = RenewalInfo { start, end, explanation_url: String::new(), retry_after };
            known.renewal = Some(instant(known.renewal, subject.valid.0, &info, || info.instant(self.rng)));
            known.window = Some((start, end));
            retry_after
        };
        known.next_check = Some(next_check(now, retry_after, self.rng).truncate_to_secs());
    }
}
