//! A request while it is worked on: taken apart at the beginning, put together for Confluence at the end.

use std::{net::IpAddr, time::Duration};

use http::{HeaderValue, Request, header};
use hyper::body::{Body as _, Incoming};
use restward_crds::reason::Reason;

use super::{
    again::{Again, Unsigned},
    head::Head,
    judge::Treatment,
    slots::Slots,
};
use crate::{
    basic_report::Login,
    config::Active,
    cors,
    credential::Presented,
    forward::{
        self, Body,
        form::{Alarm, Form, Reader, guard},
        headers,
        held::held,
        tunnel::{self, Wish},
    },
    identity::{Outgoing, form},
    refusal::Deny,
    request_id::RequestId,
    server::departed::Departure,
};

/// A request while it is worked on.
pub(super) struct Exchange {
    pub(super) head: Head,
    pub(super) body: Body,
    /// Its body has its place among those of strangers.
    is_counted: bool,
    /// Whose credential is known to be good: by the sidecar, or by Confluence, which it has asked.
    pub(super) is_known: bool,
    /// The form, once it was read; `body` is then empty.
    pub(super) form: Option<Form>,
    /// Any other body that was read to be sent twice; `body` is then empty.
    pub(super) kept: Option<Form>,
    pub(super) wish: Option<Wish>,
    pub(super) peer: IpAddr,
    /// The one valid Host header.
    pub(super) host: Option<HeaderValue>,
    /// The origin of the page that sent it.
    pub(super) origin: Option<HeaderValue>,
    /// Says when its client has gone.
    pub(super) departure: Departure,
    /// A password login that the policy audits or denies.
    pub(super) login: Option<Login>,
    /// A password login whose caller is told that they end.
    pub(super) learns_of_end: bool,
}

impl Exchange {
    /// Takes a request apart, whose body must not stop for longer than `body_time`. Gives its id beside.
    pub(super) fn new(
        mut request: Request<Incoming>,
        peer: IpAddr,
        body_time: Duration,
    ) -> (Self, RequestId) {
        let wish = tunnel::wish(&mut request);
        let departure = request.extensions_mut().remove().unwrap_or_default();
        let (parts, body) = request.into_parts();
        let mut head = Head::new(parts);
        let request_id = RequestId::of(&mut head.headers);
        let (host, origin) = (head.host().cloned(), cors::origin(&head.headers));
        let body = forward::streamed(body, Some(body_time));
        let this = Self {
            head,
            body,
            is_counted: false,
            is_known: false,
            form: None,
            kept: None,
            wish,
            peer,
            host,
            origin,
            departure,
            login: None,
            learns_of_end: false,
        };
        (this, request_id)
    }

    /// Gives the body its place among those of strangers, until it has arrived, if that may take a while.
    pub(super) fn count_body(&mut self, slots: &Slots) -> Result<(), Reason> {
        if !self.is_known && !self.is_counted && !self.body.is_end_stream() {
            let place = slots.take_for_body()?;
            let body = std::mem::replace(&mut self.body, forward::full(""));
            self.body = held(body, place);
            self.is_counted = true;
        }
        Ok(())
    }

    /// Reads the body if it is parameters. A form that is too large is an error, but not lost.
    pub(super) async fn read_form(&mut self, reader: &Reader) -> Result<(), Reason> {
        if self.form.is_none() && self.head.has_form()? {
            self.form = Some(self.read(reader).await?);
        }
        match &self.form {
            Some(Form { rest: Some(_), .. }) => Err(Reason::FormTooLarge),
            _ => Ok(()),
        }
    }

    /// Shows the body, unless it is too large, and keeps it.
    pub(super) async fn look_into_body<T>(
        &mut self,
        reader: &Reader,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Reason> {
        let read = self.read(reader).await?;
        let seen = read.rest.is_none().then(|| look(&read.content)).ok_or(Reason::FormTooLarge);
        self.body = read.into_body();
        seen
    }

    pub(super) fn has_body(&self) -> bool {
        self.form.is_some() || !self.body.is_end_stream()
    }

    /// What cannot be read any further is broken off for Confluence too, in modes that let it pass.
    pub(super) async fn read(&mut self, reader: &Reader) -> Result<Form, Reason> {
        let body = std::mem::replace(&mut self.body, forward::full(""));
        let read = reader.read(body).await;
        if let Err(reason) = read {
            self.body = forward::broken_off(reason);
        }
        read
    }

    pub(super) fn presented(&self) -> Presented {
        let query = match &self.head.target {
            Ok(target) => target.query(),
            Err(_) => self.head.as_sent.split_once('?').map(|(_, query)| query),
        };
        Presented::of(&self.head.headers, query, self.form.as_ref().map(|form| form.content.as_ref()))
    }

    /// The request for Confluence, and what it takes to send it once more. Headers that name a user go in every case.
    pub(super) fn outgoing(
        &mut self,
        active: &Active,
        treatment: &Treatment,
    ) -> Result<(Request<Body>, Alarm, Option<Again>), Deny> {
        let mut headers = std::mem::take(&mut self.head.headers);
        active.identity().strip(&mut headers);
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
        if let (Ok(sent), Treatment::AsUser { origin, user }) = (&self.head.target, treatment) {
            let request = Outgoing {
                method: self.head.method.clone(),
                path: sent.raw_path().to_owned(),
                query: sent.query().map(str::to_owned),
                headers,
                form: None,
            };
            return self.as_user(active, Unsigned { request, origin: origin.clone(), user: user.clone() });
        }
        let mut request = Request::new(());
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = target.parse().map_err(|_| Reason::AmbiguousTarget)?;
        *request.headers_mut() = headers;
        let body = match self.form.take() {
            Some(form) => form.into_body(),
            None => std::mem::replace(&mut self.body, forward::full("")),
        };
        // A form that nobody has read may still hold our consumer key, on whichever path.
        let is_form = form_may_hold_parameters(request.headers(), request.method());
        let (body, alarm) = match active.settings.upstream.identity.reserved_consumer() {
            Some(key) if is_form => guard(body, key),
            _ => (body, Alarm::default()),
        };
        Ok((request.map(|()| body), alarm, None))
    }

    fn as_user(
        &mut self,
        active: &Active,
        mut unsigned: Unsigned,
    ) -> Result<(Request<Body>, Alarm, Option<Again>), Deny> {
        let key = active.identity().key();
        let is_repeatable = active.calibration().has_two_keys() && self.is_whole();
        unsigned.request.form = self.form.take().map(|form| form.content.to_vec());
        let kept = self.kept.take().map(|kept| kept.content);
        let again = is_repeatable.then(|| Again {
            unsigned: unsigned.clone(),
            body: kept.clone().unwrap_or_default(),
            key,
        });
        let body = match kept {
            Some(kept) => forward::full(kept),
            None => std::mem::replace(&mut self.body, forward::full("")),
        };
        Ok((unsigned.signed(active.identity(), key, body)?, Alarm::default(), again))
    }
}

fn form_may_hold_parameters(headers: &http::HeaderMap, method: &http::Method) -> bool {
    form::must_buffer(method, headers) != Ok(false)
}
