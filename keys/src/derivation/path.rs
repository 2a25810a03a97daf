//! Paths such as `m/0/1`.

use std::fmt;
use std::io;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hexadecimal::serde_as_text;

/// From here on an index is hardened.
const HARDENED: u32 = 1 << 31;

/// A list of up to 255 indices below 2³¹, written `m/0/1`; read with or without `m/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize)]
pub struct DerivationPath(Vec<u32>);

/// Why a text or list is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPath {
    /// A hardened step, which needs the private key.
    #[error(
        "step {step} is hardened: it needs the private key, which no node has; use indices below 2147483648 \
         and no mark"
    )]
    Hardened {
        /// Which step, counted from 1.
        step: usize,
    },
    /// A step that is no decimal number of 32 bits.
    #[error("step {step} is not a number below 2147483648: write paths like m/0/1")]
    NotANumber {
        /// Which step, counted from 1.
        step: usize,
    },
    /// More steps than a path may have.
    #[error("the path has {got} steps, at most {} are allowed", DerivationPath::MAX_DEPTH)]
    TooDeep {
        /// Steps of the path.
        got: usize,
    },
}

impl DerivationPath {
    /// The most steps that a path has, as in BIP-32.
    pub const MAX_DEPTH: usize = 255;

    /// The path with these indices.
    ///
    /// # Errors
    /// When there are more than [`Self::MAX_DEPTH`], or one is hardened.
    pub fn new(indices: Vec<u32>) -> Result<Self, InvalidPath> {
        if indices.len() > Self::MAX_DEPTH {
            return Err(InvalidPath::TooDeep { got: indices.len() });
        }
        match indices.iter().position(|index| *index >= HARDENED) {
            Some(position) => Err(InvalidPath::Hardened { step: position + 1 }),
            None => Ok(Self(indices)),
        }
    }

    /// The indices.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.0
    }

    /// The number of steps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this is `m`, the wallet's own key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for DerivationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("m")?;
        self.0.iter().try_for_each(|index| write!(f, "/{index}"))
    }
}

impl FromStr for DerivationPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let steps = match text.strip_prefix('m') {
            Some("") => return Ok(Self::default()),
            Some(rest) => rest.strip_prefix('/').ok_or(InvalidPath::NotANumber { step: 1 })?,
            None => text,
        };
        let count = steps.split('/').count();
        if count > Self::MAX_DEPTH {
            return Err(InvalidPath::TooDeep { got: count });
        }
        steps
            .split('/')
            .enumerate()
            .map(|(position, step)| parse_step(position + 1, step))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn parse_step(step: usize, text: &str) -> Result<u32, InvalidPath> {
    if text.ends_with(['\'', 'h', 'H']) {
        return Err(InvalidPath::Hardened { step });
    }
    // `parse` would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidPath::NotANumber { step });
    }
    match text.parse::<u32>() {
        Ok(index) if index < HARDENED => Ok(index),
        Ok(_) => Err(InvalidPath::Hardened { step }),
        Err(_) => Err(InvalidPath::NotANumber { step }),
    }
}

impl BorshDeserialize for DerivationPath {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let count = u32::deserialize_reader(reader)? as usize;
        if count > Self::MAX_DEPTH {
            return Err(invalid(InvalidPath::TooDeep { got: count }));
        }
        let indices = (0..count).map(|_| u32::deserialize_reader(reader)).collect::<io::Result<_>>()?;
        Self::new(indices).map_err(invalid)
    }
}

serde_as_text!(DerivationPath);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_wrong_path_is_refused_for_its_own_reason() {
        let refused = |text: &str| text.parse::<DerivationPath>().unwrap_err();
        for hardened in ["m/0'", "0h", "m/1/2H", "2147483648", "m/4294967295"] {
            assert!(matches!(refused(hardened), InvalidPath::Hardened { .. }), "{hardened}");
        }
        for bad in [
            "",
            "/",
            "m/",
            "m/0/",
            "m//1",
            "/0",
            "M/0",
            "n/1",
            "m0",
            "+1",
            "-1",
            "0x1",
            " 1",
            "4294967296",
            "mm",
        ] {
            assert!(matches!(refused(bad), InvalidPath::NotANumber { .. }), "{bad:?}");
        }
        assert_eq!(refused("m/0/1'/2"), InvalidPath::Hardened { step: 2 });
        let deep = vec!["0"; 256].join("/");
        assert_eq!(refused(&deep), InvalidPath::TooDeep { got: 256 });
        assert_eq!(DerivationPath::new(vec![0; 256]), Err(InvalidPath::TooDeep { got: 256 }));
        assert_eq!(DerivationPath::new(vec![0, HARDENED]), Err(InvalidPath::Hardened { step: 2 }));
    }

    #[test]
    fn the_prefix_is_optional_and_the_empty_path_is_m() {
        assert_eq!("m/0/1".parse::<DerivationPath>().unwrap(), "0/1".parse().unwrap());
        assert_eq!("m/0/1".parse::<DerivationPath>().unwrap().indices(), [0, 1]);
        assert!("m".parse::<DerivationPath>().unwrap().is_empty());
        assert_eq!(DerivationPath::default().to_string(), "m");
    }

    #[test]
    fn hardened_or_overlong_bytes_are_refused() {
        assert!(DerivationPath::try_from_slice(&borsh::to_vec(&vec![HARDENED]).unwrap()).is_err());
        assert!(DerivationPath::try_from_slice(&borsh::to_vec(&vec![0_u32; 256]).unwrap()).is_err());
        assert!(DerivationPath::try_from_slice(&u32::MAX.to_le_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn a_path_reads_what_it_writes(indices in prop::collection::vec(0..HARDENED, 0..=255)) {
            let path = DerivationPath::new(indices).unwrap();
            prop_assert_eq!(&path.to_string().parse::<DerivationPath>().unwrap(), &path);
            let bytes = borsh::to_vec(&path).unwrap();
            prop_assert_eq!(DerivationPath::try_from_slice(&bytes).unwrap(), path);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<DerivationPath>();
        }
    }
}
