//! The producer's properties: one row for each key of Java's `ProducerConfig`, and the plain values they come to.
use std::time::Duration;

use courant_client::config::{ConfigError, Importance, Kind, Properties, Row, Settings, Table, Unit};
use courant_client::{Error, ErrorKind};
use courant_protocol::compression::Codec;

use crate::Partitioner;

/// The properties that only a producer has, with Java's names and defaults (Kafka 4.3).
///
#[doc = include_str!("../PROPERTIES.md")]
pub const PRODUCER: Table = Table::new(&[DELIVERY, BATCHING, PARTITIONING, ELSEWHERE]);

const DELIVERY: &[Row] = &[
    Row::new("acks", Kind::String, "all")
        .one_of(&["all", "-1", "0", "1"])
        .doc("How many replicas must have a record before it counts as sent: all in-sync ones, the leader, or none."),
    Row::new("enable.idempotence", Kind::Bool, "true")
        .kip(98)
        .doc("Whether retries can neither double nor reorder records. Conflicting settings switch it off, or are an error if it was set."),
    Row::new("max.in.flight.requests.per.connection", Kind::Int, "5")
        .at_least(1)
        .doc("How many requests to a broker are not answered at a time; at most 5 with idempotence."),
    Row::new("retries", Kind::Int, "2147483647")
        .at_least(0)
        .importance(Importance::High)
        .doc("How often a batch is sent again; delivery.timeout.ms is the better bound."),
    Row::new("delivery.timeout.ms", Kind::Int, "120000")
        .at_least(0)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .kip(91)
        .doc("How long a record may take from being enqueued to being acknowledged."),
    Row::new("max.block.ms", Kind::Long, "60000")
        .at_least(0)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .doc("How long enqueueing waits for metadata and for buffer space together."),
    Row::new("max.request.size", Kind::Int, "1048576")
        .at_least(0)
        .unit(Unit::Bytes)
        .importance(Importance::Medium)
        .doc("How large a record may be before compression, and a request."),
];

const BATCHING: &[Row] = &[
    Row::new("linger.ms", Kind::Long, "5")
        .at_least(0)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .doc("How long a batch waits for more records before it is sent."),
    Row::new("batch.size", Kind::Int, "16384")
        .at_least(0)
        .unit(Unit::Bytes)
        .importance(Importance::Medium)
        .doc("How large a batch becomes before compression; 0 gives each record a batch of its own."),
    Row::new("buffer.memory", Kind::Long, "33554432")
        .at_least(0)
        .unit(Unit::Bytes)
        .importance(Importance::High)
        .doc("How many bytes of records may be on their way; who enqueues more has to wait."),
    Row::new("compression.type", Kind::String, "none")
        .one_of_in_any_case(&["none", "gzip", "snappy", "lz4", "zstd"])
        .importance(Importance::High)
        .doc("How batches are compressed."),
    Row::new("compression.gzip.level", Kind::Int, "-1")
        .between(-1, 9)
        .importance(Importance::Medium)
        .kip(390)
        .refuse_values(&[("0", "it compresses nothing; set compression.type to none")])
        .doc("From 1 (fast) to 9 (small); -1 for gzip's default."),
    Row::new("compression.lz4.level", Kind::Int, "9")
        .between(1, 17)
        .importance(Importance::Medium)
        .kip(390)
        .doc("From 1 (fast) to 17 (small), but for 9, which stands for the fast way, as in Java; every other one needs the cargo feature `lz4-hc`."),
    Row::new("compression.zstd.level", Kind::Int, "3")
        .between(-131_072, 22)
        .importance(Importance::Medium)
        .kip(390)
        .doc("From -131072 (fast) to 22 (small)."),
];

const PARTITIONING: &[Row] = &[
    Row::without_default("partitioner.class", Kind::Class)
        .importance(Importance::Medium)
        .doc("How records find a partition: the built-in way, `org.apache.kafka.clients.producer.RoundRobinPartitioner`, or that of another client by a name of the table at `Partitioner`. A partitioner of one's own is set with `partitioner(..)`."),
    Row::new("partitioner.ignore.keys", Kind::Bool, "false")
        .importance(Importance::Medium)
        .kip(794)
        .doc("Whether records with a key are spread like those without; only the built-in partitioner heeds it."),
    Row::new("partitioner.adaptive.partitioning.enable", Kind::Bool, "true")
        .kip(794)
        .doc("Whether records without a key prefer partitions whose broker keeps up."),
    Row::new("partitioner.availability.timeout.ms", Kind::Long, "0")
        .at_least(0)
        .unit(Unit::Millis)
        .kip(794)
        .doc("After which time a broker that takes nothing, although there is something for it, gets no records without a key; 0 for never. It has no effect without partitioner.adaptive.partitioning.enable."),
    Row::new("partitioner.rack.aware", Kind::Bool, "false")
        .kip(1123)
        .doc("Whether records without a key prefer partitions whose leader stands in this client's rack; it needs client.rack. Kafka 4.4 brings it."),
    Row::new("client.rack", Kind::String, "")
        .kip(1123)
        .doc("The rack of this client, as brokers name theirs in broker.rack. Kafka 4.4 brings it to the producer."),
    Row::new("metadata.max.idle.ms", Kind::Long, "300000")
        .at_least(5000)
        .unit(Unit::Millis)
        .kip(526)
        .doc("How long a topic is kept in metadata and memory that nothing is written to."),
];

const ELSEWHERE: &[Row] = &[
    Row::without_default("transactional.id", Kind::String)
        .not_empty()
        .refused("transactions come with a later release")
        .doc("The name under which transactions go on after a restart."),
    Row::new("transaction.timeout.ms", Kind::Int, "60000")
        .unit(Unit::Millis)
        .accepted("it matters only with a transactional.id")
        .doc("How long a transaction may stay open."),
    Row::new("transaction.two.phase.commit.enable", Kind::Bool, "false")
        .kip(939)
        .refused("transactions come with a later release")
        .doc("Whether somebody else decides when a transaction ends."),
    Row::without_default("key.serializer", Kind::Class)
        .importance(Importance::High)
        .accepted("records are handed over as bytes")
        .doc("How Java turns keys into bytes."),
    Row::without_default("value.serializer", Kind::Class)
        .importance(Importance::High)
        .accepted("records are handed over as bytes")
        .doc("How Java turns values into bytes."),
    Row::new("interceptor.classes", Kind::List, "")
        .refused("Java classes cannot be loaded; hand an interceptor over with `interceptor(..)`")
        .doc("Java classes that see each record and its outcome."),
];

/// What the properties come to: plain values, checked once.
#[derive(Clone, Debug)]
pub(crate) struct ProducerSettings {
    pub(crate) acks: i16,
    pub(crate) idempotent: bool,
    pub(crate) max_in_flight: usize,
    pub(crate) retries: u32,
    pub(crate) delivery_timeout: Duration,
    pub(crate) max_block: Duration,
    pub(crate) metadata_max_idle: Duration,
    pub(crate) max_request_size_bytes: usize,
    pub(crate) linger: Duration,
    pub(crate) batch_size_bytes: usize,
    pub(crate) buffer_memory_bytes: usize,
    pub(crate) codec: Codec,
    pub(crate) compression_level: Option<i32>,
    pub(crate) partitioner: Partitioner,
    pub(crate) ignore_keys: bool,
    pub(crate) adaptive: bool,
    /// `None` if slow brokers get their share all the same.
    pub(crate) availability_timeout: Option<Duration>,
    /// The rack of this client, if leaders there are preferred.
    pub(crate) rack: Option<String>,
}

impl ProducerSettings {
    /// Checks the properties, each alone and then against each other; `request_timeout` is the connection's.
    pub(crate) fn check(
        properties: &Properties,
        request_timeout: Duration,
    ) -> Result<(Self, Settings), Error> {
        let settings = properties.check(&[&PRODUCER])?;
        let codec = codec(&settings)?;
        let linger = settings.millis("linger.ms")?;
        let values = Self {
            acks: acks(settings.text("acks")?),
            idempotent: idempotent(&settings)?,
            max_in_flight: settings.size("max.in.flight.requests.per.connection")?,
            retries: u32::try_from(settings.whole("retries")?).unwrap_or(u32::MAX),
            delivery_timeout: delivery_timeout(&settings, linger, request_timeout)?,
            max_block: settings.millis("max.block.ms")?,
            metadata_max_idle: settings.millis("metadata.max.idle.ms")?,
            max_request_size_bytes: settings.size("max.request.size")?,
            linger,
            batch_size_bytes: settings.size("batch.size")?,
            buffer_memory_bytes: settings.size("buffer.memory")?,
            compression_level: level(&settings, codec)?,
            codec,
            partitioner: partitioner(settings.optional_text("partitioner.class")?)?,
            ignore_keys: settings.flag("partitioner.ignore.keys")?,
            adaptive: settings.flag("partitioner.adaptive.partitioning.enable")?,
            availability_timeout: availability_timeout(&settings)?,
            rack: rack(&settings)?,
        };
        codec.check(values.compression_level).map_err(|unusable| {
            conflict("compression.type cannot be used in this build").because(unusable)
        })?;
        Ok((values, settings))
    }
}

fn acks(text: &str) -> i16 {
    match text {
        "0" => 0,
        "1" => 1,
        _ => -1,
    }
}

/// Kafka's rule (`ProducerConfig.postProcessAndValidateIdempotenceConfigs`): where idempotence was not asked for, what
/// conflicts with it switches it off; where it was, a conflict is an error.
fn idempotent(settings: &Settings) -> Result<bool, Error> {
    if !settings.flag("enable.idempotence")? {
        return Ok(false);
    }
    let conflicts = [
        (acks(settings.text("acks")?) != -1, "acks", "must be `all`"),
        (settings.whole("retries")? == 0, "retries", "must be greater than 0"),
        (
            settings.whole("max.in.flight.requests.per.connection")? > 5,
            "max.in.flight.requests.per.connection",
            "must be at most 5, since a broker remembers five batches",
        ),
    ];
    for (conflicts, name, rule) in conflicts {
        let explicit = settings.is_given("enable.idempotence");
        match (conflicts, explicit) {
            (false, _) => {}
            (true, true) => return Err(conflict(format!("with enable.idempotence=true, {name} {rule}"))),
            // Kafka 4 does not switch it off for this one: order by default would be lost without a word.
            (true, false) if name.starts_with("max") => {
                return Err(conflict(format!("{name} {rule}; or set enable.idempotence=false")));
            }
            (true, false) => return Ok(false),
        }
    }
    Ok(true)
}

/// At least the time for one attempt: an error if the user said less, raised if only the other settings say more.
fn delivery_timeout(
    settings: &Settings,
    linger: Duration,
    request_timeout: Duration,
) -> Result<Duration, Error> {
    let timeout = settings.millis("delivery.timeout.ms")?;
    let least = linger.saturating_add(request_timeout);
    match timeout < least {
        true if settings.is_given("delivery.timeout.ms") => Err(conflict(format!(
            "delivery.timeout.ms is {} and must be at least linger.ms + request.timeout.ms = {}",
            timeout.as_millis(),
            least.as_millis()
        ))),
        true => Ok(least),
        false => Ok(timeout),
    }
}

fn codec(settings: &Settings) -> Result<Codec, ConfigError> {
    let name = settings.text("compression.type")?;
    Ok(Codec::ALL.into_iter().find(|codec| codec.name() == name).unwrap_or_default())
}

fn level(settings: &Settings, codec: Codec) -> Result<Option<i32>, ConfigError> {
    let level = match codec {
        Codec::Gzip => Some(settings.int("compression.gzip.level")?).filter(|level| *level != -1),
        Codec::Lz4 => Some(settings.int("compression.lz4.level")?),
        Codec::Zstd => Some(settings.int("compression.zstd.level")?),
        _ => None,
    };
    Ok(level)
}

fn partitioner(class: Option<&str>) -> Result<Partitioner, Error> {
    Partitioner::named(class.unwrap_or_default()).ok_or_else(|| {
        conflict("partitioner.class names a class or a way that is not built in")
            .hinting("leave it out, use a name that the documentation of `Partitioner` lists, or set one with `partitioner(..)`")
    })
}

fn availability_timeout(settings: &Settings) -> Result<Option<Duration>, ConfigError> {
    let timeout = settings.millis("partitioner.availability.timeout.ms")?;
    let adaptive = settings.flag("partitioner.adaptive.partitioning.enable")?;
    Ok(Some(timeout).filter(|timeout| adaptive && !timeout.is_zero()))
}

fn rack(settings: &Settings) -> Result<Option<String>, Error> {
    let rack = settings.text("client.rack")?.trim();
    match settings.flag("partitioner.rack.aware")? {
        false => Ok(None),
        true if rack.is_empty() => Err(conflict("with partitioner.rack.aware=true, client.rack must be set")),
        true => Ok(Some(rack.to_owned())),
    }
}

fn conflict(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

    fn check(properties: &[(&str, &str)]) -> Result<ProducerSettings, Error> {
        let mut given = Properties::new();
        for (name, value) in properties {
            given.set(*name, value);
        }
        ProducerSettings::check(&given, REQUEST_TIMEOUT).map(|(settings, _)| settings)
    }

    fn refusal(properties: &[(&str, &str)]) -> String {
        check(properties).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_javas() {
        let settings = check(&[]).unwrap();
        assert_eq!((settings.acks, settings.idempotent, settings.max_in_flight), (-1, true, 5));
        assert_eq!(settings.linger, Duration::from_millis(5));
        assert_eq!((settings.batch_size_bytes, settings.buffer_memory_bytes), (16_384, 33_554_432));
        assert_eq!(settings.max_request_size_bytes, 1_048_576);
        assert_eq!(settings.delivery_timeout, Duration::from_secs(120));
        assert_eq!((settings.max_block, settings.retries), (Duration::from_secs(60), 2_147_483_647));
        assert_eq!((settings.codec, settings.compression_level), (Codec::None, None));
    }

    #[test]
    fn conflicts_switch_idempotence_off_unless_it_was_asked_for() {
        assert!(!check(&[("acks", "1")]).unwrap().idempotent);
        assert!(!check(&[("retries", "0")]).unwrap().idempotent);
        let asked = ("enable.idempotence", "true");
        assert!(refusal(&[asked, ("acks", "1")]).contains("acks must be `all`"));
        assert!(refusal(&[asked, ("retries", "0")]).contains("retries must be greater than 0"));
        assert!(refusal(&[asked, ("max.in.flight.requests.per.connection", "6")]).contains("at most 5"));
        assert!(
            refusal(&[("max.in.flight.requests.per.connection", "6")]).contains("enable.idempotence=false")
        );
        let off = ("enable.idempotence", "false");
        assert_eq!(check(&[off, ("max.in.flight.requests.per.connection", "6")]).unwrap().max_in_flight, 6);
    }

    #[test]
    fn the_delivery_timeout_leaves_time_for_an_attempt() {
        let text = refusal(&[("delivery.timeout.ms", "30004")]);
        assert!(text.contains("linger.ms + request.timeout.ms = 30005"), "{text}");
        let settings = check(&[("linger.ms", "100000")]).unwrap();
        assert_eq!(settings.delivery_timeout, Duration::from_secs(130));
    }

    #[test]
    fn what_cannot_be_is_answered_with_what_can() {
        assert!(refusal(&[("linger.msec", "5")]).contains("did you mean `linger.ms`"));
        assert!(refusal(&[("compression.type", "brotli")]).contains("none, gzip, snappy, lz4"));
        assert!(refusal(&[("transactional.id", "a")]).contains("later release"));
        assert!(refusal(&[("partitioner.class", "com.example.Mine")]).contains("partitioner(..)"));
        let round_robin = "org.apache.kafka.clients.producer.RoundRobinPartitioner";
        let settings = check(&[("partitioner.class", round_robin)]).unwrap();
        assert_eq!(format!("{:?}", settings.partitioner), "Partitioner(round robin)");
    }

    #[test]
    fn the_documentation_lists_every_row_as_it_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/PROPERTIES.md");
        if std::env::var_os("COURANT_WRITE").is_some() {
            std::fs::write(path, PRODUCER.describe()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(
            written == PRODUCER.describe(),
            "COURANT_WRITE=1 cargo test -p courant-producer --lib writes {path} anew"
        );
    }

    #[test]
    fn slow_brokers_and_racks_matter_on_demand() {
        let timeout = ("partitioner.availability.timeout.ms", "500");
        assert_eq!(check(&[]).unwrap().availability_timeout, None);
        assert_eq!(check(&[timeout]).unwrap().availability_timeout, Some(Duration::from_millis(500)));
        let off = ("partitioner.adaptive.partitioning.enable", "false");
        assert_eq!(check(&[timeout, off]).unwrap().availability_timeout, None, "as in Java");
        let aware = ("partitioner.rack.aware", "true");
        assert!(refusal(&[aware]).contains("client.rack must be set"));
        assert_eq!(check(&[aware, ("client.rack", "a")]).unwrap().rack.as_deref(), Some("a"));
        assert_eq!(check(&[("client.rack", "a")]).unwrap().rack, None);
    }

    #[test]
    fn a_partitioner_of_librdkafka_goes_by_its_name() {
        let settings = check(&[("partitioner", "consistent_random")]).unwrap();
        assert_eq!(format!("{:?}", settings.partitioner), "Partitioner(consistent_random)");
        assert!(refusal(&[("partitioner", "sticky")]).contains("it takes random, consistent"));
    }

    #[test]
    fn every_row_takes_its_own_default() {
        for row in PRODUCER.rows() {
            if let Some(default) = row.default {
                assert!(check(&[(row.name, default)]).is_ok(), "{}", row.name);
            }
        }
    }
}
