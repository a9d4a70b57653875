//! The controller: one reconciliation is five steps.
//!
//! 1. [`dereference`]: fetch what the policy leads to
//! 2. [`validate`]: judge it (pure)
//! 3. [`build`]: the objects that follow (pure)
//! 4. [`apply`]: write them, in order
//! 5. [`update_status`]: tell what was done and what the sidecars say ([`census`] and [`assess`] are pure)
//!
//! A policy that was never accepted has nothing programmed. One that was keeps its last good configuration in force,
//! whatever later edits say; one that is [`retain`]ed does so after its deletion. [`rollout`], [`watchdog`] and [`upgrade`] see to
//! pods that are not as they would be now, [`provisioning`] to the realm; [`detach`] and [`sweep`] take away what is no longer
//! wanted.

mod applied;
pub mod apply;
pub mod assess;
pub mod backstop;
pub mod break_glass;
pub mod budget;
pub mod build;
pub mod census;
pub mod dereference;
pub mod detach;
mod dry_run;
mod error;
pub mod link;
mod pause;
pub mod pod;
pub mod provider;
pub mod provisioning;
pub mod retain;
pub mod rollout;
pub mod rotation;
pub mod scope;
pub mod sidecar;
pub mod sweep;
pub mod update_status;
pub mod upgrade;
pub mod validate;
pub mod watch;
pub mod watchdog;

use std::{sync::Arc, time::Duration};

use futures::future::OptionFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{Api, Client, Resource, ResourceExt, runtime::controller::Action};
use restward_crds::{
    api::v1alpha1::{InForceStatus, RestApiAuthPolicy, RolloutStrategy},
    condition::ConditionType,
    sidecar::{
        config::{Config, LastKnown},
        identity::Identity,
    },
};

use crate::{
    acks::Acks, args::Sidecar, conditions, events::Events, keys::PolicyKeys, metrics::Metrics,
    policy_source::Candidate,
};
pub use applied::Applied;
use apply::Enforcement;
use assess::{Outcome, Programming};
use budget::Budget;
use build::{KeyPlan, WebhookTarget};
use census::{Census, census};
use dereference::Observed;
pub use error::Error;
use validate::{Refused, Validated};

/// What reconciliation works with.
pub struct Context {
    /// The cluster.
    pub client: Client,
    /// Writes Events.
    pub events: Events,
    /// The injected container, to tell which pods can be injected.
    pub sidecar: Sidecar,
    /// Where the API server finds the webhook.
    pub webhook: WebhookEndpoint,
    /// Name of the chart's ValidatingAdmissionPolicy that refuses selected pods without the sidecar.
    pub backstop_policy: String,
    /// Namespaces in which policies are accepted; all without one.
    pub scope: Option<LabelSelector>,
    /// Asks sidecars.
    pub acks: Acks,
    /// Asks identity providers.
    pub providers: provider::Providers,
    /// Keeps in realms what policies want there.
    pub realms: provisioning::Realms,
    /// Counts.
    pub metrics: Metrics,
    /// Pods that came without the sidecar, as far as they were told of.
    pub told: break_glass::Told<pod::PodId>,
    /// Evicts pods from before a policy, or does not.
    pub watchdog: watchdog::Watchdog,
    /// What was written last.
    pub applied: Applied,
    /// When policies are looked at again.
    pub budget: Budget,
    /// What keeps workloads from being rolled out, as far as it was told: by UID, with the obstacle.
    pub rollouts: break_glass::Told<(String, &'static str)>,
    /// Pods that do not come up with another image of the sidecar, as far as they were told of.
    pub upgrades: break_glass::Told<pod::PodId>,
}

/// The webhook's Service, and its certificate authorities as they are at the moment.
pub struct WebhookEndpoint {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Certificate authorities, PEM; none before the first exist.
    pub ca_bundle: tokio::sync::watch::Receiver<Option<String>>,
}

/// For one reconciliation. The API server itself answers within a minute (`--request-timeout`), be it that it could not; a
/// connection on which nothing comes, because what is between drops it, would hold up the policy for five.
const PATIENCE: Duration = Duration::from_secs(90);

/// One reconciliation. Whatever ends it early, what it wrote stays, and the next one goes on from there.
///
/// # Errors
/// Something has to be tried again.
pub async fn reconcile(policy: Arc<RestApiAuthPolicy>, context: Arc<Context>) -> Result<Action, Error> {
    let done = tokio::time::timeout(PATIENCE, Box::pin(reconcile_now(&policy, &context))).await;
    let result = done.unwrap_or(Err(Error::TooLong));
    context.metrics.reconciled(result.is_ok());
    result
}

/// With the policy as it is now: what the watch has brought may be from before the status that was written last, which would
/// then be written, and told as Events, once more.
async fn reconcile_now(known: &RestApiAuthPolicy, context: &Context) -> Result<Action, Error> {
    let namespace = known.namespace().unwrap_or_default();
    let policies: Api<RestApiAuthPolicy> = Api::namespaced(context.client.clone(), &namespace);
    if let Some(policy) = policies.get_opt(&known.name_any()).await? {
        return reconcile_policy(&policy, context).await;
    }
    let uid = known.uid().unwrap_or_default();
    context.applied.forget(&uid);
    context.budget.forget(&uid);
    Ok(Action::await_change())
}

/// What to do after a failed reconciliation.
#[allow(clippy::needless_pass_by_value, reason = "the signature is the controller's")]
pub fn after_error(policy: Arc<RestApiAuthPolicy>, error: &Error, context: Arc<Context>) -> Action {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(
        policy.name = %policy.name_any(), policy.namespace = %policy.namespace().unwrap_or_default(),
        %error, error.source = %source, "a policy could not be reconciled"
    );
    Action::requeue(context.budget.after_error(&policy.uid().unwrap_or_default(), error.asked_to_wait()))
}

async fn reconcile_policy(policy: &RestApiAuthPolicy, context: &Context) -> Result<Action, Error> {
    let Context { client, events, budget, .. } = context;
    let uid = policy.uid().unwrap_or_default();
    let is_deleted = policy.meta().deletion_timestamp.is_some();
    if is_deleted && !retain::is_kept(client, policy).await? {
        return Ok(match detach::detach(context, policy).await? {
            detach::Detached::Completely => {
                context.watchdog.forget(context, policy).await;
                rollout::forget(context, policy);
                upgrade::forget(context, policy);
                context.applied.forget(&uid);
                budget.forget(&uid);
                Action::await_change()
            }
            detach::Detached::PodsLeft => Action::requeue(budget.next(&uid, pause::LATER, 0)),
            detach::Detached::RollingOut => Action::requeue(budget.next(&uid, pause::SOON, 0)),
        });
    }
    if !is_deleted {
        detach::hold(client, policy).await?;
    }

    let observed = dereference::dereference(client, policy).await?;
    retain::tell(context, policy, &observed.templates).await;
    let namespace = policy.namespace().unwrap_or_default();
    let verdict = match scope::refusal(client, context.scope.as_ref(), &namespace).await? {
        Some(refused) => Err(refused),
        None => validate::validate(policy, &observed),
    };
    let asked = verdict.as_ref().ok().map(|validated| context.providers.ask(validated));
    let provider = OptionFuture::from(asked).await;
    let fresh = provider.as_ref().and_then(|answer| answer.as_ref().ok()).cloned();
    let programmed = program(context, policy, &verdict, &observed, fresh).await;
    let (programming, keys, config_hash) = match &programmed {
        Ok(done) => (done.programming.clone(), done.keys.as_ref(), done.config_hash.as_deref()),
        Err(error) => (Programming::Failed(error.described()), None, None),
    };

    let candidate = match (&verdict, &observed.programmed) {
        (Ok(validated), _) => Some(&validated.candidate),
        (Err(_), Some(programmed)) => Some(&programmed.candidate),
        (Err(_), None) => None,
    };
    let in_force = match &programmed {
        Ok(Programmed { in_force: Some(in_force), .. }) => Some(in_force.clone()),
        _ => policy.status.as_ref().and_then(|status| status.in_force.clone()),
    };
    let since = break_glass::in_force_since(policy);
    let census = candidate.map_or_else(Census::default, |of| census(of, &observed, &context.sidecar, since));
    break_glass::tell(context, policy, &census.broken_glass).await;
    // Nothing is evicted while what injects the next pod may not be there, or while a rollout sees to it.
    let is_automatic = policy.spec.rollout.strategy == RolloutStrategy::Automatic;
    let since = observed.programmed.as_ref().and_then(|programmed| programmed.since);
    let is_programmed = matches!(programming, Programming::Done | Programming::LastGood);
    let since = since.filter(|_| is_programmed && !is_automatic);
    let watchdog = context.watchdog.round(context, policy, &census, &observed.templates, since).await;
    let in_place = candidate.filter(|_| programming == Programming::Done);
    let rollout = rollout::attach(context, policy, in_place, &census, &observed.templates).await;
    let acks = match keys {
        Some(keys) => context.acks.poll(&census.sidecars, &uid, keys).await,
        None => Vec::new(),
    };
    let pods = (&census, observed.templates.as_slice());
    let generation = policy.metadata.generation.filter(|_| programming == Programming::Done);
    let held_to = candidate.filter(|_| is_programmed);
    let upgrade = upgrade::round(context, policy, held_to, pods, &acks, generation).await;
    let promoted = rotation::finish(context, policy, candidate, keys, &acks).await?;
    let keys = promoted.as_ref().or(keys);
    let provisioned = context.realms.keep(client, policy, verdict.as_ref().ok()).await;
    let provider = provider.map(|answer| answer.map(drop));
    let outcome = Outcome {
        policy,
        verdict: &verdict,
        programming: &programming,
        census: &census,
        watchdog,
        rollout: &rollout,
        upgrade: &upgrade,
        acks: &acks,
        config_hash,
        provider: provider.as_ref(),
        provisioned: provisioned.as_ref(),
        keys,
        consumer_key: consumer_key(&verdict, &observed),
        in_force,
        at: observed.at,
    };
    let findings = assess::findings(&outcome);
    update_status::update_status(client, events, policy, &findings, assess::status(&outcome)).await?;
    let is_ready = conditions::holds(&findings, ConditionType::Ready);
    context.metrics.ready(&namespace, &policy.name_any(), is_ready);
    let waits = upgrade.reason.is_some()
        || provisioned == Some(provisioning::Progress::UnderWay)
        || keys.is_some_and(PolicyKeys::is_rotating);
    let pause = pause::pause(policy, &findings, &acks, config_hash, waits);
    programmed?;
    Ok(Action::requeue(budget.next(&uid, pause, census.sidecars.len())))
}

/// What came of programming a policy.
struct Programmed {
    programming: Programming,
    keys: Option<PolicyKeys>,
    /// Hash of the configuration, when it was rendered now.
    config_hash: Option<String>,
    /// What pods are held to, when that was written now.
    in_force: Option<InForceStatus>,
}

impl Programmed {
    fn only(programming: Programming, keys: Option<PolicyKeys>) -> Self {
        Self { programming, keys, config_hash: None, in_force: None }
    }
}

/// Steps 3 and 4: what the policy needs comes into the cluster.
async fn program(
    context: &Context,
    policy: &RestApiAuthPolicy,
    verdict: &Result<Validated, Refused>,
    observed: &Observed,
    fresh: Option<LastKnown>,
) -> Result<Programmed, Error> {
    let client = &context.client;
    let uid = &policy.uid().unwrap_or_default();
    let plan = build::keys(&observed.stored_keys, uid, &observed.pods, rotation::request(policy));
    let (validated, target) = match (verdict, &observed.programmed) {
        (Ok(validated), _) => (validated, context.webhook_target()?),
        (Err(_), Some(last_good)) => {
            // The authorities may have changed even though the policy's edit is not accepted.
            let target = context.webhook_target()?;
            let enforcement = context.enforcement(&last_good.candidate, observed, &target);
            apply::enforcement(context, policy, &enforcement).await?;
            let programmed = match plan {
                KeyPlan::Keep(keys) | KeyPlan::Rotate(keys, _) => {
                    Programmed::only(Programming::LastGood, Some(keys))
                }
                KeyPlan::Missing(message) => Programmed::only(Programming::KeyMissing(message), None),
                KeyPlan::Generate => Programmed::only(Programming::LastGood, None),
            };
            return Ok(Programmed { in_force: Some(enforcement.in_force), ..programmed });
        }
        (Err(_), None) => return Ok(Programmed::only(Programming::Nothing, None)),
    };
    let has_link = consumer_key(verdict, observed).is_some();
    let keys = match rotation::provide(context, policy, &validated.candidate, plan, has_link).await? {
        Ok(keys) => keys,
        Err(message) => return Ok(Programmed::only(Programming::KeyMissing(message), None)),
    };
    let managed_link = rotation::managed_link(policy, &validated.candidate, observed, &keys);
    let config = Config { managed_link, ..build::config(validated, fresh, observed) };
    let (map, hash) = build::config_map(validated, &config, observed);
    apply::config_map(context, uid, &map).await?;
    let enforcement = context.enforcement(&validated.candidate, observed, &target);
    apply::enforcement(context, policy, &enforcement).await?;
    let injected: Vec<_> = observed.pods.iter().filter(|pod| pod.is_injected_by(uid)).collect();
    let mark = rotation::mark(&hash, &keys);
    apply::touch_pods(client, &validated.candidate.namespace, &injected, &mark).await?;
    Ok(Programmed {
        programming: Programming::Done,
        keys: Some(keys),
        config_hash: Some(hash),
        in_force: Some(enforcement.in_force),
    })
}

impl Context {
    fn enforcement(&self, candidate: &Candidate, observed: &Observed, target: &WebhookTarget) -> Enforcement {
        Enforcement {
            in_force: backstop::in_force(candidate, &observed.neighbours, &self.sidecar),
            webhook: build::webhook(candidate, target),
            binding: backstop::binding(candidate, &self.backstop_policy),
        }
    }

    fn webhook_target(&self) -> Result<WebhookTarget, Error> {
        let ca_bundle = self.webhook.ca_bundle.borrow().clone().ok_or(Error::NoCertificateAuthority)?;
        Ok(WebhookTarget {
            namespace: self.webhook.namespace.clone(),
            service: self.webhook.service.clone(),
            ca_bundle,
        })
    }
}

/// The consumer key in force, where users are named by an application link.
fn consumer_key(verdict: &Result<Validated, Refused>, observed: &Observed) -> Option<String> {
    let config = match (verdict, &observed.programmed) {
        (Ok(validated), _) => Some(validated.config.clone()),
        (Err(_), Some(last_good)) => serde_json::from_str::<Config>(&last_good.config_json).ok(),
        (Err(_), None) => None,
    };
    match config?.upstream.identity {
        Identity::Oauth1(oauth1) => Some(oauth1.consumer_key),
        Identity::Header(_) => None,
    }
}
