//! The policies of the matrix: the default one, each switch of it turned once, and all of them together in each mode.

use restward_crds::sidecar::{
    config::Credentials,
    terms::{Mode, Switch, UiAuthorization},
};
use restward_sidecar::time::UnixTime;
use serde_json::{Value, json};

use super::place::Place;

/// A policy, as far as credentials go.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) basic: Switch,
    pub(super) others: Credentials,
    pub(super) ui: UiAuthorization,
    /// Where passwords stay allowed, whatever `basic` says.
    pub(super) excepted: Vec<Place>,
    /// How far the end of passwords has come, where there is one.
    pub(super) end: Option<End>,
}

/// A stage of the end of passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Announced,
    BrownOut,
    Over,
}

type Turn = fn(&mut Policy, Switch);

const SWITCHES: [(&str, Turn); 6] = [
    ("basicAuth", |policy, to| policy.basic = to),
    ("personalAccessToken", |policy, to| policy.others.personal_access_token = to),
    ("applicationLink", |policy, to| policy.others.application_link = to),
    ("confluenceOAuth2", |policy, to| policy.others.confluence_oauth2 = to),
    ("session", |policy, to| policy.others.session = to),
    ("anonymous", |policy, to| policy.others.anonymous = to),
];

impl Policy {
    fn default(name: &str) -> Self {
        let others = Credentials::default();
        Self {
            name: name.to_owned(),
            mode: Mode::Enforce,
            basic: Switch::Allow,
            others,
            ui: UiAuthorization::Ignore,
            excepted: Vec::new(),
            end: None,
        }
    }

    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![Self::default("default")];
        for mode in [Mode::Enforce, Mode::Audit, Mode::Off] {
            let policy = Self::default(&format!("mode: {mode:?}, uiAuthorization: Authenticate"));
            all.push(Self { mode, ui: UiAuthorization::Authenticate, ..policy });
        }
        let excepted = vec![Place::Rest, Place::Rpc, Place::WebDav];
        for basic in [Switch::Audit, Switch::Deny] {
            let policy = Self::default(&format!("basicAuth: {basic:?}, {excepted:?} excepted"));
            all.push(Self { basic, excepted: excepted.clone(), ..policy });
        }
        for end in [End::Announced, End::BrownOut, End::Over] {
            for basic in [Switch::Allow, Switch::Audit, Switch::Deny] {
                let policy = Self::default(&format!("basicAuth: {basic:?}, its end {end:?}"));
                all.push(Self { basic, end: Some(end), ..policy });
            }
            let policy = Self::default(&format!("mode: Audit, the end of basicAuth {end:?}"));
            all.push(Self { mode: Mode::Audit, end: Some(end), ..policy });
        }
        let policy = Self::default(&format!("basicAuth in a brown-out, {excepted:?} excepted"));
        all.push(Self { end: Some(End::BrownOut), excepted, ..policy });
        for (name, turn) in SWITCHES {
            for to in [Switch::Allow, Switch::Audit, Switch::Deny] {
                let mut policy = Self::default(&format!("{name}: {to:?}"));
                turn(&mut policy, to);
                all.push(policy);
            }
        }
        for mode in [Mode::Enforce, Mode::Audit, Mode::Off] {
            for to in [Switch::Allow, Switch::Audit, Switch::Deny] {
                let mut policy = Self::default(&format!("mode: {mode:?}, everything: {to:?}"));
                policy.mode = mode;
                for (_, turn) in SWITCHES {
                    turn(&mut policy, to);
                }
                all.push(policy);
            }
        }
        all
    }

    /// The switch for passwords at this place.
    pub(super) fn basic_at(&self, place: Place) -> Switch {
        match self.end {
            _ if self.excepted.contains(&place) => Switch::Allow,
            Some(End::BrownOut | End::Over) => Switch::Deny,
            Some(End::Announced) | None => self.basic,
        }
    }

    /// Why they are refused where they are.
    pub(super) fn denied(&self) -> &'static str {
        let is_trial = self.end == Some(End::BrownOut) && self.basic != Switch::Deny;
        if is_trial { "basic_brown_out" } else { "basic_denied" }
    }

    /// The same, were passwords denied.
    pub(super) fn banning(&self) -> Self {
        let Self { name, mode, others, ui, excepted, .. } = self.clone();
        Self { name, mode, basic: Switch::Deny, others, ui, excepted, end: None }
    }

    pub(super) fn write(&self, config: &mut Value) {
        config["mode"] = json!(self.mode);
        config["basicAuth"] = json!(self.basic);
        config["uiAuthorization"] = json!(self.ui);
        let paths = self.excepted.iter().map(|place| json!({"type": "Exact", "value": place.path()}));
        let paths: Vec<_> = paths.collect();
        if !paths.is_empty() {
            config["basicAuthExceptions"] = json!([{"paths": paths}]);
        }
        config["credentials"] = json!(self.others);
        if let Some(end) = self.end {
            let from_now = |hours: i64| {
                let now = UnixTime::now().secs();
                jiff::Timestamp::from_second(now + hours * 3600).unwrap().to_string()
            };
            let sunset = from_now(if end == End::Over { -1 } else { 2 });
            let trial = json!({"start": from_now(-1), "end": from_now(1)});
            let trials: Vec<_> = (end == End::BrownOut).then_some(trial).into_iter().collect();
            config["basicAuthDeprecation"] =
                json!({"since": from_now(-2), "sunset": sunset, "brownOuts": trials});
        }
    }
}
