//! Wiring: every replica serves admission; the leader also reconciles. The first part that ends, ends the process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{FutureExt, StreamExt, future};
use kube::{Api, Client};
use restward_crds::names;
use tokio::{net::TcpListener, sync::watch, time};

use crate::{
    acks::Acks,
    admin::{self, Admin},
    args::RunArgs,
    certs,
    controller::{
        self, Applied, Context, WebhookEndpoint, break_glass::Told, budget::Budget, provider::Providers,
        provisioning::Realms, sweep, watchdog::Watchdog,
    },
    discovery::Guard,
    events::Events,
    lease::{self, Leadership, fence::Fence},
    metrics::Metrics,
    page::{self, Page},
    store::ProgrammedPolicies,
    webhook::{self, Witness, witness},
};

/// How often the leader looks for leftovers.
const SWEEP: Duration = Duration::from_mins(10);

/// Runs the operator until it is told to stop.
///
/// # Errors
/// Something that it cannot run without broke; the kubelet starts it again.
pub async fn run(client: Client, args: RunArgs, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let metrics = Metrics::default();
    let settings = certs::Settings {
        namespace: args.namespace.clone(),
        ca_secret: args.ca_secret.clone(),
        service: args.webhook_service.clone(),
        settle: certs::SETTLE,
    };
    let (certificates, keep_certificates) = certs::start(client.clone(), settings);
    let (policies, fill_policies) = ProgrammedPolicies::watch(client.clone());
    let webhook_listener = TcpListener::bind(args.webhook_listen).await.context("webhook port")?;
    let admin_listener = TcpListener::bind(args.admin_listen).await.context("admin port")?;
    let page = match args.page_listen {
        Some(address) => {
            let listener = TcpListener::bind(address).await.context("port of the page")?;
            Some(page::serve(listener, Page::new(client.clone(), names::ADMIN_PORT)?))
        }
        None => None,
    };

    let asked = args.break_glass_webhook.as_ref();
    let (witness, seen) = asked.map(|_| Witness::new(certificates.secret_path())).unzip();
    // Every replica tells what it saw, whoever leads.
    let told =
        seen.map(|seen| witness::tell(seen, client.clone(), Events::new(client.clone(), &args.pod_name)));
    let told = future::OptionFuture::from(told).map(anyhow::Ok);
    let admission = webhook::serve(
        webhook_listener,
        certificates.resolver(),
        Arc::new(policies),
        args.sidecar.clone(),
        metrics.webhook.clone(),
        witness,
        stopped(stop.clone()),
    );
    let shown = Admin { certificates: certificates.clone(), metrics: metrics.clone() };
    let admin = admin::serve(admin_listener, shown, stopped(stop.clone()));
    let filled = fill_policies.for_each(|()| future::ready(())).map(|()| anyhow::bail!("a watch ended"));
    let lead = lead(client, args, certificates, metrics, stop.clone());

    tokio::select! {
        // What was seen is told yet when admission has ended.
        result = future::try_join4(admission, admin, lead, told) => result.map(drop),
        result = filled => result,
        // It ends only with an error, and has nothing to finish when the others end.
        Some(result) = future::OptionFuture::from(page) => result,
        result = keep_certificates => result.context("the certificates are not kept any more"),
    }
}

/// Waits to become the leader, then reconciles until it is told to stop.
async fn lead(
    client: Client,
    args: RunArgs,
    certificates: certs::Handle,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut leadership = Leadership::stand(client.clone(), &args).await?;
    tokio::select! {
        won = leadership.won() => won?,
        () = stopped(stop.clone()) => return Ok(()),
    }
    tracing::info!("this replica leads");
    let fence = Fence::default();
    let leases = Api::namespaced(client, &args.namespace);
    let keep_fence = lease::keep(fence.clone(), leases, &args.lease, &args.pod_name);
    let client = lease::fenced(kube::Config::infer().await?, &fence)?;
    let watchdog = Watchdog::new(args.watchdog, client.clone(), Instant::now());
    let context = Context {
        client: client.clone(),
        events: Events::new(client.clone(), &args.pod_name),
        sidecar: args.sidecar.clone(),
        webhook: WebhookEndpoint {
            namespace: args.namespace.clone(),
            service: args.webhook_service,
            ca_bundle: certificates.ca_bundle(),
        },
        backstop_policy: args.backstop,
        scope: args.policy_namespaces,
        acks: Acks::new(names::ADMIN_PORT)?,
        providers: Providers::new(Guard::Strict),
        realms: Realms::new(Guard::Strict, fence.clone()),
        metrics,
        told: Told::default(),
        watchdog,
        applied: Applied::default(),
        budget: Budget::default(),
        rollouts: Told::default(),
        upgrades: Told::default(),
    };
    let reconciled = async {
        fence.opened().await;
        let nudge = changes(certificates.ca_bundle());
        controller::watch::run(Arc::new(context), nudge, stopped(stop.clone())).await;
    };
    let registered = args.break_glass_webhook.map(|name| {
        let (ca_bundle, secret_path) = (certificates.ca_bundle(), certificates.secret_path());
        let keep = witness::register::keep(client.clone(), name, ca_bundle, secret_path);
        let opened = fence.opened();
        async move {
            opened.await;
            keep.await;
        }
    });
    tokio::select! {
        Some(()) = future::OptionFuture::from(registered) => Ok(()),
        () = reconciled => if *stop.borrow() { Ok(()) } else { anyhow::bail!("the controller ended") },
        lost = leadership.lost() => lost,
        unknown = keep_fence => unknown,
        () = sweep_often(client, &fence) => Ok(()),
    }
}

/// An item whenever the value changes.
fn changes<T: Send + Sync + 'static>(
    receiver: watch::Receiver<T>,
) -> impl futures::Stream<Item = ()> + Send + 'static {
    futures::stream::unfold(receiver, async |mut receiver| {
        // When the sender is gone the process ends anyway; no busy loop until then.
        if receiver.changed().await.is_err() {
            future::pending::<()>().await;
        }
        Some(((), receiver))
    })
}

async fn sweep_often(client: Client, fence: &Fence) {
    fence.opened().await;
    let mut ticks = time::interval(SWEEP);
    loop {
        ticks.tick().await;
        if let Err(error) = sweep::sweep(&client).await {
            tracing::warn!(%error, "leftovers could not be looked for");
        }
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, and the process with it.
    let _ = stop.wait_for(|stop| *stop).await;
}
