//! Keys of both types, in files and elsewhere.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use quorate_identity::peers::Peers;
use quorate_keys::{KeyType, Principal};
use quorate_request::SignedRequest;
use serde_json::Value;
use tempfile::TempDir;

use crate::{command, run};

fn json(arguments: &[&str]) -> Value {
    let ended = run(&[arguments, &["--json"][..]].concat());
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// A peers file of one node.
fn peers_file(folder: &Path) -> String {
    let file = folder.join("peers.yaml").to_str().unwrap().to_owned();
    let entry = "node1=0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a@10.0.0.1:7000";
    json(&["peers", "generate", "--node", entry, "--out", &file]);
    file
}

#[test]
fn initiators_and_authorizers_have_keys_of_either_type() {
    let folder = TempDir::new().unwrap();
    for who in ["initiator", "authorizer"] {
        for (option, key_type) in [
            (&["--key-type", "p256"][..], KeyType::P256),
            (&["--key-type", "ed25519"], KeyType::Ed25519),
            (&[], KeyType::Ed25519),
        ] {
            let file = folder.path().join(format!("{who} {option:?}")).to_str().unwrap().to_owned();
            let made = json(&[&[who, "generate", "--out", &file], option].concat());
            let key: Principal = made["identity"].as_str().unwrap().parse().unwrap();
            assert_eq!(key.key_type(), key_type);
            assert_eq!(json(&[who, "show", &file])["identity"], made["identity"]);

            let other = if who == "initiator" { "authorizer" } else { "initiator" };
            for wrong in [other, "identity"] {
                let ended = run(&[wrong, "show", &file]);
                assert_eq!(ended.code, Some(3), "{}", ended.stderr);
                assert!(ended.stderr.contains(&format!("holds an {who}'s key")), "{}", ended.stderr);
            }
            let data = folder.path().join(format!("node of {who} {option:?}"));
            let data = data.to_str().unwrap();
            let key = key.to_string();
            json(&["node", "init", "--name", "node1", "--data", data, "--initiator", &key]);
            let config = std::fs::read_to_string(format!("{data}/node.yaml")).unwrap();
            assert!(config.contains(&key), "{config}");
            let checked = run(&["node", "check-config", "--config", &format!("{data}/node.yaml")]);
            assert!(checked.stdout.contains("1 may request"), "{}{}", checked.stdout, checked.stderr);
        }
    }
}

/// The next request that somebody sends here is answered with an empty list.
fn serve() -> (String, JoinHandle<SignedRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut headers = HeaderMap::new();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        for line in lines.skip(1).take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::try_from(value.to_owned()).unwrap(),
            );
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]";
        stream.write_all(answer.as_bytes()).unwrap();
        SignedRequest::from_http(&headers, "").unwrap()
    });
    (api, serving)
}

/// A key pair of OpenSSL: the public key, and the command that signs.
fn openssl(folder: &Path, key_type: KeyType) -> (Principal, String) {
    let make = |line: String| {
        let ended =
            std::process::Command::new("sh").arg("-c").arg(&line).current_dir(folder).output().unwrap();
        assert!(ended.status.success(), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
        ended.stdout
    };
    let path = folder.display();
    let (public, length, sign) = match key_type {
        KeyType::P256 => (
            "openssl ecparam -name prime256v1 -genkey -noout -out p256.pem && \
             openssl ec -in p256.pem -pubout -conv_form compressed -outform DER",
            33,
            format!("openssl dgst -sha256 -sign '{path}/p256.pem'"),
        ),
        _ => (
            "openssl genpkey -algorithm ed25519 -out ed25519.pem && openssl pkey -in ed25519.pem -pubout -outform DER",
            32,
            format!(
                "cat > '{path}/message' && openssl pkeyutl -sign -rawin -inkey '{path}/ed25519.pem' -in '{path}/message'"
            ),
        ),
    };
    let der = make(public.to_owned());
    (Principal::from_bytes(&der[der.len() - length..]).unwrap(), sign)
}

#[test]
fn a_command_signs_in_place_of_a_key_file() {
    let folder = TempDir::new().unwrap();
    let peers = peers_file(folder.path());
    let cluster = *Peers::load(Path::new(&peers)).unwrap().cluster();
    for key_type in KeyType::ALL {
        let (principal, line) = openssl(folder.path(), key_type);
        let key = principal.to_string();
        let (api, served) = serve();
        let list = ["wallet", "list", "--json", "--api", &api, "--peers", &peers];
        let ended = run(&[&list[..], &["--initiator-command", &line, "--initiator-key", &key]].concat());
        assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "[]"), "{}", ended.stderr);
        let request = served.join().unwrap();
        let skew = Duration::from_secs(30);
        let verified = request.verify(&cluster, |asks| *asks == principal, SystemTime::now(), skew).unwrap();
        assert_eq!(verified.initiator(), &principal);

        // The same, said by the environment.
        let (api, served) = serve();
        let ended = command(&["wallet", "list", "--json"])
            .envs([("QUORATE_API", &api), ("QUORATE_PEERS", &peers), ("QUORATE_INITIATOR_KEY", &key)])
            .env("QUORATE_INITIATOR_COMMAND", &line)
            .env("PATH", std::env::var_os("PATH").unwrap())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!(served.join().unwrap().initiator(), &principal);
    }
}

#[test]
fn a_command_that_does_not_sign_is_told_from_a_cluster_that_is_not_there() {
    let folder = TempDir::new().unwrap();
    let peers = peers_file(folder.path());
    let (principal, sign) = openssl(folder.path(), KeyType::P256);
    let (key, other) = (principal.to_string(), openssl(folder.path(), KeyType::Ed25519).0.to_string());
    let list = |line: &str, key: &str, more: &[&str]| {
        let asked = ["wallet", "list", "--api", "http://127.0.0.1:1", "--peers", &peers];
        let signing = ["--initiator-command", line, "--initiator-key", key];
        run(&[&asked[..], &signing, more].concat())
    };
    for (line, key, told) in [
        ("echo no such key >&2; exit 7", &key, "no such key"),
        ("exit 7", &key, "`exit 7` failed"),
        ("echo garbage", &key, "is no signature"),
        ("true", &key, "it wrote nothing"),
        (&sign, &other, "no signature"),
    ] {
        let ended = list(line, key, &[]);
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert!(ended.stderr.contains(told), "{line}: {}", ended.stderr);
    }
    openssl(folder.path(), KeyType::P256);
    let replaced = list(&sign, &key, &[]);
    assert!(replaced.stderr.contains("the public key of the key that signs?"), "{}", replaced.stderr);
    let slow = list("exec sleep 60", &key, &["--initiator-timeout", "1"]);
    assert!(slow.stderr.contains("no signature within 1 s"), "{}", slow.stderr);
    let nobody = list("exec sleep 0", &key, &["--initiator-timeout", "0"]);
    assert_eq!(nobody.code, Some(2), "{}", nobody.stderr);
}

#[test]
fn what_signs_is_said_once_and_in_full() {
    let key = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    for arguments in [
        &["--initiator-command", "true", "--peers", "p"][..],
        &["--initiator-key", key, "--peers", "p"],
        &["--initiator-command", "true", "--initiator-key", key],
        &["--peers", "p"],
        &["--initiator", "i", "--initiator-command", "true", "--initiator-key", key, "--peers", "p"],
        &["--initiator", "i", "--initiator-key", key, "--peers", "p"],
        &["--initiator-command", "true", "--initiator-key", "0x12", "--peers", "p"],
    ] {
        for asked in
            [&["wallet", "list"][..], &["gateway", "--api", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"]]
        {
            let ended = run(&[asked, arguments].concat());
            assert_eq!(ended.code, Some(2), "{asked:?} {arguments:?}: {}{}", ended.stdout, ended.stderr);
        }
    }
}
