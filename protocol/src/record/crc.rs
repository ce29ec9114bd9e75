//! CRC-32C sums, and two of them put together, for a header that changes in front of a body that does not.
//!
//! Appending n zero bits to what was summed multiplies the sum by x^n modulo the polynomial. So the sum of `a ++ b`
//! is `sum(a) · x^(8·len(b)) + sum(b)`. The power depends on the body alone and is kept with it; what is left per
//! header is one multiplication. The power itself is the product of one table entry for each byte of the length.
use crc_fast::{CrcAlgorithm, Digest};

/// The sum of `bytes`.
#[inline]
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The sum of what `sum` is of and of `bytes` behind it.
#[inline]
pub(super) fn crc32c_append(sum: u32, bytes: &[u8]) -> u32 {
    // A sum is the complement of the register that it was made in.
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!sum));
    digest.update(bytes);
    digest.finalize() as u32
}

/// The polynomial of CRC-32C, lowest power in the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// x^0.
const ONE: u32 = 1 << 31;

/// x^(8·n·256^k) in row k and column n: the shift by a length of which byte k is n.
static POWERS: [[u32; 256]; 4] = powers();

/// What a sum is multiplied by when `bytes` more bytes follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift(u32);

impl Shift {
    /// The shift by so many bytes; a batch's size is an `i32`.
    pub(super) fn bytes(bytes: usize) -> Self {
        let places = POWERS.iter().zip(bytes.to_le_bytes()).filter(|(_, byte)| *byte != 0);
        let powers = places.map(|(row, byte)| row.get(usize::from(byte)).copied().unwrap_or(ONE));
        Self(powers.reduce(multiply).unwrap_or(ONE))
    }

    /// The sum of two pieces, the second of which is as long as the shift.
    pub(super) const fn combine(self, first: u32, second: u32) -> u32 {
        multiply(self.0, first) ^ second
    }
}

/// The product of two polynomials modulo [`POLYNOMIAL`].
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 32;
    while bit > 0 {
        bit -= 1;
        product ^= b & (a >> bit & 1).wrapping_neg();
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
    }
    product
}

#[allow(clippy::indexing_slicing, reason = "runs at compile time, where an index out of bounds is an error")]
const fn powers() -> [[u32; 256]; 4] {
    let mut powers = [[ONE; 256]; 4];
    // x^8, the shift by one byte; then that by 256, by 65,536, and so on.
    let mut unit = ONE >> 8;
    let mut k = 0;
    while k < powers.len() {
        let mut n = 1;
        while n < 256 {
            powers[k][n] = multiply(powers[k][n - 1], unit);
            n += 1;
        }
        unit = multiply(powers[k][255], unit);
        k += 1;
    }
    powers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn combined_sums_are_those_of_the_whole(first: Vec<u8>, second: Vec<u8>) {
            let whole = ::crc32c::crc32c(&[first.clone(), second.clone()].concat());
            prop_assert_eq!(crc32c_append(crc32c(&first), &second), whole);
            let shift = Shift::bytes(second.len());
            prop_assert_eq!(shift.combine(crc32c(&first), crc32c(&second)), whole);
        }
    }

    #[test]
    fn long_bodies_agree_with_the_other_crates_combination() {
        for len in [1, 61, 65_536, 1 << 20, (1 << 30) + 12_345, i32::MAX as usize] {
            let combined = ::crc32c::crc32c_combine(0x1234_5678, 0x9abc_def0, len);
            assert_eq!(Shift::bytes(len).combine(0x1234_5678, 0x9abc_def0), combined, "{len} bytes");
        }
    }
}
