use super::*;
use quorate_broker::Access;
use quorate_identity::peers::Peer;
use quorate_keys::{Identity, KeyType, SigningIdentity, SigningPrincipal};
use quorate_request::ClusterId;
use rand_core::OsRng;

struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("node.yaml");
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_environment(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(None, environment(pairs), &Overrides::new())
}

fn from_file(text: &str) -> Result<Config, ConfigError> {
    let home = Home::new();
    Config::load(Some(&home.file(text)), environment(&[("NODE_ID", "node1")]), &Overrides::new())
}

fn complaint(result: Result<Config, ConfigError>) -> String {
    result.unwrap_err().to_string()
}

fn identity() -> Identity {
    SigningIdentity::generate(&mut OsRng).identity()
}

fn phrase(config: Config) -> Result<bool, ConfigError> {
    // Not printable by design: told by what it opens.
    let sealed = quorate_identity::envelope::seal(
        "test",
        &Passphrase::new(b"open sesame".to_vec()).unwrap(),
        quorate_identity::envelope::KdfParams::FLOOR,
        b"",
        &mut OsRng,
    );
    let passphrase = config.passphrase.read()?;
    Ok(quorate_identity::envelope::open("test", &passphrase, &sealed.unwrap()).is_ok())
}

#[test]
fn a_name_is_all_that_is_needed() {
    let config = from_environment(&[("NODE_ID", "node1")]).unwrap();
    assert_eq!(config.node_id.as_str(), "node1");
    assert_eq!(config.db_path, Path::new("data/store.redb"));
    assert_eq!(config.identity_path, Path::new("data/identity.json"));
    assert_eq!(config.peers_path, Path::new("data/peers.yaml"));
    assert!(config.api_listen.ip().is_loopback());
    assert!(!config.allow_minority_threshold);
    assert!(matches!(config.passphrase, PassphraseSource::Unset));
    assert!(complaint(from_environment(&[])).contains("QUORATE_NODE_ID"));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let home = Home::new();
    let file = home.file("node_id: from-file\nattempts: 1\nmax_concurrent_keygen: 1\nlog_format: json\n");
    let environment =
        environment(&[("NODE_ID", "from-env"), ("MAX_CONCURRENT_KEYGEN", "2"), ("PATH", "/bin")]);
    let flags = Overrides::new().set("max_concurrent_keygen", 3).set_some("attempts", None::<u32>);
    let config = Config::load(Some(&file), environment, &flags).unwrap();
    assert_eq!(config.node_id.as_str(), "from-env");
    assert_eq!((config.attempts, config.max_concurrent_keygen), (1, 3));
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn every_setting_of_the_file_is_read() {
    let [one, two] =
        KeyType::ALL.map(|key_type| SigningPrincipal::generate(key_type, &mut OsRng).principal());
    let config = from_file(&format!(
        "data_dir: state\ndb_path: /var/lib/q/shares.redb\nidentity_path: id.json\npeers_path: ../peers.yaml\n\
         listen: '127.0.0.1:7001'\napi_listen: '[::1]:8081'\npassphrase_file: secret\n\
         initiators: ['{one}', '{one}']\nevent_initiator_pubkey: '{two}'\nmpc_threshold: 2\ntotal_nodes: 3\n\
         max_concurrent_keygen: 5\nmax_concurrent_signing: 6\nmax_waiting: 0\nrequest_timeout: 1m\nround_timeout: 250ms\n\
         attempts: 7\nrefresh_schedule: [90d, 'treasury=12h', cold=never]\nallow_minority_threshold: true\nlog_format: pretty\n"
    ))
    .unwrap();
    assert!(config.data_dir.is_absolute() && config.data_dir.ends_with("state"));
    assert_eq!(config.db_path, Path::new("/var/lib/q/shares.redb"));
    assert!(config.identity_path.ends_with("id.json") && config.identity_path.is_absolute());
    assert_eq!((config.listen.port(), config.api_listen.port()), (7001, 8081));
    assert_eq!(config.initiators, [one, two]);
    assert_eq!((config.threshold, config.total_nodes), (Some(2), Some(3)));
    assert_eq!((config.max_concurrent_keygen, config.max_concurrent_signing, config.attempts), (5, 6, 7));
    assert_eq!(config.max_waiting, 0);
    assert_eq!(config.request_timeout, Duration::from_secs(60));
    assert_eq!(config.round_timeout, Duration::from_millis(250));
    assert!(config.allow_minority_threshold);
    assert_eq!(config.refresh_schedule.shortest(), Some(Duration::from_secs(12 * 3600)));
    assert!(matches!(config.passphrase, PassphraseSource::File(path) if path.ends_with("secret")));
}

#[test]
fn the_older_names_of_the_environment_are_honoured() {
    let initiator = identity().to_string();
    let config = from_environment(&[
        ("NODE_ID", "node2"),
        ("DB_PATH", "/srv/db.redb"),
        ("BADGER_PASSWORD", "open sesame"),
        ("MPC_THRESHOLD", "2"),
        ("THRESHOLD", "2"),
        ("TOTAL_NODES", "3"),
        ("MAX_CONCURRENT_KEYGEN", "9"),
        ("EVENT_INITIATOR_PUBKEY", &initiator),
        ("NATS_URL", ""),
    ])
    .unwrap();
    assert_eq!(config.db_path, Path::new("/srv/db.redb"));
    assert_eq!((config.threshold, config.total_nodes), (Some(2), Some(3)));
    assert_eq!((config.max_concurrent_keygen, config.initiators.len()), (9, 1));
    assert!(phrase(config).unwrap());
}

#[test]
fn a_folder_as_db_path_holds_the_store() {
    let home = Home::new();
    let folder = home.folder.path().to_str().unwrap();
    let config = from_environment(&[("NODE_ID", "n"), ("DB_PATH", folder)]).unwrap();
    assert_eq!(config.db_path, home.folder.path().join("store.redb"));
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_that_exists() {
    let error = complaint(from_file("max_concurent_keygen: 3\n"));
    assert!(error.contains("node.yaml") && error.contains("max_concurent_keygen"), "{error}");
    assert!(error.contains("did you mean \"max_concurrent_keygen\""), "{error}");
    assert!(complaint(from_file("badger_pasword: x\n")).contains("\"badger_password\""));
    assert!(complaint(from_file("nats:\n  uri: x\n")).contains("\"nats.url\""));
    for far in ["zzz", "foo"] {
        assert!(!complaint(from_file(&format!("{far}: 1\n"))).contains("did you mean"), "{far}");
    }
    let error = Config::load(None, [], &Overrides::new().set("lissten", "x")).unwrap_err().to_string();
    assert!(error.contains("command line") && error.contains("\"listen\""), "{error}");
}

#[test]
fn a_misspelt_variable_is_named_with_the_one_that_is_meant() {
    for (bad, meant) in [
        ("QUORATE_MAX_CONCURENT_KEYGEN", "QUORATE_MAX_CONCURRENT_KEYGEN"),
        ("QUORATE_NODEID", "QUORATE_NODE_ID"),
        ("QUORATE_INITIATRS", "QUORATE_INITIATORS"),
    ] {
        let said = complaint(from_environment(&[("NODE_ID", "node1"), (bad, "1")]));
        assert!(said.contains(&format!("variable {bad}")), "{said}");
        assert!(said.ends_with(&format!("did you mean {meant:?}?")), "{said}");
        // An empty one is as if not there.
        assert!(from_environment(&[("NODE_ID", "node1"), (bad, "")]).is_ok());
    }
    let others = [
        "QUORATE_INITIATOR",
        "QUORATE_INITIATOR_COMMAND",
        "QUORATE_INITIATOR_KEY",
        "QUORATE_API",
        "QUORATE_API_CA",
        "QUORATE_PEERS",
        "QUORATE_LOG",
    ];
    for other in others.into_iter().chain(["QUORATE_OF_ANOTHER"]) {
        assert!(from_environment(&[("NODE_ID", "node1"), (other, "1")]).is_ok(), "{other}");
    }
}

#[test]
fn nodes_are_found_by_consul_where_it_is_named() {
    let of = |text: &str| from_file(&format!("node_id: n\n{text}"));
    assert!(of("").unwrap().consul.is_none());
    let consul = of("consul:\n  address: consul:8500\nadvertise: 10.0.0.1:7000\n").unwrap().consul.unwrap();
    assert_eq!(consul.options.url.to_string(), "http://consul:8500");
    assert_eq!(consul.options.service, "quorate");
    assert_eq!(consul.advertise.unwrap().as_str(), "10.0.0.1:7000");
    for name in ["CONSUL_ADDR", "CONSUL_ADDRESS"] {
        let config = from_environment(&[("NODE_ID", "n"), (name, "https://c")]).unwrap();
        assert_eq!(config.consul.unwrap().options.url.to_string(), "https://c:8500");
    }
    for (text, says) in [
        ("consul.address: ftp://x\n", "not an agent of Consul"),
        ("consul.token_file: t\n", "consul.address is not set"),
        ("advertise: 10.0.0.1:7000\n", "consul.address is not set"),
        ("consul.address: x\nadvertise: nowhere\n", "host:port"),
        ("consul:\n  address: x\n  service: a/b\n", "not the name of a service"),
        ("consul:\n  address: x\n  key: k\n", "consul.cert is not set"),
    ] {
        let error = complaint(of(text));
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn nodes_reach_each_other_directly_or_through_nats() {
    let of = |text: &str| from_file(&format!("node_id: n\n{text}"));
    let transport = |text: &str| of(text).unwrap().transport;
    assert!(
        matches!(transport(""), Transport::Direct)
            && matches!(transport("transport: direct\n"), Transport::Direct)
    );
    let Transport::Nats(options) = transport("transport: nats\nnats:\n  url: nats://a:1,tls://b\n") else {
        panic!("nats")
    };
    assert_eq!(options.servers.to_string(), "nats://a:1,tls://b:4222");
    assert_eq!(options.access, Access::Anybody);
    let Transport::Nats(options) =
        transport("transport: nats\nnats: { url: a, user: u, password_file: p }\n")
    else {
        panic!("nats")
    };
    assert!(matches!(&options.access, Access::Password { user, .. } if user == "u"));
    for (text, says) in [
        ("transport: nats\n", "nats.url is not set"),
        ("transport: pigeon\n", "neither direct nor nats"),
        ("nats.url: nats://a\n", "transport is not nats"),
        ("transport: nats\nnats.url: http://a\n", "servers are nats://host:port"),
        ("transport: nats\nnats.url: nats://u:hunter2@a\n", "do not belong into the address"),
        ("nats.token_file: t\n", "nats.url is not set"),
        ("transport: nats\nnats: { url: a, user: u }\n", "nats.password_file is not set"),
        ("transport: nats\nnats: { url: a, token_file: t, credentials: c }\n", "who this node is to NATS"),
        ("transport: nats\nnats: { url: a, cert: c }\n", "nats.key is not set"),
        ("transport: nats\nnats: { url: a, ca: nowhere.pem }\n", "nowhere.pem"),
    ] {
        let error = complaint(of(text));
        assert!(error.contains(says) && !error.contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn backups_are_made_where_there_is_somebody_to_encrypt_them_to() {
    let recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    let of = |text: &str| from_file(&format!("node_id: n\ndata_dir: /d\n{text}")).unwrap().backups;
    assert_eq!(of(""), None);
    assert_eq!(of("backup_period_seconds: 60\n"), None);
    assert_eq!(of(&format!("backup_recipients: [{recipient}]\nbackup_enabled: false\n")), None);
    let plan = of(&format!("backup_recipients: [{recipient}]\n")).unwrap();
    assert_eq!(plan.folder, Path::new("/d/backups"));
    assert_eq!((plan.period, plan.keep), (Duration::from_secs(300), 48));
    assert_eq!(plan.recipients, [recipient.parse().unwrap()]);
    let text = format!(
        "backup_recipients: [{recipient}]\nbackup_dir: /b\nbackup_period_seconds: 60\nbackup_keep: 3\n"
    );
    let plan = of(&text).unwrap();
    assert_eq!(
        (plan.folder.as_path(), plan.period, plan.keep),
        (Path::new("/b"), Duration::from_secs(60), 3)
    );
    let refused = complaint(from_file("node_id: n\nbackup_enabled: true\n"));
    assert!(refused.contains("backup_recipients"), "{refused}");
}

#[test]
fn every_wrong_value_names_its_place_and_its_setting() {
    for (text, key) in [
        ("node_id: Node_1", "node_id"),
        ("listen: localhost", "listen"),
        ("api_listen: '127.0.0.1:99999'", "api_listen"),
        ("initiators: ['0x12']", "initiators"),
        ("event_initiator_pubkey: 12", "event_initiator_pubkey"),
        ("backup_recipients: [age1x]", "backup_recipients"),
        ("backup_period_seconds: 0", "backup_period_seconds"),
        ("backup_keep: 0", "backup_keep"),
        ("keep_epochs: 2", "keep_epochs"),
        ("refresh_schedule: 7", "refresh_schedule"),
        ("refresh_schedule: [w=0s]", "refresh_schedule"),
        ("refresh_schedule: [1d, 2d]", "refresh_schedule"),
        ("threshold: 1", "threshold"),
        ("threshold: 101", "threshold"),
        ("mpc_threshold: -3", "threshold"),
        ("total_nodes: 0", "total_nodes"),
        ("max_concurrent_keygen: 0", "max_concurrent_keygen"),
        ("max_concurrent_signing: many", "max_concurrent_signing"),
        ("request_timeout: 30", "request_timeout"),
        ("request_timeout: 0s", "request_timeout"),
        ("request_timeout: 18446744073709551615m", "request_timeout"),
        ("request_timeout: 99999999999999999999s", "request_timeout"),
        ("request_timeout: 5é", "request_timeout"),
        ("round_timeout: 2h", "round_timeout"),
        ("request_timeout: 1s\nround_timeout: 2s", "round_timeout"),
        ("attempts: 0", "attempts"),
        ("attempts: 21", "attempts"),
        ("allow_minority_threshold: maybe", "allow_minority_threshold"),
        ("log_format: xml", "log_format"),
        ("db_path: ''", "db_path"),
        ("passphrase: ''", "passphrase"),
    ] {
        let home = Home::new();
        // Nothing in the environment, and a name only where the file gives none.
        let name = if text.starts_with("node_id") { "" } else { "node_id: node1\n" };
        let file = home.file(&format!("{name}{text}\n"));
        let error = Config::load(Some(&file), [], &Overrides::new()).unwrap_err();
        assert!(matches!(&error, ConfigError::Value { key: named, .. } if *named == key), "{text}: {error}");
        assert!(error.to_string().contains("node.yaml"), "{error}");
    }
    for text in ["- a\n- b\n", "node_id: [[1]]\n", "a: 1\na: 2\n", "{", "1: 2\n", "\u{0}"] {
        assert!(matches!(from_file(text), Err(ConfigError::Syntax { .. })), "{text}");
    }
    let missing = Config::load(Some(Path::new("/missing/node.yaml")), [], &Overrides::new());
    assert!(complaint(missing).contains("/missing/node.yaml"));
}

#[test]
fn one_setting_under_two_names_must_agree() {
    let error = complaint(from_environment(&[("NODE_ID", "n"), ("MPC_THRESHOLD", "2"), ("THRESHOLD", "3")]));
    assert!(error.contains("MPC_THRESHOLD") && error.contains("variable THRESHOLD"), "{error}");
    let two = [("NODE_ID", "n"), ("QUORATE_PASSPHRASE", "a"), ("QUORATE_PASSPHRASE_FILE", "b")];
    assert!(complaint(from_environment(&two)).contains("the passphrase"));
    assert!(from_file("threshold: 2\nmpc_threshold: 2\n").is_ok());
}

#[test]
fn the_passphrase_comes_from_a_file_or_the_environment_and_never_from_a_flag() {
    let home = Home::new();
    let secret = home.folder.path().join("secret");
    for content in ["open sesame", "open sesame\n", "open sesame\r\n"] {
        std::fs::write(&secret, content).unwrap();
        let config =
            from_environment(&[("NODE_ID", "n"), ("QUORATE_PASSPHRASE_FILE", secret.to_str().unwrap())]);
        assert!(phrase(config.unwrap()).unwrap(), "{content:?}");
    }
    for content in ["", "\n"] {
        std::fs::write(&secret, content).unwrap();
        let config = from_file(&format!("passphrase_file: '{}'\n", secret.display())).unwrap();
        assert!(config.passphrase.read().unwrap_err().to_string().contains("secret"));
    }
    assert!(phrase(from_file("badger_password: open sesame\n").unwrap()).unwrap());
    // Spaces are part of it.
    assert!(!phrase(from_file("badger_password: 'open sesame '\n").unwrap()).unwrap());

    // The later layer wins, whichever way it says it.
    let file = home.file(&format!("passphrase_file: '{}'\n", secret.display()));
    let given = environment(&[("NODE_ID", "n"), ("QUORATE_PASSPHRASE", "open sesame")]);
    assert!(phrase(Config::load(Some(&file), given, &Overrides::new()).unwrap()).unwrap());
    std::fs::write(&secret, "open sesame").unwrap();
    let file = home.file("passphrase: other\n");
    let given = environment(&[("NODE_ID", "n"), ("QUORATE_PASSPHRASE_FILE", secret.to_str().unwrap())]);
    assert!(phrase(Config::load(Some(&file), given, &Overrides::new()).unwrap()).unwrap());

    for key in ["passphrase", "badger_password"] {
        let flag = Config::load(None, environment(&[("NODE_ID", "n")]), &Overrides::new().set(key, "x"));
        assert!(matches!(flag, Err(ConfigError::PassphraseFlag)));
    }
    let unset = from_environment(&[("NODE_ID", "n")]).unwrap();
    assert!(matches!(unset.passphrase.read(), Err(ConfigError::NoPassphrase)));
}

#[test]
fn no_passphrase_is_printed() {
    let config = from_environment(&[("NODE_ID", "n"), ("BADGER_PASSWORD", "open sesame")]).unwrap();
    assert!(!format!("{config:?}").contains("sesame"));
    // Nor when it is set twice, differently.
    let error = from_environment(&[
        ("NODE_ID", "n"),
        ("BADGER_PASSWORD", "open sesame"),
        ("QUORATE_PASSPHRASE", "other sesame"),
    ]);
    assert!(!complaint(error).contains("sesame"));
}

fn peers(count: u16) -> Peers {
    let peer = |n: u16| Peer {
        name: format!("node{n}").parse().unwrap(),
        identity: identity(),
        address: format!("127.0.0.1:{}", 7000 + n).parse().unwrap(),
    };
    Peers::new(ClusterId::generate(&mut OsRng), (1..=count).map(peer).collect()).unwrap()
}

#[test]
fn the_peers_file_must_have_this_node_and_the_number_the_operator_counts_on() {
    let config = |pairs: &[(&str, &str)]| from_environment(pairs).unwrap();
    config(&[("NODE_ID", "node3"), ("TOTAL_NODES", "3"), ("THRESHOLD", "2")]).check_peers(&peers(3)).unwrap();
    let stranger = config(&[("NODE_ID", "node4")]).check_peers(&peers(3)).unwrap_err().to_string();
    assert!(stranger.contains("node4") && stranger.contains("node1, node2, node3"), "{stranger}");
    let count = config(&[("NODE_ID", "node1"), ("TOTAL_NODES", "5")]).check_peers(&peers(3)).unwrap_err();
    assert!(matches!(count, ConfigError::TotalNodes { expected: 5, found: 3 }));
    let threshold = config(&[("NODE_ID", "node1"), ("THRESHOLD", "4")]).check_peers(&peers(3)).unwrap_err();
    assert!(matches!(threshold, ConfigError::Threshold(ThresholdRefused::TooMany(4, 3))));
}

#[test]
fn a_threshold_below_a_majority_needs_the_opt_in_by_name() {
    let strict = from_environment(&[("NODE_ID", "n")]).unwrap();
    let lenient =
        from_environment(&[("NODE_ID", "n"), ("QUORATE_ALLOW_MINORITY_THRESHOLD", "true")]).unwrap();
    for (threshold, total, refused) in [
        (2, 3, None),
        (3, 5, None),
        (3, 4, None),
        (2, 2, None),
        (100, 100, None),
        (2, 4, Some(ThresholdRefused::Minority(2, 4))),
        (2, 5, Some(ThresholdRefused::Minority(2, 5))),
        (50, 100, Some(ThresholdRefused::Minority(50, 100))),
    ] {
        assert_eq!(strict.check_threshold(threshold, total).err(), refused, "{threshold} of {total}");
        assert_eq!(lenient.check_threshold(threshold, total), Ok(()));
    }
    for config in [&strict, &lenient] {
        assert_eq!(config.check_threshold(1, 3), Err(ThresholdRefused::TooFew(1, 3)));
        assert_eq!(config.check_threshold(0, 3), Err(ThresholdRefused::TooFew(0, 3)));
        assert_eq!(config.check_threshold(4, 3), Err(ThresholdRefused::TooMany(4, 3)));
    }
    let text = ThresholdRefused::Minority(2, 5).to_string();
    assert!(text.contains("majority (3)") && text.contains("allow_minority_threshold"), "{text}");
}

#[test]
fn every_setting_is_documented() {
    let page = include_str!("../../../../docs/configuration.md");
    for setting in settings::SETTINGS {
        let older = setting.environment_names().into_iter().skip(1);
        let names = std::iter::once(setting.key).chain(setting.aliases.iter().copied()).map(str::to_owned);
        for name in names.chain(older) {
            assert!(page.contains(&format!("`{name}`")), "docs/configuration.md lacks {name}");
        }
    }
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let home = Home::new();
    let config = Config::load(Some(&home.file(example)), [], &Overrides::new()).unwrap();
    assert_eq!((config.initiators.len(), config.total_nodes), (1, Some(3)));
}

#[test]
fn tls_of_the_api_takes_a_certificate_and_its_key() {
    let config = from_file("api_tls_cert: cert.pem\napi_tls_key: key.pem\napi_client_ca: ca.pem").unwrap();
    let tls = config.api_tls.unwrap();
    assert!(tls.certificate.is_absolute() && tls.certificate.ends_with("cert.pem"));
    assert!(tls.key.ends_with("key.pem") && tls.client_authorities.unwrap().ends_with("ca.pem"));
    assert_eq!(from_file("").unwrap().api_tls, None);
    for (text, said) in [
        ("api_tls_cert: cert.pem", "api_tls_cert: api_tls_key is not set"),
        ("api_tls_key: key.pem", "api_tls_key: api_tls_cert is not set"),
        ("api_client_ca: ca.pem", "api_client_ca: api_tls_cert is not set"),
    ] {
        let complaint = complaint(from_file(text));
        assert!(complaint.contains(said), "{complaint}");
    }
}

#[test]
fn an_api_that_faces_a_network_in_plain_is_known() {
    let plain = from_file("api_listen: 0.0.0.0:8080").unwrap();
    assert!(plain.is_api_in_plain());
    assert!(!from_file("").unwrap().is_api_in_plain());
    let tls = from_file("api_listen: 0.0.0.0:8080\napi_tls_cert: c\napi_tls_key: k").unwrap();
    assert!(!tls.is_api_in_plain());
}

#[test]
fn rates_have_defaults_and_zero_is_none() {
    let usual = from_file("").unwrap();
    assert_eq!((usual.client_rate, usual.client_burst, usual.auth_failures_per_minute), (200, 400, 60));
    let slow = from_file("client_rate: 5").unwrap();
    assert_eq!((slow.client_rate, slow.client_burst), (5, 10));
    let set = from_file("client_rate: 0\nclient_burst: 7\nauth_failures_per_minute: 0").unwrap();
    assert_eq!((set.client_rate, set.client_burst, set.auth_failures_per_minute), (0, 7, 0));
    let complaint = complaint(from_file("client_burst: 0"));
    assert!(complaint.contains("client_burst: 0 is not in 1 to 1000000"), "{complaint}");
}

#[test]
fn metrics_for_readers_need_readers() {
    let without = complaint(from_file("metrics_need_token: true"));
    assert!(without.contains("metrics_need_token: nobody would have one"), "{without}");
    assert!(
        from_file("metrics_need_token: true\napi_readers_path: readers.yaml").unwrap().metrics_need_token
    );
    assert!(!from_file("metrics_need_token: false").unwrap().metrics_need_token);
}
