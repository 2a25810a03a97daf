//! One proof in a file: lines of a name and a value in hexadecimal digits, in the order of the bytes on the wire.

use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// Which proof: `enc-elg`.
    pub(crate) kind: String,
    pub(crate) is_full_size: bool,
    /// Keys and statement.
    pub(crate) fields: BTreeMap<String, Vec<u8>>,
    pub(crate) proof: Vec<u8>,
    /// Whether it is a valid proof.
    pub(crate) holds: bool,
}

impl Record {
    pub(crate) fn field(&self, name: &str) -> &[u8] {
        self.fields.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }

    pub(crate) fn to_text(&self) -> String {
        let size = if self.is_full_size { "standard" } else { "test" };
        let verdict = if self.holds { "holds" } else { "fails" };
        let mut text = format!("name {}\nkind {}\nsizes {size}\nverdict {verdict}\n", self.name, self.kind);
        for (name, value) in &self.fields {
            writeln!(text, "field {name} {}", to_hex(value)).unwrap();
        }
        writeln!(text, "proof {}", to_hex(&self.proof)).unwrap();
        text
    }

    pub(crate) fn parse(text: &str) -> Self {
        let line = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            found.unwrap_or_else(|| panic!("no {name}"))
        };
        let fields = text.lines().filter_map(|line| line.strip_prefix("field ")?.split_once(' '));
        Self {
            name: line("name").to_owned(),
            kind: line("kind").to_owned(),
            is_full_size: line("sizes") == "standard",
            fields: fields.map(|(name, value)| (name.to_owned(), from_hex(value))).collect(),
            proof: from_hex(line("proof")),
            holds: line("verdict") == "holds",
        }
    }

    /// The proof with one bit flipped, at places all over it, and cut off or extended.
    pub(crate) fn spoiled(&self) -> Vec<(usize, Vec<u8>)> {
        let length = self.proof.len();
        let count = if self.is_full_size { 0 } else { 12 };
        let places = (0..count).map(|place| place * (length - 1) / 11);
        let flipped = places.map(|at| {
            let mut spoiled = self.proof.clone();
            spoiled[at] ^= 1 << (at % 8);
            (at, spoiled)
        });
        let cut = (length - 1, self.proof[..length - 1].to_vec());
        flipped.chain([cut, (length, [&self.proof[..], &[0]].concat()), (0, Vec::new())]).collect()
    }

    /// The record with one bit of one field flipped, for each field of the statement and of the verifier's keys.
    pub(crate) fn with_other_fields(&self) -> Vec<Self> {
        let names = self.fields.keys().filter(|_| !self.is_full_size);
        let others = names.map(|name| {
            let mut other = self.clone();
            let value = other.fields.get_mut(name).unwrap();
            value[1] ^= 0x10;
            other.name = format!("{} with another {name}", self.name);
            other
        });
        others.collect()
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
