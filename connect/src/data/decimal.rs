//! Decimal numbers of any length, as Java's `BigDecimal` has them.
use super::DataError;
use std::fmt;
use std::str::FromStr;

/// A whole number of any length, times ten to the power of minus `scale`.
///
/// 12.30 is 1230 with scale 2, and is another value than 12.3, as in Java. The whole number is kept as Java writes it:
/// two's complement, most significant byte first, as few bytes as possible.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    unscaled: Vec<u8>,
    scale: i32,
}

/// The longest whole number, in bytes and in digits. Turning one into the other takes time that grows with the square
/// of the length, and the number may come from anywhere.
const BYTES_MAX: usize = 16 * 1024;
const DIGITS_MAX: usize = 39_000;
/// Nine decimal digits fit one 32-bit limb.
const LIMB: u64 = 1_000_000_000;
/// The digits of a limb.
const LIMB_DIGITS: usize = 9;

impl Decimal {
    /// A decimal from the whole number in two's complement, most significant byte first, and the scale.
    ///
    /// # Errors
    /// [`DataError`] if there are no bytes, or more than 16 KiB of them.
    pub fn from_unscaled_bytes(bytes: &[u8], scale: i32) -> Result<Self, DataError> {
        if bytes.is_empty() {
            return Err(DataError::new("a decimal needs at least one byte"));
        }
        if bytes.len() > BYTES_MAX {
            return Err(DataError::new(format!(
                "a decimal of {} bytes; at most {BYTES_MAX} are read",
                bytes.len()
            )));
        }
        Ok(Self { unscaled: shortest(bytes).to_vec(), scale })
    }

    /// A decimal from a whole number and the scale: `Decimal::new(1230, 2)` is 12.30.
    pub fn new(unscaled: i128, scale: i32) -> Self {
        Self { unscaled: shortest(&unscaled.to_be_bytes()).to_vec(), scale }
    }

    /// The whole number in two's complement, most significant byte first, in as few bytes as possible.
    pub fn unscaled_bytes(&self) -> &[u8] {
        &self.unscaled
    }

    /// How many digits stand after the point; a negative scale counts zeros before it.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// The nearest float.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The same number with another scale; `None` if digits would be lost.
    pub fn with_scale(&self, scale: i32) -> Option<Self> {
        let change = i64::from(scale) - i64::from(self.scale);
        let count = usize::try_from(change.unsigned_abs()).ok().filter(|count| *count <= DIGITS_MAX)?;
        let mut digits = self.digits();
        if change >= 0 {
            digits.extend(std::iter::repeat_n('0', count));
        } else if digits != "0" {
            let kept = digits.len().checked_sub(count)?;
            if digits.get(kept..)?.bytes().any(|digit| digit != b'0') {
                return None;
            }
            digits.truncate(kept);
        }
        (digits.len() <= DIGITS_MAX).then(|| Self { unscaled: bytes_of(&digits, self.is_negative()), scale })
    }

    /// The whole number without the digits after the point; `None` if it has more digits than are kept.
    pub(crate) fn truncated(&self) -> Option<Self> {
        match usize::try_from(self.scale) {
            Ok(after) => {
                let digits = self.digits();
                let kept =
                    digits.len().checked_sub(after).and_then(|kept| digits.get(..kept)).unwrap_or_default();
                Some(Self { unscaled: bytes_of(kept, self.is_negative()), scale: 0 })
            }
            Err(_) => self.with_scale(0),
        }
    }

    fn is_negative(&self) -> bool {
        self.unscaled.first().is_some_and(|byte| byte & 0x80 != 0)
    }

    /// The digits of the whole number without its sign.
    fn digits(&self) -> String {
        let negative = self.is_negative();
        let mut limbs: Vec<u64> = Vec::new();
        for &byte in &self.unscaled {
            let mut carry = u64::from(if negative { !byte } else { byte });
            for limb in &mut limbs {
                let sum = *limb * 256 + carry;
                *limb = sum % LIMB;
                carry = sum / LIMB;
            }
            if carry > 0 {
                limbs.push(carry);
            }
        }
        if negative {
            add_one(&mut limbs);
        }
        let mut digits = limbs.last().map_or_else(|| "0".to_owned(), u64::to_string);
        limbs.iter().rev().skip(1).for_each(|limb| digits.push_str(&format!("{limb:09}")));
        digits
    }
}

/// `!x` is `-x - 1`, so the digits of a negative number are one too few.
fn add_one(limbs: &mut Vec<u64>) {
    for limb in limbs.iter_mut() {
        *limb += 1;
        if *limb < LIMB {
            return;
        }
        *limb = 0;
    }
    limbs.push(1);
}

/// Leaves out leading bytes that only repeat the sign.
fn shortest(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && let Some(next) = rest.first()
        && ((*first == 0 && next & 0x80 == 0) || (*first == 0xff && next & 0x80 != 0))
    {
        bytes = rest;
    }
    bytes
}

/// Bytes in two's complement from digits.
fn bytes_of(digits: &str, negative: bool) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new(); // least significant first
    for chunk in digits.as_bytes().chunks(LIMB_DIGITS) {
        let (mut carry, mut factor) = (0_u64, 1_u64);
        for digit in chunk {
            carry = carry * 10 + u64::from(digit - b'0');
            factor *= 10;
        }
        for byte in &mut bytes {
            let sum = u64::from(*byte) * factor + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        while carry > 0 {
            bytes.push(carry as u8);
            carry >>= 8;
        }
    }
    bytes.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut bytes {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, over);
        }
    }
    bytes.reverse();
    shortest(&bytes).to_vec()
}

/// As Java's `BigDecimal.toString`: with an exponent if the scale is negative, or if the number is small.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        let sign = if self.is_negative() { "-" } else { "" };
        let count = digits.len() as i64;
        let adjusted = count - 1 - i64::from(self.scale);
        if self.scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        if self.scale > 0 && adjusted >= -6 {
            let after = usize::try_from(self.scale).unwrap_or(usize::MAX);
            return match digits.len().checked_sub(after) {
                Some(before) if before > 0 => write!(f, "{sign}{}.{}", &digits[..before], &digits[before..]),
                _ => write!(f, "{sign}0.{digits:0>after$}"),
            };
        }
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        match adjusted {
            0 => write!(f, "{sign}{first}{point}{rest}"),
            _ => write!(f, "{sign}{first}{point}{rest}E{adjusted:+}"),
        }
    }
}

/// As Java's `new BigDecimal(String)`: `12.30`, `-1E+3`, `.5`.
impl FromStr for Decimal {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let wrong = || DataError::new(format!("{text:?} is not a decimal number"));
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().map_err(|_| wrong())?),
            None => (text, 0),
        };
        let (negative, unsigned) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (before, after) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = [before, after].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        if digits.len() > DIGITS_MAX {
            return Err(DataError::new(format!(
                "a decimal of {} digits; at most {DIGITS_MAX} are read",
                digits.len()
            )));
        }
        let scale = i32::try_from(after.len())
            .ok()
            .and_then(|after| after.checked_sub(exponent))
            .ok_or_else(wrong)?;
        Ok(Self { unscaled: bytes_of(&digits, negative), scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_decimal_prints_as_in_java() {
        for (unscaled, scale, text) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (0, 7, "0E-7"),
            (0, -3, "0E+3"),
            (1230, 2, "12.30"),
            (-1230, 2, "-12.30"),
            (5, 3, "0.005"),
            (-5, 6, "-0.000005"),
            (5, 7, "5E-7"),
            (123, 10, "1.23E-8"),
            (123, -2, "1.23E+4"),
            (1, -1, "1E+1"),
            (i128::from(i64::MAX) * 1000, 3, "9223372036854775807.000"),
        ] {
            assert_eq!(Decimal::new(unscaled, scale).to_string(), text);
            assert_eq!(text.parse::<Decimal>().unwrap(), Decimal::new(unscaled, scale), "{text}");
        }
    }

    #[test]
    fn the_whole_number_takes_as_few_bytes_as_in_java() {
        for (unscaled, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0, 0x80]),
            (255, &[0, 0xff]),
            (256, &[1, 0]),
            (-1, &[0xff]),
            (-128, &[0x80]),
            (-129, &[0xff, 0x7f]),
            (-256, &[0xff, 0]),
        ] {
            assert_eq!(Decimal::new(unscaled, 0).unscaled_bytes(), bytes, "{unscaled}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-", ".", "1.2.3", "1e", "0x1", "1 ", "١", "1e99999999999", "NaN"] {
            text.parse::<Decimal>().unwrap_err();
        }
        "9".repeat(DIGITS_MAX + 1).parse::<Decimal>().unwrap_err();
        Decimal::from_unscaled_bytes(&[], 0).unwrap_err();
    }

    #[test]
    fn a_scale_changes_only_where_no_digit_is_lost() {
        let decimal: Decimal = "12.30".parse().unwrap();
        assert_eq!(decimal.with_scale(1).unwrap().to_string(), "12.3");
        assert_eq!(decimal.with_scale(4).unwrap().to_string(), "12.3000");
        assert_eq!(decimal.with_scale(0), None);
        assert_eq!(Decimal::new(0, 5).with_scale(-5).unwrap().to_string(), "0E+5");
        assert_eq!(Decimal::new(-100, 0).with_scale(-2).unwrap().to_string(), "-1E+2");
        assert_eq!(Decimal::new(1, 0).with_scale(i32::MAX), None);
    }

    proptest! {
        #[test]
        fn a_whole_number_of_any_length_comes_back_from_its_digits(bytes in prop::collection::vec(any::<u8>(), 1..40), scale in -50..50) {
            let decimal = Decimal::from_unscaled_bytes(&bytes, scale).unwrap();
            prop_assert_eq!(&decimal.to_string().parse::<Decimal>().unwrap(), &decimal);
        }

        #[test]
        fn the_digits_are_those_of_the_number(number: i128) {
            prop_assert_eq!(Decimal::new(number, 0).to_string(), number.to_string());
        }
    }
}
