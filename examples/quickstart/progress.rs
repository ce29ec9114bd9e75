//! What a person sees while it runs: the parts, how far they are, the windows that change.
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Args;
use crate::house::Counts;
use crate::means::Mean;
use crate::topics::{DEPARTURES, MEANS};

/// How many of the windows that changed last are shown.
const RECENT: usize = 4;

/// The windows that changed in this run.
#[derive(Clone, Default)]
pub(crate) struct Windows(Arc<Mutex<Changed>>);

#[derive(Default)]
struct Changed {
    /// By key and start.
    means: BTreeMap<(String, jiff::Timestamp), Mean>,
    recent: VecDeque<(String, jiff::Timestamp)>,
}

impl Windows {
    /// Takes note of a window's new mean.
    pub(crate) fn changed(&self, mean: &Mean) {
        let place = (mean.key.clone(), mean.window_start);
        let mut changed = self.lock();
        changed.recent.retain(|other| *other != place);
        changed.recent.push_back(place.clone());
        if changed.recent.len() > RECENT {
            changed.recent.pop_front();
        }
        changed.means.insert(place, mean.clone());
    }

    /// All of them, by key and start.
    pub(crate) fn all(&self) -> Vec<Mean> {
        self.lock().means.values().cloned().collect()
    }

    fn recent(&self) -> Vec<Mean> {
        let changed = self.lock();
        changed.recent.iter().filter_map(|place| changed.means.get(place).cloned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines that change on a terminal; nothing anywhere else.
pub(crate) struct Progress {
    bar: ProgressBar,
    windows: Windows,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self { bar, windows: Windows::default() }
    }

    pub(crate) fn windows(&self) -> Windows {
        self.windows.clone()
    }

    /// Prints the way of the events, and the pipeline's topology.
    pub(crate) fn show_house(&self, args: &Args, topology: &str) {
        let sink = args.out.as_ref().map_or("(no file)".to_owned(), |out| out.display().to_string());
        println!(
            "{} ─► CsvSource ─► [{DEPARTURES}] ─► pipeline ─► [{MEANS}] ─► JsonLinesSink ─► {sink}\n",
            args.file.display()
        );
        println!("{topology}");
    }

    pub(crate) fn show(&self, counts: &Counts) {
        let Counts { source, sink } = counts;
        let mut text = format!(
            "{} rows read · {} acknowledged · {} dead letters · {} lines delivered",
            source.read, source.written, source.passed_over, sink.written
        );
        for mean in self.windows.recent() {
            text.push_str(&format!("\n  {}", line(&mean)));
        }
        self.bar.set_message(text);
        self.bar.tick();
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A window in one line.
pub(crate) fn line(mean: &Mean) -> String {
    format!("{:<8} {:<22} {:>7} {:>9.2}", mean.key, mean.window_start.to_string(), mean.count, mean.mean)
}
