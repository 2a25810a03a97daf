//! The rules of the house, as tests: which crate may use which, what every crate must carry, and that
//! `ARCHITECTURE.md` and the tree say the same.
//!
//! The table below is the one place where arrows between crates are allowed. A new crate is one line in
//! it; a new arrow is one word in it, and a reason in the commit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// A crate folder and the crate folders its code, and besides them its tests, may use.
struct Room {
    folder: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

const fn room(
    folder: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
) -> Room {
    Room { folder, uses, tests_use }
}

const KEYS: &str = "keys";
const AGE: &str = "age";
const AUDIT: &str = "audit";
const SHARING: &str = "threshold/sharing";
const SESSION: &str = "threshold/session";
const RECOVERY: &str = "recovery";
const SIMULATOR: &str = "threshold/simulator";
const BIGNUM: &str = "threshold/bignum";
const PAILLIER: &str = "threshold/paillier";
const OBLIVIOUS: &str = "threshold/oblivious";
const ECDSA: &str = "threshold/ecdsa";
const CGGMP21: &str = "threshold/cggmp21";
const DKLS23: &str = "threshold/dkls23";
const DEALING: &str = "threshold/dealing";
const KEYGEN: &str = "threshold/keygen";
const RESHARE: &str = "threshold/reshare";
const FROST: &str = "threshold/frost";
const CHAINS: &str = "chains";
const REQUEST: &str = "cluster/request";
const POLICY: &str = "cluster/policy";
const IDENTITY: &str = "cluster/identity";
const LINK: &str = "cluster/link";
const DISCOVERY: &str = "cluster/discovery";
const BROKER: &str = "cluster/broker";
const QUEUE: &str = "cluster/queue";
const TRANSPORT: &str = "cluster/transport";
const TLS: &str = "cluster/tls";
const HTTP: &str = "cluster/http";
const NODE: &str = "cluster/node";
const CLIENT: &str = "cluster/client";
const SERVERS: &str = "tests/servers";
const CLI: &str = "cli";

/// The rooms from the ground up: a room uses only rooms above its own line.
#[rustfmt::skip]
const ROOMS: &[Room] = &[
    room(SERVERS,   &[],                                                              &[]),
    room(KEYS,      &[],                                                              &[]),
    room(AGE,       &[KEYS],                                                          &[]),
    room(AUDIT,     &[KEYS],                                                          &[]),
    room(SHARING,   &[KEYS],                                                          &[]),
    room(RECOVERY,  &[KEYS, AGE, SHARING],                                            &[]),
    room(SESSION,   &[KEYS, SHARING],                                                 &[]),
    room(SIMULATOR, &[KEYS, SHARING, SESSION],                                        &[]),
    room(BIGNUM,    &[],                                                              &[]),
    room(PAILLIER,  &[KEYS, SHARING, BIGNUM],                                         &[]),
    room(OBLIVIOUS, &[KEYS, SHARING],                                                 &[]),
    room(DEALING,   &[KEYS, SHARING, SESSION],                                        &[SIMULATOR]),
    room(KEYGEN,    &[KEYS, SHARING, SESSION, DEALING],                               &[SIMULATOR]),
    room(RESHARE,   &[KEYS, SHARING, SESSION, DEALING],                               &[SIMULATOR, KEYGEN]),
    room(FROST,     &[KEYS, SHARING, SESSION],                                        &[SIMULATOR, KEYGEN]),
    room(ECDSA,     &[KEYS, SHARING, SESSION],                                        &[SIMULATOR]),
    room(CGGMP21,   &[KEYS, SHARING, SESSION, ECDSA, PAILLIER],                       &[SIMULATOR]),
    room(DKLS23,    &[KEYS, SHARING, SESSION, ECDSA, OBLIVIOUS],                      &[SIMULATOR, KEYGEN]),
    room(CHAINS,    &[KEYS],                                                          &[]),
    room(REQUEST,   &[KEYS],                                                          &[]),
    room(POLICY,    &[KEYS, CHAINS, REQUEST],                                         &[]),
    room(IDENTITY,  &[KEYS, REQUEST],                                                 &[]),
    room(LINK,      &[KEYS],                                                          &[]),
    room(TLS,       &[IDENTITY],                                                      &[]),
    room(BROKER,    &[IDENTITY, TLS],                                                 &[]),
    room(QUEUE,     &[KEYS, AGE, REQUEST, IDENTITY, BROKER],                          &[SERVERS]),
    room(DISCOVERY, &[KEYS, REQUEST, IDENTITY, TLS],                                  &[SERVERS]),
    room(TRANSPORT, &[KEYS, LINK, BROKER],                                            &[SERVERS, TLS]),
    room(HTTP,      &[REQUEST, IDENTITY, TLS],                                        &[]),
    room(NODE,      &[KEYS, AGE, AUDIT, SHARING, SESSION, KEYGEN, RESHARE, FROST, PAILLIER, CGGMP21, DKLS23, CHAINS, REQUEST, POLICY, IDENTITY, TLS, DISCOVERY, BROKER, QUEUE, TRANSPORT, HTTP], &[SIMULATOR]),
    room(CLIENT,    &[KEYS, CHAINS, REQUEST, IDENTITY, TLS, HTTP],                        &[]),
    room(CLI,       &[KEYS, AGE, RECOVERY, AUDIT, SHARING, SESSION, KEYGEN, FROST, CHAINS, REQUEST, POLICY, IDENTITY, BROKER, TRANSPORT, NODE, CLIENT], &[]),
    // What is never shipped looks at everything.
    room("fuzz",    &[KEYS, AGE, RECOVERY, AUDIT, SHARING, SESSION, SIMULATOR, KEYGEN, RESHARE, FROST, CGGMP21, DKLS23, CHAINS, REQUEST, POLICY, IDENTITY, LINK, TRANSPORT, NODE, CLIENT, CLI], &[]),
    room("tests",   &[SERVERS, KEYS, AUDIT, SHARING, SESSION, SIMULATOR, DEALING, KEYGEN, RESHARE, FROST, DKLS23, CHAINS, REQUEST, IDENTITY, TRANSPORT, NODE, CLIENT, CLI], &[]),
];

/// Development only: no shipped crate may have these in its code.
const DEVELOPMENT: &[&str] = &[SERVERS, SIMULATOR, "fuzz", "tests"];

/// The rooms of pure functions and state machines: clock, network, files and randomness are handed in.
const PURE: &[&str] = &[
    KEYS, SHARING, SESSION, SIMULATOR, BIGNUM, PAILLIER, OBLIVIOUS, ECDSA, DEALING, KEYGEN, RESHARE, FROST,
    CGGMP21, DKLS23, CHAINS, REQUEST, POLICY, LINK,
];

/// Crates that do I/O or run tasks; none may be reached from a pure room.
const IMPURE_CRATES: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "hyper",
    "reqwest",
    "rustls",
    "tonic",
    "redb",
    "tempfile",
];

/// What the code of a pure room may not spell.
const IMPURE_WORDS: &[&str] = &[
    "std::net",
    "std::fs",
    "std::process",
    "std::thread",
    "std::env",
    "SystemTime::now",
    "Instant::now",
    "OsRng",
    "thread_rng",
    "getrandom::",
];

/// Crates of foreign-function bindings, which carry their own lint table because they need `unsafe`.
const FOREIGN: &[&str] = &[BIGNUM];

/// Crates that are workspaces of their own, for what they depend on must not enter this one's lock file.
const OUTSIDE: &[&str] = &["benches/peers"];

/// An arrow: `from` uses `to`, in its code or in its tests only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: String,
    to: String,
    tests_only: bool,
}

/// Everything in which the crate folders and the arrows between them differ from the table.
fn violations(folders: &BTreeSet<String>, arrows: &[Arrow], rooms: &[Room]) -> Vec<String> {
    let table: BTreeMap<&str, &Room> = rooms.iter().map(|room| (room.folder, room)).collect();
    let unlisted = folders
        .iter()
        .filter(|folder| !table.contains_key(folder.as_str()))
        .map(|folder| format!("crate folder {folder} is not in the table of rooms in tests/tests/house.rs"));
    let empty = rooms
        .iter()
        .filter(|room| !folders.contains(room.folder))
        .map(|room| format!("the table lists {}, which is not a crate of the workspace", room.folder));
    let forbidden = arrows.iter().filter_map(|arrow| {
        let room = table.get(arrow.from.as_str())?;
        let allowed = room.uses.contains(&arrow.to.as_str())
            || (arrow.tests_only && room.tests_use.contains(&arrow.to.as_str()));
        let place = if arrow.tests_only { "the tests of " } else { "" };
        (!allowed).then(|| format!("{place}{} may not use {}", arrow.from, arrow.to))
    });
    unlisted.chain(empty).chain(forbidden).collect()
}

/// The workspace as cargo sees it on this machine.
struct House {
    metadata: Metadata,
    root: PathBuf,
}

impl House {
    fn open() -> Self {
        // Filtered to the host, so that nothing has to be downloaded which the build didn't need.
        let metadata = MetadataCommand::new()
            .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
            .other_options(["--filter-platform".to_owned(), host()])
            .exec()
            .expect("cargo metadata");
        let root = metadata.workspace_root.clone().into_std_path_buf();
        Self { metadata, root }
    }

    /// The folder, relative to the root, of a path inside the workspace.
    fn folder(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).expect("a path of the workspace").to_str().expect("UTF-8").to_owned()
    }

    fn crates(&self) -> BTreeMap<String, &cargo_metadata::Package> {
        self.metadata
            .workspace_packages()
            .into_iter()
            .map(|package| (self.folder(package.manifest_path.parent().unwrap().as_std_path()), package))
            .collect()
    }

    fn folders(&self) -> BTreeSet<String> {
        self.crates().into_keys().collect()
    }

    /// Every declared dependency between crates of the workspace, by path and so whatever its alias.
    fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (from, package) in self.crates() {
            for dependency in &package.dependencies {
                if let Some(path) = &dependency.path {
                    let to = self.folder(path.as_std_path());
                    let tests_only = dependency.kind == DependencyKind::Development;
                    arrows.push(Arrow { from: from.clone(), to, tests_only });
                }
            }
        }
        arrows
    }

    /// Names of all crates that the code (not the tests) of `package` reaches.
    fn reached(&self, package: &PackageId) -> BTreeSet<String> {
        let resolve = self.metadata.resolve.as_ref().expect("a resolved graph");
        let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
        let names: BTreeMap<_, _> =
            self.metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
        let mut seen = BTreeSet::new();
        let mut open = vec![package];
        while let Some(id) = open.pop() {
            for dependency in &nodes[id].deps {
                let in_code = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
                if in_code && seen.insert(&dependency.pkg) {
                    open.push(&dependency.pkg);
                }
            }
        }
        seen.into_iter().map(|id| names[id].clone()).collect()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }
}

fn host() -> String {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc -vV");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host line").to_owned()
}

/// All files under `folder` with this ending; build output, installed packages and hidden folders are left out.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["target", "node_modules"].contains(&name) && !name.starts_with('.') {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// The value of `key` in the `[section]` of a manifest, as written.
fn manifest_value<'a>(manifest: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == format!("[{section}]");
        } else if inside
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            return Some(value.trim());
        }
    }
    None
}

/// The impure words in the code of a file: comments and what follows `mod tests` are not code.
fn impure_words(source: &str) -> Vec<&'static str> {
    let end = source.find("#[cfg(test)]\nmod ").unwrap_or(source.len());
    let code = source[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    IMPURE_WORDS.iter().copied().filter(|word| code.contains(word)).collect()
}

fn assert_none(what: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{what}:\n  {}", problems.join("\n  "));
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let house = House::open();
    let arrows = house.arrows();
    assert!(arrows.contains(&arrow(NODE, REQUEST, false)), "the arrows are not being read");
    assert_none("arrows", &violations(&house.folders(), &arrows, ROOMS));
}

#[test]
fn a_forbidden_arrow_and_an_unlisted_or_missing_crate_are_caught() {
    let folders: BTreeSet<String> = ROOMS.iter().map(|room| room.folder.to_owned()).collect();
    assert_eq!(violations(&folders, &[arrow(NODE, KEYGEN, false)], ROOMS), Vec::<String>::new());

    let backwards = violations(&folders, &[arrow(KEYS, NODE, false)], ROOMS);
    assert_eq!(backwards, ["keys may not use cluster/node"]);
    assert_eq!(violations(&folders, &[arrow(KEYGEN, SIMULATOR, true)], ROOMS), Vec::<String>::new());
    let shipped = violations(&folders, &[arrow(KEYGEN, SIMULATOR, false)], ROOMS);
    assert_eq!(shipped, ["threshold/keygen may not use threshold/simulator"]);
    let sideways = violations(&folders, &[arrow(REQUEST, NODE, true)], ROOMS);
    assert_eq!(sideways, ["the tests of cluster/request may not use cluster/node"]);

    let mut more = folders.clone();
    more.insert("attic".to_owned());
    assert!(violations(&more, &[], ROOMS)[0].starts_with("crate folder attic is not in the table"));
    let mut fewer = folders;
    fewer.remove(FROST);
    assert_eq!(
        violations(&fewer, &[], ROOMS),
        ["the table lists threshold/frost, which is not a crate of the workspace"]
    );
}

#[test]
fn the_table_of_rooms_has_no_way_back_and_ships_no_development_crate() {
    for (line, room) in ROOMS.iter().enumerate() {
        for used in room.uses.iter().chain(room.tests_use) {
            let place = ROOMS.iter().position(|other| other.folder == *used);
            assert!(
                place.is_some_and(|place| place < line),
                "{} uses {used}, which is not above it",
                room.folder
            );
        }
        for used in room.uses.iter().filter(|used| DEVELOPMENT.contains(used)) {
            assert!(DEVELOPMENT.contains(&room.folder), "{} ships {used}", room.folder);
        }
    }
}

#[test]
fn pure_rooms_reach_no_io() {
    let house = House::open();
    let crates = house.crates();
    let mut problems = Vec::new();
    for folder in PURE {
        let reached = house.reached(&crates[*folder].id);
        problems.extend(
            IMPURE_CRATES
                .iter()
                .filter(|name| reached.contains(**name))
                .map(|name| format!("{folder} reaches the crate {name}")),
        );
        for file in files(&house.root.join(folder).join("src"), ".rs") {
            let words = impure_words(&fs::read_to_string(&file).unwrap());
            let name = house.folder(&file);
            problems.extend(words.iter().map(|word| format!("{name} says {word}")));
        }
    }
    assert_none("rooms without I/O", &problems);
    assert!(house.reached(&crates[NODE].id).contains("tokio"), "the graph is not being read");
}

#[test]
fn impure_words_are_found_in_code_and_only_there() {
    assert_eq!(impure_words("use std::fs;\n"), ["std::fs"]);
    assert_eq!(impure_words("// std::fs\n/// OsRng\nfn f() {}\n"), Vec::<&str>::new());
    assert_eq!(impure_words("fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; }\n"), Vec::<&str>::new());
    assert_eq!(impure_words("#[cfg(test)]\nfn g() {}\nfn f() { Instant::now(); }\n"), ["Instant::now"]);
}

#[test]
fn every_crate_inherits_the_lints_and_is_named_after_its_folder() {
    let house = House::open();
    let mut problems = Vec::new();
    for (folder, package) in house.crates() {
        let expected = format!("quorate-{}", folder.rsplit('/').next().unwrap());
        if package.name.as_str() != expected {
            problems.push(format!("{folder} is named {}, not {expected}", package.name));
        }
        let manifest = house.read(&format!("{folder}/Cargo.toml"));
        let inherits = manifest_value(&manifest, "lints", "workspace") == Some("true");
        if inherits == FOREIGN.contains(&folder.as_str()) {
            problems.push(format!("{folder}: [lints] workspace = true, unless it is a named FFI crate"));
        }
        if package.license.as_deref() != Some("Apache-2.0 OR MIT") {
            problems.push(format!("{folder}: license.workspace = true is missing"));
        }
        if package.publish.as_deref() != Some(&[]) {
            problems.push(format!("{folder}: publish.workspace = true is missing"));
        }
        if package.description.is_none() {
            problems.push(format!("{folder} has no description"));
        }
    }
    assert_none("manifests", &problems);
}

#[test]
fn the_workspace_forbids_unsafe_code() {
    // `forbid` can't be lifted by an attribute: only a crate with a lint table of its own, which the test
    // above allows to named FFI crates alone, could hold unsafe code.
    let house = House::open();
    let manifest = house.read("Cargo.toml");
    assert_eq!(manifest_value(&manifest, "workspace.lints.rust", "unsafe_code"), Some("\"forbid\""));
    assert_eq!(manifest_value(&manifest, "workspace.lints.rust", "missing_docs"), Some("\"deny\""));
    let unknown: Vec<_> = FOREIGN.iter().filter(|folder| !house.folders().contains(**folder)).collect();
    assert!(unknown.is_empty(), "not crates: {unknown:?}");
}

#[test]
fn every_manifest_belongs_to_the_workspace() {
    let house = House::open();
    let members = house.folders();
    let strays: Vec<String> = files(&house.root, "Cargo.toml")
        .iter()
        .map(|manifest| house.folder(manifest.parent().unwrap()))
        .filter(|folder| !folder.is_empty() && !members.contains(folder))
        .filter(|folder| !OUTSIDE.contains(&folder.as_str()))
        .collect();
    assert_none("manifests outside the workspace", &strays);
}

#[test]
fn architecture_names_every_crate_folder_and_no_other() {
    let house = House::open();
    let page = house.read("ARCHITECTURE.md");
    // The crates stand in a table whose rows begin with the folder: | `keys/` | … |
    let named: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("/` |"))
        .map(|(folder, _)| folder.to_owned())
        .collect();
    assert_eq!(named, house.folders(), "the table of crates in ARCHITECTURE.md and the tree differ");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let house = House::open();
    let mut broken = Vec::new();
    for page in files(&house.root, ".md") {
        let text = fs::read_to_string(&page).unwrap();
        for (_, link) in text.match_indices("](").map(|(at, open)| text[at..].split_at(open.len())) {
            let link = link.split([')', '#']).next().unwrap();
            let local = !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:");
            if local && !page.parent().unwrap().join(link).exists() {
                broken.push(format!("{}: {link}", house.folder(&page)));
            }
        }
    }
    assert_none("links", &broken);
}

fn arrow(from: &str, to: &str, tests_only: bool) -> Arrow {
    Arrow { from: from.to_owned(), to: to.to_owned(), tests_only }
}
