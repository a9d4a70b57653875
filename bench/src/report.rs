//! The table: medians over the rounds, and what each is of the sidecar's.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    load::{Case, Measured},
    proxy::Proxy,
};

/// Everything measured.
#[derive(Debug, Default)]
pub(crate) struct Results(BTreeMap<(Case, Proxy), Vec<Measured>>);

impl Results {
    /// Takes in one case of one round.
    pub(crate) fn add(&mut self, proxy: Proxy, case: Case, measured: Measured) {
        self.0.entry((case, proxy)).or_default().push(measured);
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "\n| case | proxy | CPU per request | of the sidecar's | p50 | p99 | memory |\n|---|---|---|---|---|---|---|\n",
        );
        for ((case, proxy), rounds) in &self.0 {
            let cpu = median(rounds.iter().map(|it| it.cpu));
            let own =
                self.0.get(&(*case, Proxy::Sidecar)).map(|rounds| median(rounds.iter().map(|it| it.cpu)));
            let ratio = own
                .filter(|own| !own.is_zero())
                .map_or_else(String::new, |own| format!("{:.2}", cpu.as_secs_f64() / own.as_secs_f64()));
            let latency = |which: fn((Duration, Duration)) -> Duration| {
                let times: Vec<_> = rounds.iter().filter_map(|it| it.latency).map(which).collect();
                if times.is_empty() { String::new() } else { micros(median(times.into_iter())) }
            };
            let (half, most) = (latency(|both| both.0), latency(|both| both.1));
            let memory = median(rounds.iter().map(|it| it.memory)) / 1024;
            text.push_str(&format!(
                "| {case} | {proxy} | {} | {ratio} | {half} | {most} | {memory} MiB |\n",
                micros(cpu)
            ));
        }
        text
    }
}

fn micros(time: Duration) -> String {
    format!("{:.1} \u{b5}s", time.as_secs_f64() * 1e6)
}

fn median<T: Ord + Copy + Default>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
