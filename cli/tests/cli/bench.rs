//! `bench`, run for real: its figures agree with each other. How large they are is not judged.

use serde_json::Value;
use tempfile::TempDir;

use crate::{command, run};

/// Runs a measurement, and gives its report.
fn measure(arguments: &[&str]) -> Value {
    let folder = TempDir::new().unwrap();
    let mut command = command(arguments);
    let ended = command.env("TMPDIR", folder.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it left files behind");
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// What must hold of every report.
fn check(report: &Value) {
    let answered = number(&report["answered"]);
    assert!(answered >= 1.0, "{report}");
    assert_eq!(report["failures"], serde_json::json!({}), "{report}");
    let per_second = number(&report["per_second"]);
    assert!((per_second * number(&report["seconds"]) - answered).abs() < 0.01, "{report}");
    let latency = &report["latency_ms"];
    let order: Vec<f64> =
        ["min", "p50", "p90", "p99", "p999", "max"].map(|name| number(&latency[name])).into();
    assert!(order.is_sorted() && order[0] > 0.0, "{latency}");
    // Nothing that was asked is missing: all clients of a closed loop were waiting at the end.
    let late = number(&report["answered_late"]) + number(&report["failed_late"]);
    assert_eq!(number(&report["unanswered"]), late + number(&report["abandoned"]), "{report}");
    assert_eq!(number(&report["abandoned"]), 0.0, "{report}");
    assert_eq!(number(&report["timed"]), answered + late, "without a warm-up: {report}");
    let mean = number(&latency["mean"]);
    // Values are kept to three digits.
    assert!(order[0] * 0.99 <= mean && mean <= order[5] * 1.01, "{latency}");
    let buckets = report["histogram"].as_array().unwrap();
    let counts: f64 = buckets.iter().map(|bucket| number(&bucket["count"])).sum();
    assert_eq!(counts, number(&report["timed"]), "every answer is in a bucket: {report}");
    // Without a warm-up, every answer that came in time was also due in time.
    assert!(counts >= answered, "{report}");
    assert!(buckets.iter().map(|bucket| number(&bucket["up_to_ms"])).is_sorted(), "{report}");
    let above = buckets.iter().rfind(|bucket| number(&bucket["count"]) > 0.0).unwrap();
    assert!(number(&above["up_to_ms"]) * 1.01 >= order[5], "{report}");
    let nodes = report["nodes"].as_array().unwrap();
    let names: Vec<_> = nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["node1", "node2", "node3"]);
    for node in nodes {
        let (now, peak) = (number(&node["memory_mib"]), number(&node["peak_mib"]));
        assert!(now > 0.0 && peak >= now && number(&node["cpu_ms_per_answer"]) >= 0.0, "{node}");
    }
    // Every answer is durable somewhere, and several can be by one fsync.
    let fsyncs: f64 = nodes.iter().map(|node| number(&node["fsyncs_per_answer"])).sum();
    assert!(fsyncs > 0.0, "{report}");
    assert!(number(&report["ready_after_ms"]) > 0.0);
}

#[test]
fn signing_is_measured_and_the_figures_agree() {
    let folder = TempDir::new().unwrap();
    let plot = folder.path().join("plot.svg");
    let plot_file = plot.to_str().unwrap();
    let common = ["bench", "sign", "--nodes", "3", "--duration", "1", "--warm-up", "0", "--json"];
    let report = measure(&[&common[..], &["--plot", plot_file]].concat());
    check(&report);
    let what = ["operation", "threshold", "total", "curve", "clients", "warm_up_seconds", "skipped"];
    let said: Vec<_> = what.iter().map(|name| report[name].clone()).collect();
    assert_eq!(serde_json::json!(said), serde_json::json!(["sign", 2, 3, "ed25519", 1, 0, 0]));
    // One client can't have had more time than there was, but for the last answer.
    assert!(number(&report["latency_ms"]["mean"]) * number(&report["answered"]) <= 1010.0, "{report}");
    let drawn = std::fs::read_to_string(&plot).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"), "{drawn}");
    assert!(drawn.contains(&format!("{} answers", report["timed"])), "{drawn}");
    assert!(drawn.contains("sign, 2 of 3, ed25519, 1 client"), "{drawn}");
}

#[test]
fn an_open_loop_and_key_generation_are_measured_too() {
    let common = ["--nodes", "3", "--duration", "1", "--warm-up", "0", "--json"];
    let report = measure(
        &[&["bench", "sign", "--rate", "20", "--curve", "secp256k1", "--protocol", "frost"], &common[..]]
            .concat(),
    );
    check(&report);
    // The beats of one second, all of them.
    let asked = number(&report["timed"]) + number(&report["skipped"]);
    assert_eq!((asked, &report["rate"]), (20.0, &20.into()), "{report}");
    assert!(report.get("clients").is_none(), "{report}");
    let dkls23 = ["bench", "sign", "--curve", "secp256k1", "--protocol", "dkls23"];
    let report = measure(&[&dkls23[..], &common[..]].concat());
    check(&report);
    assert_eq!(report["curve"], "secp256k1", "{report}");
    let keygen = ["bench", "keygen", "--nodes", "3", "--duration", "3", "--warm-up", "0", "--json"];
    let report = measure(&keygen);
    check(&report);
    assert_eq!(report["operation"], "keygen");
}

#[test]
fn what_can_not_be_measured_is_refused() {
    for arguments in [
        &["bench", "sign", "--clients", "2", "--rate", "5"][..],
        &["bench", "sign", "--duration", "0"],
        &["bench", "sign", "--nodes", "3", "--threshold", "4", "--json"],
        &["bench", "sign", "--api", "http://127.0.0.1:1"],
        &["bench", "keygen", "--peers", "peers.yaml"],
        &["bench", "sign", "--wallet", "treasury"],
        &["bench", "sign", "--remote", "--nodes", "5"],
        &["bench", "sign", "--remote", "--wallet", "treasury", "--curve", "secp256k1"],
        &["bench", "sign", "--curve", "p384"],
        &["bench", "sign", "--curve", "p256", "--presign"],
        &["bench", "sign", "--curve", "p256", "--presign", "some"],
        &["bench", "keygen", "--curve", "p256", "--presign", "5"],
    ] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn a_cluster_that_is_set_for_other_commands_does_not_stop_a_measurement_of_another() {
    let mut command = command(&["bench", "sign", "--nodes", "3", "--threshold", "4"]);
    let ended = command.env("QUORATE_API", "http://127.0.0.1:1").output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    // It gets as far as the threshold.
    assert!(stderr.contains("--threshold 4 is more than"), "{stderr}");
}

#[test]
fn a_plot_that_can_not_be_written_costs_no_measurement() {
    let ended = run(&["bench", "sign", "--plot", "/missing/plot.svg", "--duration", "600"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("/missing/plot.svg"), "{}", ended.stderr);
}
