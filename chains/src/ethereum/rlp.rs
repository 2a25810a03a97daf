//! Recursive length prefix, the one encoding of each value: byte strings and lists of them.
//!
//! The reader takes nothing that the writer would not have written: lengths in their shortest form, numbers without zeros in
//! front, nothing behind the end of a list.

use super::word::Word;
use crate::error::PrepareError;

/// The first byte of the empty string, and the number that is added to the length of a short one.
const STRING: u8 = 0x80;
/// The same of lists.
const LIST: u8 = 0xC0;
/// Strings and lists of more bytes have their length behind the first byte.
const SHORT: usize = 55;

/// The items of a list, read from the first to the last.
#[derive(Clone, Copy)]
pub(super) struct Items<'a> {
    rest: &'a [u8],
}

#[derive(Clone, Copy)]
enum Item<'a> {
    String(&'a [u8]),
    List(Items<'a>),
}

/// Why an item can't be read.
enum Fault {
    /// The bytes end inside it.
    Truncated,
    /// It is not written in its one form.
    Form,
}

impl<'a> Items<'a> {
    /// The one list that `bytes` are, of a transaction of `total` bytes.
    pub(super) fn of_transaction(bytes: &'a [u8], total: usize) -> Result<Self, PrepareError> {
        let what = "the list of its fields";
        match split(bytes) {
            Ok((_, rest)) if !rest.is_empty() => Err(PrepareError::Trailing { bytes: rest.len() }),
            Ok((Item::List(items), _)) => Ok(items),
            Ok((Item::String(_), _)) => Err(PrepareError::malformed("it is no list of fields")),
            Err(Fault::Truncated) => Err(PrepareError::Truncated { at: total, what }),
            Err(Fault::Form) => Err(not_canonical(what)),
        }
    }

    fn next(&mut self, what: &str) -> Result<Item<'a>, PrepareError> {
        if self.rest.is_empty() {
            return Err(PrepareError::malformed(format!("{what} is missing")));
        }
        let (item, rest) = split(self.rest).map_err(|fault| match fault {
            Fault::Truncated => {
                PrepareError::malformed(format!("{what} is longer than the list that it stands in"))
            }
            Fault::Form => not_canonical(what),
        })?;
        self.rest = rest;
        Ok(item)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many items are left.
    pub(super) fn count(mut self, what: &str) -> Result<usize, PrepareError> {
        let mut count = 0_usize;
        while !self.is_empty() {
            self.next(what)?;
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    pub(super) fn string(&mut self, what: &str) -> Result<&'a [u8], PrepareError> {
        match self.next(what)? {
            Item::String(bytes) => Ok(bytes),
            Item::List(_) => Err(PrepareError::malformed(format!("{what} is a list"))),
        }
    }

    pub(super) fn list(&mut self, what: &str) -> Result<Self, PrepareError> {
        match self.next(what)? {
            Item::List(items) => Ok(items),
            Item::String(_) => Err(PrepareError::malformed(format!("{what} is no list"))),
        }
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], PrepareError> {
        let bytes = self.string(what)?;
        let length = |_| PrepareError::malformed(format!("{what} has {} bytes, not {N}", bytes.len()));
        bytes.try_into().map_err(length)
    }

    pub(super) fn word(&mut self, what: &str) -> Result<Word, PrepareError> {
        let bytes = self.string(what)?;
        if bytes.first() == Some(&0) {
            return Err(PrepareError::malformed(format!("{what} is a number with a zero byte in front")));
        }
        let large = || PrepareError::malformed(format!("{what} is above 2^256-1"));
        Word::from_bytes(bytes).ok_or_else(large)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, PrepareError> {
        self.word(what)?.to_u64().ok_or_else(|| PrepareError::malformed(format!("{what} is above 2^64-1")))
    }
}

fn not_canonical(what: &str) -> PrepareError {
    PrepareError::malformed(format!("{what} is not written in its one form"))
}

/// The first item, and what follows it.
fn split(bytes: &[u8]) -> Result<(Item<'_>, &[u8]), Fault> {
    let (&first, behind) = bytes.split_first().ok_or(Fault::Truncated)?;
    if first < STRING {
        return Ok((Item::String(bytes.get(..1).ok_or(Fault::Truncated)?), behind));
    }
    let (base, is_list) = if first < LIST { (STRING, false) } else { (LIST, true) };
    let short = usize::from(first - base);
    let (length, behind) = if short <= SHORT { (short, behind) } else { length(short - SHORT, behind)? };
    let (content, rest) = behind.split_at_checked(length).ok_or(Fault::Truncated)?;
    match content {
        // It would have been its own encoding.
        [byte] if !is_list && *byte < STRING => Err(Fault::Form),
        _ if is_list => Ok((Item::List(Items { rest: content }), rest)),
        _ => Ok((Item::String(content), rest)),
    }
}

/// A length of `size` bytes, big end first, and what follows it.
fn length(size: usize, bytes: &[u8]) -> Result<(usize, &[u8]), Fault> {
    let (digits, rest) = bytes.split_at_checked(size).ok_or(Fault::Truncated)?;
    if digits.first() == Some(&0) {
        return Err(Fault::Form);
    }
    // No more bytes are there than a `usize` counts.
    let mut length = 0_usize;
    for digit in digits {
        length = length.checked_mul(256).ok_or(Fault::Truncated)?;
        length = length.checked_add(usize::from(*digit)).ok_or(Fault::Truncated)?;
    }
    if length <= SHORT { Err(Fault::Form) } else { Ok((length, rest)) }
}

/// Items that are written one after the other, to be made a list.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn string(&mut self, bytes: &[u8]) -> &mut Self {
        match bytes {
            [byte] if *byte < STRING => {}
            _ => self.head(STRING, bytes.len()),
        }
        self.0.extend(bytes);
        self
    }

    /// A number, in as many bytes as it needs.
    pub(super) fn word(&mut self, number: &Word) -> &mut Self {
        self.string(number.significant())
    }

    pub(super) fn u64(&mut self, number: u64) -> &mut Self {
        self.word(&Word::from(number))
    }

    pub(super) fn list(&mut self, items: &Self) -> &mut Self {
        self.head(LIST, items.0.len());
        self.0.extend(&items.0);
        self
    }

    /// The list of what was written, behind `prefix`.
    pub(super) fn into_list(self, prefix: &[u8]) -> Vec<u8> {
        let mut list = Self(prefix.to_vec());
        list.list(&self);
        list.0
    }

    fn head(&mut self, base: u8, length: usize) {
        let digits = length.to_be_bytes();
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        let significant = digits.get(zeros..).unwrap_or_default();
        // At most 55, or at most eight digits: both fit.
        let small = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        if length <= SHORT {
            self.0.push(base.saturating_add(small(length)));
        } else {
            self.0.push(base.saturating_add(small(SHORT + significant.len())));
            self.0.extend(significant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Anything that can be encoded.
    #[derive(Debug, PartialEq)]
    enum Tree {
        Leaf(Vec<u8>),
        Node(Vec<Tree>),
    }

    fn read(bytes: &[u8]) -> Option<Tree> {
        match split(bytes) {
            Ok((item, [])) => tree(item),
            _ => None,
        }
    }

    fn tree(item: Item<'_>) -> Option<Tree> {
        match item {
            Item::String(bytes) => Some(Tree::Leaf(bytes.to_vec())),
            Item::List(mut items) => {
                let mut all = Vec::new();
                while !items.is_empty() {
                    all.push(tree(items.next("an item").ok()?)?);
                }
                Some(Tree::Node(all))
            }
        }
    }

    fn write(tree: &Tree, out: &mut Writer) {
        match tree {
            Tree::Leaf(bytes) => out.string(bytes),
            Tree::Node(all) => {
                let mut items = Writer::default();
                all.iter().for_each(|tree| write(tree, &mut items));
                out.list(&items)
            }
        };
    }

    fn leaf(text: &str) -> Tree {
        Tree::Leaf(text.into())
    }

    #[test]
    fn the_examples_of_ethereum_tests_are_read_and_written() {
        // ethereum/tests, RLPTests/rlptest.json; numbers as their bytes.
        let shared = || Tree::Node(["asdf", "qwer", "zxcv"].map(leaf).into());
        let cases = [
            (leaf(""), "80"),
            (Tree::Leaf(vec![0]), "00"),
            (Tree::Leaf(vec![0x7F]), "7f"),
            (leaf("dog"), "83646f67"),
            (
                leaf("Lorem ipsum dolor sit amet, consectetur adipisicing eli"),
                "b74c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e7365637465747572206164697069736963696e6720656c69",
            ),
            (
                leaf("Lorem ipsum dolor sit amet, consectetur adipisicing elit"),
                "b8384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e7365637465747572206164697069736963696e6720656c6974",
            ),
            (Tree::Leaf(vec![0x80]), "8180"),
            (Tree::Leaf(vec![0x03, 0xE8]), "8203e8"),
            (Tree::Node(vec![]), "c0"),
            (Tree::Node(["dog", "god", "cat"].map(leaf).into()), "cc83646f6783676f6483636174"),
            (
                Tree::Node(vec![leaf("zw"), Tree::Node(vec![Tree::Leaf(vec![4])]), Tree::Leaf(vec![1])]),
                "c6827a77c10401",
            ),
            (
                Tree::Node(vec![shared(), shared(), shared(), shared()]),
                "f840cf84617364668471776572847a786376cf84617364668471776572847a786376cf84617364668471776572847a786376cf84617364668471776572847a786376",
            ),
            (
                Tree::Node(vec![
                    Tree::Node(vec![Tree::Node(vec![]), Tree::Node(vec![])]),
                    Tree::Node(vec![]),
                ]),
                "c4c2c0c0c0",
            ),
        ];
        for (tree, encoded) in cases {
            let bytes = hex::decode(encoded).unwrap();
            let mut out = Writer::default();
            write(&tree, &mut out);
            assert_eq!(out.0, bytes, "{encoded}");
            assert_eq!(read(&bytes), Some(tree), "{encoded}");
        }
    }

    #[test]
    fn the_invalid_examples_of_ethereum_tests_are_refused() {
        // ethereum/tests, RLPTests/invalidRLPTest.json, all of it.
        for invalid in [
            "bf0f000000000000021111",
            "ff0f000000000000021111",
            "f80180",
            "f80100",
            "b9002100dc2b275d0f74e8a53e6f4ec61b27f24278820be3f82ea2110e582081b0565df0",
            "f861f83eb9002100dc2b275d0f74e8a53e6f4ec61b27f24278820be3f82ea2110e582081b0565df027b90015002d5ef8325ae4d034df55d4b58d0dfba64d61ddd17be00000b9001a00dae30907045a2f66fa36f2bb8aa9029cbb0b8a7b3b5c435ab331",
            "8100",
            "8101",
            "817F",
            "b90040000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
            "b800",
            "fb00000040000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
            "f800",
            "b81000112233445566778899aabbccddeeff",
            "b801ff",
            "f810000102030405060708090a0b0c0d0e0f",
            "f803112233",
        ] {
            assert_eq!(read(&hex::decode(invalid).unwrap()), None, "{invalid}");
        }
    }

    #[test]
    fn numbers_have_no_zero_in_front_and_no_more_than_256_bits() {
        let word = |bytes: &[u8]| {
            let mut out = Writer::default();
            out.string(bytes);
            Items { rest: &out.0 }.word("a number").map(|word| word.to_string())
        };
        assert_eq!(word(&[]).unwrap(), "0");
        assert_eq!(word(&[1, 0]).unwrap(), "256");
        assert!(word(&[0xFF; 32]).is_ok());
        for bad in [&[0][..], &[0, 1], &[1; 33], &[0; 33]] {
            assert_eq!(word(bad).unwrap_err().code(), "malformed_transaction", "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_is_written_as_it_was(bytes: Vec<u8>) {
            if let Some(tree) = read(&bytes) {
                let mut out = Writer::default();
                write(&tree, &mut out);
                proptest::prop_assert_eq!(out.0, bytes);
            }
        }

        #[test]
        fn strings_of_every_length_are_read_as_they_were_written(length in 0_usize..70_000, byte: u8) {
            let tree = Tree::Node(vec![Tree::Leaf(vec![byte; length]), Tree::Leaf(vec![byte])]);
            let mut out = Writer::default();
            write(&tree, &mut out);
            proptest::prop_assert_eq!(read(&out.0), Some(tree));
        }
    }
}
