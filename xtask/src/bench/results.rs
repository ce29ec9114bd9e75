//! `bench/RESULTS.md`.

use std::fmt::Write;

use super::host::Host;
use super::summary::{Line, Ratio, Spread, Table, Title, Verdict};

/// The whole text.
pub(crate) fn render(tables: &[Table], host: &Host) -> String {
    let mut text = String::from(
        "# Results\n\nWritten by `cargo xtask bench`; [README.md](README.md) says how to read it.\n\n| | |\n|---|---|\n",
    );
    for (name, value) in &host.facts {
        line(&mut text, &format!("| {name} | {value} |"));
    }
    overview(&mut text, tables);
    for table in tables {
        match has_ages(&table.title) {
            true => latencies(&mut text, table),
            false => throughput(&mut text, table),
        }
    }
    text
}

/// Ours beside the peers, all rows at a glance.
fn overview(text: &mut String, tables: &[Table]) {
    let of = |ages: bool| tables.iter().filter(move |table| has_ages(&table.title) == ages);
    let rows = |ages: bool| {
        of(ages).flat_map(|table| table.verdicts().into_iter().map(move |verdict| (&table.title, verdict)))
    };
    if rows(false).next().is_some() {
        text.push_str("\n## Ours beside the peers\n\nOurs by the best peer's, whose name follows. CPU and memory: less is better; records per second: more is.\n\n");
        text.push_str("| row | client | CPU per record | by Java's | records/s | by Java's | peak memory |\n|---|---|---|---|---|---|---|\n");
        for (title, verdict) in rows(false) {
            line(text, &verdict_line(title, &verdict));
        }
    }
    for (settings, dearer) in keyed_by_sticky(tables) {
        line(
            text,
            &format!(
                "\nUnder {settings} settings a keyed record costs `courant` {dearer:.2} times the CPU of one without a key."
            ),
        );
    }
    for (settings, same, other) in beside_by_alone(tables) {
        line(
            text,
            &format!(
                "\nUnder {settings} settings half of all sends take {same:.2} times as long beside a consumer on the same `Kafka` as alone, and {other:.2} times beside one on another."
            ),
        );
    }
    if rows(true).next().is_some() {
        text.push_str("\n## Latency beside the peers\n\nOurs by the lowest of a peer, whose name follows; less is better.\n\n");
        text.push_str("| row | client | p50 | p99 |\n|---|---|---|---|\n");
        for (title, verdict) in rows(true) {
            let (p50, p99) = (times(&verdict.p50), times(&verdict.p99));
            line(text, &format!("| {} | {} | {p50} | {p99} |", name(title), verdict.client));
        }
    }
}

/// Whether a row is about ages of records.
fn has_ages(title: &Title) -> bool {
    ["e2e", "send"].contains(&title.op.as_str())
}

fn verdict_line(title: &Title, verdict: &Verdict) -> String {
    let java = |ratio: Option<f64>| ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |",
        name(title),
        verdict.client,
        times(&verdict.cpu),
        java(verdict.cpu_to_java),
        times(&verdict.rate),
        java(verdict.rate_to_java),
        times(&verdict.memory)
    )
}

/// What a key costs, for each kind of settings: `courant`'s CPU with one by that without.
fn keyed_by_sticky(tables: &[Table]) -> Vec<(&str, f64)> {
    let produce = |partitioning: &'static str| {
        tables
            .iter()
            .filter(move |table| table.title.op == "produce" && table.title.partitioning == partitioning)
    };
    produce("key")
        .filter_map(|keyed| {
            let same =
                |title: &Title| Title { partitioning: "key".to_owned(), ..title.clone() } == keyed.title;
            let sticky = produce("sticky").find(|table| same(&table.title))?;
            let ratio = keyed.cpu_of("courant")? / sticky.cpu_of("courant")?;
            Some((settings(&keyed.title), ratio))
        })
        .collect()
}

/// What a consumer beside a producer costs a send: the median with one on the same handle, and on another, by that of
/// a producer alone. For each kind of settings.
fn beside_by_alone(tables: &[Table]) -> Vec<(&str, f64, f64)> {
    tables
        .iter()
        .filter(|table| table.title.op == "send")
        .filter_map(|table| {
            let by_alone = |client| Some(table.p50_of(client)? / table.p50_of("courant")?);
            Some((settings(&table.title), by_alone("courant-beside")?, by_alone("courant-apart")?))
        })
        .collect()
}

/// The kind of settings under which a row was measured.
fn settings(title: &Title) -> &'static str {
    if title.batch_size == "default" { "default" } else { "tuned" }
}

/// A table of clients that move records.
fn throughput(text: &mut String, table: &Table) {
    line(text, &format!("\n## {}\n", name(&table.title)));
    text.push_str(
        "| client | CPU s/M records: median (least–most) | M records/s | MB/s | allocations, bytes per record | peak MiB | \
         records per batch | on the wire per record | broker CPU s/M | load | runs |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let bytes: f64 = table.title.value_size.parse().unwrap_or(0.0);
    for client in &table.lines {
        let allocations = match client.allocations {
            Some((count, bytes)) => format!("{count:.3}, {bytes:.0}"),
            None => "–".to_owned(),
        };
        let per_batch = match client.per_batch.median {
            0.0 => "–".to_owned(),
            records => format!("{records:.0}"),
        };
        line(
            text,
            &format!(
                "| {} | **{:.3}** ({:.3}–{:.3}) | {:.2} | {:.0} | {allocations} | {:.0} | {per_batch} | {:.2} | {:.3} | {} | {} |",
                client.client,
                client.cpu.median,
                client.cpu.min,
                client.cpu.max,
                client.rate.median / 1e6,
                client.rate.median * bytes / 1e6,
                client.memory.median,
                client.wire.median,
                client.broker_cpu.median,
                load(client),
                client.runs
            ),
        );
    }
}

/// A table of ages.
fn latencies(text: &mut String, table: &Table) {
    line(text, &format!("\n## {}\n", name(&table.title)));
    text.push_str("| client | p50 µs: median (least–most) | p99 µs | CPU µs per record | peak MiB | load | runs |\n|---|---|---|---|---|---|---|\n");
    for client in &table.lines {
        line(
            text,
            &format!(
                "| {} | **{}** | {} | {:.0} | {:.0} | {} | {} |",
                client.client,
                spread(&client.p50),
                spread(&client.p99),
                client.cpu.median,
                client.memory.median,
                load(client),
                client.runs
            ),
        );
    }
}

/// A row's name: `produce · 100 B · lz4 · round robin · linger 5 ms`.
fn name(title: &Title) -> String {
    let mut parts = vec![title.op.clone(), format!("{} B", title.value_size)];
    if title.codec != "none" {
        parts.push(title.codec.clone());
    }
    if title.op == "produce" {
        parts.push(title.partitioning.clone());
    }
    if matches!(title.op.as_str(), "e2e" | "send") && title.linger != "default" {
        parts.push(format!("linger {} ms", title.linger));
    }
    if settings(title) == "default" {
        parts.push("defaults".to_owned());
    }
    parts.join(" · ")
}

fn times(ratio: &Ratio) -> String {
    format!("**{:.2}** {}", ratio.ratio, ratio.peer)
}

fn spread(spread: &Spread) -> String {
    format!("{:.0} ({:.0}–{:.0})", spread.median, spread.min, spread.max)
}

/// The load average when the runs began: the least and the most.
fn load(line: &Line) -> String {
    format!("{:.1}–{:.1}", line.load.min, line.load.max)
}

fn line(text: &mut String, line: &str) {
    // Writing into a string does not fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sample::tests::sample;
    use crate::bench::sample::{MEASURED, MEASURED_STORE, Sample, Wire};
    use crate::bench::summary::tables;

    #[test]
    fn the_text_holds_the_machine_the_ratios_and_a_table_for_each_row() {
        let samples = [
            sample("courant", MEASURED, "produce,100,rr,none", 0.2, 6e6, 30),
            sample("java", MEASURED, "produce,100,rr,none", 0.8, 3e6, 400),
            sample("courant", MEASURED, "produce,100,key,none", 0.21, 6e6, 30),
            sample("courant", MEASURED, "produce,100,sticky,none", 0.2, 6e6, 30),
            sample("courant", MEASURED_STORE, "e2e,100,rr,none", 200.0, 200.0, 12),
        ];
        let host = Host { facts: vec![("CPU", "2 cores of a test".to_owned())] };
        let text = render(&tables(&samples), &host);
        for expected in [
            "| CPU | 2 cores of a test |\n",
            "| produce · 100 B · rr | courant | **0.25** java | 0.25 | **2.00** java | 2.00 | **0.07** java |\n",
            "\nUnder tuned settings a keyed record costs `courant` 1.05 times the CPU of one without a key.\n",
            "| java | **0.800** (0.800–0.800) | 3.00 | 300 | 0.500, 64 | 400 | 900 | 1.00 | 0.010 | 0.5–0.5 | 1 |\n",
            "## e2e · 100 B · linger 5 ms\n",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
        assert!(!text.contains("Latency beside"), "there is no peer to compare with");
    }

    #[test]
    fn a_send_beside_a_consumer_is_compared_with_one_alone() {
        let send = |client: &str, p50: u32| {
            let line = format!(
                "{client},{MEASURED_STORE},send,100,rr,none,0,131072,600,3,200,1,1,0,1,0,0,0,12,{p50},{p50},{p50},0"
            );
            Sample::of_driver(&line, "0.5", &Wire::default()).unwrap()
        };
        let samples = [send("courant", 100), send("courant-beside", 105), send("courant-apart", 120)];
        let text = render(&tables(&samples), &Host::default());
        let expected = "\nUnder tuned settings half of all sends take 1.05 times as long beside a consumer on the same `Kafka` as alone, and 1.20 times";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_rows_name_tells_its_linger_and_whose_settings_the_rest_is() {
        let name_of = |op: &str, linger: &str, batch_size: &str| {
            let line = format!(
                "courant,{MEASURED},{op},100,rr,none,{linger},{batch_size},9,3,2,1,1,0,1,0,0,0,12,1,1,1,0"
            );
            name(&tables(&[Sample::of_driver(&line, "0.5", &Wire::default()).unwrap()])[0].title)
        };
        assert_eq!(name_of("e2e", "0", "131072"), "e2e · 100 B · linger 0 ms");
        assert_eq!(name_of("e2e", "0", "default"), "e2e · 100 B · linger 0 ms · defaults");
        assert_eq!(name_of("e2e", "default", "default"), "e2e · 100 B · defaults");
        assert_eq!(name_of("produce", "5", "131072"), "produce · 100 B · rr");
    }

    #[test]
    fn every_line_of_a_table_has_the_columns_of_its_head() {
        let samples = [
            sample("courant", MEASURED, "consume,100,rr,lz4", 0.2, 6e6, 30),
            sample("java", MEASURED, "consume,100,rr,lz4", 0.8, 3e6, 400),
        ];
        let text = render(&tables(&samples), &Host::default());
        let mut columns = 0;
        for row in text.lines() {
            let count = row.matches('|').count();
            assert!(columns == 0 || count == 0 || count == columns, "{row}");
            columns = count;
        }
    }
}
