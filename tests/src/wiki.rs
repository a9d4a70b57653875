//! Calling Confluence through its Service.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::{
    Method,
    header::{AUTHORIZATION, COOKIE, HeaderMap},
};
use serde_json::Value;

use crate::{
    command::kubectl,
    keycloak::user_token,
    wait::eventually,
    world::{WIKI_NAMESPACE, WIKI_POD, World},
};

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, as text.
    pub body: String,
}

impl Answer {
    /// Body as JSON; `Null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The refusal's reason code, when Restward refused.
    pub fn reason(&self) -> Option<String> {
        self.json()["reason"].as_str().map(Into::into)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The user that the stand-in's echo saw.
    pub fn echoed_user(&self) -> Option<String> {
        self.json()["user"].as_str().map(Into::into)
    }
}

/// How a call authenticates.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Not at all.
    None,
    /// `Authorization: Bearer`.
    Bearer(String),
    /// User name and password.
    Basic(&'static str, &'static str),
    /// A ready `Authorization` value.
    Raw(String),
    /// A session cookie.
    Cookie(String),
}

/// Path of the call that the original guide makes.
pub const CONTENT: &str = "/rest/api/content/";
/// Path of the stand-in's echo.
pub const ECHO: &str = "/rest/standin/1.0/echo";

/// One call without a body.
///
/// # Errors
/// When nothing answers.
pub async fn call(world: &World, method: Method, path: &str, auth: &Auth) -> Result<Answer> {
    finish(world.http.request(method, format!("{}{path}", world.wiki_url)), auth).await
}

/// A GET.
///
/// # Errors
/// When nothing answers.
pub async fn get(world: &World, path: &str, auth: &Auth) -> Result<Answer> {
    call(world, Method::GET, path, auth).await
}

/// Sends a prepared request with this authentication.
///
/// # Errors
/// When nothing answers.
pub async fn finish(request: reqwest::RequestBuilder, auth: &Auth) -> Result<Answer> {
    let request = match auth {
        Auth::None => request,
        Auth::Bearer(token) => request.bearer_auth(token),
        Auth::Basic(user, password) => request.basic_auth(user, Some(password)),
        Auth::Raw(value) => request.header(AUTHORIZATION, value),
        Auth::Cookie(value) => request.header(COOKIE, value),
    };
    let answer = request.send().await?;
    Ok(Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.text().await?,
    })
}

/// Logs in at the login form and gives the session cookie.
///
/// # Errors
/// When nothing answers.
pub async fn log_in(world: &World, user: &str, password: &str) -> Result<(Answer, Auth)> {
    let form = [("os_username", user), ("os_password", password), ("login", "Log in")];
    let answer =
        finish(world.http.post(format!("{}/dologin.action", world.wiki_url)).form(&form), &Auth::None)
            .await?;
    let cookies: Vec<&str> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next())
        .collect();
    let cookie = Auth::Cookie(cookies.join("; "));
    Ok((answer, cookie))
}

/// Waits until a token of alice's names her to Confluence.
///
/// # Errors
/// When it does not.
pub async fn token_names_its_user(world: &World, patience: Duration) -> Result<()> {
    eventually("a token names its user", patience, || async {
        // A new one each time: they live for minutes, and so may the wait.
        let token = Auth::Bearer(user_token(world, "alice").await?);
        let answer = get(world, ECHO, &token).await?;
        ensure!(answer.echoed_user().as_deref() == Some("alice"), "{} {:?}", answer.status, answer.reason());
        Ok(())
    })
    .await
}

/// Runs a command in Confluence's container.
///
/// # Errors
/// When it fails; with its message.
pub async fn in_confluence(command: &[&str]) -> Result<String> {
    let exec = ["exec", WIKI_POD, "-n", WIKI_NAMESPACE, "-c", "confluence", "--"];
    kubectl(&[&exec, command].concat()).await
}
