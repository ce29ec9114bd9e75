//! The partitioners by name: the built-in one, those of other clients, and a program's own.
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use courant_protocol::types::PartitionId;

use super::custom::{CustomPartitioner, Unplaced};
use super::key_hash::{KeyHash, partition_for_key};
use super::sticky::mix;
use crate::sync::{AtomicU32, Ordering};

/// How records that name no partition of their own find one.
///
/// The built-in way is Kafka's: a key's hash, and for records without a key one partition at a time until its batch is
/// full. The others put each key where another client puts it, so that producers of both kinds can write to one topic
/// and the records of a key stay together.
///
/// | here | `partitioner.class` or librdkafka's `partitioner` | hash | no key | empty key |
/// |---|---|---|---|---|
/// | [`built_in`](Self::built_in) | `murmur2_random` | murmur2 | sticky | hashed |
/// | [`round_robin`](Self::round_robin) | `RoundRobinPartitioner` | none | in turn | in turn |
/// | [`random`](Self::random) | `random` | none | sticky | drawn |
/// | [`consistent`](Self::consistent) | `consistent` | CRC-32 | partition 0 | partition 0 |
/// | [`consistent_random`](Self::consistent_random) | `consistent_random`, librdkafka's default | CRC-32 | sticky | sticky |
/// | [`murmur2`](Self::murmur2) | `murmur2` | murmur2 | as the empty key | hashed |
/// | [`fnv1a`](Self::fnv1a) | `fnv1a` | FNV-1a | as the empty key | hashed |
/// | [`sarama`](Self::sarama) | `fnv1a_random`, Sarama's default | FNV-1a, negated | sticky | hashed |
/// | [`sarama_reference`](Self::sarama_reference) | `sarama_reference` | FNV-1a, masked | sticky | hashed |
/// | [`franz_go_sarama`](Self::franz_go_sarama) | `franz_go_sarama` | FNV-1a, unsigned | sticky | hashed |
///
/// ```
/// use courant_producer::Partitioner;
/// let like_librdkafka = Partitioner::consistent_random();
/// let by_length = Partitioner::custom(|_topic, key, count| key.map_or(0, <[u8]>::len) as u32 % count);
/// # assert_eq!(format!("{like_librdkafka:?} {by_length:?}"), "Partitioner(consistent_random) Partitioner(custom)");
/// ```
#[derive(Clone, Default)]
pub struct Partitioner(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    BuiltIn,
    RoundRobin,
    Random,
    Hashed(&'static Hashed),
    Custom(Arc<dyn CustomPartitioner>),
}

/// A way that takes the partition from the key.
struct Hashed {
    name: &'static str,
    hash: KeyHash,
    without_key: Keyless,
}

/// Which records a hash does not place.
enum Keyless {
    /// Those whose key is null: the sticky partition gets them.
    Null,
    /// Those whose key is null or empty.
    NullOrEmpty,
    /// None: a null key counts as an empty one.
    Nothing,
}

impl Partitioner {
    /// Kafka's default (KIP-480, KIP-794).
    pub fn built_in() -> Self {
        Self(Kind::BuiltIn)
    }

    /// One partition that has a leader after the other, keys or not, for each topic, as Kafka's `RoundRobinPartitioner`.
    pub fn round_robin() -> Self {
        Self(Kind::RoundRobin)
    }

    /// A partition that has a leader, drawn for each record with a key, as librdkafka's `random`.
    pub fn random() -> Self {
        Self(Kind::Random)
    }

    /// The key's CRC-32, as librdkafka's `consistent`; records without a key all go to partition 0.
    pub fn consistent() -> Self {
        Self(Kind::Hashed(&CONSISTENT))
    }

    /// The key's CRC-32, as librdkafka does without further settings; records whose key is missing or empty are spread.
    pub fn consistent_random() -> Self {
        Self(Kind::Hashed(&CONSISTENT_RANDOM))
    }

    /// The key's murmur2, as librdkafka's `murmur2`; records without a key all go where the empty key goes.
    pub fn murmur2() -> Self {
        Self(Kind::Hashed(&MURMUR2))
    }

    /// The key's FNV-1a, as librdkafka's `fnv1a`; records without a key all go where the empty key goes.
    pub fn fnv1a() -> Self {
        Self(Kind::Hashed(&FNV1A))
    }

    /// The key's FNV-1a, as Sarama's `NewHashPartitioner`, its default, and librdkafka's `fnv1a_random`.
    pub fn sarama() -> Self {
        Self(Kind::Hashed(&SARAMA))
    }

    /// The key's FNV-1a, as Sarama's `NewReferenceHashPartitioner`.
    pub fn sarama_reference() -> Self {
        Self(Kind::Hashed(&SARAMA_REFERENCE))
    }

    /// The key's FNV-1a, as franz-go's `SaramaHasher`, which differs from both of Sarama's own.
    pub fn franz_go_sarama() -> Self {
        Self(Kind::Hashed(&FRANZ_GO_SARAMA))
    }

    /// A function of topic, key and number of partitions. What it returns is taken modulo that number. It is called for
    /// each record, on the task that enqueues it, and must neither block nor panic.
    pub fn custom(choose: impl Fn(&str, Option<&[u8]>, u32) -> u32 + Send + Sync + 'static) -> Self {
        Self::implemented_by(Function(choose))
    }

    /// A program's own, with all that a [`CustomPartitioner`] sees.
    pub fn implemented_by(custom: impl CustomPartitioner + 'static) -> Self {
        Self(Kind::Custom(Arc::new(custom)))
    }

    /// The partitioner with this name, as `partitioner.class` has it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let hashed =
            [&CONSISTENT, &CONSISTENT_RANDOM, &MURMUR2, &FNV1A, &SARAMA, &SARAMA_REFERENCE, &FRANZ_GO_SARAMA];
        match name {
            "" | "murmur2_random" => Some(Self::built_in()),
            "RoundRobinPartitioner" | ROUND_ROBIN => Some(Self::round_robin()),
            "random" => Some(Self::random()),
            name => hashed.into_iter().find(|hashed| hashed.name == name).map(|h| Self(Kind::Hashed(h))),
        }
    }

    /// The record's partition; `None` leaves it to the sticky one. `turns` are the topic's own.
    pub(crate) fn place(
        &self,
        record: &Unplaced<'_>,
        ignore_keys: bool,
        turns: &Turns,
    ) -> Option<PartitionId> {
        match &self.0 {
            Kind::BuiltIn => {
                let key = record.key.filter(|_| !ignore_keys)?;
                NonZeroU32::new(record.partition_count).map(|count| partition_for_key(key, count))
            }
            Kind::RoundRobin => nth_available(record, turns.next()),
            Kind::Random => record.key.and_then(|_| nth_available(record, turns.draw())),
            Kind::Hashed(hashed) => hashed.place(record),
            Kind::Custom(own) => own.partition(record),
        }
    }

    /// A program's own, which is not to be asked under a lock.
    pub(crate) fn own(&self) -> Option<&dyn CustomPartitioner> {
        match &self.0 {
            Kind::Custom(own) => Some(&**own),
            _ => None,
        }
    }
}

impl Hashed {
    fn place(&self, record: &Unplaced<'_>) -> Option<PartitionId> {
        let key = match self.without_key {
            Keyless::Null => record.key?,
            Keyless::NullOrEmpty => record.key.filter(|key| !key.is_empty())?,
            Keyless::Nothing => record.key.unwrap_or_default(),
        };
        Some(self.hash.partition(key, NonZeroU32::new(record.partition_count)?))
    }
}

/// Counts the records of a topic that were placed in turn or by draw.
pub(crate) struct Turns {
    count: AtomicU32,
    seed: u64,
}

impl Turns {
    pub(crate) fn new(seed: u64) -> Self {
        Self { count: AtomicU32::new(0), seed }
    }

    fn next(&self) -> u64 {
        u64::from(self.count.fetch_add(1, Ordering::Relaxed))
    }

    fn draw(&self) -> u64 {
        mix(self.seed, self.next())
    }
}

/// One of the partitions that have a leader, or, if none has, of all.
fn nth_available(record: &Unplaced<'_>, n: u64) -> Option<PartitionId> {
    let available = record.available.len() as u64;
    match n.checked_rem(available) {
        Some(index) => record.available.get(index as usize).copied(),
        None => n.checked_rem(u64::from(record.partition_count)).map(|n| PartitionId(n as i32)),
    }
}

impl fmt::Debug for Partitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.0 {
            Kind::BuiltIn => "built-in",
            Kind::RoundRobin => "round robin",
            Kind::Random => "random",
            Kind::Hashed(hashed) => hashed.name,
            Kind::Custom(_) => "custom",
        };
        write!(f, "Partitioner({name})")
    }
}

/// A function that was handed in for want of more.
struct Function<F>(F);

impl<F: Fn(&str, Option<&[u8]>, u32) -> u32 + Send + Sync> CustomPartitioner for Function<F> {
    fn partition(&self, record: &Unplaced<'_>) -> Option<PartitionId> {
        let count = record.partition_count;
        let chosen = (self.0)(record.topic, record.key, count);
        chosen.checked_rem(count).map(|chosen| PartitionId(chosen as i32))
    }
}

static CONSISTENT: Hashed =
    Hashed { name: "consistent", hash: KeyHash::Crc32, without_key: Keyless::Nothing };
static CONSISTENT_RANDOM: Hashed =
    Hashed { name: "consistent_random", hash: KeyHash::Crc32, without_key: Keyless::NullOrEmpty };
static MURMUR2: Hashed = Hashed { name: "murmur2", hash: KeyHash::Murmur2, without_key: Keyless::Nothing };
static FNV1A: Hashed = Hashed { name: "fnv1a", hash: KeyHash::Fnv1aNegated, without_key: Keyless::Nothing };
static SARAMA: Hashed =
    Hashed { name: "fnv1a_random", hash: KeyHash::Fnv1aNegated, without_key: Keyless::Null };
static SARAMA_REFERENCE: Hashed =
    Hashed { name: "sarama_reference", hash: KeyHash::Fnv1aMasked, without_key: Keyless::Null };
static FRANZ_GO_SARAMA: Hashed =
    Hashed { name: "franz_go_sarama", hash: KeyHash::Fnv1aUnsigned, without_key: Keyless::Null };
/// Java's class of the name.
const ROUND_ROBIN: &str = "org.apache.kafka.clients.producer.RoundRobinPartitioner";

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partitioner: &Partitioner, key: Option<&[u8]>, available: &[PartitionId]) -> Option<i32> {
        let record = Unplaced { topic: "t", key, value: None, partition_count: 17, available };
        partitioner.place(&record, false, &Turns::new(1)).map(|partition| partition.0)
    }

    #[test]
    fn null_and_empty_keys_go_where_each_client_puts_them() {
        // librdkafka's `0048-partitioner.c` expects these of null, the empty key and `hejsan` among 17; none is drawn.
        let (crc, murmur, fnv) = (0xd077_037e_u32 % 17, 0x5ec1_9395 % 17, 0x17b1_e27a % 17);
        let (empty_murmur, empty_fnv) = (Some(0x106e_08d9 % 17), Some(0x7ee3_623b % 17));
        for (name, null, empty, key) in [
            ("consistent", Some(0), Some(0), crc),
            ("consistent_random", None, None, crc),
            ("murmur2", empty_murmur, empty_murmur, murmur),
            ("murmur2_random", None, empty_murmur, murmur),
            ("fnv1a", empty_fnv, empty_fnv, fnv),
            ("fnv1a_random", None, empty_fnv, fnv),
        ] {
            let partitioner = Partitioner::named(name).unwrap();
            let placed = |key: Option<&[u8]>| place(&partitioner, key, &[]).map(|partition| partition as u32);
            let keys: [Option<&[u8]>; 3] = [None, Some(b""), Some(b"hejsan")];
            assert_eq!(keys.map(placed), [null, empty, Some(key)], "{name}");
        }
    }

    #[test]
    fn every_name_of_the_documentation_is_known() {
        let documented = include_str!("named.rs").lines().filter(|line| line.starts_with("/// | [`"));
        let names: Vec<&str> = documented.map(|line| line.split('`').nth(3).unwrap()).collect();
        assert_eq!(names.len(), 10);
        for name in names {
            assert!(Partitioner::named(name).is_some(), "{name}");
        }
        assert!(Partitioner::named("com.example.Mine").is_none());
    }

    #[test]
    fn the_turn_passes_over_partitions_without_leader_unless_none_has_one() {
        let turns = Turns::new(1);
        let next = |available: &[i32]| {
            let available: Vec<_> = available.iter().copied().map(PartitionId).collect();
            let record = Unplaced {
                topic: "t",
                key: Some(b"k"),
                value: None,
                partition_count: 4,
                available: &available,
            };
            Partitioner::round_robin().place(&record, false, &turns).map(|partition| partition.0)
        };
        assert_eq!([0; 5].map(|_| next(&[0, 1, 3])), [Some(0), Some(1), Some(3), Some(0), Some(1)]);
        assert_eq!([0; 4].map(|_| next(&[])), [Some(1), Some(2), Some(3), Some(0)]);
    }

    #[test]
    fn draws_reach_all_partitions_that_have_a_leader_and_no_other() {
        let (turns, available) = (Turns::new(1), [1, 2, 5].map(PartitionId));
        let mut times = [0; 6];
        for _ in 0..300 {
            let record = Unplaced {
                topic: "t",
                key: Some(b"k"),
                value: None,
                partition_count: 6,
                available: &available,
            };
            times[Partitioner::random().place(&record, false, &turns).unwrap().0 as usize] += 1;
        }
        assert!([1, 2, 5].iter().all(|partition| times[*partition] > 50), "{times:?}");
        assert_eq!(times.iter().sum::<i32>(), times[1] + times[2] + times[5]);
        assert_eq!(
            place(&Partitioner::random(), None, &available),
            None,
            "records without a key stay together"
        );
    }
}
