//! Venafi issuers: Trust Protection Platform, and Venafi's cloud. The client is the one that signs, too.

mod client;
mod cloud;
mod fields;
mod tpp;

use super::{AnyIssuer, FoundIssuer, IssuerOptions, Setup};
use crate::api::{ConditionStatus, VenafiIssuer};
use crate::conditions::{self, is_true};
use crate::controller::Context;
use crate::log::catalogue as msg;

pub(crate) use client::{RetrieveError, VenafiClient, VenafiError};
pub(crate) use fields::{CustomField, merge, parse};

pub(super) async fn set_up<R: AnyIssuer>(
    context: &Context,
    options: &IssuerOptions,
    issuer: &R,
    venafi: &VenafiIssuer,
) -> Setup {
    let rules = &context.compat.other_issuers.venafi;
    match examine(context, options, issuer, venafi).await {
        Ok(()) => {
            if !is_true(issuer, "Ready") {
                context.recorder.normal(issuer, "Ready", rules.verified);
            }
            let condition = conditions::new("Ready", ConditionStatus::True, rules.started, rules.started);
            Setup { condition, account: None, retry: None }
        }
        Err(VenafiError::Credentials(why)) if rules.names_bad_credentials => {
            let text = format!("OAuth token request failed: {why}");
            Setup::not_ready("AuthFailed", text.clone()).retried(text)
        }
        Err(error) => {
            context.log.error_text(&msg::VENAFI_NOT_SET_UP, Some(&error.to_string()), rules.setup_failed);
            let text = format!("{}: {error}", rules.setup_failed);
            Setup::not_ready("ErrorSetup", text.clone()).retried(text)
        }
    }
}

async fn examine<R: AnyIssuer>(
    context: &Context,
    options: &IssuerOptions,
    issuer: &R,
    venafi: &VenafiIssuer,
) -> Result<(), VenafiError> {
    let found = FoundIssuer::of(issuer);
    let built = VenafiClient::build(context, options, &found, venafi).await;
    let mut client = built.map_err(|error| error.within("error building client"))?;
    let rules = &context.compat.other_issuers.venafi;
    if rules.oauth {
        client.log_in().await.map_err(|error| error.within("client.VerifyCredentials"))?;
    }
    client.ping().await.map_err(|error| VenafiError::Other(format!("{}: {error}", rules.pinging)))
}
