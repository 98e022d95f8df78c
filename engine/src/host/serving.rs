//! A listener that is open only while there is something to show: another server may have the port the rest of
//! the time.

use std::net::SocketAddr;

use tokio::sync::Mutex;
use world::{Listener, TaskHandle, World};

use crate::api::AcmeChallengeType;

/// An address where challenges cannot be answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {at} for {type_}: {source}")]
pub struct ListenError {
    /// What for.
    pub type_: AcmeChallengeType,
    /// Where.
    pub at: SocketAddr,
    /// Why not.
    pub source: std::io::Error,
}

/// A server for one type of challenge.
#[derive(Debug)]
pub(super) struct Serving {
    world: World,
    type_: AcmeChallengeType,
    at: SocketAddr,
    task: Mutex<Option<TaskHandle>>,
}

impl Serving {
    pub(super) fn new(world: &World, type_: AcmeChallengeType, at: SocketAddr) -> Self {
        Serving { world: world.clone(), type_, at, task: Mutex::default() }
    }

    async fn listen(&self) -> Result<Listener, ListenError> {
        let (type_, at) = (self.type_, self.at);
        self.world.listen(at).await.map_err(|source| ListenError { type_, at, source })
    }

    /// Whether the address can be listened on.
    pub(super) async fn probe(&self) -> Result<(), ListenError> {
        match &*self.task.lock().await {
            Some(_) => Ok(()),
            None => self.listen().await.map(drop),
        }
    }

    /// Serves unless it does already.
    pub(super) async fn open<F>(&self, serve: impl FnOnce(Listener) -> F) -> Result<(), ListenError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut task = self.task.lock().await;
        if task.is_none() {
            let listener = self.listen().await?;
            let name = format!("{} server", self.type_);
            *task = Some(self.world.spawn(&name, serve(listener)));
        }
        Ok(())
    }

    /// Stops, if there is `nothing` to show any more.
    pub(super) async fn close_if(&self, nothing: impl FnOnce() -> bool) {
        let mut task = self.task.lock().await;
        if nothing()
            && let Some(task) = task.take()
        {
            task.abort();
        }
    }
}
