//! Medians and ratios.

use super::client::Client;
use super::sample::{COUNTED, Sample};

/// The runs of one row.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// What the row is.
    pub(crate) title: Title,
    /// A line for each client, in the order in which they took turns.
    pub(crate) lines: Vec<Line>,
}

/// What a row is, by the columns that are the same for all its runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Title {
    /// Produce, consume or e2e.
    pub(crate) op: String,
    /// Bytes of a value.
    pub(crate) value_size: String,
    /// How batches are compressed.
    pub(crate) codec: String,
    /// How records find their partition.
    pub(crate) partitioning: String,
    /// The linger; `default` if every client had its own.
    pub(crate) linger: String,
    /// The size of a batch; `default` if every client had its own settings.
    pub(crate) batch_size: String,
}

impl Title {
    fn of(sample: &Sample) -> Self {
        let text = |name: &str| sample.text(name).to_owned();
        Self {
            op: text("op"),
            value_size: text("value"),
            codec: text("codec"),
            partitioning: text("partitioning"),
            linger: text("linger_ms"),
            batch_size: text("batch_size"),
        }
    }
}

/// What the runs of a client in a row come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// The client's name.
    pub(crate) client: String,
    /// How many runs there are.
    pub(crate) runs: usize,
    /// CPU seconds of the client per million records.
    pub(crate) cpu: Spread,
    /// Records per second.
    pub(crate) rate: Spread,
    /// Peak memory in MiB.
    pub(crate) memory: Spread,
    /// CPU seconds of the broker per million records.
    pub(crate) broker_cpu: Spread,
    /// The load average when the runs began.
    pub(crate) load: Spread,
    /// Half of the records were younger, in microseconds; end to end.
    pub(crate) p50: Spread,
    /// 99 of 100 records were younger, in microseconds; end to end.
    pub(crate) p99: Spread,
    /// Records on the wire for each record that was moved.
    pub(crate) wire: Spread,
    /// Records in a batch.
    pub(crate) per_batch: Spread,
    /// Calls of the allocator and bytes per record, where they were counted.
    pub(crate) allocations: Option<(f64, f64)>,
}

/// The least, the middle and the greatest of some figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    /// The least.
    pub(crate) min: f64,
    /// The middle one, or the mean of the middle two.
    pub(crate) median: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of some figures; zeros without any.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        let last = sorted.len().saturating_sub(1);
        Self { min: at(0), median: (at(last / 2) + at(last - last / 2)) / 2.0, max: at(last) }
    }
}

/// Groups runs by row and client, both in the order in which they first appear.
pub(crate) fn tables(samples: &[Sample]) -> Vec<Table> {
    let mut titles: Vec<Title> = Vec::new();
    for title in samples.iter().filter(|sample| sample.is_measured()).map(Title::of) {
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    titles.into_iter().map(|title| table(title, samples)).collect()
}

fn table(title: Title, samples: &[Sample]) -> Table {
    let of_row: Vec<&Sample> = samples.iter().filter(|sample| Title::of(sample) == title).collect();
    let mut clients: Vec<&str> = Vec::new();
    for sample in of_row.iter().filter(|sample| sample.is_measured()) {
        if !clients.contains(&sample.text("client")) {
            clients.push(sample.text("client"));
        }
    }
    let lines = clients
        .into_iter()
        .map(|client| {
            let of_client: Vec<&Sample> =
                of_row.iter().filter(|sample| sample.text("client") == client).copied().collect();
            line(client, &of_client)
        })
        .collect();
    Table { title, lines }
}

fn line(client: &str, samples: &[&Sample]) -> Line {
    let measured: Vec<&Sample> = samples.iter().filter(|sample| sample.is_measured()).copied().collect();
    let spread = |name: &str| Spread::of(measured.iter().map(|sample| sample.number(name)));
    // Go counts its own in every run; the others are counted in a run of their own.
    let counted = samples.iter().rev().find(|sample| sample.text("broker") == COUNTED);
    let counted = counted.or(measured.last()).filter(|sample| sample.number("alloc_bytes_per_rec") > 0.0);
    Line {
        client: client.to_owned(),
        runs: measured.len(),
        cpu: spread("cpu_s_per_Mrec"),
        rate: spread("rec_s"),
        memory: spread("peak_rss_MiB"),
        broker_cpu: spread("broker_cpu_s_per_Mrec"),
        load: spread("load1"),
        p50: spread("p50_us"),
        p99: spread("p99_us"),
        wire: spread("wire_records_per_rec"),
        per_batch: spread("records_per_batch"),
        allocations: counted
            .map(|sample| (sample.number("allocs_per_rec"), sample.number("alloc_bytes_per_rec"))),
    }
}

/// One of ours beside the peers of its row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Our client.
    pub(crate) client: String,
    /// CPU per record, by that of the cheapest peer.
    pub(crate) cpu: Ratio,
    /// CPU per record, by Java's.
    pub(crate) cpu_to_java: Option<f64>,
    /// Records per second, by those of the fastest peer.
    pub(crate) rate: Ratio,
    /// Records per second, by Java's.
    pub(crate) rate_to_java: Option<f64>,
    /// Peak memory, by that of the smallest peer.
    pub(crate) memory: Ratio,
    /// The median age, by the lowest of a peer; end to end.
    pub(crate) p50: Ratio,
    /// The 99th percentile, by the lowest of a peer; end to end.
    pub(crate) p99: Ratio,
}

/// How many times the best peer's figure ours is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ratio {
    /// The best peer.
    pub(crate) peer: String,
    /// Ours by the peer's.
    pub(crate) ratio: f64,
}

impl Table {
    /// Each of ours beside the peers. One that gives a future for each record is compared with those that do so too;
    /// the handle of `courant` is compared with everything.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.lines.iter().filter(|line| is_ours(line)).filter_map(|line| self.verdict(line)).collect()
    }

    fn verdict(&self, ours: &Line) -> Option<Verdict> {
        let futures = ours.client.ends_with("-future");
        let peers: Vec<&Line> = self
            .lines
            .iter()
            .filter(|line| !is_ours(line))
            .filter(|line| !futures || Client::named(&line.client).is_some_and(|client| client.gives_futures))
            .collect();
        let least = |figure: fn(&Line) -> f64| ratio(ours, &peers, figure, f64::total_cmp);
        let java = self.line_of("java");
        Some(Verdict {
            client: ours.client.clone(),
            cpu: least(|line| line.cpu.median)?,
            cpu_to_java: java.map(|java| ours.cpu.median / java.cpu.median),
            rate: ratio(ours, &peers, |line| line.rate.median, |a, b| b.total_cmp(a))?,
            rate_to_java: java.map(|java| ours.rate.median / java.rate.median),
            memory: least(|line| line.memory.median)?,
            p50: least(|line| line.p50.median)?,
            p99: least(|line| line.p99.median)?,
        })
    }

    /// The median age of a client's records.
    pub(crate) fn p50_of(&self, client: &str) -> Option<f64> {
        self.line_of(client).map(|line| line.p50.median)
    }

    /// The median CPU of a client.
    pub(crate) fn cpu_of(&self, client: &str) -> Option<f64> {
        self.line_of(client).map(|line| line.cpu.median)
    }

    fn line_of(&self, client: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.client == client)
    }
}

/// Ours by the figure of the peer that comes first in an order.
fn ratio(
    ours: &Line,
    peers: &[&Line],
    figure: fn(&Line) -> f64,
    order: impl Fn(&f64, &f64) -> std::cmp::Ordering,
) -> Option<Ratio> {
    let best = peers.iter().min_by(|a, b| order(&figure(a), &figure(b)))?;
    Some(Ratio { peer: best.client.clone(), ratio: figure(ours) / figure(best) })
}

fn is_ours(line: &Line) -> bool {
    Client::named(&line.client).is_some_and(|client| client.is_ours())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sample::tests::sample;
    use crate::bench::sample::{MEASURED, PILOT};

    const RR: &str = "produce,100,rr,none";

    fn runs() -> Vec<Sample> {
        vec![
            sample("courant", COUNTED, RR, 9.0, 1.0, 900),
            sample("java", PILOT, RR, 9.0, 1.0, 900),
            sample("courant", MEASURED, RR, 0.2, 6e6, 30),
            sample("java", MEASURED, RR, 0.8, 3e6, 400),
            sample("krafka", MEASURED, RR, 1.2, 1e6, 60),
            sample("courant", MEASURED, RR, 0.1, 8e6, 32),
            sample("java", MEASURED, RR, 0.6, 2e6, 500),
            sample("krafka", MEASURED, RR, 1.0, 1e6, 60),
            sample("courant", MEASURED, RR, 0.3, 7e6, 31),
            sample("courant-future", MEASURED, RR, 0.5, 4e6, 40),
        ]
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 8.0]), Spread { min: 1.0, median: 3.0, max: 8.0 });
        assert_eq!(Spread::of([5.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(Spread::of([]), Spread::default());
    }

    #[test]
    fn pilots_and_counted_runs_are_no_measurements() {
        let tables = tables(&runs());
        assert_eq!(tables.len(), 1);
        let courant = &tables[0].lines[0];
        assert_eq!((courant.client.as_str(), courant.runs), ("courant", 3));
        assert_eq!(courant.cpu, Spread { min: 0.1, median: 0.2, max: 0.3 });
        assert_eq!(courant.memory.max, 32.0);
        assert_eq!(courant.allocations, Some((0.5, 64.0)));
    }

    #[test]
    fn ours_are_compared_with_the_best_peer_of_their_kind() {
        let verdicts = tables(&runs())[0].verdicts();
        let [courant, future] = verdicts.as_slice() else { panic!("{verdicts:?}") };
        assert_eq!(courant.cpu.peer, "java");
        assert!((courant.cpu.ratio - 0.2 / 0.7).abs() < 1e-9);
        assert_eq!((courant.rate.peer.as_str(), courant.rate.ratio), ("java", 2.8));
        assert_eq!(courant.memory.peer, "krafka");
        // Java's callback is no future.
        assert_eq!(future.cpu.peer, "krafka");
        assert!(future.cpu_to_java.is_some_and(|ratio| (ratio - 0.5 / 0.7).abs() < 1e-9));
    }

    #[test]
    fn rows_stay_apart_by_everything_that_names_them() {
        let mut runs = runs();
        runs.push(sample("courant", MEASURED, "produce,1024,rr,none", 0.4, 2e6, 30));
        let tables = tables(&runs);
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[1].verdicts(), [], "there is no peer to compare with");
        assert_eq!(tables[1].cpu_of("courant"), Some(0.4));
    }
}
