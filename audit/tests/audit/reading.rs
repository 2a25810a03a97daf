//! Reading and exporting.

use quorate_audit::{Csv, Entry, Timestamp};

use super::*;

fn found(home: &Home, filter: Filter) -> Vec<Entry> {
    read(&home.path, filter).unwrap().map(Result::unwrap).collect()
}

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.line().seq()).collect()
}

#[tokio::test]
async fn filters_let_through_what_they_say() {
    let home = Home::filled(100).await;
    let all = found(&home, Filter::default());
    assert_eq!(seqs(&all), (1..=100).collect::<Vec<_>>());
    let checkpoints = found(&home, Filter { events: vec!["checkpoint".to_owned()], ..Filter::default() });
    assert_eq!(seqs(&checkpoints), (1..=10).map(|n| n * 10).collect::<Vec<_>>());
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let hot = found(&home, Filter { fields: vec![field("wallet", "hot")], after: 50, ..Filter::default() });
    assert!(seqs(&hot).iter().all(|seq| seq % 3 == 0 && *seq > 50) && hot.len() == 15, "{:?}", seqs(&hot));
    let both = vec![field("amount", "33000"), field("signers", "node3")];
    assert_eq!(seqs(&found(&home, Filter { fields: both, ..Filter::default() })), [33]);
    assert_eq!(seqs(&found(&home, Filter { after: 97, ..Filter::default() })), [98, 99, 100]);
    assert_eq!(seqs(&found(&home, Filter { limit: Some(2), after: 41, ..Filter::default() })), [42, 43]);
    let middle = all[50].line().time();
    let since = found(&home, Filter { since: Some(middle), ..Filter::default() });
    let until = found(&home, Filter { until: Some(middle), ..Filter::default() });
    assert_eq!(since.len() + until.len(), 100);
    assert!(found(&home, Filter { since: Some(Timestamp::MAX), ..Filter::default() }).is_empty());
}

#[tokio::test]
async fn an_export_of_all_lines_is_a_log() {
    let home = Home::filled(100).await;
    let export: String =
        found(&home, Filter::default()).iter().map(|entry| format!("{}\n", entry.as_str())).collect();
    let file = home.path.join("export");
    fs::write(&file, &export).unwrap();
    let report = quorate_audit::verify_files(&[file], &Expect::default()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!(report.entries, 100);
    assert_eq!(export.lines().collect::<Vec<_>>(), home.lines());
}

#[tokio::test]
async fn a_damaged_line_is_named_and_reading_goes_on() {
    let home = Home::filled(20).await;
    let mut all = home.lines();
    all[4] = "garbage".to_owned();
    home.replace(&all);
    let results: Vec<_> = read(&home.path, Filter::default()).unwrap().collect();
    assert_eq!(results.len(), 20);
    assert!(matches!(&results[4], Err(AuditError::Damaged { line: 5, .. })));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 19);
}

#[tokio::test]
async fn every_entry_is_a_row_of_the_csv() {
    let home = Home::filled(20).await;
    let mut csv = Csv::new(Vec::new(), vec!["wallet".to_owned(), "amount".to_owned()]).unwrap();
    for entry in found(&home, Filter::default()) {
        csv.write(&entry.line()).unwrap();
    }
    let text = String::from_utf8(csv.into_inner()).unwrap();
    assert_eq!(text.matches("\r\n").count(), 21);
    assert!(text.starts_with("seq,time,event,wallet,amount,fields,hash\r\n"));
    assert!(text.contains(",request,hot,6000,\"{\"\"id\"\":\"\"payment-6\"\","), "{text}");
}
