//! The order in which Java's `HashMap` lists texts.
//!
//! Java's assignors walk through hash maps of topics and of members. Where more than one assignment is as good, that walk
//! decides, and so it does over the order of the topics inside an assignment. A group whose leader changes from Java to us
//! should see neither another outcome nor other bytes, so we walk in the same order.

/// Sorts `keys`, given in the order in which Java would have put them into a map, as the map would list them.
pub(super) fn sort_as_hash_map<'a, T>(keys: &mut [T], text: impl Fn(&T) -> &'a str) {
    // A map starts with 16 buckets and doubles them when more than three quarters are taken.
    let mut buckets = 16_usize;
    while keys.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    // Keys of one bucket stay in the order in which they came, and so they do when a map grows.
    keys.sort_by_key(|key| spread(hash_code(text(key))) as usize & (buckets - 1));
}

/// `String.hashCode`, which counts in UTF-16.
pub(super) fn hash_code(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// What `HashMap` makes of a hash before it picks the bucket.
pub(super) fn spread(hash: u32) -> u32 {
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_codes_are_those_of_java() {
        assert_eq!(hash_code(""), 0);
        assert_eq!(hash_code("hello"), 99_162_322);
        assert_eq!(hash_code("polygenelubricants") as i32, i32::MIN);
        assert_eq!(hash_code("\u{1F600}"), 1_772_899, "one character, two units");
    }

    #[test]
    fn keys_of_one_bucket_stay_in_the_order_in_which_they_came() {
        // `Aa` and `BB` are Java's best-known pair of texts with equal hashes.
        let mut keys = ["c", "BB", "Aa", "a"];
        sort_as_hash_map(&mut keys, |key| key);
        assert_eq!(keys, ["BB", "Aa", "a", "c"]);
    }
}
