//! The phases of a request, in order: read → route → credential → decide → judge → forward → clean → record. Each phase
//! is a module of its own; this file only puts them in a row.

mod again;
mod answers;
mod exchange;
mod head;
mod judge;
mod legacy;
mod passwords;
mod slots;
mod unread;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use http::{Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use restward_crds::{reason::Reason, sidecar::terms::Mode};

use crate::{
    address,
    audit::{Audit, Done, Outcome, Record},
    basic_report::{BasicReport, Login},
    config::{Active, Store},
    cors::Grants,
    credential::Kind,
    decide::{self, Action, Facts},
    forward::{self, Body, Limits, Upstream, form::Readers, headers, held::held, tunnel},
    identity::strip,
    metrics::Metrics,
    refusal::Deny,
    respond::{self, Asked},
    route::{PathClass, Route},
    server::Bounds,
    tally::Tally,
    target::Target,
    time::UnixTime,
    trace::{Trace, Traces},
    verify::Verifier,
};
use again::Sending;
use exchange::Exchange;
use head::Head;
use judge::{Case, Treatment};

pub use slots::Slots;

/// The data port: everything a request meets on its way.
pub struct Gate {
    /// The configuration in force.
    pub store: Arc<Store>,
    /// Confluence.
    pub upstream: Upstream,
    /// Reads forms.
    pub forms: Readers,
    /// How many requests there may be at once.
    pub slots: Slots,
    /// What clients may take up.
    pub bounds: Bounds,
    /// Whether there is a way around the sidecar.
    pub verifier: Arc<Verifier>,
    /// What Confluence granted to pages of other origins.
    pub grants: Grants,
    /// The audit lines.
    pub audit: Audit,
    /// Who logs in by password.
    pub basic: Arc<BasicReport>,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// What was refused lately.
    pub tally: Arc<Tally>,
    /// The traces, if anybody collects them.
    pub traces: Option<Traces>,
}

impl Gate {
    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let started = Instant::now();
        let peer = peer.ip().to_canonical();
        let has_body = !request.body().is_end_stream();
        let active = self.store.active();
        let limits =
            active.as_ref().map(|active| Limits::from(&active.settings.upstream)).unwrap_or_default();
        let body_time = limits.idle.unwrap_or(self.bounds.idle_time);
        let (mut exchange, request_id) = Exchange::new(request, peer, body_time);
        let trace = self.begin_trace(&exchange.head);
        let mut record = Record {
            request_id,
            client: active.as_ref().map_or(peer, |active| {
                address::of_caller(peer, &exchange.head.headers, &active.settings.trusted_proxies)
            }),
            method: exchange.head.method.clone(),
            class: None,
            credential: Kind::None,
            outcome: Outcome::Passed,
            reason: None,
            user: None,
            token: None,
            trace_id: trace.id(),
        };
        let slot = self.slots.take(|| active.as_ref().is_some_and(|active| is_open(active, &exchange.head)));
        let answer = match (&slot, &active) {
            (Err(full), _) => Err((*full).into()),
            (Ok(_), Some(active)) => self.answer(active, &mut exchange, &mut record, &trace, limits).await,
            // Never open: without a configuration nobody knows what may pass.
            (Ok(_), None) => Err(Reason::NotConfigured.into()),
        };
        let mut response = answer.unwrap_or_else(|deny| {
            record.outcome = Outcome::Refused;
            record.reason = Some(deny.reason);
            let asked = Asked {
                realm: active.as_ref().map_or("restward", |active| active.realm()),
                resource: answers::resource(active.as_deref(), &exchange),
                request_id: record.request_id.as_str(),
                has_body,
                grant: exchange.origin.as_ref().and_then(|origin| self.grants.of(origin)),
            };
            respond::refusal(&deny, &asked)
        });
        record.request_id.put_on(response.headers_mut());
        if exchange.learns_of_end {
            passwords::announce_end(active.as_deref(), &self.metrics, response.headers_mut());
        }
        self.metrics.count(&record);
        let (status, now) = (response.status().as_u16(), UnixTime::now());
        self.tally.note(&record, now);
        if let Some(login) = exchange.login.take() {
            self.basic.note(login, &record, status, response.headers(), now);
        }
        let lines = active.map(|active| active.settings.audit.lines).unwrap_or_default();
        let done = Done { status, latency: started.elapsed(), at: now };
        self.audit.write(&record, lines, done);
        trace.end(&record, status);
        response.map(|body| held(body, slot))
    }

    fn begin_trace(&self, head: &Head) -> Trace {
        self.traces.as_ref().map(|traces| traces.begin(&head.method, &head.headers)).unwrap_or_default()
    }

    async fn answer(
        &self,
        active: &Active,
        exchange: &mut Exchange,
        record: &mut Record,
        trace: &Trace,
        limits: Limits,
    ) -> Result<Response<Body>, Deny> {
        if exchange.head.target == Err(Reason::MethodNotAllowed) {
            return Err(Reason::MethodNotAllowed.into());
        }
        if let Some(document) = answers::metadata(active, exchange, record)? {
            return Ok(document);
        }
        let (started, began) = (Instant::now(), SystemTime::now());
        let judged = self.decide(active, exchange, record).await;
        self.metrics.decided_in(started.elapsed());
        trace.decided(began);
        let treatment = match (judged, active.settings.mode) {
            (Ok(treatment), _) => treatment,
            (Err(deny), Mode::Enforce) => return Err(deny),
            (Err(deny), _) if holds_in_every_mode(deny.reason) => return Err(deny),
            (Err(deny), Mode::Audit | Mode::Off) => {
                record.outcome = Outcome::WouldRefuse;
                record.reason = Some(deny.reason);
                Treatment::Untouched
            }
        };
        self.forward(active, exchange, record, treatment, trace, limits).await
    }

    /// Everything up to the decision. Reads the body only where parameters in it decide.
    async fn decide(
        &self,
        active: &Active,
        exchange: &mut Exchange,
        record: &mut Record,
    ) -> Result<Treatment, Deny> {
        let settings = &active.settings;
        let head = &exchange.head;
        let checked = head.check().and_then(|()| head.target.as_ref().map_err(|reason| *reason));
        let route = checked.map(|target| route(active, &head.method, target));
        record.class = route.as_ref().ok().map(|route| route.class);
        let is_protected = route.as_ref().is_ok_and(|route| route.class == PathClass::Protected);
        // A token is judged before the form beside it is read: nothing in that can name a user any more, and who has no token
        // must not take up the room of those who have one.
        let by_head = exchange.presented();
        let form = if is_protected && settings.mode != Mode::Off && by_head.kind != Kind::Token {
            self.read_form_of_stranger(exchange).await
        } else {
            Ok(())
        };

        let presented = if exchange.form.is_some() { exchange.presented() } else { by_head };
        record.credential = presented.kind;
        if settings.upstream.identity.reserved_consumer().is_some_and(|key| presented.uses_consumer(key)) {
            return Err(Reason::ReservedConsumer.into());
        }
        if settings.mode == Mode::Off {
            return Ok(Treatment::Untouched);
        }
        let route = route?;
        form?;
        let facts = Facts {
            route,
            presented: &presented,
            is_cors_preflight: exchange.head.is_cors_preflight(),
            is_excepted: passwords::is_excepted(
                active,
                &exchange.head,
                presented.password_user.as_deref(),
                record.client,
            ),
            skips_oauth1: strip::is_skipped_by_oauth(&exchange.head.headers),
            now: UnixTime::now(),
        };
        let decision = decide::decide(settings, &facts);
        exchange.login = decision.is_about_passwords().then(|| Login::of(&exchange.head.headers, &presented));
        // Audit changes no answer.
        exchange.learns_of_end = settings.mode == Mode::Enforce
            && settings.basic_auth_deprecation.is_some()
            && decide::ends_with_passwords(settings, &facts);
        let case = Case {
            active,
            presented: &presented,
            head: &exchange.head,
            verifier: &self.verifier,
            route,
            peer: exchange.peer,
            client: record.client,
            now: facts.now,
        };
        let treatment = judge::judge(&case, decision, record).await?;
        exchange.is_known =
            matches!(treatment, Treatment::AsUser { .. }) || decision.action == Action::ConfirmBearer;
        if route.is_rpc && !decision.is_about_passwords() {
            legacy::check(self, active, exchange, record, facts.now).await?;
        }
        match treatment {
            Treatment::AsUser { .. } => {
                exchange.read_form(&self.forms.of_users).await?;
                exchange.be_repeatable(active, &self.forms.of_users).await?;
                Ok(treatment)
            }
            // Audit changes nothing about what is not asserted.
            _ if settings.mode == Mode::Audit => {
                if record.outcome == Outcome::Stripped {
                    record.outcome = Outcome::WouldRefuse;
                }
                Ok(Treatment::Untouched)
            }
            treatment => Ok(treatment),
        }
    }

    async fn read_form_of_stranger(&self, exchange: &mut Exchange) -> Result<(), Reason> {
        if exchange.head.has_form()? {
            exchange.count_body(&self.slots)?;
        }
        exchange.read_form(&self.forms.of_strangers).await
    }

    async fn forward(
        &self,
        active: &Active,
        exchange: &mut Exchange,
        record: &Record,
        treatment: Treatment,
        trace: &Trace,
        limits: Limits,
    ) -> Result<Response<Body>, Deny> {
        exchange.count_body(&self.slots)?;
        let method = exchange.head.method.clone();
        let is_open = record.class.is_some_and(|class| class != PathClass::Protected);
        let may_upgrade = is_open && !matches!(treatment, Treatment::AsUser { .. });
        let wish = exchange.wish.take().filter(|_| may_upgrade);
        let is_api_preflight =
            record.class == Some(PathClass::Protected) && exchange.head.is_cors_preflight();
        let (mut request, alarm, again) = exchange.outgoing(active, &treatment)?;
        if wish.is_some() {
            tunnel::ask(request.headers_mut());
        }
        let departure = &exchange.departure;
        let sending = Sending { method: &method, limits, trace, departure };
        let sent = self.send(active, request, again, &sending).await;
        let mut answer = match sent {
            Ok(answer) => answer,
            Err(_) if alarm.is_raised() => return Err(Reason::ReservedConsumer.into()),
            Err(reason) => return Err(reason.into()),
        };
        if let Some(origin) = exchange.origin.as_ref().filter(|_| is_api_preflight) {
            self.grants.learn(origin, answer.status(), answer.headers());
        }
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return match wish {
                Some(wish) => {
                    wish.fulfil(&mut answer);
                    Ok(answer.map(|_| forward::full("")))
                }
                None => Err(Reason::UpstreamUnreachable.into()),
            };
        }
        headers::remove_hop_by_hop(answer.headers_mut());
        if active.settings.mode != Mode::Off {
            answers::check_assertion(active, &self.metrics, &method, &treatment, &mut answer)?;
            answers::hide_challenges(active, exchange, record, &treatment, &mut answer);
        }
        Ok(answer.map(|body| forward::streamed(body, limits.idle)))
    }
}

fn route(active: &Active, method: &http::Method, target: &Target) -> Route {
    Route::of(method, target, &active.context_path, &active.settings.anonymous_paths)
}

fn is_open(active: &Active, head: &Head) -> bool {
    let class = head.target.as_ref().map(|target| route(active, &head.method, target).class);
    class == Ok(PathClass::Open)
}

/// In no mode may anybody but the sidecar use its key, and a call that is to be somebody's must not become nobody's while
/// the sidecar may not name users.
fn holds_in_every_mode(reason: Reason) -> bool {
    matches!(reason, Reason::ReservedConsumer | Reason::EnforcementUnverified)
}
