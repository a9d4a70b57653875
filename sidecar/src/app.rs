//! Puts the parts together: bind first, so that nothing half-started is ever "started", then serve until told to stop.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use restward_crds::sidecar::{PodSettings, pod::TomcatAddress};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Admin,
    audit::Audit,
    basic_report::keeper::Keeper,
    config::Store,
    cors::Grants,
    forward::{Upstream, form::Readers},
    metrics::Metrics,
    request::{Gate, Slots},
    server::{self, Bounds},
    tally::Tally,
    time::UnixTime,
    tomcat::stale,
    trace::Traces,
    verify::{NetworkSource, Verifier},
};

/// How long requests in flight may take after the signal to stop; below the 25 s that the official chart grants.
pub const DRAIN: Duration = Duration::from_secs(20);

/// What the sidecar is started with.
pub struct Options {
    /// What it needs to know about its pod.
    pub pod: PodSettings,
    /// Directory of its configuration.
    pub config_dir: PathBuf,
    /// Directory of what outlives a restart.
    pub state_dir: PathBuf,
    /// Shows the pod's network.
    pub network: NetworkSource,
    /// Where audit lines go.
    pub audit: Audit,
    /// Where traces go, if anywhere.
    pub traces: Option<Traces>,
    /// What clients may take up.
    pub bounds: Bounds,
}

/// The bound ports.
pub struct Listeners {
    data: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    /// Binds the pod's HTTP port and the admin port on all addresses.
    ///
    /// # Errors
    /// A port is taken: by a Tomcat that was not moved, for example. Then nothing is exposed.
    pub async fn bind(pod: &PodSettings) -> io::Result<Self> {
        Ok(Self { data: server::bind(pod.listen_port).await?, admin: server::bind(pod.admin_port).await? })
    }

    /// Binds free ports on loopback.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn on_loopback() -> io::Result<Self> {
        let bind = || TcpListener::bind(("127.0.0.1", 0));
        Ok(Self { data: bind().await?, admin: bind().await? })
    }
}

/// A running sidecar.
pub struct Running {
    /// Address of the data port.
    pub data: SocketAddr,
    /// Address of the admin port.
    pub admin: SocketAddr,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
    keeper: Arc<Keeper>,
}

/// Starts everything on bound ports.
///
/// # Errors
/// A listener has no address, or no HTTP client could be made.
pub fn start(options: Options, listeners: Listeners) -> io::Result<Running> {
    let Options { pod, config_dir, state_dir, network, audit, bounds, traces } = options;
    let metrics = Arc::new(Metrics::default());
    let tomcat = pod.tomcat();
    let store = Arc::new(Store::new(config_dir, pod, Arc::clone(&metrics)));
    let verifier = Verifier::new(Arc::clone(&store), Arc::clone(&metrics), network);
    let verifier = Arc::new(verifier.map_err(io::Error::other)?);
    let keeper = Arc::new(Keeper::open(&state_dir, UnixTime::now()));
    let tally = Arc::new(Tally::new(UnixTime::now()));
    let gate = Arc::new(Gate {
        store: Arc::clone(&store),
        upstream: Upstream::new(tomcat.clone()),
        forms: Readers::default(),
        slots: Slots::new(bounds.in_flight),
        bounds,
        verifier: Arc::clone(&verifier),
        grants: Grants::default(),
        audit,
        basic: keeper.report(),
        metrics: Arc::clone(&metrics),
        tally: Arc::clone(&tally),
        traces,
    });
    let admin = Arc::new(Admin {
        store: Arc::clone(&store),
        basic: keeper.report(),
        verifier: Arc::clone(&verifier),
        metrics,
        tally,
        tomcat: tomcat.clone(),
    });
    let (data_address, admin_address) = (listeners.data.local_addr()?, listeners.admin.local_addr()?);

    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let token = shutdown.clone();
    tasks.spawn(async move { store.watch(token).await });
    let token = shutdown.clone();
    tasks.spawn(async move { verifier.run(token).await });
    if let TomcatAddress::Socket(path) = tomcat {
        stale::make_directory(&path)?;
        tasks.spawn(stale::remove(path, "/proc".into(), shutdown.clone()));
    }
    let (token, running) = (shutdown.clone(), Arc::clone(&keeper));
    tasks.spawn(async move { running.run(token).await });
    let noted_by = Arc::clone(&gate);
    let serve_data = move |request, peer| {
        let gate = Arc::clone(&gate);
        async move { gate.handle(request, peer).await }
    };
    let note_unread = move |reason, peer| noted_by.note_unread(reason, peer);
    tasks.spawn(server::serve(listeners.data, bounds, shutdown.clone(), serve_data, note_unread));
    let serve_admin = move |request, peer| {
        let admin = Arc::clone(&admin);
        async move { admin.handle(request, peer).await }
    };
    tasks.spawn(server::serve(listeners.admin, Bounds::default(), shutdown.clone(), serve_admin, |_, _| {}));
    Ok(Running { data: data_address, admin: admin_address, shutdown, tasks, keeper })
}

impl Running {
    /// Stops accepting and waits for what is in flight. `false`: something was still in flight at the deadline.
    pub async fn drain(mut self, deadline: Duration) -> bool {
        self.shutdown.cancel();
        // Now, as who is impatient kills before the deadline; and what is still in flight afterwards.
        self.keeper.save().await;
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let is_done = tokio::time::timeout(deadline, all).await.is_ok();
        self.keeper.save().await;
        is_done
    }

    /// Waits for a task to end although nobody asked for it, which none should.
    pub async fn failed(&mut self) {
        self.tasks.join_next().await;
    }
}
