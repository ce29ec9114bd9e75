//! The pipeline: the mean of a column per key and window.
use std::collections::BTreeMap;
use std::time::Duration;

use courant::streams::codec::{Json, Utf8};
use courant::streams::{Store, StreamsBuilder, Topology, TopologyError, Windowed, tumbling};
use serde::{Deserialize, Serialize};

use crate::topics::{DEPARTURES, MEANS};

/// How long after its end a window still takes events.
const GRACE: Duration = Duration::from_secs(86_400);

/// A row of the file, column by column.
type Row = BTreeMap<String, serde_json::Value>;

/// What a window has seen.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Sum {
    count: u64,
    total: f64,
}

/// A line of the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mean {
    pub(crate) key: String,
    pub(crate) window_start: jiff::Timestamp,
    pub(crate) window_end: jiff::Timestamp,
    pub(crate) count: u64,
    pub(crate) mean: f64,
}

impl Mean {
    fn of(windowed: Windowed<String>, sum: Sum) -> Self {
        // Windows begin where record timestamps are, and the source refuses those that are no dates.
        let time = |ms| jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
        let (start, end) = (windowed.window.start_ms, windowed.window.end_ms);
        let mean = sum.total / sum.count.max(1) as f64;
        Self { key: windowed.key, window_start: time(start), window_end: time(end), count: sum.count, mean }
    }
}

/// Departures in, means out; `seen` is told of each change of a window.
pub(crate) fn topology(
    column: &str,
    window: Duration,
    seen: impl Fn(&Mean) + Send + Sync + 'static,
) -> Result<Topology, TopologyError> {
    let column = column.to_owned();
    let builder = StreamsBuilder::new();
    builder
        .stream(DEPARTURES, (Utf8, Json))
        .map_values(move |_, row: Row| row.get(&column).and_then(serde_json::Value::as_f64))
        .filter(|_, value| value.is_some()) // a flight that was cancelled has no delay
        .group_by_key()
        .windowed_by(tumbling(window).grace(GRACE))
        .aggregate(Store::named("means", (Utf8, Json)), Sum::default, |_: &String, value, sum: &mut Sum| {
            sum.count += 1;
            sum.total += value.unwrap_or_default();
        })
        .to_stream()
        .flat_map(|windowed, sum| windowed.map(|windowed| (windowed.key.clone(), Mean::of(windowed, sum))))
        .peek(move |_, mean| mean.into_iter().for_each(&seen))
        .to(MEANS, (Utf8, Json));
    builder.build()
}
