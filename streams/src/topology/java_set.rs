//! The order in which Java's collections hand out what was put into them; Kafka's text form shows it.

/// The strings in the order of a `java.util.HashSet` to which they were added one after the other.
///
/// A table has a power of two of buckets, at least 16 and more than four thirds of the entries; in a bucket stands first
/// what came first.
pub(super) fn hash_order<T, S: AsRef<str>>(mut entries: Vec<T>, text: impl Fn(&T) -> S) -> Vec<T> {
    let mut buckets: u32 = 16;
    while entries.len() as u64 * 4 > u64::from(buckets) * 3 {
        buckets *= 2;
    }
    entries.sort_by_cached_key(|entry| {
        let hash = string_hash(text(entry).as_ref());
        (hash ^ (hash >> 16)) & (buckets - 1)
    });
    entries
}

/// `String.hashCode`, over UTF-16.
fn string_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// A collection as Java prints it: `[a, b]`.
pub(super) fn print(entries: &[String]) -> String {
    format!("[{}]", hash_order(entries.to_vec(), |entry| entry.clone()).join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_stand_in_the_order_of_their_hashes() {
        // String.hashCode("hello") in Java is 99162322.
        assert_eq!(string_hash("hello"), 99_162_322);
        assert_eq!(print(&["b".into(), "a".into()]), "[a, b]");
        assert_eq!(print(&[]), "[]");
    }
}
