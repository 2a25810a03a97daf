//! The peers file, which arrives from whoever set up the cluster.

use quorate_identity::peers::Peers;

use super::examples;
use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "peers_file",
    seeds,
    words: &[
        "cluster: ",
        "peers:\n",
        "  - name: ",
        "identity: ",
        "address: ",
        "[::1]:7000",
        "&a",
        "*a",
        "<<",
        "---\n",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut text = format!("cluster: \"{}\"\npeers:\n", examples::cluster());
    for node in 1..=3 {
        let identity = examples::identity(node).identity();
        text += &format!(
            "  - name: node{node}\n    identity: \"{identity}\"\n    address: \"10.0.0.{node}:7000\"\n"
        );
    }
    vec![text.into_bytes()]
}

fn run(input: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(input) else { return Outcome::refused(&"not UTF-8") };
    match Peers::parse(text) {
        Ok(peers) => {
            let written = peers.to_yaml().unwrap_or_default();
            assert_eq!(Peers::parse(&written).as_ref(), Ok(&peers), "what is written is read as the same");
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
