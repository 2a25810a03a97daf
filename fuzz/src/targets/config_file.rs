//! The configuration file of a node.

use std::{env, fs, process, thread};

use quorate_node::config::{Config, Overrides};

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "config_file",
    seeds,
    words: &[
        "node_id: ",
        "data_dir: ",
        "listen: ",
        "api_listen: ",
        "initiators: ",
        "threshold: ",
        "mpc_threshold: ",
        "total_nodes: ",
        "request_timeout: ",
        "round_timeout: ",
        "attempts: ",
        "log_format: json",
        "passphrase: ",
        "nats:\n  url: ",
        "true",
        "null",
        "30s",
        "1e9",
        "[",
        "]",
        "&a",
        "*a",
        "---\n",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let full = "node_id: node1\ndata_dir: /var/lib/quorate\nlisten: 0.0.0.0:7000\napi_listen: \"[::1]:8080\"\n\
                passphrase: not a good one\nthreshold: 2\ntotal_nodes: 3\nrequest_timeout: 30s\n\
                round_timeout: 5s\nattempts: 3\nallow_minority_threshold: false\nlog_format: json\n";
    vec![b"node_id: node1\n".to_vec(), full.as_bytes().to_vec()]
}

fn run(input: &[u8]) -> Outcome {
    // Targets run in threads of their own, and this one in one at a time.
    let name = format!("quorate-fuzz-{}-{:?}.yaml", process::id(), thread::current().id());
    let path = env::temp_dir().join(name);
    if fs::write(&path, input).is_err() {
        return Outcome::refused(&"no place for the file");
    }
    let loaded = Config::load(Some(&path), [], &Overrides::new());
    // A file that stays behind does no harm.
    let _ = fs::remove_file(&path);
    match loaded {
        Ok(config) => {
            assert!(config.round_timeout <= config.request_timeout);
            let _ = config.check_threshold(2, 3);
            Outcome::accepted()
        }
        // What is wrong stands last; before it the key, which may be anything.
        Err(error) => Outcome::refused(&error.to_string().rsplit(": ").next().unwrap_or_default()),
    }
}
