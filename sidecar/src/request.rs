//! The phases of a request, in order: read → route → credential → decide → judge → forward → clean → record. Each phase
//! is a module of its own; this file only puts them in a row.

mod head;
mod judge;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use http::{Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use restward_crds::{reason::Reason, sidecar::terms::Mode};

use crate::{
    audit::{Audit, Outcome, Record},
    config::{Active, Store},
    credential::{Kind, Presented},
    decide::{self, Facts},
    forward::{
        self, Body, Limits, Upstream, clean,
        clean::Checked,
        form::{Alarm, Form, Reader, guard},
        headers,
        tunnel::{self, Wish},
    },
    identity::{Outgoing, strip},
    metrics::Metrics,
    refusal::Deny,
    respond,
    route::{PathClass, Route},
    time::UnixTime,
};
use head::Head;
use judge::Treatment;

/// The data port: everything a request meets on its way.
pub struct Gate {
    /// The configuration in force.
    pub store: Arc<Store>,
    /// Confluence.
    pub upstream: Upstream,
    /// Reads forms.
    pub forms: Reader,
    /// The audit lines.
    pub audit: Audit,
    /// The numbers.
    pub metrics: Arc<Metrics>,
}

/// A request while it is worked on.
struct Exchange {
    head: Head,
    body: Body,
    /// The form, once it was read; `body` is then empty.
    form: Option<Form>,
    wish: Option<Wish>,
    peer: IpAddr,
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
        let (mut exchange, request_id) = Exchange::new(request, peer, limits);
        let mut record = Record {
            request_id,
            client: peer,
            method: exchange.head.method.clone(),
            class: None,
            credential: Kind::None,
            outcome: Outcome::Passed,
            reason: None,
            user: None,
            token: None,
        };
        let answer = match &active {
            Some(active) => self.answer(active, &mut exchange, &mut record, started, limits).await,
            // Never open: without a configuration nobody knows what may pass.
            None => Err(Reason::NotConfigured.into()),
        };
        let response = answer.unwrap_or_else(|deny| {
            record.outcome = Outcome::Refused;
            record.reason = Some(deny.reason);
            let realm = active.as_ref().map_or("restward", |active| active.realm());
            respond::refusal(&deny, realm, &record.request_id, has_body)
        });
        self.metrics.count(&record);
        self.audit.write(&record, response.status().as_u16(), started.elapsed(), UnixTime::now());
        response
    }

    async fn answer(
        &self,
        active: &Active,
        exchange: &mut Exchange,
        record: &mut Record,
        started: Instant,
        limits: Limits,
    ) -> Result<Response<Body>, Deny> {
        if exchange.head.target == Err(Reason::MethodNotAllowed) {
            return Err(Reason::MethodNotAllowed.into());
        }
        let judged = self.decide(active, exchange, record).await;
        self.metrics.decided_in(started.elapsed());
        let treatment = match (judged, active.settings.mode) {
            (Ok(treatment), _) => treatment,
            // In no mode may anybody but the sidecar use its key.
            (Err(deny), Mode::Enforce) => return Err(deny),
            (Err(deny), _) if deny.reason == Reason::ReservedConsumer => return Err(deny),
            (Err(deny), Mode::Audit | Mode::Off) => {
                record.outcome = Outcome::WouldRefuse;
                record.reason = Some(deny.reason);
                Treatment::Untouched
            }
        };
        self.forward(active, exchange, record, treatment, limits).await
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
        let route = checked
            .map(|target| Route::of(&head.method, target, &active.context_path, &settings.anonymous_paths));
        record.class = route.as_ref().ok().map(|route| route.class);
        let is_protected = route.as_ref().is_ok_and(|route| route.class == PathClass::Protected);
        let form = if is_protected && settings.mode != Mode::Off {
            exchange.read_form(&self.forms).await
        } else {
            Ok(())
        };

        let presented = exchange.presented();
        record.credential = presented.kind;
        if presented.uses_consumer(settings.upstream.identity.reserved_consumer()) {
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
            skips_oauth1: strip::is_skipped_by_oauth(&exchange.head.headers),
        };
        let decision = decide::decide(settings, &facts);
        let treatment = judge::judge(active, decision, &presented, &exchange.head, record).await?;
        match treatment {
            Treatment::AsUser { .. } => {
                exchange.read_form(&self.forms).await.map(|()| treatment).map_err(Deny::from)
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

    async fn forward(
        &self,
        active: &Active,
        exchange: &mut Exchange,
        record: &Record,
        treatment: Treatment,
        limits: Limits,
    ) -> Result<Response<Body>, Deny> {
        let method = exchange.head.method.clone();
        let may_upgrade =
            record.class != Some(PathClass::Protected) && !matches!(treatment, Treatment::AsUser { .. });
        let wish = exchange.wish.take().filter(|_| may_upgrade);
        let (mut request, alarm) = exchange.outgoing(active, &treatment)?;
        if wish.is_some() {
            tunnel::ask(request.headers_mut());
        }
        let mut answer = match self.upstream.send(request, limits).await {
            Ok(answer) => answer,
            Err(_) if alarm.is_raised() => return Err(Reason::ReservedConsumer.into()),
            Err(reason) => return Err(reason.into()),
        };
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
        let is_ours = record.outcome != Outcome::WouldRefuse || record.user.is_some();
        if is_ours && active.settings.mode != Mode::Off {
            self.clean(active, &method, record, &treatment, &mut answer)?;
        }
        Ok(answer.map(|body| forward::streamed(body, limits.idle)))
    }

    fn clean(
        &self,
        active: &Active,
        method: &http::Method,
        record: &Record,
        treatment: &Treatment,
        answer: &mut Response<Incoming>,
    ) -> Result<(), Reason> {
        let status = answer.status();
        if let Treatment::AsUser { user, .. } = treatment {
            let checked = clean::check_asserted(method, user, status, answer.headers());
            if checked != Ok(Checked::AsUser) {
                tracing::warn!(outcome = ?checked, "an assertion was not taken as it was meant");
                self.metrics.assertion_rejected();
                active.calibration().poke();
            }
            if checked == Ok(Checked::WroteAsAnother) {
                active.user_check().distrust(user);
            }
            checked?;
            clean::asserted(answer.headers_mut());
        }
        let is_partner = matches!(record.credential, Kind::OAuth1 | Kind::ApplicationLinkJwt);
        let keeps_challenge = matches!(treatment, Treatment::Only { keeps_challenge: true, .. })
            || active.settings.mode == Mode::Audit;
        let is_protected = record.class == Some(PathClass::Protected);
        let is_asserted = matches!(treatment, Treatment::AsUser { .. });
        if status == StatusCode::UNAUTHORIZED
            && (is_asserted || (is_protected && !is_partner && !keeps_challenge))
        {
            clean::challenge(answer.headers_mut(), respond::challenge(active.realm(), None));
        }
        Ok(())
    }
}

impl Exchange {
    /// Takes a request apart. Gives its id beside.
    fn new(mut request: Request<Incoming>, peer: IpAddr, limits: Limits) -> (Self, String) {
        let wish = tunnel::wish(&mut request);
        let (parts, body) = request.into_parts();
        let mut head = Head::new(parts);
        let request_id = headers::request_id(&mut head.headers);
        (Self { head, body: forward::streamed(body, limits.idle), form: None, wish, peer }, request_id)
    }

    /// Reads the body if it is parameters. A form that is too large is an error, but not lost.
    async fn read_form(&mut self, reader: &Reader) -> Result<(), Reason> {
        if self.form.is_none() && self.head.has_form()? {
            let body = std::mem::replace(&mut self.body, forward::full(""));
            self.form = Some(reader.read(body).await?);
        }
        match &self.form {
            Some(Form { rest: Some(_), .. }) => Err(Reason::FormTooLarge),
            _ => Ok(()),
        }
    }

    fn presented(&self) -> Presented {
        let query = match &self.head.target {
            Ok(target) => target.query(),
            Err(_) => self.head.as_sent.split_once('?').map(|(_, query)| query),
        };
        Presented::of(&self.head.headers, query, self.form.as_ref().map(|form| form.content.as_ref()))
    }

    /// The request for Confluence. Headers that name a user go in every case.
    fn outgoing(&mut self, active: &Active, treatment: &Treatment) -> Result<(Request<Body>, Alarm), Deny> {
        let mut headers = std::mem::take(&mut self.head.headers);
        strip::identity_headers(&mut headers);
        headers.remove(header::EXPECT);
        headers::append_peer(&mut headers, self.peer);
        let target = match (&self.head.target, treatment) {
            (Ok(target), Treatment::Only { how, .. }) => {
                format!("{}?{}", target.raw_path(), how.set_in(target.query()))
            }
            _ => self.head.as_sent.clone(),
        };
        if matches!(treatment, Treatment::WithoutAuthorization) {
            headers.remove(header::AUTHORIZATION);
        }
        let mut request = Request::new(());
        *request.method_mut() = self.head.method.clone();
        if let (Ok(sent), Treatment::AsUser { origin, user }) = (&self.head.target, treatment) {
            let mut outgoing = Outgoing {
                method: self.head.method.clone(),
                path: sent.raw_path().to_owned(),
                query: sent.query().map(str::to_owned),
                headers,
                form: self.form.take().map(|form| form.content.to_vec()),
            };
            active.identity().assert(origin, user, UnixTime::now(), &mut outgoing)?;
            let target = match &outgoing.query {
                Some(query) => format!("{}?{query}", outgoing.path),
                None => outgoing.path,
            };
            *request.uri_mut() = target.parse().map_err(|_| Reason::AmbiguousTarget)?;
            *request.headers_mut() = outgoing.headers;
            let body = match outgoing.form {
                Some(form) => forward::full(form),
                None => std::mem::replace(&mut self.body, forward::full("")),
            };
            return Ok((request.map(|()| body), Alarm::default()));
        }
        *request.uri_mut() = target.parse().map_err(|_| Reason::AmbiguousTarget)?;
        *request.headers_mut() = headers;
        let body = match self.form.take() {
            Some(form) => form.into_body(),
            None => std::mem::replace(&mut self.body, forward::full("")),
        };
        // A form that nobody has read may still hold our consumer key, on whichever path.
        let is_form = form_may_hold_parameters(request.headers(), request.method());
        let (body, alarm) = if is_form {
            guard(body, active.settings.upstream.identity.reserved_consumer())
        } else {
            (body, Alarm::default())
        };
        Ok((request.map(|()| body), alarm))
    }
}

fn form_may_hold_parameters(headers: &http::HeaderMap, method: &http::Method) -> bool {
    crate::identity::form::must_buffer(method, headers) != Ok(false)
}
