//! SelfSigned issuers: there is nothing that could be wrong with one.

use super::Setup;
use crate::api::ConditionStatus;
use crate::conditions;

pub(super) fn set_up() -> Setup {
    let condition = conditions::new("Ready", ConditionStatus::True, "IsReady", "");
    Setup { condition, account: None, retry: None }
}
