//! The engine process: all controllers over one store.

use std::net::SocketAddr;
use std::sync::Arc;

use world::World;
use world::tls::BadTls;

use crate::acme::{AcmeClients, ClientConfig};
use crate::client::{Client, Identity, Timing};
use crate::compat::{Compat, Design, V1_21};
use crate::controller::Context;
use crate::controllers::Controllers;
use crate::dns01;
use crate::host::Responder;
use crate::informer::Informers;
use crate::issuers::IssuerOptions;
use crate::leader::{Candidate, Elector};
use crate::log::{Logger, Sink, catalogue as msg};
use crate::recorder::Recorder;
use crate::shims::ShimConfig;
use crate::store::Store;
use crate::{certificates, challenges, issuers, legacy, orders, requests, shims};

/// How an engine process is started.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The release to reproduce; the newest one if nothing is said.
    pub compat: Compat,
    /// klog's `-v`.
    pub verbosity: u8,
    /// How ACME servers are reached.
    pub acme: ClientConfig,
    /// Who the process is to the API server.
    pub identity: Identity,
    /// That it waits until it is the leader of its likes; without, it works at once.
    pub election: Option<Candidate>,
    /// The namespace of the Secrets that ClusterIssuers name (`--cluster-resource-namespace`).
    pub cluster_resource_namespace: String,
    /// How the DNS-01 solver asks, and whom it has publish its records.
    pub dns01: dns01::Options,
    /// Nameservers of the HTTP-01 self-check (`--acme-http01-solver-nameservers`); empty: those of the process.
    pub http01_nameservers: Vec<SocketAddr>,
    /// Which controllers run (`--controllers`). The one controller of 0.2 and 0.5 always does.
    pub controllers: Controllers,
    /// Gateway API: the gateway-shim, and HTTP-01 through HTTPRoutes (`--enable-gateway-api`).
    pub gateway_api: bool,
    /// What ingress-shim and gateway-shim take where an object does not say.
    pub shims: ShimConfig,
    /// Target Secrets are owned by their Certificate, and go with it (`--enable-certificate-owner-ref`).
    pub certificate_owner_ref: bool,
    /// Who answers challenges in place of a cluster.
    pub host: Option<Arc<dyn Responder>>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            compat: V1_21,
            verbosity: 2,
            acme: ClientConfig::default(),
            identity: Identity {
                username: "system:serviceaccount:cert-manager:cert-manager".to_owned(),
                groups: [
                    "system:serviceaccounts",
                    "system:serviceaccounts:cert-manager",
                    "system:authenticated",
                ]
                .map(str::to_owned)
                .to_vec(),
                ..Identity::default()
            },
            election: None,
            cluster_resource_namespace: "kube-system".to_owned(),
            dns01: dns01::Options::default(),
            http01_nameservers: Vec::new(),
            controllers: Controllers::default(),
            gateway_api: false,
            shims: ShimConfig::default(),
            certificate_owner_ref: false,
            host: None,
        }
    }
}

/// Starts an engine process in `world` (see [`World::process`]): its informers, controllers, scheduler and
/// event recorder run until the host crashes or the world ends. All it knows is in `store`.
///
/// With [`EngineConfig::election`] nothing of that starts before the process is the leader, and when it is not any
/// more, the process ends as cert-manager's does: its host crashes.
///
/// # Errors
/// [`BadTls`] when a trusted root is no certificate.
pub fn start(
    world: &World,
    store: &Store,
    timing: Arc<dyn Timing>,
    sink: Arc<dyn Sink>,
    config: EngineConfig,
) -> Result<(), BadTls> {
    let compat = Arc::new(config.compat.clone());
    let client = Client::new(world, store, timing.clone(), "cert-manager")
        .with_rate_limit(compat.client_qps, compat.client_burst, compat.shared_rate_limit)
        .with_identity(config.identity.clone())
        .with_server_side_apply(compat.server_side_apply);
    let nameservers = &config.acme.nameservers;
    let dns01 = dns01::Settings::new(config.dns01.clone(), nameservers, &config.cluster_resource_namespace);
    let clients = AcmeClients::new(world, &config.acme, &compat)?;
    let context = Context {
        world: world.clone(),
        informers: Arc::new(Informers::new(world, store, timing)),
        recorder: Recorder::start(world, client.as_actor("event-recorder")),
        client,
        log: Logger::new(world, sink, config.verbosity).for_release(&compat),
        certificate_owner_ref: config.certificate_owner_ref,
        compat,
        dns01: Arc::new(dns01),
        readings: Arc::default(),
        controllers: Arc::new(config.controllers.clone()),
    };
    context.readings.follow(&context.informers);
    let options = IssuerOptions {
        resource_namespace: config.cluster_resource_namespace.clone(),
        http: config.acme.clone(),
        user_agent: context.compat.user_agent,
        secrets: context.informers.lister(),
    };
    let Some(candidate) = config.election.clone() else {
        work(&context, &clients, &options, &config);
        return Ok(());
    };
    world.spawn("leader election", async move {
        let log = &context.log;
        log.with_name("controller").info(&msg::LEADER_STARTING, &[]);
        let client = context.client.as_actor("leader-election");
        let times = context.compat.leader_election;
        let mut elector = Elector::new(&context.world, client, &context.recorder, log, times, candidate);
        elector.acquire().await;
        work(&context, &clients, &options, &config);
        elector.renew().await;
        log.error(&msg::LEADER_LOST, Some("leader election lost"), &[]);
        context.world.crash(context.world.host());
    });
    Ok(())
}

/// Starts what a process does when it may.
fn work(context: &Context, clients: &AcmeClients, options: &IssuerOptions, config: &EngineConfig) {
    issuers::start(context, clients, options);
    match context.compat.design {
        Design::OneController(which) => legacy::start(context, clients, which),
        Design::Steps => {
            certificates::start(context, clients);
            requests::start(context, options);
            orders::start(context, clients);
            challenges::start(context, clients, config);
            shims::start(context, config);
        }
    }
    context.informers.start();
}
