//! The way of a request: read, struck by faults, let through, decided, journaled, answered.

use std::net::IpAddr;

use axum::extract::Request;
use axum::response::Response;
use http::{Method, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use world::http::Peer;

use super::Ca;
use crate::dialect::Endpoint;
use crate::draws::Drawn;
use crate::faults::{Effects, apply};
use crate::journal::Event;
use crate::limits::EndpointClass;
use crate::problem::Problem;
use crate::state::{Lost, Store};
use crate::va;
use crate::wfe::reply::Reply;
use crate::wfe::urls::Urls;
use crate::wfe::{self, Incoming, NoBody};

impl Ca {
    pub(super) async fn handle(self, endpoint: Endpoint, params: Vec<String>, request: Request) -> Response {
        let received = self.0.world.now();
        let mut incoming = self.read(params, request).await;
        incoming.struck = apply::strike(&self, Some(endpoint), &incoming);
        apply::before(self.world(), &incoming.struck.effects).await;
        self.pace(endpoint).await;
        let since = self.0.store.as_ref().map(Store::now);
        let reply = match self.load_balancer(endpoint, &incoming) {
            Some(busy) => busy,
            None => {
                if endpoint == Endpoint::Finalize {
                    incoming.caa_problem = self.recheck_caa(&incoming).await;
                }
                wfe::answer(&self, endpoint, &incoming)
            }
        };
        let effects = std::mem::take(&mut incoming.struck.effects);
        let reply = match self.stored(Some(endpoint), since).await {
            Ok(()) => reply,
            Err(Lost) => {
                self.recover();
                reply.lost(self.dialect())
            }
        };
        let response = self.conclude(Some(endpoint), received, incoming, reply, &effects);
        apply::deliver(self.world(), &effects, response).await
    }

    /// What stands in front of the CA answers instead of it when an address asks too often.
    fn load_balancer(&self, endpoint: Endpoint, incoming: &Incoming) -> Option<Reply> {
        let (class, peer) = (EndpointClass::of(endpoint)?, incoming.peer?);
        let now = self.0.world.now();
        let denied = self.state().limits.request(now, class, peer).err()?;
        Some(Reply::denied(&denied, self.dialect(), now))
    }

    pub(super) async fn handle_unknown(self, request: Request) -> Response {
        let received = self.0.world.now();
        let mut incoming = self.read(Vec::new(), request).await;
        incoming.struck = apply::strike(&self, None, &incoming);
        apply::before(self.world(), &incoming.struck.effects).await;
        let published = match incoming.method {
            Method::GET => self.published(&incoming.path).ok().flatten(),
            _ => None,
        };
        let mut reply = apply::instead(&self, &incoming).unwrap_or_else(|| match &published {
            Some(published) => {
                Reply::text(200, published.content_type, String::new(), "published by an issuer")
            }
            None => Reply::unknown_path(),
        });
        apply::alter(&self, None, &incoming, &mut reply);
        // What issuers publish is no text; a fault that has put something else in its place stays.
        let bytes = published.filter(|_| reply.status == 200 && reply.body.is_empty());
        let effects = std::mem::take(&mut incoming.struck.effects);
        let mut response = self.conclude(None, received, incoming, reply, &effects);
        if let Some(published) = bytes {
            *response.body_mut() = published.body.into();
        }
        apply::deliver(self.world(), &effects, response).await
    }

    async fn read(&self, params: Vec<String>, request: Request) -> Incoming {
        let (parts, body) = request.into_parts();
        let peer: Option<IpAddr> = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
        let body = Limited::new(body, self.dialect().body_max).collect().await;
        let body = body
            .map(http_body_util::Collected::to_bytes)
            .map_err(|error| if error.is::<LengthLimitError>() { NoBody::TooLong } else { NoBody::NotWhole });
        let host = match parts.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
        };
        Incoming {
            urls: Urls::new(&self.0.config, &parts.headers, host),
            method: parts.method,
            path: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            params,
            headers: parts.headers,
            body,
            peer,
            struck: apply::Struck::default(),
            caa_problem: None,
        }
    }

    /// Looks at the CAA records of the order that is to be finalized, where that is too long ago.
    async fn recheck_caa(&self, incoming: &Incoming) -> Option<Problem> {
        if !self.0.config.caa || self.0.config.always_valid {
            return None;
        }
        let order = self.dialect().ids.parse(incoming.params.last()?)?;
        let old = {
            let now = self.0.world.now();
            va::recheck::old(&self.state().db, order, now, self.0.config.caa_recheck)
        };
        if old.is_empty() {
            return None;
        }
        va::recheck::check(self, old, |account| incoming.urls.account(account)).await
    }

    /// Keeps the journal, starts what the answer has promised, and sends it.
    fn conclude(
        &self,
        endpoint: Option<Endpoint>,
        received: world::Timestamp,
        incoming: Incoming,
        mut reply: Reply,
        effects: &Effects,
    ) -> Response {
        let journal = &self.0.journal;
        for Drawn { what, value } in reply.draws.drain(..) {
            journal.add(&self.0.world, Event::Draw { what: what.to_owned(), value });
        }
        for event in reply.events.drain(..) {
            journal.add(&self.0.world, event);
        }
        journal.add(
            &self.0.world,
            Event::Request {
                endpoint,
                method: incoming.method.to_string(),
                path: incoming.path,
                peer: incoming.peer,
                received,
                account: reply.account,
                identifiers: incoming.struck.claims.identifiers,
                status: reply.status.as_u16(),
                problem: reply.problem.map(crate::problem::ProblemKind::name),
                reason: reply.reason.clone(),
            },
        );
        if !reply.jobs.is_empty() {
            let mut state = self.state();
            for job in reply.jobs.drain(..) {
                self.start(job, effects, &mut state);
            }
        }
        reply.into_response(self.0.world.now())
    }
}
