//! Seeded randomness: jitter, producer choices and simulated faults all come from one seed.
use std::time::Duration;

/// A small, fast generator (xoshiro256++) for jitter and for choices; not for secrets.
///
/// The same seed and the same stream name give the same numbers on every machine and in every release.
///
/// ```
/// use courant_runtime::Rng;
///
/// let mut a = Rng::new(7, "jitter");
/// let mut b = Rng::new(7, "jitter");
/// let mut c = Rng::new(7, "partitions");
/// let first = a.next_u64();
/// assert_eq!(first, b.next_u64());
/// assert_ne!(first, c.next_u64());
/// assert!(c.below(10) < 10);
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The generator of `stream` under `seed`.
    pub fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a turns the name into a number; SplitMix64 spreads it, as xoshiro's authors advise for seeding.
        let name = stream.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut mix = seed ^ name.rotate_left(32);
        Self { state: std::array::from_fn(|_| split_mix(&mut mix)) }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number from 0 to `bound - 1`; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Lemire's multiplication: its bias is below bound / 2^64.
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from 0 up to, and without, 1.
    pub fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with the given probability (0 = never, 1 = always).
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit_f64() < probability
    }

    /// `base` changed by up to ± `share` of itself: with 0.2, between 80 % and 120 %.
    pub fn jitter(&mut self, base: Duration, share: f64) -> Duration {
        let factor = 1.0 + share.clamp(0.0, 1.0) * (2.0 * self.unit_f64() - 1.0);
        Duration::try_from_secs_f64(base.as_secs_f64() * factor).unwrap_or(base)
    }

    /// A duration from `least` up to `most`.
    pub fn duration(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least);
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        least + Duration::from_nanos(self.below(nanos))
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_xoshiro256_plus_plus() {
        // The reference implementation's first outputs from the state 1, 2, 3, 4.
        let mut rng = Rng { state: [1, 2, 3, 4] };
        assert_eq!(
            [rng.next_u64(), rng.next_u64(), rng.next_u64()],
            [41_943_041, 58_720_359, 3_588_806_011_781_223]
        );
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_its_ends() {
        let mut rng = Rng::new(1, "range");
        let mut seen = [0_u32; 5];
        for _ in 0..1_000 {
            seen[usize::try_from(rng.below(5)).unwrap()] += 1;
            assert!((0.0..1.0).contains(&rng.unit_f64()));
        }
        assert!(seen.iter().all(|count| (150..250).contains(count)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let mut rng = Rng::new(1, "jitter");
        let base = Duration::from_millis(100);
        let drawn: Vec<_> = (0..1_000).map(|_| rng.jitter(base, 0.2)).collect();
        assert!(drawn.iter().all(|d| (Duration::from_millis(80)..=Duration::from_millis(120)).contains(d)));
        assert!(drawn.iter().any(|d| *d < Duration::from_millis(82)));
        assert!(drawn.iter().any(|d| *d > Duration::from_millis(118)));
        assert_eq!(rng.jitter(base, 0.0), base);
    }
}
