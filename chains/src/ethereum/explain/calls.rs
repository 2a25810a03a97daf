//! Calls of token contracts (ERC-20), by their data. What is not one of them to the last byte is none.

use crate::ethereum::address::Address;
use crate::ethereum::word::Word;
use crate::names::{APPROVE, TOKEN_CALLS, TRANSFER, TRANSFER_FROM};

/// What a token contract is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenCall {
    /// Give somebody tokens of the caller.
    Transfer { to: Address, amount: Word },
    /// Give somebody tokens of another, who allows it. ERC-721 has the same call, with the number of one token.
    TransferFrom { from: Address, to: Address, amount: Word },
    /// Let somebody take tokens of the caller, later and without asking. ERC-721 has the same call as well.
    Approve { spender: Address, amount: Word },
}

impl TokenCall {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (selector, arguments) = data.split_first_chunk::<4>()?;
        let (words, rest) = arguments.as_chunks::<32>();
        if !rest.is_empty() {
            return None;
        }
        let (name, _) = TOKEN_CALLS.iter().find(|(_, known)| known == selector)?;
        match (*name, words) {
            (TRANSFER, [to, amount]) => {
                Some(Self::Transfer { to: address(to)?, amount: Word::from(*amount) })
            }
            (TRANSFER_FROM, [from, to, amount]) => Some(Self::TransferFrom {
                from: address(from)?,
                to: address(to)?,
                amount: Word::from(*amount),
            }),
            (APPROVE, [spender, amount]) => {
                Some(Self::Approve { spender: address(spender)?, amount: Word::from(*amount) })
            }
            _ => None,
        }
    }
}

/// An address as an argument: behind twelve zeros.
fn address(word: &[u8; 32]) -> Option<Address> {
    match word {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, address @ ..] => Some(Address(*address)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethereum::address::keccak;

    #[test]
    fn selectors_are_hashes_of_the_signatures() {
        let signatures = [
            "transfer(address,uint256)",
            "transferFrom(address,address,uint256)",
            "approve(address,uint256)",
        ];
        for ((name, selector), signature) in TOKEN_CALLS.iter().zip(signatures) {
            assert!(signature.starts_with(&format!("{name}(")), "{signature}");
            assert_eq!(keccak(signature.as_bytes())[..4], *selector, "{signature}");
        }
    }

    #[test]
    fn a_call_is_known_to_the_last_byte_or_not_at_all() {
        let mut data = [TOKEN_CALLS[0].1.as_slice(), &[0; 12], &[0x11; 20], &[0; 31], &[7]].concat();
        let call = TokenCall::Transfer { to: Address([0x11; 20]), amount: Word::from(7) };
        assert_eq!(TokenCall::read(&data), Some(call));
        for length in 0..data.len() {
            assert_eq!(TokenCall::read(&data[..length]), None, "{length}");
        }
        for more in [1, 31, 32, 64] {
            assert_eq!(TokenCall::read(&[data.as_slice(), &vec![0; more]].concat()), None, "{more}");
        }
        for dirty in 4..16 {
            data[dirty] = 1;
            assert_eq!(TokenCall::read(&data), None, "{dirty}");
            data[dirty] = 0;
        }
        data[0] ^= 1;
        assert_eq!(TokenCall::read(&data), None);
    }
}
