//! What was refused in the last 24 hours, by reason, over all sidecars that answered.

use std::{borrow::Cow, collections::BTreeMap};

use maud::{Markup, html};
use restward_crds::{
    reason::Reason,
    sidecar::admin::{Hour, TALLY_HOURS, Tally},
};

use super::foreign;

const HOUR: i64 = 3600;
/// Most reasons that are listed.
const MAX_LINES: usize = 20;

/// What one reason did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Line {
    refused: u64,
    would_refuse: u64,
    /// Both, by hour, the oldest first.
    hours: [u64; TALLY_HOURS],
}

/// By reason, most first.
fn lines(tallies: &[&Tally]) -> Vec<(Cow<'static, str>, Line)> {
    let hour = |time: i64| time.div_euclid(HOUR);
    let Some(newest) = tallies.iter().map(|tally| hour(tally.now)).max() else { return Vec::new() };
    let mut lines: BTreeMap<Cow<'static, str>, Line> = BTreeMap::new();
    let all = tallies.iter().flat_map(|tally| &tally.hours);
    for Hour { begin, refused, would_refuse } in all {
        // The clocks of two nodes may differ by a little.
        let Ok(age) = usize::try_from((newest - hour(*begin)).max(0)) else { continue };
        let Some(at) = (TALLY_HOURS - 1).checked_sub(age) else { continue };
        for (counts, is_refused) in [(refused, true), (would_refuse, false)] {
            for (code, count) in counts {
                let line = lines.entry(code.clone()).or_default();
                let sum = if is_refused { &mut line.refused } else { &mut line.would_refuse };
                *sum = sum.saturating_add(*count);
                if let Some(hour) = line.hours.get_mut(at) {
                    *hour = hour.saturating_add(*count);
                }
            }
        }
    }
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by_key(|(_, line)| std::cmp::Reverse(line.refused.saturating_add(line.would_refuse)));
    lines
}

pub(super) fn table(tallies: &[&Tally]) -> Markup {
    let lines = lines(tallies);
    if lines.is_empty() {
        return html! { p { "Nothing was refused." } };
    }
    html! {
        div.wide role="region" aria-label="Table of refusals" tabindex="0" { table {
            thead { tr {
                th scope="col" { "Reason" } th scope="col" { "Status" } th scope="col" { "Refused" }
                th scope="col" { "Let through by Audit" } th scope="col" { "By hour, now at the right" }
            } }
            tbody { @for (code, line) in lines.iter().take(MAX_LINES) { (row(code, line)) } }
        } }
        @if lines.len() > MAX_LINES { p { "And " (lines.len() - MAX_LINES) " reasons more, each rarer than these." } }
    }
}

fn row(code: &str, line: &Line) -> Markup {
    let known = Reason::ALL.iter().find(|reason| reason.code() == code);
    html! {
        tr {
            th scope="row" {
                code { (foreign(code)) }
                @if let Some(known) = known { p.small { (known.explain().message) } }
            }
            td { @if let Some(known) = known { (known.status()) } @else { "–" } }
            td.number { (line.refused) }
            td.number { (line.would_refuse) }
            td { (bars(&line.hours)) }
        }
    }
}

/// A bar for each hour, all in proportion to the highest. Their numbers are its name.
fn bars(hours: &[u64]) -> Markup {
    const HEIGHT: u64 = 24;
    let most = hours.iter().copied().max().unwrap_or(0).max(1);
    let numbers = hours.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    html! {
        svg.bars role="img" width="120" height="25" viewBox="0 0 120 25" aria-label={ "By hour, oldest first: " (numbers) } {
            rect.line x="0" y="24" width="120" height="1" {}
            @for (at, count) in hours.iter().enumerate().filter(|(_, count)| **count > 0) {
                @let height = (u128::from(*count) * u128::from(HEIGHT) / u128::from(most)).max(1);
                rect x=(at * 5) y=(u128::from(HEIGHT) - height) width="4" height=(height) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(now: i64, hours: &[(i64, &'static str, u64)]) -> Tally {
        let hours = hours.iter().map(|(begin, code, count)| Hour {
            begin: *begin,
            refused: [(Cow::from(*code), *count)].into(),
            would_refuse: BTreeMap::new(),
        });
        Tally { now, since: 0, hours: hours.collect(), keys: Vec::new() }
    }

    #[test]
    fn sidecars_are_added_up_by_hour() {
        let now = 100 * HOUR + 5;
        let one = tally(now, &[(100 * HOUR, "token_expired", 2), (77 * HOUR, "token_expired", 1)]);
        let other = tally(now - 2, &[(100 * HOUR, "token_expired", 3), (99 * HOUR, "basic_denied", 9)]);
        let lines = lines(&[&one, &other]);
        let codes: Vec<&str> = lines.iter().map(|(code, _)| code.as_ref()).collect();
        assert_eq!(codes, ["basic_denied", "token_expired"], "most first");
        let expired = &lines[1].1;
        assert_eq!((expired.refused, expired.hours[23], expired.hours[0]), (6, 5, 1));
    }

    #[test]
    fn what_a_sidecar_makes_up_is_bounded() {
        let far = tally(HOUR, &[(i64::MAX, "a", u64::MAX), (i64::MIN / 2, "a", 1), (HOUR, "a", u64::MAX)]);
        let lines = lines(&[&far]);
        assert_eq!(lines[0].1.refused, u64::MAX);
        let html = bars(&lines[0].1.hours).into_string();
        assert!(html.contains("height=\"24\""), "{html}");
        assert_eq!(table(&[]).into_string(), "<p>Nothing was refused.</p>");
    }
}
