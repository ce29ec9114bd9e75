//! Good frames to start from, and the ways to spoil them.
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use courant_protocol::api::ApiKey;
use serde_json::Value;

/// A message that Java wrote, without its header.
#[derive(Clone)]
pub(crate) struct Seed {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) request: bool,
    pub(crate) body: Bytes,
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{} {}", self.key, self.version, if self.request { "request" } else { "response" })
    }
}

/// Every message of the sweep in every version.
pub(crate) fn all() -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/frames/sweep");
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(folder).expect("golden data") {
        let file = std::fs::File::open(entry.expect("a file").path()).expect("a file");
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
        seeds.extend(text.lines().map(|line| parse(&serde_json::from_str(line).expect("JSON"))));
    }
    assert!(seeds.len() > 2_000, "golden data is missing");
    seeds
}

/// One message of each kind, in its newest version.
pub(crate) fn newest() -> Vec<Seed> {
    let mut newest: BTreeMap<(ApiKey, bool), Seed> = BTreeMap::new();
    for seed in all() {
        let known = newest.entry((seed.key, seed.request)).or_insert_with(|| seed.clone());
        if (seed.version, seed.body.len()) > (known.version, known.body.len()) {
            *known = seed;
        }
    }
    newest.into_values().collect()
}

fn parse(line: &Value) -> Seed {
    let number = |name: &str| line[name].as_i64().expect("a number");
    let hex = line["hex"].as_str().expect("hex");
    let from = number("header_len") as usize;
    let bytes = (from..hex.len() / 2)
        .map(|place| u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).expect("hex"));
    Seed {
        key: ApiKey::try_from(number("key") as i16).expect("a known key"),
        version: number("version") as i16,
        request: line["kind"] == "request",
        body: bytes.collect(),
    }
}

/// Numbers that are the same in every run (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Bytes below `limit`.
    pub(crate) fn bytes(&mut self, length: usize, limit: usize) -> Bytes {
        (0..length).map(|_| self.below(limit) as u8).collect()
    }

    /// A copy with one to four faults.
    pub(crate) fn mutate(&mut self, good: &Bytes) -> Bytes {
        let mut bad = good.to_vec();
        for _ in 0..=self.below(4) {
            let place = self.below(bad.len() + 1);
            let end = (place + 1 + self.below(5)).min(bad.len());
            match self.below(6) {
                0 => bad.splice(place..end, [0xff, 0xff, 0xff, 0xff, 0x0f]).for_each(drop),
                1 => bad.splice(place..end, [0x7f, 0xff, 0xff, 0xff]).for_each(drop),
                2 => bad.splice(place..place, good.iter().copied().take(40)).for_each(drop),
                3 => bad.drain(place..end).for_each(drop),
                _ => bad.get_mut(place).into_iter().for_each(|byte| *byte ^= 1 << self.below(8)),
            }
        }
        bad.into()
    }
}
