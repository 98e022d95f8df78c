//! `rehearse issue`: the engine on real sockets and in real time, against any ACME server.
//!
//! The same controllers as in a scenario; in place of the simulated cluster stand a store on disk, the listeners of
//! [`engine::host`], and files for Secrets.

mod args;
mod goal;
mod input;
mod output;
mod progress;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use engine::EngineConfig;
use engine::acme::ClientConfig;
use engine::api::{AcmeChallengeType, Certificate, Event, Kind, Object, ObjectKey};
use engine::client::NoDelay;
use engine::compat::{Compat, RELEASES};
use engine::dns01;
use engine::host::{Dns01Hook, ListenConfig, ListenError, Listeners, Ports};
use engine::store::persist::{PersistError, StoreFile};
use engine::store::{Change, ChangeType, Names, Store};
use tokio::sync::mpsc;
use world::keys::SectionKind;
use world::tls::{BadTls, Connector};
use world::{Instant, Raced, World, race};

use crate::script::Durations;

pub use args::IssueArgs;
pub use goal::{Standing, standing};
pub use input::BadInput;
use input::Given;
pub use output::{Output, OutputError};
use progress::{LogSink, Progress};

/// When nothing has changed for so long after the last Certificate became Ready, no controller objects to it.
const QUIET: Duration = Duration::from_secs(1);
/// How long what is still put up may take to be taken down.
const CLEAN_UP_MAX: Duration = Duration::from_secs(30);
/// How long an Event is remembered, as by an API server.
const EVENT_LIFE: Duration = Duration::from_secs(3600);
/// For all practical purposes, for ever.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);
/// Where ClusterIssuers have their Secrets, as cert-manager's own installation has it.
const CLUSTER_NAMESPACE: &str = "cert-manager";

/// Why nothing was tried.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum IssueError {
    /// The manifests.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Input(#[from] BadInput),
    /// The store.
    #[error(transparent)]
    #[diagnostic(help(
        "another --store starts anew; the account key, and what is known of certificates so far, are in this one"
    ))]
    Store(#[from] PersistError),
    /// An address to listen on.
    #[error("{error}")]
    Listen {
        /// Which, and why not.
        error: ListenError,
        /// What to do.
        #[help]
        help: String,
    },
    /// A file of roots.
    #[error("{}: {why}", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The machine trusts nobody.
    #[error("this system has no trusted roots: {0}")]
    #[diagnostic(help("install ca-certificates, or name the roots of the ACME server by --acme-ca FILE"))]
    NoRoots(String),
    /// A release that is not known.
    #[error("there is no release {name:?}")]
    Release {
        /// What was asked for.
        name: String,
        /// Those that there are.
        #[help]
        help: String,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] BadTls),
    /// The system.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// Why it ended before it was done.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("interrupted")]
    Told,
    #[error("the store cannot be written: {0}")]
    Broken(String),
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Gets the certificates. Says whether every one of them is Ready, or with `--watch`, whether it has ended as it was
/// told to. When it is `lenient`, mistakes of the manifests are mended and told on standard error.
///
/// # Errors
/// [`IssueError`]: nothing was tried.
pub fn run(args: &IssueArgs, lenient: bool, report: impl Fn(&str)) -> Result<bool, IssueError> {
    let mut compat = release(&args.compat)?;
    let Given { objects: given, repairs } = input::load(&args.filename, &compat, lenient)?;
    for repair in &repairs {
        eprintln!("{repair}");
    }
    let wanted = input::wanted(&given)?;
    compat.dns01_settle = args.dns01_settle.unwrap_or(compat.dns01_settle);
    world::real::run(None, |world| async move {
        let end = world::real::told_to_end()?;
        let issue = Issue::open(&world, args, &given, wanted, compat)?;
        issue.run(args, end, report).await
    })?
}

fn release(name: &str) -> Result<Compat, IssueError> {
    let found = RELEASES.iter().find(|(known, _)| *known == name);
    found.map(|(_, compat)| (*compat).clone()).ok_or_else(|| {
        let known: Vec<&str> = RELEASES.iter().map(|(known, _)| *known).collect();
        IssueError::Release { name: name.to_owned(), help: format!("there are: {}", known.join(", ")) }
    })
}

/// The roots that ACME servers are trusted by: those of a file, or the system's, as curl and browsers of this machine
/// know them. Of the system's, those that cannot be read are left out.
fn roots(world: &World, file: Option<&Path>) -> Result<Vec<Vec<u8>>, IssueError> {
    let Some(path) = file else {
        let found = rustls_native_certs::load_native_certs();
        let usable = |root: &Vec<u8>| Connector::new(world, std::slice::from_ref(root)).is_ok();
        let roots: Vec<_> = found.certs.iter().map(|der| der.to_vec()).filter(usable).collect();
        if roots.is_empty() {
            let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            return Err(IssueError::NoRoots(why.join("; ")));
        }
        return Ok(roots);
    };
    let bad = |why: String| IssueError::Roots { path: path.to_owned(), why };
    let text = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
    let roots = world::keys::pem_sections(&text, SectionKind::Certificate);
    if roots.is_empty() {
        return Err(bad("there is no certificate in PEM in this file".to_owned()));
    }
    Connector::new(world, &roots).map_err(|e| bad(e.to_string()))?;
    Ok(roots)
}

/// What to do about an address that is not to be had.
fn listen_error(error: ListenError, flag: &str) -> IssueError {
    let help = match error.source.kind() {
        std::io::ErrorKind::PermissionDenied => format!(
            "ports below 1024 are for root, or for programs with `setcap cap_net_bind_service=+ep`; or listen \
             elsewhere by {flag}, and forward the CA's requests to it"
        ),
        std::io::ErrorKind::AddrInUse => {
            let what = match error.type_ {
                AcmeChallengeType::TlsAlpn01 => "pass TLS of the protocol acme-tls/1 through",
                _ => "forward /.well-known/acme-challenge/",
            };
            format!(
                "another program has this port: end it meanwhile, or let it {what} to an address that {flag} names"
            )
        }
        _ => format!("{flag} names another address"),
    };
    IssueError::Listen { error, help }
}

/// What is listened for, and the flag that says where.
const LISTENERS: [(AcmeChallengeType, &str); 2] =
    [(AcmeChallengeType::Http01, "--http01-listen"), (AcmeChallengeType::TlsAlpn01, "--tlsalpn01-listen")];

/// One run.
struct Issue {
    world: World,
    store: Store,
    store_folder: PathBuf,
    wanted: BTreeSet<ObjectKey>,
    output: Output,
    progress: Progress,
    host: Arc<Listeners>,
    config: EngineConfig,
    started: Instant,
}

impl Issue {
    fn open(
        world: &World,
        args: &IssueArgs,
        given: &[Object],
        wanted: BTreeSet<ObjectKey>,
        compat: Compat,
    ) -> Result<Self, IssueError> {
        let roots = roots(world, args.acme_ca.as_deref())?;
        let store_folder = args.store.clone().unwrap_or_else(|| args.out.join(".rehearse"));
        let names = Names::new(world.rng("api server names"), BTreeMap::new());
        let store = Store::open(world, names, StoreFile::open(&store_folder)?)?;
        input::check(&store, given, args.by_namespace)?;
        input::apply(&store, given)?;
        crate::cluster::sweep_garbage(&store);
        input::retry_failed(&store, &wanted, world.now())?;
        let (own, hosts) = world::system::read();
        let nameservers = if args.nameserver.is_empty() { own } else { args.nameserver.clone() };
        let ports = Ports { http: args.http01_port, tls: args.tlsalpn01_port };
        let listen = ListenConfig {
            http01: args.http01_listen,
            tls_alpn01: args.tlsalpn01_listen,
            dns01: args.dns01_hook.clone().map(|command| Dns01Hook { command }),
            self_check: (!args.no_self_check).then_some(ports),
        };
        let host = Arc::new(Listeners::new(world, listen));
        Ok(Issue {
            world: world.clone(),
            store,
            store_folder,
            wanted,
            output: Output { folder: args.out.clone(), by_namespace: args.by_namespace },
            progress: Progress::new(),
            config: EngineConfig {
                compat,
                acme: ClientConfig { nameservers, hosts, roots },
                cluster_resource_namespace: CLUSTER_NAMESPACE.to_owned(),
                host: Some(host.clone()),
                dns01: dns01::Options {
                    recursive_only: args.dns01_recursive_nameservers_only,
                    ..dns01::Options::default()
                },
                ..EngineConfig::default()
            },
            host,
            started: world.monotonic(),
        })
    }

    async fn run(
        mut self,
        args: &IssueArgs,
        end: impl Future<Output = ()>,
        report: impl Fn(&str),
    ) -> Result<bool, IssueError> {
        let ready = self.standings().iter().all(|(_, standing)| matches!(standing, Standing::Ready(_)));
        let stopped = match self.write_all() {
            Err(error) => Some(Stopped::Output(error)),
            // All that there is to do is done.
            Ok(()) if ready && !goal::is_presenting(&self.store) && !args.watch => None,
            Ok(()) => {
                for (type_, flag) in LISTENERS.into_iter().filter(|_| !ready) {
                    if input::has_solver(&self.store, type_) {
                        self.host.probe(type_).await.map_err(|error| listen_error(error, flag))?;
                    }
                }
                let changes = self.start(args.verbose)?;
                self.follow(changes, args, end).await.err()
            }
        };
        let ready = self.conclude(args, report);
        Ok(match stopped {
            None => ready,
            Some(Stopped::Told) if args.watch => true,
            Some(why) => {
                let kept = self.store_folder.display();
                let text =
                    format!("{why}. What was done is kept in {kept}: the same command goes on from there.");
                self.progress.say(self.world.now(), &text, true);
                false
            }
        })
    }

    fn standings(&self) -> Vec<(ObjectKey, Standing)> {
        goal::standings(&self.store, &self.wanted, self.world.now())
    }

    /// Starts the engine and what else a cluster has; all changes from now on.
    fn start(&mut self, verbose: bool) -> Result<mpsc::UnboundedReceiver<Change>, IssueError> {
        let (sender, changes) = mpsc::unbounded_channel();
        for kind in Kind::ALL {
            let (mut watch, sender) = (self.store.watch(*kind), sender.clone());
            self.world.spawn(&format!("progress of {kind}"), async move {
                while let Some(change) = watch.next().await {
                    // Its receiver goes with the run.
                    let _ = sender.send(change);
                }
            });
        }
        crate::cluster::collect_garbage(&self.world, &self.store, &Durations::default());
        let sink = Arc::new(LogSink { verbose });
        engine::start(&self.world, &self.store, Arc::new(NoDelay), sink, self.config.clone())?;
        Ok(changes)
    }

    /// Tells and writes what happens, until every Certificate is decided and nothing is left to do.
    async fn follow(
        &self,
        mut changes: mpsc::UnboundedReceiver<Change>,
        args: &IssueArgs,
        end: impl Future<Output = ()>,
    ) -> Result<(), Stopped> {
        let mut end = pin!(end);
        let mut decided: Option<Instant> = None;
        loop {
            let due = self.due(args, &mut decided);
            let next = race(changes.recv(), self.world.sleep_until(due));
            match race(next, race(end.as_mut(), self.store.failure())).await {
                Raced::First(Raced::First(Some(change))) => self.changed(&change)?,
                Raced::First(_) => return Ok(()),
                Raced::Second(Raced::First(())) => return Err(Stopped::Told),
                Raced::Second(Raced::Second(why)) => return Err(Stopped::Broken(why)),
            }
        }
    }

    /// When it ends, if nothing changes until then. `decided` is when the last Certificate was.
    fn due(&self, args: &IssueArgs, decided: &mut Option<Instant>) -> Instant {
        let now = self.world.monotonic();
        if args.watch {
            return now + FOR_EVER;
        }
        if self.standings().iter().any(|(_, standing)| *standing == Standing::Waiting) {
            *decided = None;
            return self.started + args.timeout;
        }
        let since = *decided.get_or_insert(now);
        if goal::is_presenting(&self.store) { since + CLEAN_UP_MAX } else { now + QUIET }
    }

    fn changed(&self, change: &Change) -> Result<(), OutputError> {
        let (object, now) = (&change.object, self.world.now());
        if change.type_ == ChangeType::Deleted {
            self.progress.forget(object);
            return Ok(());
        }
        self.progress.tell(now, object);
        match object.kind() {
            Kind::Certificate => self.write(object),
            Kind::Secret => self.write_all(),
            Kind::Event => {
                self.forget_events();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn forget_events(&self) {
        let now = self.world.now();
        for object in self.store.list(Kind::Event) {
            let last = object.get::<Event>().and_then(|event| event.last_timestamp);
            if last.is_some_and(|last| last.timestamp() + EVENT_LIFE < now) {
                // Somebody else may have been faster.
                let _ = self.store.delete(Kind::Event, &object.key());
            }
        }
    }

    fn write_all(&self) -> Result<(), OutputError> {
        self.store.list(Kind::Certificate).iter().try_for_each(|certificate| self.write(certificate))
    }

    /// Writes the Secret of a Certificate that is Ready.
    fn write(&self, object: &Object) -> Result<(), OutputError> {
        let Some(certificate) = object.get::<Certificate>() else { return Ok(()) };
        if !engine::conditions::is_true(certificate.as_ref(), "Ready") {
            return Ok(());
        }
        let key =
            ObjectKey::new(certificate.metadata.namespace.as_str(), certificate.spec.secret_name.as_str());
        let Some(secret) = self.store.get(Kind::Secret, &key) else { return Ok(()) };
        if let Some(folder) = self.output.write(&secret)? {
            let text = format!("Secret {key}: written to {}", folder.display());
            self.progress.say(self.world.now(), &text, false);
        }
        Ok(())
    }

    /// Reports every Certificate: where it is and until when, or why it is not there.
    fn conclude(&self, args: &IssueArgs, report: impl Fn(&str)) -> bool {
        let now = self.world.now();
        let mut ready = true;
        for (key, standing) in self.standings() {
            if let Standing::Ready(until) = standing {
                report(&self.ready_line(&key, until.map(|time| time.to_string())));
                continue;
            }
            ready = false;
            if args.watch {
                continue;
            }
            let what = match standing {
                Standing::Failed => "has failed".to_owned(),
                _ => format!("is not Ready after {:.1?}", self.world.monotonic().since(self.started)),
            };
            self.progress.say(now, &format!("Certificate {key} {what}:"), true);
            for reason in goal::reasons(&self.store, &key) {
                self.progress.say(now, &format!("  {reason}"), true);
            }
        }
        ready
    }

    fn ready_line(&self, key: &ObjectKey, until: Option<String>) -> String {
        let found = self.store.get(Kind::Certificate, key);
        let secret = found.and_then(|object| object.get::<Certificate>().map(|c| c.spec.secret_name.clone()));
        let secret = ObjectKey::new(key.namespace(), secret.unwrap_or_default());
        let folder = self.output.folder_of(&secret).map(|folder| folder.display().to_string());
        format!("{key}\t{}\tuntil {}\n", folder.unwrap_or_default(), until.unwrap_or_default())
    }
}
