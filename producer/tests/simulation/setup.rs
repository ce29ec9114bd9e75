//! What a seed draws: a cluster, the producers' settings, and what may be expected of them.
use courant_runtime::Rng;
use std::fmt;
use std::time::Duration;

use courant_producer::ProducerBuilder;

/// What an acknowledgement means under the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// With idempotence: in the log once, and in order.
    ExactlyOnce,
    /// Without: in the log, perhaps more than once.
    AtLeastOnce,
    /// With `acks=0`: nothing.
    Nothing,
}

/// One random configuration.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) promise: Promise,
    pub(crate) brokers: usize,
    pub(crate) partitions: usize,
    pub(crate) max_message_bytes: u64,
    pub(crate) producers: u64,
    pub(crate) records: u64,
    /// Values are at most so long, and mostly much shorter.
    pub(crate) longest_value: u64,
    pub(crate) request_timeout: Duration,
    properties: Vec<(&'static str, String)>,
}

impl Setup {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let promise = match rng.below(10) {
            0..=6 => Promise::ExactlyOnce,
            7 | 8 => Promise::AtLeastOnce,
            _ => Promise::Nothing,
        };
        let request_timeout = Duration::from_secs(pick(rng, &[2, 10, 30]));
        let linger_ms = pick(rng, &[0, 5, 50, 1000]);
        let attempt_ms = linger_ms + request_timeout.as_millis() as u64;
        let delivery_timeout_ms = pick(rng, &[attempt_ms, attempt_ms + 5000, 120_000]);
        let mut properties = vec![
            ("linger.ms", linger_ms.to_string()),
            ("delivery.timeout.ms", delivery_timeout_ms.to_string()),
            ("max.in.flight.requests.per.connection", (1 + rng.below(5)).to_string()),
            ("compression.type", pick(rng, &["none", "gzip", "snappy", "lz4", "zstd"]).to_owned()),
            ("batch.size", pick(rng, &[0, 200, 1000, 16_384]).to_string()),
            ("buffer.memory", pick(rng, &[2000, 20_000, 1_000_000]).to_string()),
            ("max.request.size", pick(rng, &[1500, 1_048_576]).to_string()),
            ("max.block.ms", pick(rng, &[200, 60_000]).to_string()),
            ("partitioner.ignore.keys", rng.chance(0.5).to_string()),
        ];
        let acks = match promise {
            Promise::ExactlyOnce => "all",
            Promise::AtLeastOnce => pick(rng, &["all", "1"]),
            Promise::Nothing => "0",
        };
        properties.push(("acks", acks.to_owned()));
        properties.push(("enable.idempotence", (promise == Promise::ExactlyOnce).to_string()));
        if rng.chance(0.2) {
            properties.push(("retries", (1 + rng.below(3)).to_string()));
        }
        Self {
            promise,
            brokers: 2 + rng.below(2) as usize,
            partitions: 1 + rng.below(4) as usize,
            max_message_bytes: pick(rng, &[300, 1500, 1_048_588]),
            producers: 1 + rng.below(3),
            records: 100 + rng.below(200),
            longest_value: pick(rng, &[20, 500, 4000]),
            request_timeout,
            properties,
        }
    }

    pub(crate) fn apply(&self, builder: ProducerBuilder) -> ProducerBuilder {
        self.properties.iter().fold(builder, |builder, (name, value)| builder.set(*name, value))
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}; {} brokers, {} partitions", self.promise, self.brokers, self.partitions)?;
        write!(f, ", max.message.bytes {}; {} producers", self.max_message_bytes, self.producers)?;
        self.properties.iter().try_for_each(|(name, value)| write!(f, ", {name}={value}"))
    }
}

pub(crate) fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.below(from.len() as u64) as usize]
}
