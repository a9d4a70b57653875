//! `verify`: what a wiki does behind its policy, case by case: the flow of the guide, and everything that is to go on working. To be
//! run against a staging wiki before an upgrade.
//!
//! - [`cases`]: the list, of what to [`ask`]; [`terms`]: what the policy makes of each; [`forged`]: credentials that nobody has
//! - [`expected`]: what an answer has to be, and whether it is
//! - [`wiki`], [`write`]: asking (I/O); [`answer`]: what came back
//! - [`tried`]: what is shown

mod answer;
mod ask;
mod cases;
mod expected;
mod forged;
mod means;
mod terms;
#[cfg(test)]
mod tests;
mod tried;
mod wiki;
mod write;

use k8s_openapi::jiff::Timestamp;
use restward_crds::api::v1alpha1::RestApiAuthPolicy;

use crate::{
    args::Connection,
    failure::{Failure, Verdict},
    output::{self, progress},
};
use cases::{Case, Means, Plan};
pub(crate) use means::Arguments;
use terms::Terms;
use tried::{Place, Trial, Tried};
use wiki::Wiki;

pub(crate) async fn run(arguments: &Arguments, connection: &Connection) -> Result<Verdict, Failure> {
    let (policy, mut means) = means::gather(arguments, connection).await?;
    let wiki = Wiki::at(&arguments.url, arguments.reach.client(None)?);
    let trial = trial(arguments, &wiki, &policy, &mut means).await?;
    output::show(arguments.output.format, &trial)?;
    Ok(trial.verdict(arguments.no_skips))
}

/// Asks everything. Fails where nobody answers at all.
async fn trial(
    arguments: &Arguments,
    wiki: &Wiki,
    policy: &RestApiAuthPolicy,
    means: &mut Means,
) -> Result<Trial, Failure> {
    let terms = Terms::of(policy);
    progress(&format!("asking {} on the terms of policy {}", arguments.url, terms.shown()));
    if let Some(token) = &means.admin_token {
        means.links = wiki.links(token).await?;
    }
    let mut tried = vec![log_in(wiki, means).await?];
    for case in cases::cases(&terms, means, Timestamp::now()) {
        tried.push(attempt(wiki, case).await);
    }
    let work =
        write::work(terms.mode(), means.token.as_deref(), arguments.space.as_deref(), arguments.bytes());
    match work {
        Ok(work) => tried.extend(write::run(wiki, &work).await),
        Err(why) => tried.extend(write::skipped(why)),
    }
    tried.push(attempt(wiki, cases::links_unchanged(means)).await);
    let place = Place {
        url: arguments.url.to_string(),
        policy: terms.shown(),
        mode: format!("{:?}", terms.mode()),
        request_ids: wiki.run.clone(),
    };
    Ok(Trial::of(place, tried))
}

async fn attempt(wiki: &Wiki, case: Case) -> Tried {
    match &case.plan {
        Plan::Skip(why) => Tried::skipped(case.name, case.about, why),
        Plan::Ask(ask, expected) => match wiki.ask(case.name, (**ask).clone()).await {
            Ok(answer) => Tried::judged(&case, expected, &answer),
            Err(failure) => Tried::unanswered(&case, expected, &failure),
        },
    }
}

/// The login form, whose session later cases use.
async fn log_in(wiki: &Wiki, means: &mut Means) -> Result<Tried, Failure> {
    let (name, about) = ("login", "the login form, by password");
    let Some((user, password)) = means.password.clone() else {
        // The first question: whether anybody is there.
        wiki.ask("status", ask::Ask::get("/status")).await?;
        return Ok(Tried::skipped(name, about, cases::lack::PASSWORD));
    };
    let cookies = wiki.log_in(&user, &password).await?;
    let is_there = means.session.is_some();
    Ok(match cookies {
        Some(cookies) => {
            means.session.get_or_insert((cookies, Some(user)));
            Tried::passed(name, about)
        }
        None => Tried::failed(
            name,
            about,
            "neither /dologin.action nor /rest/tsv/1.0/authenticate gave a session",
            if is_there {
                "see that the password is right, and whether this wiki lets people log in by password at all"
            } else {
                "see that the password is right; where people log in by single sign-on, give --session-file instead"
            },
        ),
    })
}
