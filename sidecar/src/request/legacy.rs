//! Password logins in the bodies of the legacy APIs, beside another credential. Without one such a call counts as a login
//! whatever is in it, see [`crate::decide`].

use restward_crds::{
    reason::Reason,
    sidecar::terms::{Mode, Switch},
};

use super::{Gate, exchange::Exchange, passwords};
use crate::{
    audit::{Outcome, Record},
    basic_report::Login,
    config::Active,
    deprecation::{self, Passwords},
    refusal::Deny,
    route, rpc,
    time::UnixTime,
};

/// Refuses, records or announces the end of such a login, as the policy has it. Where it lets them through without a word,
/// nothing is read.
pub(super) async fn check(
    gate: &Gate,
    active: &Active,
    exchange: &mut Exchange,
    record: &mut Record,
    now: UnixTime,
) -> Result<(), Deny> {
    let settings = &active.settings;
    let passwords = Passwords::at(settings, now);
    // It is not by the user of the head, so that an exception for a user is not about it.
    let is_excepted = passwords::is_excepted(active, &exchange.head, None, record.client);
    let is_announced = settings.mode == Mode::Enforce && settings.basic_auth_deprecation.is_some();
    if is_excepted || (passwords.switch == Switch::Allow && !is_announced) {
        return Ok(());
    }
    let found = find(gate, active, exchange).await;
    if found == Ok(true) {
        exchange.learns_of_end = is_announced;
        if passwords.switch != Switch::Allow {
            exchange.login = Some(Login::in_body(&exchange.head.headers));
        }
    }
    let reason = match found {
        Ok(false) => return Ok(()),
        Ok(true) => passwords.denied,
        Err(reason) => reason,
    };
    match passwords.switch {
        Switch::Deny => Err(deprecation::refuse(reason, settings, now)),
        Switch::Audit => {
            (record.outcome, record.reason) = (Outcome::WouldRefuse, Some(reason));
            Ok(())
        }
        Switch::Allow => Ok(()),
    }
}

async fn find(gate: &Gate, active: &Active, exchange: &mut Exchange) -> Result<bool, Reason> {
    let target = exchange.head.target.as_ref().map_err(|reason| *reason)?;
    let paths = route::readings_below(target, &active.context_path);
    if rpc::names_login(&paths, target.query())? {
        return Ok(true);
    }
    if !exchange.has_body() {
        return Ok(false);
    }
    rpc::check_label(&exchange.head.headers)?;
    exchange.count_body(&gate.slots)?;
    let reader = if exchange.is_known { &gate.forms.of_users } else { &gate.forms.of_strangers };
    exchange.look_into_body(reader, |body| rpc::has_login(&paths, body)).await?
}
