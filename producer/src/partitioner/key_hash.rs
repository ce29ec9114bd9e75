//! The partition of a keyed record: Kafka's murmur2, as `BuiltInPartitioner.partitionForKey` has it, and the hashes of
//! other clients.
//!
//! They differ in the hash and in how 32 bits of it become a partition: Kafka masks the sign off, librdkafka takes its
//! CRC as unsigned, and Go's Sarama divides as signed and then negates, which its later "reference" variant no longer
//! does.
use std::num::NonZeroU32;

use courant_protocol::types::PartitionId;

/// The partition of `key` among `count`.
///
/// All partitions count, also those without a leader: a key keeps its partition while brokers come and go. The empty
/// key is a key like any other.
pub fn partition_for_key(key: &[u8], count: NonZeroU32) -> PartitionId {
    // The sign bit is masked off, not negated: the absolute value of i32::MIN would still be negative.
    let positive = murmur2::murmur2(key, SEED) & 0x7fff_ffff;
    PartitionId((positive % count.get()) as i32)
}

/// A hash of keys together with the way from it to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyHash {
    /// Kafka's, and librdkafka's `murmur2`.
    Murmur2,
    /// librdkafka's `consistent`: zlib's CRC-32, unsigned.
    Crc32,
    /// Sarama's `NewHashPartitioner` and librdkafka's `fnv1a`: signed, and what is negative is negated.
    Fnv1aNegated,
    /// Sarama's `NewReferenceHashPartitioner`: without the sign bit.
    Fnv1aMasked,
    /// franz-go's `SaramaHasher`: unsigned.
    Fnv1aUnsigned,
}

impl KeyHash {
    /// The partition of `key` among `count`.
    pub(super) fn partition(self, key: &[u8], count: NonZeroU32) -> PartitionId {
        let positive = match self {
            Self::Murmur2 => return partition_for_key(key, count),
            Self::Crc32 => crc_fast::crc32_iso_hdlc(key),
            // The remainder of the absolute value is the absolute value of Go's remainder, for i32::MIN too.
            Self::Fnv1aNegated => (fnv1a(key) as i32).unsigned_abs(),
            Self::Fnv1aMasked => fnv1a(key) & 0x7fff_ffff,
            Self::Fnv1aUnsigned => fnv1a(key),
        };
        PartitionId((positive % count.get()) as i32)
    }
}

/// FNV-1a of 32 bits, as Go's `hash/fnv` has it.
fn fnv1a(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The seed of `org.apache.kafka.common.utils.Utils.murmur2`.
const SEED: u32 = 0x9747_b28c;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn hashes_are_those_of_javas_own_test() {
        let vectors = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2::murmur2(key.as_bytes(), SEED) as i32, hash, "{key}");
        }
    }

    #[test]
    fn a_hash_without_a_positive_twin_has_its_sign_masked_off() {
        let key = [0xa7, 0xd6, 0x50, 0x6c];
        assert_eq!(murmur2::murmur2(&key, SEED) as i32, i32::MIN);
        assert_eq!(partition_for_key(&key, NonZeroU32::new(3).unwrap()), 0);
    }

    #[test]
    fn partitions_of_two_thousand_keys_are_javas() {
        let counts = [1, 2, 3, 6, 12, 100, 1024];
        let mut lines = 0;
        for line in include_str!("../../tests/golden/murmur2.tsv").lines().skip(1) {
            let mut fields = line.split('\t');
            let key = unhex(fields.next().unwrap());
            let hash: i32 = fields.next().unwrap().parse().unwrap();
            assert_eq!(murmur2::murmur2(&key, SEED) as i32, hash, "{line}");
            for count in counts {
                let partition = partition_for_key(&key, NonZeroU32::new(count).unwrap());
                assert_eq!(partition, fields.next().unwrap().parse::<i32>().unwrap(), "{line}");
            }
            lines += 1;
        }
        assert_eq!(lines, 2000);
    }

    fn unhex(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// Compares a file's lines (way, key, partition among each count) with ours, and counts them by way.
    fn compare(file: &str, hash_of: impl Fn(&str) -> KeyHash) -> BTreeMap<&str, usize> {
        let counts = [1, 2, 3, 7, 12, 100, 1024];
        let mut lines = BTreeMap::new();
        for line in file.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            for (count, theirs) in counts.into_iter().zip(&fields[2..]) {
                let ours = hash_of(fields[0]).partition(&unhex(fields[1]), NonZeroU32::new(count).unwrap());
                assert_eq!(ours.0.to_string(), *theirs, "among {count}: {line}");
            }
            assert_eq!(fields.len(), 2 + counts.len(), "{line}");
            *lines.entry(fields[0]).or_default() += 1;
        }
        lines
    }

    #[test]
    fn keys_go_where_librdkafka_puts_them() {
        let file = include_str!("../../tests/golden/librdkafka-partitions.tsv");
        let lines = compare(file, |way| match way {
            "consistent" => KeyHash::Crc32,
            "murmur2" => KeyHash::Murmur2,
            _ => KeyHash::Fnv1aNegated,
        });
        assert_eq!(lines, BTreeMap::from([("consistent", 200), ("fnv1a", 200), ("murmur2", 200)]));
    }

    #[test]
    fn keys_go_where_sarama_and_franz_go_put_them() {
        let file = include_str!("../../tests/golden/sarama-partitions.tsv");
        let lines = compare(file, |way| match way {
            "sarama" | "sarama_compat" => KeyHash::Fnv1aNegated,
            "sarama_reference" => KeyHash::Fnv1aMasked,
            "franz_go_sarama" => KeyHash::Fnv1aUnsigned,
            _ => KeyHash::Crc32,
        });
        let ways = ["sarama", "sarama_compat", "sarama_reference", "franz_go_sarama", "consistent"];
        assert_eq!(lines, ways.map(|way| (way, 260)).into());
    }

    #[test]
    fn hashes_are_those_of_librdkafkas_own_tests() {
        // `unittest_fnv1a`, whose results come from Go, without their sign; `0048-partitioner.c`.
        let of_fnv = [
            ("kafka", 0x0d33_c4e1),
            ("giberish123456789", 0x77a5_8295),
            ("1234", 0x023b_dd03),
            ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x65cb_d69c),
            ("", 0x7ee3_623b),
        ];
        for (key, hash) in of_fnv {
            assert_eq!((fnv1a(key.as_bytes()) as i32).unsigned_abs(), hash, "{key}");
        }
        let of_crc = [
            ("", 0),
            ("23456", 0xb1b4_51d7),
            ("this is another string with more length to it perhaps", 0xb015_0df7),
            ("hejsan", 0xd077_037e),
        ];
        for (key, hash) in of_crc {
            assert_eq!(crc_fast::crc32_iso_hdlc(key.as_bytes()), hash, "{key}");
        }
    }
}
