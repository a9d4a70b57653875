//! The report for spreadsheets (RFC 4180). User and user agent are what strangers sent, so a cell that a spreadsheet would take for
//! a formula gets an apostrophe in front, as OWASP advises on CSV injection. Pure.

use super::{at, merge::Merged};

const HEAD: [&str; 8] = ["user", "outcome", "count", "first", "last", "address", "paths", "user_agent"];

pub(super) fn written(report: &Merged) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(report.logins.iter().map(|login| {
        let (who, seen) = (&login.who, &login.seen);
        [
            cell(who.user.as_deref().unwrap_or_default()),
            who.outcome.as_str().into(),
            seen.count.to_string(),
            at(seen.first),
            at(seen.last),
            who.address.to_string(),
            cell(&who.path_class),
            cell(&who.user_agent),
        ]
    }));
    lines.iter().map(|line| line.join(",")).collect::<Vec<_>>().join("\r\n")
}

fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::{
        super::merge::{merged, tests::login},
        *,
    };
    use restward_crds::sidecar::admin::PasswordReport;

    #[test]
    fn what_strangers_sent_is_text_and_no_formula() {
        let entries = vec![
            login(Some("=cmd|' /C calc'!A0"), "a \"b\", c", (0, 60, 2)),
            login(None, "curl/8", (0, 1, 1)),
        ];
        let report = merged(vec![("p".into(), Ok(PasswordReport { since: 0, problem: None, entries }))]);
        assert_eq!(
            written(&report),
            "user,outcome,count,first,last,address,paths,user_agent\r\n\
             \"'=cmd|' /C calc'!A0\",accepted,2,1970-01-01T00:00:00Z,1970-01-01T00:01:00Z,192.0.2.1,\"protected\",\"a \"\"b\"\", c\"\r\n\
             \"\",accepted,1,1970-01-01T00:00:00Z,1970-01-01T00:00:01Z,192.0.2.1,\"protected\",\"curl/8\""
        );
    }
}
