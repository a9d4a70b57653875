//! What an answer has to be, and whether it is. Pure.

use http::header;
use restward_crds::{
    link::{self, Consumer, Link},
    reason::Reason,
    text::Username,
};

use super::answer::Answer;

/// What an answer has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// 2xx, and not a page that asks for the password.
    Served,
    /// 200 with these words in it.
    Says(String),
    /// 2xx of exactly so many bytes.
    Bytes(u64),
    /// Confluence says who is logged in: this user.
    User(String),
    /// The same: anybody but a visitor.
    SomeUser,
    /// A page, or a redirect to one.
    Page,
    /// The same for somebody who has logged in, and this user, where that is known.
    PageOf(Option<String>),
    /// This consumer's application link is among those of the list.
    Link(String),
    /// The list has these application links.
    Links(Vec<Link>),
    /// Confluence's own affair, whatever it says.
    Passed,
    /// The same of SOAP, whose answers to what it does not like are 500.
    SoapAnswer,
    /// Confluence's own, to whom it takes for a visitor or does not let in.
    Visitor,
    /// 401 of Confluence itself, which asks for a password (Basic).
    Challenge,
    /// 401 or 403 of Confluence itself.
    RejectedByConfluence,
    /// Confluence lets this origin's pages call.
    Granted(String),
    /// 400, from whoever is first to look.
    BadRequest,
    /// A head that is too long, from whoever is first to look.
    HeadTooLong,
    /// 413, from whoever is first to look.
    TooLarge,
    /// Restward's refusal for this reason.
    Refused(Reason),
    /// Restward's refusal of a token that is none, for whichever reason.
    RefusedToken,
}

/// Why an answer is not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) why: String,
    pub(super) fix: String,
}

impl Expected {
    /// For people.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Served => "2xx".into(),
            Self::Says(text) => format!("200 with {text:?}"),
            Self::Bytes(count) => format!("2xx with {count} bytes"),
            Self::User(user) => format!("200 as {user}"),
            Self::SomeUser => "200 as a user".into(),
            Self::Page => "a page".into(),
            Self::PageOf(None) => "a page for a user".into(),
            Self::PageOf(Some(user)) => format!("a page for {user}"),
            Self::Link(consumer) => format!("a list with {consumer}"),
            Self::Links(links) => format!("the same {} links", links.len()),
            Self::Passed => "Confluence's own answer".into(),
            Self::SoapAnswer => "Confluence's own answer, or a fault of SOAP".into(),
            Self::Visitor => "Confluence's own answer, to a visitor".into(),
            Self::Challenge => "401 of Confluence with a Basic challenge".into(),
            Self::RejectedByConfluence => "401 or 403 of Confluence".into(),
            Self::Granted(origin) => format!("a grant for {origin}"),
            Self::BadRequest => "400".into(),
            Self::HeadTooLong => "431, or 400 or 414 of somebody in front".into(),
            Self::TooLarge => "413".into(),
            Self::Refused(reason) => format!("{} {reason}", reason.status()),
            Self::RefusedToken => "401 with a reason".into(),
        }
    }

    /// Whether the answer is that.
    pub(super) fn judge(&self, answer: &Answer) -> Result<(), Wrong> {
        match self {
            Self::Refused(_) | Self::RefusedToken => self.judge_refusal(answer),
            // Whoever stands in front may refuse it first, in words of its own.
            Self::BadRequest if answer.status == 400 => Ok(()),
            Self::BadRequest => Err(wrong(
                format!("it was read by somebody: {}", answer.shown()),
                "see that the sidecar is in the way of this address: kubectl restward check",
            )),
            Self::HeadTooLong if matches!(answer.status, 400 | 413 | 414 | 431 | 494) => Ok(()),
            Self::TooLarge if answer.status == 413 => Ok(()),
            Self::HeadTooLong | Self::TooLarge => Err(not_limited(answer)),
            _ => self.judge_passed(answer),
        }
    }

    fn judge_refusal(&self, answer: &Answer) -> Result<(), Wrong> {
        let Some(reason) = answer.reason() else {
            return Err(wrong(
                format!("it was not refused by Restward: {}", answer.shown()),
                "see that --url leads to pods with the sidecar, that their policy is in mode Enforce, and that it is the policy which was read \
                 here: kubectl restward check",
            ));
        };
        let is_reason = match self {
            Self::Refused(expected) => reason == *expected,
            _ => reason.status() == 401 && reason.explain().bearer_error == Some("invalid_token"),
        };
        if !is_reason {
            return Err(unexpected(reason));
        }
        if answer.status != reason.status() {
            return Err(wrong(
                format!("something in front changes the status of a refusal to {}", answer.status),
                "let the ingress pass error answers on as they are",
            ));
        }
        let challenges: Vec<&str> =
            answer.headers.get_all(header::WWW_AUTHENTICATE).iter().flat_map(|it| it.to_str()).collect();
        if answer.status != 401
            || (challenges.iter().any(|it| it.starts_with("Bearer"))
                && !challenges.iter().any(|it| it.starts_with("Basic")))
        {
            return Ok(());
        }
        Err(wrong(
            "its challenge is not Bearer alone, so that browsers ask for a password and clients do not know what to send".to_owned(),
            "let the ingress pass WWW-Authenticate on, and add none",
        ))
    }

    fn judge_passed(&self, answer: &Answer) -> Result<(), Wrong> {
        if let Some(reason) = answer.reason() {
            return Err(unexpected(reason));
        }
        if answer.status >= 500 && !(*self == Self::SoapAnswer && answer.text().contains("Fault>")) {
            return Err(wrong(
                format!("{} of Confluence, or of somebody in front", answer.status),
                "see Confluence's log, and that of the ingress",
            ));
        }
        match self {
            Self::Served => served(answer),
            Self::Says(text) if answer.status == 200 && answer.text().contains(text.as_str()) => Ok(()),
            Self::Bytes(count) => served(answer).and_then(|()| bytes(*count, answer)),
            Self::User(user) => user_of(answer).and_then(|found| same(user, &found)),
            Self::SomeUser => user_of(answer).map(drop),
            Self::Page if answer.status < 400 => Ok(()),
            Self::Says(_) | Self::Page => Err(not_here(answer)),
            Self::PageOf(user) => page_of(user.as_deref(), answer),
            Self::Link(consumer) => own_link(consumer, answer),
            Self::Links(before) if links(answer)? == *before => Ok(()),
            Self::Links(_) => Err(wrong(
                "they are others than at the beginning",
                "see Administration > Application links: nothing here changes them, somebody else does",
            )),
            Self::Visitor => visitor(answer),
            Self::Challenge => challenge(answer),
            Self::RejectedByConfluence if matches!(answer.status, 401 | 403) => Ok(()),
            Self::RejectedByConfluence => Err(wrong(
                format!("it was taken for a visitor's, or for somebody's: {}", answer.shown()),
                "see docs/compatibility.md: this Confluence decides in another way than those that are known; report it",
            )),
            Self::Granted(origin) => granted(origin, answer),
            // The others are no answers of Confluence.
            Self::Passed
            | Self::SoapAnswer
            | Self::BadRequest
            | Self::HeadTooLong
            | Self::TooLarge
            | Self::Refused(_)
            | Self::RefusedToken => Ok(()),
        }
    }
}

fn wrong(why: impl Into<String>, fix: impl Into<String>) -> Wrong {
    Wrong { why: why.into(), fix: fix.into() }
}

fn not_limited(answer: &Answer) -> Wrong {
    let fix = "see that the sidecar is in the way of this address: kubectl restward check";
    match answer.reason() {
        Some(reason) => unexpected(reason),
        None => wrong(format!("nobody minded its size: {}", answer.shown()), fix),
    }
}

fn visitor(answer: &Answer) -> Result<(), Wrong> {
    let named = answer.user().or_else(|| answer.header("x-ausername").map(str::to_owned));
    match named.filter(|name| name != "anonymous") {
        None => Ok(()),
        Some(name) => Err(wrong(
            format!("a header made it a call of {name}"),
            "see that the sidecar is in the way of this address, at once: whoever reaches it is whom they like to be",
        )),
    }
}

fn challenge(answer: &Answer) -> Result<(), Wrong> {
    let mut challenges = answer.headers.get_all(header::WWW_AUTHENTICATE).iter().flat_map(|it| it.to_str());
    if answer.status == 401 && challenges.any(|it| it.starts_with("Basic")) {
        return Ok(());
    }
    Err(wrong(
        format!("nobody asked for the password: {}", answer.shown()),
        "let the ingress pass WWW-Authenticate on; clients that wait for the question log in no more until then",
    ))
}

/// Refused by Restward although it should not be, or for another reason.
fn unexpected(reason: Reason) -> Wrong {
    let explained = reason.explain();
    let fix = match reason.status() {
        500.. => format!("{} kubectl restward check says more", explained.message),
        _ => format!(
            "compare the policy with the credential, the message says with what: {} kubectl restward token why shows each check of a token",
            explained.message
        ),
    };
    wrong(format!("Restward refused it: {} {reason}", reason.status()), fix)
}

/// An answer of somebody else, or of another address.
fn not_here(answer: &Answer) -> Wrong {
    wrong(
        format!("the answer is {}", answer.shown()),
        "see that --url is Confluence's base URL with its context path, that Confluence has started, and that the sidecar is in the way",
    )
}

fn served(answer: &Answer) -> Result<(), Wrong> {
    match answer.status {
        200..=299 => Ok(()),
        401 | 403 => Err(wrong(
            format!("Confluence itself refuses: {}", answer.shown()),
            "see that the user may do this in Confluence, and that the sidecar is in the way of this address: kubectl restward check",
        )),
        _ => Err(not_here(answer)),
    }
}

fn bytes(count: u64, answer: &Answer) -> Result<(), Wrong> {
    if answer.length == count {
        return Ok(());
    }
    Err(wrong(
        format!("{} bytes came", answer.length),
        "see the limits of the ingress for sizes and times of bodies",
    ))
}

/// Who Confluence says is logged in (`/rest/api/user/current`).
fn user_of(answer: &Answer) -> Result<String, Wrong> {
    served(answer)?;
    answer.user().ok_or_else(|| {
        wrong(
            "Confluence took the call for a visitor's",
            "see that the sidecar is in the way of this address (kubectl restward check), and that Confluence accepts this credential",
        )
    })
}

/// As Confluence compares names, without regard to case.
fn same(wanted: &str, found: &str) -> Result<(), Wrong> {
    let parsed = wanted.parse::<Username>().ok().zip(found.parse::<Username>().ok());
    if parsed.is_some_and(|(wanted, found)| wanted.is_same_user(&found)) {
        return Ok(());
    }
    Err(wrong(
        format!("Confluence took it for a call of {found}"),
        "compare spec.usernameAttribute, usernameMapping and serviceAccounts of the policy with the token (kubectl restward token decode), \
         or correct --user",
    ))
}

fn page_of(user: Option<&str>, answer: &Answer) -> Result<(), Wrong> {
    let to = answer.header(header::LOCATION).unwrap_or_default();
    if answer.status >= 400 || to.contains("login.action") {
        return Err(wrong(
            format!("no page of somebody's came: {}", answer.shown()),
            "see that --url is Confluence's base URL with its context path, and that the session holds there without Restward, too",
        ));
    }
    match (user, answer.header("x-ausername")) {
        (Some(user), Some(named)) => same(user, named),
        // Names beyond Latin-1 are not there.
        _ => Ok(()),
    }
}

fn links(answer: &Answer) -> Result<Vec<Link>, Wrong> {
    served(answer)?;
    let mut links = link::listed(&answer.body).ok_or_else(|| not_here(answer))?;
    links.sort();
    Ok(links)
}

fn own_link(consumer: &str, answer: &Answer) -> Result<(), Wrong> {
    let made = link::own(links(answer)?, &Consumer::of_policy(consumer, ""));
    if matches!(made, Ok(Some(_))) {
        return Ok(());
    }
    Err(wrong(
        format!("Confluence has no application link {consumer}, or another of that name"),
        "kubectl restward applink apply makes it",
    ))
}

fn granted(origin: &str, answer: &Answer) -> Result<(), Wrong> {
    match answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        Some(allowed) if allowed == origin || allowed == "*" => Ok(()),
        _ => Err(wrong(
            format!("Confluence grants {origin} nothing: {}", answer.shown()),
            "add the origin to Confluence's allow-list (Administration > Allowlist), or correct --origin",
        )),
    }
}

#[cfg(test)]
mod tests;
