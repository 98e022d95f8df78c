//! From a ready order to its certificate: finalize, download, and the chain that the issuer prefers.

use world::keys::{SectionKind, pem_encode};

use super::sync::{Orders, copy_order};
use crate::acme::{self, AcmeClient, AcmeError, issuer_name};
use crate::api::{Order, OrderStatus, State};
use crate::compat::PreferredChain;
use crate::controller::{SyncError, SyncResult};
use crate::log::{Logger, catalogue as msg};

type Chain = Vec<Vec<u8>>;

/// Whether a chain is the preferred one. A certificate that cannot be read is an error, as it is in the release.
fn is_preferred(rule: PreferredChain, chain: &Chain, name: &str) -> Result<bool, SyncError> {
    let looked_at = match rule {
        PreferredChain::AnyOfAlternates => chain.as_slice(),
        PreferredChain::Topmost => chain.last().map(std::slice::from_ref).unwrap_or_default(),
    };
    for der in looked_at {
        let unreadable = || SyncError::other("error parsing certificate chain: x509: malformed certificate");
        if issuer_name(der).ok_or_else(unreadable)? == name {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Orders {
    /// Sends the CSR. When the CA says that the order is not ready (403) it may be that an earlier sync
    /// has finalized it: then the certificate is there to be taken.
    pub(super) async fn finalize(
        &self,
        log: &Logger,
        client: &AcmeClient,
        order: &Order,
        status: &mut OrderStatus,
    ) -> SyncResult {
        let csr = world::keys::pem_sections(order.spec.request.as_slice(), SectionKind::Csr);
        let Some(csr) = csr.first() else {
            return Err(SyncError::other("error decoding certificate request PEM block"));
        };
        let finalized = client.finalize(&order.status.finalize_url, csr).await;
        if let Err(error) = &finalized
            && error.problem().is_some_and(|p| p.status == 403)
        {
            let fetched = client.get_order(&order.status.url).await;
            if fetched.as_ref().is_err_and(AcmeError::is_bad_request) {
                // The release tells of the refusal of finalize here, not of that of the order.
                self.end(
                    log,
                    &msg::ORDER_GET_BAD_REQUEST,
                    "Failed to retrieve Order resource",
                    status,
                    error,
                );
                return Ok(());
            }
            let at_ca = fetched.map_err(SyncError::other)?;
            if at_ca.status == State::Valid {
                status.state = State::Valid;
                return Box::pin(self.download(log, client, order, &at_ca, status)).await;
            }
        }
        if let Err(error) = &finalized {
            if error.is_bad_request() {
                let text = "Failed to finalize Order";
                self.end(log, &msg::ORDER_FINALIZE_BAD_REQUEST, text, status, error);
                return Ok(());
            }
            self.note_server_error(log, order, error);
        }
        // Whatever came of it, the CA's state of the order is taken over first.
        match client.get_order(&order.status.url).await {
            Ok(at_ca) => copy_order(status, &at_ca, self.now()),
            Err(error) if error.is_bad_request() => {
                let text = "Failed to retrieve Order resource";
                self.end(log, &msg::ORDER_FETCH_BAD_REQUEST, text, status, &error);
                return Ok(());
            }
            Err(error) => {
                self.note_server_error(log, order, &error);
                return Err(SyncError::Other(format!("error syncing order status: {error}")));
            }
        }
        let finalizing = |error| SyncError::Other(format!("error finalizing order: {error}"));
        let (chain, url) = finalized.map_err(finalizing)?;
        let retrieving = |error| SyncError::Other(format!("error retrieving preferred chain: {error}"));
        let preferred = self.preferred(client, order, &url, Some(&chain)).await.map_err(retrieving)?;
        self.store_certificate(order, status, &preferred.unwrap_or(chain));
        Ok(())
    }

    /// A 5xx of the server is told of by the releases that do.
    fn note_server_error(&self, log: &Logger, order: &Order, error: &AcmeError) {
        let Some(problem) = error.problem().filter(|p| p.status >= 500) else { return };
        if self.context.compat.server_errors_logged {
            let values = [
                ("errorCode", problem.status.into()),
                ("dnsNames", order.spec.dns_names.clone().into()),
                ("ipAddresses", order.spec.ip_addresses.clone().into()),
            ];
            log.error(&msg::ORDER_SERVER_ERROR, Some(&error.to_string()), &values);
        }
    }

    /// Takes the certificate of a valid order.
    pub(super) async fn download(
        &self,
        log: &Logger,
        client: &AcmeClient,
        order: &Order,
        at_ca: &acme::Order,
        status: &mut OrderStatus,
    ) -> SyncResult {
        let url = &at_ca.certificate;
        // Where only alternates count, they are looked at before the chain itself is fetched.
        if self.context.compat.preferred_chain == PreferredChain::AnyOfAlternates
            && let Some(preferred) = self.preferred(client, order, url, None).await?
        {
            self.store_certificate(order, status, &preferred);
            return Ok(());
        }
        let chain = match client.fetch_certificate(url).await {
            Ok(chain) => chain,
            Err(error) if error.is_bad_request() => {
                let text = "Failed to retrieve signed certificate";
                self.end(log, &msg::ORDER_CERTIFICATE_BAD_REQUEST, text, status, &error);
                return Ok(());
            }
            Err(error) => return Err(SyncError::other(error)),
        };
        let preferred = match self.context.compat.preferred_chain {
            PreferredChain::AnyOfAlternates => None,
            PreferredChain::Topmost => self.preferred(client, order, url, Some(&chain)).await?,
        };
        self.store_certificate(order, status, &preferred.unwrap_or(chain));
        Ok(())
    }

    /// The chain that the issuer prefers, among the default one (if the release looks at it) and the alternates of
    /// the certificate at `url`. `None`: it has no preference, or there is no such chain, which is no error.
    async fn preferred(
        &self,
        client: &AcmeClient,
        order: &Order,
        url: &str,
        default: Option<&Chain>,
    ) -> Result<Option<Chain>, SyncError> {
        let name = self.issuer(order).map(|i| i.preferred_chain).unwrap_or_default();
        if name.is_empty() {
            return Ok(None);
        }
        let rule = self.context.compat.preferred_chain;
        if let (PreferredChain::Topmost, Some(chain)) = (rule, default)
            && is_preferred(rule, chain, &name)?
        {
            return Ok(Some(chain.clone()));
        }
        let listing = |e| SyncError::Other(format!("error listing alternate certificate URLs: {e}"));
        for alternate in client.alternates(url).await.map_err(listing)? {
            let chain = client.fetch_certificate(&alternate).await.map_err(|error| {
                SyncError::Other(format!("error fetching certificate chain from {alternate}: {error}"))
            })?;
            if is_preferred(rule, &chain, &name)? {
                return Ok(Some(chain));
            }
        }
        Ok(None)
    }

    fn store_certificate(&self, order: &Order, status: &mut OrderStatus, chain: &Chain) {
        let pem: String = chain.iter().map(|der| pem_encode("CERTIFICATE", der)).collect();
        status.certificate = pem.into();
        self.context.recorder.normal(order, "Complete", "Order completed successfully");
    }
}
