//! Numbers and hash orders as Java shows them.
//!
//! A key's bytes decide its partition, so a number in a key must be printed digit for digit as Java prints it: `1.0E10`
//! where Rust would print `1e10`. The digits are those of Java 19 and later (JDK-4511638); older ones sometimes print
//! one digit more than needed.

/// A float as `Double.toString` prints it.
pub(crate) fn f64_text(number: f64) -> String {
    match special(number.is_nan(), number.is_infinite(), number.is_sign_negative(), number == 0.0) {
        Some(text) => text.to_owned(),
        None => laid_out(&shortest(number, &format!("{number:e}"), &format!("{number:.1e}"))),
    }
}

/// A float as `Float.toString` prints it.
pub(crate) fn f32_text(number: f32) -> String {
    match special(number.is_nan(), number.is_infinite(), number.is_sign_negative(), number == 0.0) {
        Some(text) => text.to_owned(),
        None => laid_out(&shortest(number, &format!("{number:e}"), &format!("{number:.1e}"))),
    }
}

fn special(nan: bool, infinite: bool, negative: bool, zero: bool) -> Option<&'static str> {
    match (nan, infinite, negative, zero) {
        (true, ..) => Some("NaN"),
        (_, true, false, _) => Some("Infinity"),
        (_, true, true, _) => Some("-Infinity"),
        (.., false, true) => Some("0.0"),
        (.., true, true) => Some("-0.0"),
        _ => None,
    }
}

/// The shortest digits that mean the number. Where one digit is enough, Java still looks at two and takes the nearer:
/// the smallest double is `4.9E-324`, not `5.0E-324`.
fn shortest<T: std::str::FromStr + PartialEq>(number: T, shortest: &str, two_digits: &str) -> String {
    let one_digit = !shortest.contains('.');
    let two = one_digit && two_digits.parse::<T>().is_ok_and(|read| read == number);
    if two { two_digits.to_owned() } else { shortest.to_owned() }
}

/// Rust's `-1.25e-7` as Java lays it out.
fn laid_out(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    let point = |before: usize| {
        let padded = format!("{digits:0<before$}");
        let (whole, fraction) = padded.split_at(before);
        format!("{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
    };
    match exponent {
        0..=6 => format!("{sign}{}", point(1 + exponent.unsigned_abs() as usize)),
        -3..=-1 => format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1)),
        _ => format!("{sign}{}E{exponent}", point(1)),
    }
}

/// The order in which a `HashMap` of these keys, put in this order, lists them. Java compares stored source offsets by
/// their bytes, and it writes a map in this order.
pub(crate) fn hash_map_order<K: AsRef<str>>(keys: &[K]) -> Vec<usize> {
    let mut buckets = 16_usize;
    while keys.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    let bucket = |key: &K| {
        let hash = string_hash(key.as_ref());
        ((hash ^ (hash >> 16)) as usize) & (buckets - 1)
    };
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|at| keys.get(*at).map(bucket));
    order
}

/// `String.hashCode`.
fn string_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floats_print_as_in_java() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (1234567.0, "1234567.0"),
            (9999999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12345678.9, "1.23456789E7"),
            (1e10, "1.0E10"),
            (0.001, "0.001"),
            (0.0012, "0.0012"),
            (0.00099, "9.9E-4"),
            (2e23, "2.0E23"),
            (5e-324, "4.9E-324"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(f64_text(number), text);
        }
        for (number, text) in [
            (0.1, "0.1"),
            (1e10, "1.0E10"),
            (f32::MIN_POSITIVE, "1.1754944E-38"),
            (1e-45, "1.4E-45"),
            (3.4e38, "3.4E38"),
        ] {
            assert_eq!(f32_text(number), text);
        }
    }

    #[test]
    fn a_java_map_lists_its_keys_by_their_hashes() {
        let keys = ["server", "db", "table", "filename", "a", "zebra"];
        let listed: Vec<&str> = hash_map_order(&keys).into_iter().map(|at| keys[at]).collect();
        assert_eq!(listed, ["zebra", "server", "a", "filename", "db", "table"]);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_float(bits: u64, small: u32) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            prop_assert_eq!(f64_text(number).parse::<f64>().unwrap().to_bits(), bits);
            let number = f32::from_bits(small);
            prop_assume!(number.is_finite());
            prop_assert_eq!(f32_text(number).parse::<f32>().unwrap().to_bits(), small);
        }
    }
}
