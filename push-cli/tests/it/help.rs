//! Every finding has a page.

use crate::service;

#[test]
fn every_finding_has_a_page() {
    let home = tempfile::tempdir().unwrap();
    let list = service::command(home.path()).args(["help", "findings", "--json"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let codes: Vec<String> = list
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["code"].as_str().unwrap().to_owned()
        })
        .collect();

    assert!(codes.len() > 100, "{} findings", codes.len());
    for code in codes {
        let page = service::command(home.path()).args(["help", &code]).output().unwrap();
        assert!(page.status.success(), "{code}");
        let page = String::from_utf8(page.stdout).unwrap();
        assert!(page.contains("What to do") && page.contains(&code), "{code}: {page}");
    }
}
