//! The glog lines of 0.2.3 and 0.5.2: where each stands in the two sources.

use crate::compat::OneController;
use crate::log::{Logger, Severity};

/// A line of the one controller.
#[derive(Clone, Copy)]
pub(super) struct Line {
    severity: Severity,
    verbosity: u8,
    v0_2: Option<&'static str>,
    v0_5: Option<&'static str>,
}

const fn line(verbosity: u8, v0_2: Option<&'static str>, v0_5: Option<&'static str>) -> Line {
    Line { severity: Severity::Info, verbosity, v0_2, v0_5 }
}

const fn error(v0_2: &'static str, v0_5: &'static str) -> Line {
    Line { severity: Severity::Error, verbosity: 0, v0_2: Some(v0_2), v0_5: Some(v0_5) }
}

pub(super) const SYNCING: Line = line(0, Some("controller.go:187"), Some("controller.go:171"));
pub(super) const REQUEUED: Line = error("controller.go:196", "controller.go:180");
pub(super) const FINISHED: Line = line(0, Some("controller.go:201"), Some("controller.go:185"));
pub(super) const GONE: Line = error("controller.go:218", "controller.go:202");
pub(super) const ISSUER_NOT_FOUND: Line = line(0, Some("sync.go:70"), Some("sync.go:93"));
pub(super) const ISSUER_NOT_READY: Line = line(0, Some("sync.go:81"), Some("sync.go:120"));
pub(super) const CHECK_CERTIFICATE: Line = line(0, Some("sync.go:107"), None);
pub(super) const NO_CERTIFICATE: Line = error("sync.go:190", "sync.go:197");
pub(super) const SCHEDULED: Line = line(0, Some("sync.go:200"), Some("sync.go:206"));
pub(super) const PREPARING: Line = line(0, Some("sync.go:238"), Some("sync.go:274"));
pub(super) const PREPARE_FAILED: Line = line(0, Some("sync.go:242"), Some("sync.go:276"));
pub(super) const ISSUING: Line = line(0, Some("sync.go:248"), Some("sync.go:281"));
pub(super) const ISSUE_FAILED: Line = line(0, Some("sync.go:256"), Some("sync.go:288"));
pub(super) const SAVE_FAILED: Line = line(0, Some("sync.go:263"), Some("sync.go:294"));
pub(super) const ISSUED: Line = line(0, Some("sync.go:269"), Some("sync.go:300"));
pub(super) const CONDITION_ADDED: Line = line(0, Some("helpers.go:165"), Some("helpers.go:194"));
pub(super) const CONDITION_CHANGED: Line = line(0, Some("helpers.go:172"), Some("helpers.go:201"));
pub(super) const LAST_ORDER_CLEANED: Line = line(0, None, Some("prepare.go:263"));
pub(super) const CHALLENGES_CLEANED: Line = line(0, None, Some("prepare.go:279"));
pub(super) const CHALLENGE_CLEANED: Line = line(0, None, Some("prepare.go:303"));
pub(super) const ACCEPTING: Line = line(0, None, Some("prepare.go:488"));
pub(super) const WAITING: Line = line(4, Some("prepare.go:188"), None);
pub(super) const WAITING_FOR_AUTHORIZATION: Line = line(0, None, Some("prepare.go:500"));
pub(super) const AUTHORIZED: Line = line(0, None, Some("prepare.go:510"));
pub(super) const COMPARE: Line = line(0, Some("prepare.go:239"), None);
pub(super) const CLEAN_UP_FAILED: Line = error("prepare.go:167", "prepare.go:0");
pub(super) const OBTAINED: Line = line(0, Some("issue.go:78"), Some("issue.go:196"));
pub(super) const WRONG_STATUS: Line = line(0, None, Some("http.go:134"));
pub(super) const WRONG_KEY: Line = line(0, None, Some("http.go:145"));
pub(super) const CHECK_FAILED: Line = line(4, Some("http.go:410"), None);
pub(super) const CHECK_PASSED: Line = line(4, Some("http.go:415"), None);
pub(super) const NO_POD: Line = line(0, None, Some("pod.go:65"));
pub(super) const NO_SERVICE: Line = line(0, None, Some("service.go:51"));
pub(super) const INGRESS_LOOKUP: Line = line(0, None, Some("ingress.go:49"));
pub(super) const NO_INGRESS: Line = line(0, None, Some("ingress.go:102"));

/// The log of the one controller of a release.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) logger: Logger,
    pub(super) which: OneController,
}

impl Log {
    /// Writes the line, if the release has it.
    pub(super) fn say(&self, line: Line, text: String) {
        let marker = match self.which {
            OneController::V0_2 => line.v0_2,
            OneController::V0_5 => line.v0_5,
        };
        if let Some(marker) = marker {
            self.logger.glog(line.severity, line.verbosity, marker, text);
        }
    }
}
