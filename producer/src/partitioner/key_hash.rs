//! The partition of a keyed record: Kafka's murmur2, as `BuiltInPartitioner.partitionForKey` has it.
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

/// The seed of `org.apache.kafka.common.utils.Utils.murmur2`.
const SEED: u32 = 0x9747_b28c;

#[cfg(test)]
mod tests {
    use super::*;

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
            let hex = fields.next().unwrap().as_bytes();
            let key: Vec<u8> = hex
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect();
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
}
