//! The shell: one CA as a value that can be shared, served, and asked what it did.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::response::Response;
use axum::routing::any;
use http::{Method, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use world::http::{Peer, Url};
use world::tls::Acceptor;
use world::{PublicKey, Rng, TaskGroup, World};

use crate::ca::csr::Csr;
use crate::ca::{CaError, Hierarchy, WebIdentity};
use crate::config::Config;
use crate::db::{Account, Db, Ids, Issued, PromiseKey, Tokens};
use crate::dialect::{Dialect, Endpoint};
use crate::draws::{Drawn, Draws};
use crate::faults::apply;
use crate::faults::facts::Object;
use crate::faults::{Effects, Faults, Issuance, SharedFaults};
use crate::issuance;
use crate::journal::{Event, Journal};
use crate::limits::{BadToken, EndpointClass, Limits, Unpaused};
use crate::policy::Policy;
use crate::problem::Problem;
use crate::protocol::{AccountState, AuthorizationState};
use crate::ra::{self, Task, Verdict};
use crate::state::{self, Loaded, Lost, Opened, Secrets, Since, StateDir, Store};
use crate::va::{self, View};
use crate::wfe::jwk::Jwk;
use crate::wfe::nonce::Nonces;
use crate::wfe::reply::{Job, Reply};
use crate::wfe::urls::Urls;
use crate::wfe::{self, Incoming, NoBody};

/// The names of what is kept secret.
const HIERARCHY: &str = "hierarchy";
const WEB_IDENTITY: &str = "web identity";

/// A certificate authority. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Ca(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: World,
    config: Config,
    hierarchy: Hierarchy,
    web: WebIdentity,
    policy: Policy,
    views: Vec<View>,
    journal: Journal,
    faults: SharedFaults,
    /// Where the state is kept, if it is.
    store: Option<Store>,
    /// What was promised in answers: validations and issuances under way.
    tasks: TaskGroup,
    state: Mutex<State>,
}

/// All that changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) db: Db,
    pub(crate) nonces: Nonces,
    pub(crate) draws: Draws,
    pub(crate) limits: Limits,
    pub(crate) rng: Rng,
    visits: BTreeMap<Endpoint, usize>,
    validations: usize,
    /// Promises that are being kept at this moment.
    running: BTreeSet<PromiseKey>,
}

impl State {
    /// Remembers what an answer promises, where it must outlive the process.
    pub(crate) fn promise(&mut self, jobs: &[Job]) {
        if self.db.promises.notes_changes() {
            for job in jobs {
                let (key, promise) = job.promise();
                self.db.promises.insert(key, promise);
            }
        }
    }

    /// Goes back, or on, to what was kept.
    fn restore(&mut self, loaded: Loaded, dialect: &Dialect, now: world::Timestamp) {
        self.db.restore(loaded.db, dialect.order_reuse);
        self.limits.restore(loaded.limits, now);
        // The first call has changes noted from here on.
        self.limits.take_dirty();
    }

    /// A promise is kept.
    fn kept(&mut self, key: PromiseKey) {
        self.running.remove(&key);
        self.db.promises.remove(&key);
    }
}

/// The state, locked. What has changed is handed to the store before anybody else can see it.
#[derive(Debug)]
pub(crate) struct StateGuard<'a> {
    state: MutexGuard<'a, State>,
    store: Option<&'a Store>,
}

impl Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        if let Some(store) = self.store {
            let state = &mut *self.state;
            store.submit(&mut state.db, &mut state.limits);
        }
    }
}

impl Ca {
    /// A CA on the host of `world`.
    ///
    /// # Errors
    /// When the configuration has a base URL or a name that cannot be used.
    pub fn new(world: World, config: Config) -> Result<Self, CaError> {
        Self::open(world, config, None)
    }

    /// A CA that goes on with what it has kept in a directory: accounts, orders, authorizations,
    /// certificates, rate limits, and its keys. In the real world a thread writes.
    ///
    /// # Errors
    /// As [`Ca::new`], and when the directory cannot be used; what there is stays as it is.
    pub fn open(world: World, config: Config, state: Option<&StateDir>) -> Result<Self, CaError> {
        let opened = state.map(|state| Store::open(state, !world.is_virtual())).transpose()?;
        Self::over(world, config, opened)
    }

    pub(crate) fn over(world: World, mut config: Config, opened: Option<Opened>) -> Result<Self, CaError> {
        let (store, loaded, mut secrets, generation) = match opened {
            Some(opened) => (Some(opened.store), Some(opened.loaded), opened.secrets, opened.generation),
            None => (None, None, Secrets::default(), 0),
        };
        config.base_url.truncate(config.base_url.trim_end_matches('/').len());
        let host = match config.base_url.as_str() {
            "" => "localhost".to_owned(),
            url => url.parse::<Url>().map_err(|e| CaError::Config(format!("baseUrl: {e}")))?.host,
        };
        let dialect = config.dialect.table();
        let label = |part: &str| state::label(&world, part, generation);
        let policy = Policy {
            rules: &dialect.names,
            blocklist: lower(&config.blocklist),
            extra_suffixes: lower(&config.extra_suffixes),
            recursive_labels: lower(&config.recursive_labels),
        };
        let rules = config.faults.rules.clone();
        let faults = Faults::new(rules, world.rng(&label("faults")), world.now())
            .map_err(|taken| CaError::Config(format!("faults: {taken}")))?;
        let journal = Journal::new(config.journal_max);
        let tokens = Tokens::new(&config.tokens, world.rng(&label("tokens")));
        let ids = Ids::new(dialect.ids, config.ids.clone(), world.rng(&label("identifiers")));
        let nonces = world.rng(&label("nonces"));
        let mut state = State {
            db: Db::new(ids, tokens),
            nonces: Nonces::new(nonces, config.nonce_window, dialect.nonce_prefix, dialect.nonce_bytes),
            draws: Draws::new(world.rng(&label("draws"))),
            limits: Limits::new(config.limits.clone(), &world.rng(&label("limits")))
                .map_err(|bad| CaError::Config(bad.to_string()))?,
            rng: world.rng(&label("directory")),
            visits: BTreeMap::new(),
            validations: 0,
            running: BTreeSet::new(),
        };
        if let Some(loaded) = loaded {
            state.restore(loaded, dialect, world.now());
        }
        let hierarchy = match secrets.get(HIERARCHY)? {
            Some(kept) => Hierarchy::from_state(&world, &config, &kept)?.restarted(&world, generation),
            None => {
                let hierarchy = Hierarchy::new(&world, &config)?;
                secrets.put(HIERARCHY, &hierarchy.to_state());
                hierarchy
            }
        };
        // It is for one host, and made anew for another.
        let web_name = format!("{WEB_IDENTITY} {host}");
        let web = match secrets.get(&web_name)? {
            Some(kept) => WebIdentity::from_state(&world, &kept)?,
            None => {
                let web = WebIdentity::new(&world, &host)?;
                secrets.put(&web_name, &web.to_state());
                web
            }
        };
        if let Some(store) = &store {
            store.keep(secrets)?;
        }
        Ok(Ca(Arc::new(Inner {
            hierarchy,
            web,
            store,
            faults: SharedFaults::new(faults, Some((world.clone(), journal.clone()))),
            views: View::all(&world, &config, &policy, &journal)?,
            journal,
            tasks: TaskGroup::new(&world),
            state: Mutex::new(state),
            policy,
            config,
            world,
        })))
    }

    /// The URL that a client is configured with.
    pub fn directory_url(&self) -> String {
        Urls::configured(self.0.config.dialect, &self.0.config.base_url).url(Endpoint::Directory, &[])
    }

    /// An account that exists from earlier. An account that has this number is replaced.
    pub fn add_account(&self, id: u64, key: PublicKey, contacts: Vec<String>) {
        let created = self.0.world.now().truncate_to_secs();
        let (key, status) = (Arc::new(Jwk::of(&key)), AccountState::Valid);
        let account = Account { key, contacts, status, created, external: None };
        self.state().db.put_account(id, account);
    }

    /// The HTTPS certificate's root, DER.
    pub fn web_root(&self) -> Vec<u8> {
        self.0.web.root.clone()
    }

    /// The roots that issued certificates chain to, DER.
    pub fn issuer_roots(&self) -> Vec<Vec<u8>> {
        self.0.hierarchy.roots()
    }

    /// What was asked, answered, validated and issued.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The faults that it has.
    pub fn faults(&self) -> &SharedFaults {
        &self.0.faults
    }

    /// All certificates, in the order of issuance.
    pub fn issued(&self) -> Vec<Issued> {
        let state = self.state();
        state.db.issuance.iter().filter_map(|serial| state.db.certificates.get(serial)).cloned().collect()
    }

    /// Visits the page that a paused account is sent to, with the token of its link: frees its identifiers.
    ///
    /// # Errors
    /// When the token is not one of ours, or too old.
    pub fn unpause_by_token(&self, token: &str) -> Result<Unpaused, BadToken> {
        self.state().limits.unpause_by_token(self.0.world.now(), token)
    }

    /// The certificate with the intermediates of its n-th chain, PEM; `None` when there is no such chain.
    pub fn chain_pem(&self, issued: &Issued, chain: usize) -> Option<String> {
        self.0.hierarchy.chain_pem(&issued.leaf, issued.issuer, chain)
    }

    /// What it was made from.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The ACME API, for any listener.
    pub fn router(&self) -> Router {
        let mut router = Router::new();
        for route in self.dialect().routes {
            let (ca, endpoint) = (self.clone(), route.endpoint);
            let handler = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
                let ca = ca.clone();
                async move {
                    match params {
                        Ok(params) => {
                            let params = params.iter().map(|(_, value)| value.to_owned()).collect();
                            ca.handle(endpoint, params, request).await
                        }
                        // What stands in a place of the path is no text: there is no such thing.
                        Err(_) => ca.handle_unknown(request).await,
                    }
                }
            };
            router = router.route(route.path, any(handler));
        }
        let ca = self.clone();
        router.fallback(move |request: Request| ca.clone().handle_unknown(request))
    }

    /// Serves the API over HTTPS at `at`, until the task is dropped.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn serve(&self, at: SocketAddr) -> Result<(), CaError> {
        let listener = self.0.world.listen(at).await?;
        self.clone().serve_on(listener).await
    }

    /// Serves the API over HTTPS on `listener`, until the task is dropped.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub async fn serve_on(self, listener: world::Listener) -> Result<(), CaError> {
        self.resume();
        let web = &self.0.web;
        let acceptor = Acceptor::new(&self.0.world, vec![web.leaf.clone()], &web.key)?;
        let acceptor = acceptor.with_alpn(&world::http::ALPN);
        world::http::serve(self.0.world.clone(), listener, Some(acceptor), self.router()).await;
        Ok(())
    }

    /// Ends what is under way behind the answers: validations and issuances. None starts any more.
    pub fn stop(&self) {
        self.0.tasks.stop();
    }

    pub(crate) fn web(&self) -> &WebIdentity {
        &self.0.web
    }

    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }

    pub(crate) fn dialect(&self) -> &'static Dialect {
        self.0.config.dialect.table()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(crate) fn hierarchy(&self) -> &Hierarchy {
        &self.0.hierarchy
    }

    pub(crate) fn views(&self) -> &[View] {
        &self.0.views
    }

    pub(crate) fn state(&self) -> StateGuard<'_> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        StateGuard { state, store: self.0.store.as_ref() }
    }

    /// Changes the state from outside of the ACME API, and waits until that is stored.
    pub(crate) async fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Lost> {
        let since = self.0.store.as_ref().map(Store::now);
        let value = change(&mut self.state());
        match (&self.0.store, since) {
            (Some(store), Some(since)) => store.written(since).await.map(|()| value),
            _ => Ok(value),
        }
    }

    /// Waits until all that an answer shows is stored.
    async fn stored(&self, endpoint: Option<Endpoint>, since: Option<Since>) -> Result<(), Lost> {
        match (&self.0.store, since, endpoint) {
            // Of what these show nothing is kept.
            (_, _, None | Some(Endpoint::Directory | Endpoint::NewNonce)) => Ok(()),
            (Some(store), Some(since), _) => store.written(since).await,
            _ => Ok(()),
        }
    }

    /// Goes back to what is stored, after a write has failed.
    fn recover(&self) {
        let Some(store) = &self.0.store else { return };
        let mut state = self.state();
        // Until it works again every request is refused, and tries.
        let Ok(Some(loaded)) = store.recover() else { return };
        state.db = state.db.emptied();
        state.limits.reset_all();
        state.restore(loaded, self.dialect(), self.0.world.now());
        drop(state);
        self.resume();
    }

    /// Goes on with what was promised in answers of an earlier process, as [`Ca::serve_on`] does.
    pub fn resume(&self) {
        let mut state = self.state();
        let waiting = state.db.promises.iter().filter(|(key, _)| !state.running.contains(key));
        let waiting: Vec<_> = waiting.map(|(key, promise)| (*key, promise.clone())).collect();
        for (key, promise) in waiting {
            match Job::resumed(key, promise, &self.0.config) {
                Some(job) => self.start(job, &Effects::default(), &mut state),
                None => state.kept(key),
            }
        }
    }

    /// A validation is over.
    pub(crate) fn decide(&self, task: &Task, verdict: Verdict) {
        let reason = match &verdict.problem {
            None => "enough perspectives agree".to_owned(),
            Some(problem) => problem.detail.clone(),
        };
        let now = self.0.world.now();
        let mut state = self.state();
        let decided = ra::decide(&mut state.db, &self.0.config, task, verdict, now);
        let identifier = task.identifier.value();
        let paused = match decided {
            Ok(AuthorizationState::Valid) => {
                state.limits.validation_succeeded(task.account, &identifier);
                false
            }
            Ok(_) => state.limits.validation_failed(now, task.account, &identifier),
            Err(_) => false,
        };
        state.kept(PromiseKey::Validate(task.authorization, task.attempt));
        drop(state);
        let (status, reason) = match decided {
            Ok(status) => (status.as_str(), reason),
            Err(late) => (late.state, format!("decided before; {reason}")),
        };
        let reason =
            if paused { format!("{reason}; the account is paused for {identifier}") } else { reason };
        let (authorization, attempt) = (task.authorization, task.attempt);
        self.0
            .journal
            .add(&self.0.world, Event::ValidationDecided { authorization, attempt, status, reason });
    }

    /// How long this request, or this piece of work, takes.
    async fn pace(&self, endpoint: Endpoint) {
        let Some(times) = self.0.config.service_time.get(&endpoint) else { return };
        let visit = {
            let mut state = self.state();
            let visits = state.visits.entry(endpoint).or_default();
            *visits += 1;
            *visits - 1
        };
        let time = times.get(visit).or(times.last()).copied().unwrap_or_default();
        if !time.is_zero() {
            self.0.world.sleep_wall(time).await;
        }
    }

    async fn handle(self, endpoint: Endpoint, params: Vec<String>, request: Request) -> Response {
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
        let denied = self.state().limits.request(self.0.world.now(), class, peer).err()?;
        Some(Reply::denied(&denied, self.dialect()))
    }

    async fn handle_unknown(self, request: Request) -> Response {
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
        apply::alter(&self, &mut self.state(), None, &incoming, &mut reply);
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

    /// Makes the certificate of an order that is processing, and signs it while the state is free.
    fn issue(&self, order: u64, csr: &Csr, faults: &Issuance) -> Event {
        let plan = issuance::prepare(&mut self.state(), order, self.0.world.now(), &self.0.config, faults);
        let signed = plan.map(|plan| (issuance::sign(self, &plan, csr), plan));
        let mut state = self.state();
        let event = match signed {
            Ok((signed, plan)) => issuance::store(self, &mut state, &plan, signed),
            Err(event) => *event,
        };
        state.kept(PromiseKey::Issue(order));
        event
    }

    /// Waits for work that is held back.
    async fn hold(&self, time: Duration) {
        if !time.is_zero() {
            self.0.world.sleep_wall(time).await;
        }
    }

    fn start(&self, job: Job, effects: &Effects, state: &mut State) {
        let ca = self.clone();
        if state.db.promises.notes_changes() {
            state.running.insert(job.promise().0);
        }
        // Stuck for ever is never begun.
        let held = match effects.stuck {
            Some(None) => return,
            Some(Some(time)) => time,
            None => Duration::ZERO,
        };
        match job {
            Job::Validate(task) => {
                let number = state.validations;
                state.validations += 1;
                self.0.tasks.spawn("validation", async move {
                    ca.hold(held).await;
                    va::run(ca, task, number).await;
                });
            }
            Job::Issue { order, csr, .. } => {
                let faults = effects.issuance.clone();
                self.0.tasks.spawn("issuance", async move {
                    ca.hold(held).await;
                    ca.pace(Endpoint::Issuance).await;
                    let event = ca.issue(order, &csr, &faults);
                    ca.0.journal.add(&ca.0.world, event);
                    let object = Object::Order(order);
                    let fault = apply::afterwards(&ca, &mut ca.state(), Some(&object), &faults);
                    if let Some(event) = fault {
                        ca.0.journal.add(&ca.0.world, event);
                    }
                });
            }
        }
    }
}

fn lower(names: &[String]) -> BTreeSet<String> {
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}
