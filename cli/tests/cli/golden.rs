//! What the command line says, as texts that people read when they change.

use std::path::Path;

use tempfile::TempDir;

use crate::{node, run};

/// Compares with the file of this name, or writes it when asked to.
fn golden(name: &str, told: &str) {
    assert!(!told.contains('\x1b'), "{name} has colours, without a terminal");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let file = folder.join(format!("{name}.txt"));
    if std::env::var_os("QUORATE_BLESS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&file, told).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(told, expected, "{}: if this is meant, QUORATE_BLESS=1 writes it", file.display());
}

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(Into::into)
        .collect()
}

#[test]
fn every_command_has_the_help_that_it_had() {
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    let mut names = Vec::new();
    while let Some(path) = open.pop() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = run(&arguments);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        let name = ["help"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
        for line in help.stdout.lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
        golden(&name, &help.stdout);
        names.push(name);
        open.extend(listed(&help.stdout).into_iter().map(|inner| [path.as_slice(), &[inner]].concat()));
    }
    assert!(names.len() > 25, "{names:?}");
    // And no help of a command that is no more.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let name = file.trim_end_matches(".txt");
        assert!(
            !name.starts_with("help") || names.iter().any(|known| known == name),
            "{file}: no such command"
        );
    }
}

/// What is signed in the example of EIP-155, and the key.
const DIGEST: &str = "0xdaf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53";
const KEY: &str = "0x044bc2a31265153f07e70e0bab08724e6b85e217f8cd628ceb62974247bb493382\
                   ce28cab79ad7119ee1ad3ebcdb98a16805211530ecc6cfefa1b88e6dff99232a";

const PEERS: &str = "\
cluster: '0x1111111111111111111111111111111111111111111111111111111111111111'
peers:
  - name: node1
    identity: '0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
    address: 10.0.0.1:7000
  - name: node2
    identity: '0x3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
    address: '[fd00::2]:7000'
";

/// One instruction: account 2, transfer from account 0 to account 1, one lamport; no lookup tables.
const INSTRUCTION: &str = "01020200010c02000000010000000000000000";

/// A transfer of one lamport from the wallet `treasury`, to key 9.
fn transfer(folder: &Path) -> String {
    let treasury = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let (to, system, hash) = ("09".repeat(32), "00".repeat(32), "07".repeat(32));
    let signature = "00".repeat(64);
    let text = format!("01{signature}8001000103{treasury}{to}{system}{hash}{INSTRUCTION}");
    let file = folder.join("transfer.tx");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Runs commands one after the other and writes down what they print and how they end.
fn transcript(folder: &Path, api: &str, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for arguments in commands {
        let ended = run(arguments);
        text += &format!("$ quorate {}\n{}{}", arguments.join(" "), ended.stdout, ended.stderr);
        text += &format!("=> {}\n\n", ended.code.unwrap());
    }
    // What differs from run to run.
    text.replace(api, "http://127.0.0.1:8080").replace(folder.to_str().unwrap(), "DIR")
}

#[test]
fn tables_are_printed_as_they_were() {
    let folder = TempDir::new().unwrap();
    let peers = folder.path().join("peers.yaml");
    std::fs::write(&peers, PEERS).unwrap();
    let (peers, api) = (peers.to_str().unwrap(), node::serve());
    let commands: &[&[&str]] = &[
        &["chains", "list"],
        &["chains", "list", "--json"],
        &["peers", "list", "--peers", peers],
        &["peers", "list", "--peers", peers, "--json"],
        &["node", "status", "--api", &api],
        &["wallet", "list", "--api", &api],
        &["wallet", "show", "treasury", "--api", &api],
        &["wallet", "show", "taproot", "--api", &api],
        &["wallet", "show", "till", "--api", &api],
        &["wallet", "address", "treasury", "--api", &api],
        &["wallet", "address", "taproot", "--all", "--api", &api],
        &["wallet", "address", "taproot", "--chain", "bitcoin", "--api", &api],
        &["wallet", "address", "taproot", "--chain", "regtest", "--path", "m/0/1", "--api", &api],
        &["wallet", "address", "treasury", "--json", "--api", &api],
        &["wallet", "address", "till", "--chain", "sepolia", "--api", &api],
        &["sign", "--wallet", "till", "--digest", DIGEST, "--session-id", "s1", "--api", &api],
        &["presign", "--wallet", "till", "--count", "100", "--api", &api],
        &["presign", "--wallet", "till", "--count", "1", "--signers", "node3,node1", "--api", &api],
        &["presign", "--wallet", "till", "--count", "1", "--session-id", "s1", "--json", "--api", &api],
        &["auxiliary", "rotate", "--api", &api],
        &["auxiliary", "rotate", "--parties", "node1,node3", "--session-id", "s1", "--json", "--api", &api],
    ];
    let text = transcript(folder.path(), &api, commands);
    assert!(!text.contains("thief"), "an address that the answer says, not computed: {text}");
    golden("tables", &text);
}

#[test]
fn errors_say_what_they_said() {
    let folder = TempDir::new().unwrap();
    let tx = transfer(folder.path());
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, "garbage!").unwrap();
    let (garbage, api) = (garbage.to_str().unwrap(), node::serve());
    let commands: &[&[&str]] = &[
        &["nonsense"],
        &["walet", "list"],
        &["wallet"],
        &["wallet", "lst"],
        &["sign", "--walet", "treasury", "--message", "x"],
        &["sign", "--message", "x"],
        &["sign", "--wallet", "treasury"],
        &["sign", "--wallet", "treasury", "--message", "x", "--chain", "solana"],
        &["sign", "--wallet", "treasury", "--tx", &tx],
        &["sign", "--wallet", "treasury", "--chain", "dogecoin", "--tx", &tx],
        &["sign", "--wallet", "treasury", "--chain", "testnet", "--tx", &tx],
        &["sign", "--wallet", "treasury", "--chain", "solana", "--tx", "/missing/file"],
        &["sign", "--wallet", "treasury", "--chain", "solana", "--tx", garbage, "--api", &api],
        &["sign", "--wallet", "taproot", "--chain", "solana", "--tx", &tx, "--yes", "--api", &api],
        &["sign", "--wallet", "treasury", "--chain", "solana", "--tx", &tx, "--api", &api],
        &["sign", "--wallet", "nobody", "--chain", "solana", "--tx", &tx, "--api", &api],
        &["sign", "--wallet", "tresury", "--chain", "solana", "--tx", &tx, "--api", &api],
        &["sign", "--wallet", "tresury", "--message", "x", "--api", &api],
        &["sign", "--wallet", "till", "--message", "x", "--api", &api],
        &["sign", "--wallet", "till", "--message-hex", DIGEST, "--json", "--api", &api],
        &["sign", "--public-key", KEY, "--message", "x", "--api", &api],
        &["sign", "--wallet", "till", "--digest", "0x11", "--api", &api],
        &["presign", "--wallet", "treasury", "--count", "1", "--api", &api],
        &["presign", "--wallet", "til", "--count", "1", "--api", &api],
        &["presign", "--wallet", "till", "--count", "1025", "--api", &api],
        &["presign", "--count", "1", "--api", &api],
        &["auxiliary", "rotat"],
        &["wallet", "show", "Treasury", "--api", &api],
        &["sign", "--wallet", "treasury", "--chain", "solna", "--tx", &tx],
        &["bench", "sign", "--seconds", "10"],
        &["wallet", "show", "nobody", "--api", &api],
        &["wallet", "show", "nobody", "--json", "--api", &api],
        &["wallet", "show", "twisted", "--api", &api],
        &["wallet", "address", "twisted", "--api", &api],
        &["wallet", "address", "treasury", "--chain", "bitcoin", "--api", &api],
        &["wallet", "address", "treasury", "--chain", "solana", "--all", "--api", &api],
        &["wallet", "address", "treasury", "--path", "m/0'", "--api", &api],
        &["wallet", "list", "--initiator", "initiator.json"],
        &["wallet", "list", "--api", "ftp://node1"],
        &["wallet", "list", "--api", "https://127.0.0.1:1", "--api-ca", "/missing/ca.pem"],
        &["wallet", "list", "--api", "https://127.0.0.1:1", "--api-ca", garbage],
        &["wallet", "list", "--api", "http://127.0.0.1:1"],
        &["gateway"],
        &["gateway", "--listen", "0.0.0.0:8080", "--api", &api, "--initiator", "i.json", "--peers", "p.yaml"],
        &["gateway", "--listen", "loopback", "--api", &api, "--initiator", "i.json", "--peers", "p.yaml"],
        &["gateway", "--api", &api, "--initiator", "/missing/i.json", "--peers", "/missing/p.yaml"],
        &["node", "start", "--config", "/missing/node.yaml"],
        &["node", "start", "--set", "listen"],
        &["demo", "--nodes", "5", "--threshold", "2"],
        &["completions", "csh"],
        &["man", "/dev/null/man"],
        &["evidence", "verify", garbage],
        &["peers", "list", "--peers", garbage],
        &["wallet", "create"],
        &["wallet", "create", "--threshold", "x", "--total", "3"],
        &["wallet", "create", "--threshold", "1", "--total", "3"],
        &["wallet", "create", "--threshold", "2", "--total", "3", "--curve", "p384"],
        &["wallet", "create", "--threshold", "2", "--total", "3", "--json", "--colour"],
        &["wallet", "list", "--api", "node1:8080"],
        &["wallet", "list", "--api", ""],
        &["wallet", "list", "--json", "--api", "http://127.0.0.1:1"],
        &["sign", "--wallet", "treasury", "--message", "x", "--allow-opaque"],
        &["verify", "--scheme", "rsa", "--public-key", "0x11", "--message", "x", "--signature", "0x11"],
        &["node", "init", "--name", "Node_1", "--data", "n"],
        &["node", "init", "--name", "node1", "--data", "n", "--listen", "7000"],
        &["node", "check-config"],
        &["node", "start", "--set", "round_timeut=1s"],
        &["dev", "--port", "99999"],
        &["dev", "--nodes", "1"],
        &["bench", "sign", "--api", "http://10.0.0.1:8080"],
        &["bench", "sign", "--wallet", "treasury"],
        &["bench", "sign", "--duration", "0"],
        &["bench", "sign", "--nodes", "3", "--threshold", "4"],
        &["peers", "generate", "--node", "node1"],
    ];
    golden("errors", &transcript(folder.path(), &api, commands));
}

#[test]
fn sessions_are_shown_and_followed() {
    let folder = TempDir::new().unwrap();
    let (tx, api) = (transfer(folder.path()), node::serve());
    let tx = ["sign", "--wallet", "treasury", "--chain", "solana", "--tx", tx.as_str(), "--api", &api];
    let create = ["wallet", "create", "--threshold", "2", "--total", "3", "--no-wait", "--api", &api];
    let sign = ["sign", "--wallet", "treasury", "--message", "x", "--no-wait", "--api", &api];
    let commands: &[&[&str]] = &[
        &create,
        &[&create[..], &["--json"]].concat(),
        &sign,
        &[&sign[..], &["--json"]].concat(),
        // A transaction is explained and confirmed all the same.
        &[&tx[..], &["--no-wait"]].concat(),
        &[&tx[..], &["--no-wait", "--yes"]].concat(),
        &[&tx[..], &["--no-wait", "--out", "signed.bin"]].concat(),
        &["session", "show", "running", "--api", &api],
        &["session", "show", "signed", "--api", &api],
        &["session", "show", "signed", "--json", "--api", &api],
        &["session", "show", "made", "--api", &api],
        &["session", "show", "refused", "--api", &api],
        &["session", "show", "nobody's", "--api", &api],
        &["session", "show", "a b", "--api", &api],
        &["session", "watch", "cut", "--api", &api],
        &["session", "watch", "cut", "--json", "--api", &api],
        &["session", "watch", "made", "--api", &api],
        &["session", "watch", "refused", "--api", &api],
        &["session", "watch", "refused", "--json", "--api", &api],
        &["session", "watch", "late", "--api", &api],
        &["session", "watch", "forgotten", "--api", &api],
        &["session", "watch", "nobody's", "--json", "--api", &api],
        &["session", "watch", "signed", "--api", &api],
        &["session", "show", "presigning", "--api", &api],
        &["session", "watch", "presigning", "--api", &api],
        &["session", "watch", "presigning", "--json", "--api", &api],
        &["session", "watch", "rotated", "--api", &api],
        &["presign", "--wallet", "till", "--count", "100", "--no-wait", "--api", &api],
        &["auxiliary", "rotate", "--no-wait", "--json", "--api", &api],
    ];
    golden("sessions", &transcript(folder.path(), &api, commands));
}

/// Files that are not what commands want of them.
fn wrong_files(folder: &Path) -> Vec<String> {
    let contents: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("binary", b"\xff\x00\x80\xfe\x00\x00"),
        ("text", b"hello\n"),
        ("list.json", b"[1, 2]\n"),
        ("other.json", b"{\"a\": 1}\n"),
        ("broken.yaml", b"a: [1\n"),
    ];
    let mut files = vec!["missing".to_owned(), "folder".to_owned()];
    std::fs::create_dir(folder.join("folder")).unwrap();
    for (name, content) in contents {
        std::fs::write(folder.join(name), content).unwrap();
        files.push((*name).to_owned());
    }
    files.iter().map(|name| folder.join(name).to_str().unwrap().to_owned()).collect()
}

#[test]
fn wrong_files_are_told_by_what_is_wrong_with_them() {
    let folder = TempDir::new().unwrap();
    let files = wrong_files(folder.path());
    let api = node::serve();
    let made = folder.path().join("node");
    let out = run(&["node", "init", "--name", "node1", "--data", made.to_str().unwrap()]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    let identity = made.join("identity.json");
    let identity = identity.to_str().unwrap();
    let mut commands: Vec<Vec<&str>> = Vec::new();
    for file in &files {
        commands.push(vec!["peers", "list", "--peers", file]);
        commands.push(vec!["identity", "show", file]);
        commands.push(vec!["node", "start", "--config", file]);
        commands.push(vec!["evidence", "verify", file]);
        commands.push(vec!["sign", "--wallet", "treasury", "--chain", "solana", "--tx", file, "--api", &api]);
        commands.push(vec!["identity", "generate", "--out", "/tmp/never-made", "--passphrase-file", file]);
    }
    // The last one takes anything that is not empty for a passphrase.
    commands.retain(|command| {
        let name = command.last().and_then(|file| file.rsplit('/').next()).unwrap();
        command[1] != "generate" || ["missing", "folder", "empty"].contains(&name)
    });
    commands.push(vec!["initiator", "show", &files[0]]);
    commands.push(vec!["initiator", "show", identity]);
    commands.push(vec!["node", "init", "--name", "node1", "--data", made.to_str().unwrap()]);
    commands.push(vec!["dev", "--port", "0", "--data", &files[4]]);
    commands.push(vec!["man", &files[4]]);
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    let text = transcript(folder.path(), &api, &commands);
    for ours in ["Raw", "struct ", "os error", "UTF-8", "EOF", "expected value"] {
        assert!(!text.contains(ours), "{ours}: {text}");
    }
    golden("files", &text);
}
