//! The lists behind `anonymousPaths.presets`: protected paths that Confluence's own pages and partners call before
//! anybody has logged in. Each entry has its reason; a path without one does not belong here.

use http::Method;
use restward_crds::sidecar::terms::AnonymousPreset::{
    self, ApplicationLinks, CalendarFeeds, Companion, ConfluenceLogin, Gadgets, MobileApp,
};

/// Grows when an entry is added, changed or removed.
pub const VERSION: u32 = 1;

/// What an entry asks for instead of a user's credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// The JWT of an application link (`Authorization: JWT` or `jwt=`), which Confluence checks.
    Jwt,
}

/// One path of a preset.
#[derive(Debug)]
pub struct Entry {
    /// The preset it belongs to.
    pub preset: AnonymousPreset,
    /// Method, or `*`.
    pub method: &'static str,
    /// Path below the context path; `*` stands for one segment, `**` at the end for any.
    pub path: &'static str,
    /// What is asked for.
    pub needs: Needs,
    /// Why it is here.
    pub why: &'static str,
}

const fn open(preset: AnonymousPreset, method: &'static str, path: &'static str, why: &'static str) -> Entry {
    Entry { preset, method, path, needs: Needs::Nothing, why }
}

/// All entries of all presets.
pub const ENTRIES: &[Entry] = &[
    open(
        ConfluenceLogin,
        "POST",
        "/rest/tsv/1.0/authenticate",
        "the login page of Confluence 9 and later sends the password here",
    ),
    open(
        ConfluenceLogin,
        "GET",
        "/rest/authconfig/1.0/login-options",
        "the login page asks which buttons to show",
    ),
    open(
        ConfluenceLogin,
        "*",
        "/rest/webResources/**",
        "every page, the login page too, loads its scripts through it",
    ),
    open(ConfluenceLogin, "POST", "/rest/analytics/1.0/publish/**", "every page reports its events here"),
    open(
        ApplicationLinks,
        "GET",
        "/rest/applinks/*/manifest",
        "a partner reads who it talks to before it can authenticate",
    ),
    open(
        ApplicationLinks,
        "GET",
        "/rest/capabilities/**",
        "a partner reads which APIs there are before it authenticates",
    ),
    open(
        ApplicationLinks,
        "POST",
        "/rest/oauth2/latest/token",
        "clients of Confluence's OAuth 2 provider get and renew their tokens here",
    ),
    open(
        ApplicationLinks,
        "POST",
        "/rest/oauth2/latest/revoke",
        "clients of Confluence's OAuth 2 provider give tokens back here",
    ),
    open(
        CalendarFeeds,
        "GET",
        "/rest/calendar-services/1.0/calendar/export/subcalendar/private/**",
        "calendar programs send no header; the secret is in the path",
    ),
    open(
        Gadgets,
        "GET",
        "/rest/gadgets/1.0/g/**",
        "dashboards of linked applications read gadget descriptions without a user",
    ),
    Entry {
        preset: Companion,
        method: "*",
        path: "/rest/token-auth/api/**",
        needs: Needs::Jwt,
        why: "the Companion app opens and saves files with a JWT that Confluence gave it",
    },
    open(
        MobileApp,
        "GET",
        "/rest/nativemobile/1.0/info",
        "the mobile app asks what the server can do before it shows the login",
    ),
];

/// Whether one of `presets` allows this.
pub(super) fn allow(presets: &[AnonymousPreset], method: &Method, path: &str, needs: Needs) -> bool {
    ENTRIES.iter().any(|entry| {
        entry.needs == needs
            && presets.contains(&entry.preset)
            && (entry.method == "*" || entry.method == method.as_str())
            && matches(entry.path, path)
    })
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = segments_of(path);
    for want in segments_of(pattern) {
        if want == b"**" {
            return true;
        }
        if !segments.next().is_some_and(|segment| want == segment || (want == b"*" && !segment.is_empty())) {
            return false;
        }
    }
    segments.next().is_none()
}

fn segments_of(path: &str) -> impl Iterator<Item = &[u8]> {
    path.as_bytes().split(|byte| *byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_entries_and_every_entry_a_reason() {
        for preset in AnonymousPreset::ALL {
            assert!(ENTRIES.iter().any(|entry| entry.preset == preset), "{preset:?}");
        }
        for entry in ENTRIES {
            assert!(entry.path.starts_with("/rest/") && entry.why.len() > 20, "{entry:?}");
        }
    }

    #[test]
    fn patterns_match_by_segments() {
        for (pattern, path, want) in [
            ("/rest/a", "/rest/a", true),
            ("/rest/a", "/rest/a/", false),
            ("/rest/a", "/rest/ab", false),
            ("/rest/*/m", "/rest/3.0/m", true),
            ("/rest/*/m", "/rest//m", false),
            ("/rest/*/m", "/rest/a/b/m", false),
            ("/rest/a/**", "/rest/a", true),
            ("/rest/a/**", "/rest/a/b/c", true),
            ("/rest/a/**", "/rest/ab", false),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
    }
}
