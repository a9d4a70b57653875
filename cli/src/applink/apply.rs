//! `applink apply`: the three calls. None of them changes what is right already.

use std::time::Duration;

use restward_crds::{
    api::v1alpha1::RestApiAuthPolicy,
    link::{self, Consumer},
};

use super::{
    confluence::{Confluence, Place},
    consumer, link_of, verify,
};
use crate::{
    cluster::Session,
    failure::{Failure, Verdict},
    output::{self, Format, progress},
};

/// Sidecars look again each 15 s until Confluence takes what they sign.
const PATIENCE: u32 = 15;
const PAUSE: Duration = Duration::from_secs(5);

pub(super) async fn run(
    session: &Session,
    policy: &RestApiAuthPolicy,
    place: &Place,
    format: Format,
) -> Result<Verdict, Failure> {
    let consumer = consumer(policy)?;
    let confluence = Confluence::reach(session, policy, place).await?;
    let id = find_or_make(&confluence, &consumer).await?;
    put_key(&confluence, &id, &consumer, &link_of(policy)?.public_key).await?;
    confluence.call("let the consumer name users", link::allow(&id)).await?;
    progress("3/3 its consumer may name users (two-legged OAuth with impersonation)");
    progress("the sidecars try it");
    let mut report = verify::report(session, policy).await?;
    for _ in 0..PATIENCE {
        if report.is_right {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        report = verify::report(session, policy).await?;
    }
    output::show(format, &report)?;
    Ok(report.verdict())
}

async fn find_or_make(confluence: &Confluence, consumer: &Consumer) -> Result<String, Failure> {
    if let Some(link) = confluence.find(consumer).await? {
        progress(&format!("1/3 application link {} is there ({})", consumer.key, link.id));
        return Ok(link.id);
    }
    confluence.call("make an application link", link::create(consumer)).await?;
    // Of several that were made at the same time everybody takes the same.
    let made = confluence.find(consumer).await?.ok_or_else(|| {
        Failure::new(
            "make an application link",
            "Confluence does not list it",
            "see Administration > Application links",
        )
    })?;
    progress(&format!("1/3 application link {} was made ({})", consumer.key, made.id));
    Ok(made.id)
}

/// Puts a public key into the link.
pub(super) async fn put_key(
    confluence: &Confluence,
    id: &str,
    consumer: &Consumer,
    public_key: &str,
) -> Result<(), Failure> {
    confluence.call("give the link its key", link::set_consumer(id, &consumer.key, public_key)).await?;
    progress("2/3 it has the key");
    Ok(())
}
