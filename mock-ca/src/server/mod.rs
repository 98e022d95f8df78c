//! The shell: one CA as a value that can be shared, served, and asked what it did.

mod requests;
mod state;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::routing::any;
use world::http::Url;
use world::tls::Acceptor;
use world::{PublicKey, TaskGroup, World};

use crate::ca::{CaError, Hierarchy, WebIdentity};
use crate::config::Config;
use crate::db::{Account, Db, Ids, Issued, Tokens};
use crate::dialect::{Dialect, Endpoint};
use crate::draws::Draws;
use crate::faults::{Faults, SharedFaults};
use crate::journal::Journal;
use crate::limits::{BadToken, BucketView, Limits, Unpaused};
use crate::policy::Policy;
use crate::protocol::AccountState;
use crate::state::{self as kept, Opened, Secrets, StateDir, Store};
use crate::va::View;
use crate::wfe::jwk::Jwk;
use crate::wfe::nonce::Nonces;
use crate::wfe::urls::Urls;
pub(crate) use state::{State, StateGuard};

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
        let label = |part: &str| kept::label(&world, part, generation);
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

    /// Every bucket of its limits that is not full.
    pub fn limits(&self) -> Vec<BucketView> {
        self.state().limits.view(self.0.world.now())
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
}

fn lower(names: &[String]) -> BTreeSet<String> {
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}
