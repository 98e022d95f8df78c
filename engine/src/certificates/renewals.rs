//! Renewal by hand: what `cmctl renew` does.

use world::World;

use super::CONDITION_ISSUING;
use crate::api::{Certificate, ConditionStatus, ObjectKey, Time};
use crate::client::Client;
use crate::conditions::{self, condition, put};
use crate::store::ApiError;

const REASON: &str = "ManuallyTriggered";
const MESSAGE: &str = "Certificate re-issuance manually triggered";

/// Asks for a new certificate now, whatever the old one is like, and in spite of a back-off.
///
/// # Errors
/// [`ApiError::NotFound`] when there is no such Certificate, [`ApiError::Conflict`] when somebody else wrote it meanwhile.
pub async fn renew(world: &World, client: &Client, key: &ObjectKey) -> Result<(), ApiError> {
    let certificate = client.get::<Certificate>(key).await?;
    let mut wanted = conditions::new(CONDITION_ISSUING, ConditionStatus::True, REASON, MESSAGE);
    wanted.observed_generation = certificate.metadata.generation;
    let old = condition(certificate.as_ref(), CONDITION_ISSUING).filter(|old| old.status == wanted.status);
    wanted.last_transition_time =
        old.map_or_else(|| Some(Time::new(world.now())), |old| old.last_transition_time);
    client.update_status(certificate.as_ref(), |c| put(c, &wanted)).await.map(drop)
}
