//! The xxh32 hash with seed 0, which lz4 frames use as their checksum.

const P1: u32 = 0x9e37_79b1;
const P2: u32 = 0x85eb_ca77;
const P3: u32 = 0xc2b2_ae3d;
const P4: u32 = 0x27d4_eb2f;
const P5: u32 = 0x1656_67b1;

/// Hashes `input`.
pub(super) fn xxh32(input: &[u8]) -> u32 {
    let (stripes, mut rest) = input.as_chunks::<16>();
    let mut hash = if stripes.is_empty() { P5 } else { stripes_hash(stripes) };
    hash = hash.wrapping_add(input.len() as u32);
    while let Some((word, tail)) = rest.split_first_chunk::<4>() {
        let word = u32::from_le_bytes(*word);
        hash = hash.wrapping_add(word.wrapping_mul(P3)).rotate_left(17).wrapping_mul(P4);
        rest = tail;
    }
    for &byte in rest {
        hash = hash.wrapping_add(u32::from(byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(P2);
    hash = (hash ^ (hash >> 13)).wrapping_mul(P3);
    hash ^ (hash >> 16)
}

fn stripes_hash(stripes: &[[u8; 16]]) -> u32 {
    let mut lanes = [P1.wrapping_add(P2), P2, 0, 0_u32.wrapping_sub(P1)];
    for stripe in stripes {
        for (lane, word) in lanes.iter_mut().zip(stripe.as_chunks::<4>().0) {
            let word = u32::from_le_bytes(*word);
            *lane = lane.wrapping_add(word.wrapping_mul(P2)).rotate_left(13).wrapping_mul(P1);
        }
    }
    lanes
        .iter()
        .zip([1, 7, 12, 18])
        .fold(0_u32, |hash, (lane, bits)| hash.wrapping_add(lane.rotate_left(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_agree() {
        assert_eq!(xxh32(b""), 0x02cc_5d05);
        assert_eq!(xxh32(b"a"), 0x550d_7456);
        assert_eq!(xxh32(b"abc"), 0x32d1_53ff);
        assert_eq!(xxh32(b"Nobody inspects the spammish repetition"), 0xe229_3b2f);
    }
}
