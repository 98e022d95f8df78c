//! HTTP-01 (RFC 8555 section 8.3): key authorizations by token.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use http::{Method, StatusCode, Uri, header};
use world::World;

use super::serving::{ListenError, Serving};
use crate::api::{AcmeChallengeType, Challenge};

/// Where CAs ask for a token.
const PREFIX: &str = "/.well-known/acme-challenge/";

type Tokens = BTreeMap<String, String>;

#[derive(Debug)]
pub(super) struct Http01 {
    world: World,
    tokens: Arc<Mutex<Tokens>>,
    serving: Serving,
}

fn lock(tokens: &Mutex<Tokens>) -> MutexGuard<'_, Tokens> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Http01 {
    pub(super) fn new(world: &World, at: SocketAddr) -> Self {
        let serving = Serving::new(world, AcmeChallengeType::Http01, at);
        Http01 { world: world.clone(), tokens: Arc::default(), serving }
    }

    pub(super) async fn probe(&self) -> Result<(), ListenError> {
        self.serving.probe().await
    }

    pub(super) async fn present(&self, challenge: &Challenge) -> Result<(), ListenError> {
        let spec = &challenge.spec;
        lock(&self.tokens).insert(spec.token.clone(), spec.key.clone());
        let (world, tokens) = (self.world.clone(), self.tokens.clone());
        self.serving.open(|listener| world::http::serve(world, listener, None, router(tokens))).await
    }

    pub(super) async fn clean_up(&self, challenge: &Challenge) {
        lock(&self.tokens).remove(&challenge.spec.token);
        self.serving.close_if(|| lock(&self.tokens).is_empty()).await;
    }
}

fn router(tokens: Arc<Mutex<Tokens>>) -> Router {
    Router::new().fallback(move |method: Method, uri: Uri| {
        let asked = matches!(method, Method::GET | Method::HEAD);
        let token = uri.path().strip_prefix(PREFIX).filter(|_| asked);
        let key = token.and_then(|token| lock(&tokens).get(token).cloned());
        async move {
            let media = [(header::CONTENT_TYPE, "text/plain")];
            match key {
                Some(key) => (StatusCode::OK, media, key),
                None => (StatusCode::NOT_FOUND, media, "no such challenge here\n".to_owned()),
            }
        }
    })
}
