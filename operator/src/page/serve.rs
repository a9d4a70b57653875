//! Requests in, pages out. A token that is tried goes to a sidecar and is forgotten; it is in no answer and in no log.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use kube::{Api, Client};
use restward_crds::{
    api::v1alpha1::RestApiAuthPolicy,
    sidecar::admin::{MAX_QUESTION, MeantCall},
};
use tokio::{net::TcpListener, sync::Semaphore};
use url::form_urlencoded;

use super::{
    gather, guard,
    review::{self, Visitor},
    session::{self, Sessions, Token},
    view,
};
use crate::ask::Asker;

/// For one request, its body included: longer than a sidecar is waited for, twice.
const REQUEST: Duration = Duration::from_secs(40);
/// Requests at a time that ask API server and sidecars.
const AT_ONCE: usize = 16;

/// What the page works with.
pub struct Page {
    client: Client,
    asker: Asker,
    sessions: Sessions,
    places: Semaphore,
}

impl Page {
    /// Of the cluster of `client`, whose sidecars have their admin server at `port`.
    ///
    /// # Errors
    /// The system has no random numbers, or no HTTP client could be made.
    pub fn new(client: Client, port: u16) -> anyhow::Result<Self> {
        Ok(Self {
            client,
            asker: Asker::new(port)?,
            sessions: Sessions::new()?,
            places: Semaphore::new(AT_ONCE),
        })
    }
}

/// Serves until it is dropped.
///
/// # Errors
/// The listener broke.
pub async fn serve(listener: TcpListener, page: Page) -> anyhow::Result<()> {
    Ok(axum::serve(listener, router(Arc::new(page))).await?)
}

fn router(page: Arc<Page>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/policies/{namespace}/{name}", get(policy).post(try_token))
        .route("/login", post(login))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&page), take_a_place))
        .route("/login", get(async || view::login(None)))
        .route("/logout", post(logout))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], view::STYLE)))
        .fallback(async || (StatusCode::NOT_FOUND, view::sentence("Not found", "There is no such page.")))
        .with_state(page)
        .layer(DefaultBodyLimit::max(MAX_QUESTION))
        .layer(middleware::from_fn(limit_time))
        .layer(middleware::from_fn(guard::welcome))
}

async fn limit_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

async fn take_a_place(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    match page.places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Stop::Busy.into_response(),
    }
}

/// Why a visitor does not get what they asked for.
enum Stop {
    /// Nobody is logged in.
    Stranger,
    /// The token has ended, or never was one.
    NotValid,
    /// The visitor may not see this, whether it exists or not.
    Forbidden(Visitor, String),
    NotFound(Visitor, String),
    Busy,
    /// The API server could not be asked.
    Unasked(kube::Error),
}

impl From<kube::Error> for Stop {
    fn from(error: kube::Error) -> Self {
        Self::Unasked(error)
    }
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        match self {
            Self::Stranger => Redirect::to("/login").into_response(),
            Self::NotValid => {
                let mut response =
                    (StatusCode::UNAUTHORIZED, view::login(Some(view::NOT_VALID))).into_response();
                set_cookie(&mut response, &session::end());
                response
            }
            Self::Forbidden(visitor, what) => {
                (StatusCode::FORBIDDEN, view::forbidden(visitor.name(), &what)).into_response()
            }
            Self::NotFound(visitor, what) => {
                (StatusCode::NOT_FOUND, view::not_found(visitor.name(), &what)).into_response()
            }
            Self::Busy => {
                let text = "Others are asking too much at the moment. Try again in a while.";
                (StatusCode::SERVICE_UNAVAILABLE, view::sentence("Busy", text)).into_response()
            }
            Self::Unasked(error) => {
                tracing::warn!(%error, "the API server could not be asked for the page");
                let text =
                    "The API server could not be asked. Try again in a while; the operator's log says more.";
                (StatusCode::SERVICE_UNAVAILABLE, view::sentence("No answer", text)).into_response()
            }
        }
    }
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

/// A clock before 1970 makes no session end; tokens end all the same.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Page {
    async fn visitor(&self, headers: &HeaderMap) -> Result<Visitor, Stop> {
        let token = self.sessions.token(headers, now()).ok_or(Stop::Stranger)?;
        review::visitor(&self.client, &token).await?.ok_or(Stop::NotValid)
    }

    /// The policy, if the visitor may see it.
    async fn policy(
        &self,
        visitor: &Visitor,
        namespace: &str,
        name: &str,
    ) -> Result<RestApiAuthPolicy, Stop> {
        let what = format!("{namespace}/{name}");
        // They become parts of a path at the API server.
        if !is_name(namespace) || !is_name(name) {
            return Err(Stop::NotFound(visitor.clone(), what));
        }
        if !review::may_get(&self.client, visitor, Some(namespace), Some(name)).await? {
            return Err(Stop::Forbidden(visitor.clone(), what));
        }
        let found =
            Api::<RestApiAuthPolicy>::namespaced(self.client.clone(), namespace).get_opt(name).await?;
        found.ok_or_else(|| Stop::NotFound(visitor.clone(), what))
    }
}

async fn index(State(page): State<Arc<Page>>, headers: HeaderMap) -> Result<Html<String>, Stop> {
    let visitor = page.visitor(&headers).await?;
    let (policies, is_cut) = gather::policies(&page.client).await?;
    let seen = review::visible(&page.client, &visitor, &gather::ids(&policies)).await?;
    if !seen.is_somebody {
        return Err(Stop::Forbidden(visitor, String::new()));
    }
    let shown: Vec<&RestApiAuthPolicy> =
        policies.iter().filter(|policy| seen.policies.contains(&gather::id(policy))).collect();
    Ok(view::policies(visitor.name(), &shown, is_cut || seen.is_cut))
}

async fn policy(
    State(page): State<Arc<Page>>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Html<String>, Stop> {
    shown(&page, &headers, &namespace, &name, None).await
}

/// What somebody pasted, and the call that they have in mind.
struct Pasted {
    token: String,
    call: Option<MeantCall>,
}

async fn try_token(
    State(page): State<Arc<Page>>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Html<String>, Stop> {
    let field =
        |name: &str| field(&body, name).map(|value| value.trim().to_owned()).filter(|it| !it.is_empty());
    let call = field("path").map(|path| MeantCall {
        method: field("method").unwrap_or_else(|| "GET".to_owned()),
        path,
        address: field("address").and_then(|address| address.parse::<IpAddr>().ok()),
    });
    let pasted = Pasted { token: field("token").unwrap_or_default(), call };
    shown(&page, &headers, &namespace, &name, Some(pasted)).await
}

async fn shown(
    page: &Page,
    headers: &HeaderMap,
    namespace: &str,
    name: &str,
    pasted: Option<Pasted>,
) -> Result<Html<String>, Stop> {
    let visitor = page.visitor(headers).await?;
    let policy = page.policy(&visitor, namespace, name).await?;
    let sidecars = gather::sidecars(&page.client, &policy).await?;
    let result = match &pasted {
        Some(Pasted { token, call }) => {
            let tried = sidecars.try_token(&page.asker, token, call.as_ref()).await;
            Some(view::Outcome { tried, call: call.as_ref() })
        }
        None => None,
    };
    let (tallies, unasked) = sidecars.tallies(&page.asker).await;
    Ok(view::policy(
        visitor.name(),
        &view::Shown { policy: &policy, tallies: &tallies, unasked, outcome: result },
    ))
}

async fn login(State(page): State<Arc<Page>>, body: Bytes) -> Result<Response, Stop> {
    let token = field(&body, "token").and_then(|text| Token::pasted(&text)).ok_or(Stop::NotValid)?;
    review::visitor(&page.client, &token).await?.ok_or(Stop::NotValid)?;
    let mut response = Redirect::to("/").into_response();
    if let Ok(cookie) = page.sessions.begin(&token, now()) {
        set_cookie(&mut response, &cookie);
    }
    Ok(response)
}

async fn logout() -> Response {
    let mut response = Redirect::to("/login").into_response();
    set_cookie(&mut response, &session::end());
    response
}

/// Whether it can be the name of an object (RFC 1123, as Kubernetes has it).
fn is_name(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends_well = |b: Option<&u8>| b.is_some_and(|b| is_letter(*b));
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.iter().all(|b| is_letter(*b) || matches!(b, b'-' | b'.'))
        && !text.contains("..")
}

/// A field of a form (`application/x-www-form-urlencoded`).
fn field(body: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(body).find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}
