//! The names, numbers and levels of the codecs.
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::CompressionError;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// gzip (feature `gzip`).
    Gzip,
    /// snappy in xerial's framing (feature `snappy`).
    Snappy,
    /// lz4 frames (feature `lz4`).
    Lz4,
    /// zstd (feature `zstd`), since Kafka 2.1 (KIP-110).
    Zstd,
}

impl Codec {
    /// Every codec, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The number in bits 0 to 2 of a batch's attributes.
    pub const fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec with this number.
    ///
    /// # Errors
    /// [`CompressionError::Unknown`] where Kafka has given the number to no codec.
    pub const fn from_id(id: i16) -> Result<Self, CompressionError> {
        match id {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            id => Err(CompressionError::Unknown { id }),
        }
    }

    /// Kafka's name, as in `compression.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec to use where a broker does not take this one: the next that more brokers know and that is in this build.
    /// zstd came with Kafka 2.1 (KIP-110), and some services that speak Kafka's protocol take gzip alone.
    pub const fn fallback(self) -> Self {
        let next = match self {
            Self::Zstd => Self::Lz4,
            Self::Lz4 => Self::Snappy,
            Self::Snappy => Self::Gzip,
            Self::Gzip | Self::None => Self::None,
        };
        if next.is_built() { next } else { next.fallback() }
    }

    /// Whether this build can use the codec: each has a cargo feature of its name.
    pub const fn is_built(self) -> bool {
        match self {
            Self::None => true,
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Snappy => cfg!(feature = "snappy"),
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// The levels that this build can use (KIP-390); `None` where a codec has no levels here.
    ///
    /// Those of lz4 are compiled in by the cargo feature `lz4-hc`. Its level 9 stands for the fast way, as in Java, and the
    /// others for the thorough one; what goes beyond 12 does no more than 12.
    pub const fn levels(self) -> Option<RangeInclusive<i32>> {
        match self {
            Self::None | Self::Snappy => None,
            Self::Lz4 if cfg!(feature = "lz4-hc") => Some(1..=17),
            Self::Lz4 => None,
            Self::Gzip => Some(1..=9),
            Self::Zstd => Some(-131_072..=22),
        }
    }

    /// Checks that this build can compress with the codec at `level` (`None`: its default).
    ///
    /// # Errors
    /// [`CompressionError::NotBuilt`], [`CompressionError::LevelsNotBuilt`] and [`CompressionError::Level`].
    pub fn check(self, level: Option<i32>) -> Result<(), CompressionError> {
        if !self.is_built() {
            return Err(CompressionError::NotBuilt { codec: self });
        }
        match (self.levels(), level) {
            (Some(levels), Some(level)) if !levels.contains(&level) => {
                Err(CompressionError::Level { codec: self, level, min: *levels.start(), max: *levels.end() })
            }
            (None, Some(level)) if self == Self::Lz4 && level != LZ4_DEFAULT_LEVEL => {
                Err(CompressionError::LevelsNotBuilt { codec: self, level })
            }
            _ => Ok(()),
        }
    }
}

/// Kafka's default level (`compression.lz4.level`), which stands for the fast way.
pub(super) const LZ4_DEFAULT_LEVEL: i32 = 9;

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = CompressionError;

    /// Reads Kafka's name for the codec.
    fn from_str(name: &str) -> Result<Self, CompressionError> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name() == name)
            .ok_or_else(|| CompressionError::UnknownName { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_go_both_ways() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_id(codec.id()), Ok(codec));
            assert_eq!(codec.name().parse(), Ok(codec));
        }
        assert_eq!(Codec::from_id(5), Err(CompressionError::Unknown { id: 5 }));
        assert_eq!(
            "brotli".parse::<Codec>().unwrap_err().to_string(),
            "`brotli` is no compression type: Kafka has none, gzip, snappy, lz4 and zstd"
        );
    }

    #[test]
    fn every_codec_falls_back_to_none_in_the_end() {
        for codec in Codec::ALL {
            let mut chain = std::iter::successors(Some(codec), |codec| Some(codec.fallback())).take(5);
            assert!(chain.clone().all(Codec::is_built) || !codec.is_built());
            assert_eq!(chain.by_ref().last(), Some(Codec::None), "{codec}");
        }
    }

    #[test]
    #[cfg(feature = "zstd")]
    fn a_level_of_lz4_names_the_feature_that_it_needs() {
        assert_eq!(Codec::Lz4.check(Some(9)), Ok(()));
        let checked = Codec::Lz4.check(Some(12));
        assert_eq!(checked.is_ok(), cfg!(feature = "lz4-hc"));
        if let Err(refused) = checked {
            let told = "this build has one level of lz4, and not 12: switch on the cargo feature `lz4-hc`";
            assert_eq!(refused.to_string(), told);
        }
    }

    #[test]
    fn a_level_out_of_range_is_named_with_its_range() {
        assert_eq!(Codec::Zstd.check(Some(22)), Ok(()));
        assert_eq!(
            Codec::Zstd.check(Some(23)).unwrap_err().to_string(),
            "zstd has levels from -131072 to 22, not 23"
        );
    }
}
