//! The repository's files pass; a file that was changed, or that says too little, does not.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn own(name: &str) -> Value {
    serde_json::from_slice(&fs::read(own_folder().join(name)).unwrap()).unwrap()
}

fn check_one(file: &Value) -> Report {
    let mut report = Report::default();
    check_value("f.json", file, &mut report);
    report
}

/// Changes the case of this name with `change`, and gives the failures of that file.
fn changed(file: &str, case: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut file = own(file);
    let vectors = file["vectors"].as_array_mut().unwrap();
    vectors.retain(|vector| vector["name"] == case);
    assert_eq!(vectors.len(), 1, "{case}");
    assert_eq!(check_one(&json!({"kind": file["kind"], "vectors": file["vectors"]})).failures, [""; 0]);
    change(&mut file["vectors"][0]);
    check_one(&file).failures
}

#[test]
fn every_file_of_the_repository_passes() {
    let mut report = Report::default();
    let files = own_files().unwrap();
    for file in &files {
        let before = report.passed;
        check_file(file, &mut report);
        assert!(report.passed > before, "{} proves nothing", file.display());
    }

    assert_eq!(report.failures, [""; 0]);
    assert_eq!(files.len(), 16);
    // 2 × (355 + 612 + 262) of the curve in Wycheproof's files, 67 + 86 others, and the files of Web Push.
    assert!(report.passed > 2458 + 153 + 250, "{}", report.passed);
}

#[test]
fn each_provider_is_asked() {
    let failures =
        changed("rfc8291.json", "rfc8291-appendix-a", |case| case["plaintext_b64url"] = "AA".into());

    assert_eq!(failures.len(), 2);
    for (failure, provider) in failures.iter().zip(["rust_crypto", "aws_lc_rs"]) {
        let start = format!("f.json rfc8291-appendix-a {provider}: expected the plaintext AA, came V2hlbiBJ");
        assert!(failure.starts_with(&start), "{failure}");
    }
}

#[test]
fn a_changed_message_is_noticed() {
    let check = |file: &str, case: &str, pointer: &str, value: Value| {
        let failures = changed(file, case, |vector| *vector.pointer_mut(pointer).unwrap() = value);
        assert!(!failures.is_empty(), "{case}{pointer}");
    };
    let (rfc, appendix) = ("rfc8291.json", "rfc8291-appendix-a");

    for step in ["ecdh_secret", "prk_key", "key_info", "ikm", "prk", "cek_info", "cek", "nonce_info", "nonce"]
    {
        check(rfc, appendix, &format!("/intermediate/{step}"), "AAAA".into());
    }
    for step in ["prk", "cek", "nonce", "record_plaintext"] {
        check("rfc8188.json", "rfc8188-3.1", &format!("/intermediate/{step}"), "AAAA".into());
    }
    check(rfc, appendix, "/body_b64url", "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN".into());
    check(rfc, appendix, "/coding", "aesgcm".into());
    check(rfc, appendix, "/headers/Content-Encoding", "aes128gcm, gzip".into());
    check(rfc, appendix, "/receiver/auth", "AAAAAAAAAAAAAAAAAAAAAA".into());
    check(rfc, appendix, "/sender/salt", "AAAAAAAAAAAAAAAAAAAAAA".into());
    check(rfc, appendix, "/sender/rs", 4095.into());
    check(rfc, appendix, "/sender/pad", 1.into());
    check(rfc, appendix, "/sender/reproducible", "yes".into());
    check(rfc, appendix, "/receiver", json!({}));
    check(rfc, appendix, "/sender", json!({"reproducible": true}));
    check("rfc8188.json", "rfc8188-3.2", "/sender/keyid", "a2".into());
    check("rfc8188.json", "rfc8188-3.2", "/ikm_b64url", "AAAA".into());
    let drafts = "aesgcm128-drafts.json";
    check(drafts, "encryption-encoding-00-dh", "/variant", "auth-context".into());
    check(drafts, "encryption-encoding-00-dh", "/variant", "later".into());
    check(drafts, "encryption-encoding-00-explicit", "/variant", "bare".into());
    check(drafts, "encryption-encoding-00-explicit", "/rs", 3.into());
    check("aesgcm-drafts.json", "encryption-encoding-01-dh-no-auth", "/sender/private", "AAAA".into());
    check("chromium.json", "chromium-aesgcm-simple-1", "/dh", "AAAA".into());
}

/// No length in a file makes the runner reserve memory before it is compared with the body.
#[test]
fn an_absurd_amount_of_padding_fails_at_once() {
    for pad in [1 << 20, 1 << 40, u64::MAX] {
        let failures =
            changed("rfc8291.json", "rfc8291-appendix-a", |vector| vector["sender"]["pad"] = pad.into());
        assert_eq!(failures.len(), 2);
        assert!(failures[0].ends_with("more padding than the body has octets"), "{}", failures[0]);
    }
}

#[test]
fn a_case_that_says_too_little_fails() {
    let cannot = |failures: &[String]| {
        !failures.is_empty() && failures.iter().all(|failure| failure.contains(": cannot be judged: "))
    };
    let without = |file: &str, case: &str, member: &str| {
        let failures = changed(file, case, |vector| {
            vector.as_object_mut().unwrap().remove(member).unwrap();
        });
        assert!(cannot(&failures), "{case} without {member}: {failures:?}");
    };

    without("rfc8291.json", "rfc8291-appendix-a", "plaintext_b64url");
    without("rfc8291.json", "rfc8291-appendix-a", "coding");
    without("rfc8291.json", "rfc8291-appendix-a", "body_b64url");
    without("rfc8291.json", "rfc8291-appendix-a", "receiver");
    without("header-fields.json", "sender-two-lines", "params");
    without("vapid.json", "rfc8292-2.4", "claims");
    without("vapid.json", "rfc8292-2.4", "origin");
    without("vapid.json", "rfc8292-2.4", "now");
    // A case that must be refused does not pass because nobody knows what it means.
    let failures = changed("gecko.json", "gecko-aesgcm128-bad-missing-padding", |vector| {
        vector["variant"] = "later".into();
    });
    assert!(cannot(&failures), "{failures:?}");
}

#[test]
fn a_case_that_must_be_refused_and_is_not_fails() {
    let refuse = |vector: &mut Value| vector["error"] = "decrypt".into();

    for (file, case) in [
        ("rfc8291.json", "rfc8291-appendix-a"),
        ("header-fields.json", "sender-two-lines"),
        ("vapid.json", "rfc8292-2.4"),
    ] {
        let failures = changed(file, case, refuse);
        assert!(!failures.is_empty());
        assert!(failures.iter().all(|failure| failure.contains("came an acceptance")), "{failures:?}");
    }
}

#[test]
fn changed_fields_and_tokens_are_noticed() {
    let fields =
        |change: &dyn Fn(&mut Value)| changed("header-fields.json", "sender-two-lines", change).len();
    assert_eq!(fields(&|vector| vector["params"]["rs"] = 4095.into()), 1);
    assert_eq!(fields(&|vector| vector["params"]["salt"] = "AAAA".into()), 1);
    assert_eq!(fields(&|vector| vector["params"]["dh"] = "AAAA".into()), 1);
    assert_eq!(fields(&|vector| vector["headers"]["Crypto-Key"] = json!(["dh=AA", "dh=AA"])), 1);
    assert_eq!(fields(&|vector| vector["headers"]["Crypto-Key"] = 7.into()), 1);

    let token = |change: &dyn Fn(&mut Value)| changed("vapid.json", "rfc8292-2.4-restricted", change).len();
    assert_eq!(token(&|vector| vector["claims"]["exp"] = 1.into()), 2);
    assert_eq!(token(&|vector| vector["origin"] = "https://push.example.net:8443".into()), 2);
    assert_eq!(token(&|vector| vector["now"] = 1_453_523_769.into()), 2);
    assert_eq!(token(&|vector| vector["headers"] = json!({})), 2);
    let other = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    assert_eq!(token(&|vector| vector["restricted_to"] = other.into()), 2);
    let key =
        |vector: &mut Value| vector["key"]["private"] = "44EPeRJWUa3suJ-Uvh8z_VaMvTwCnnAZBVavEODuej0".into();
    assert_eq!(changed("vapid.json", "web-push-3.6.7-aes128gcm", key).len(), 2);
}

#[test]
fn wycheproof_results_are_held() {
    let flip = |name: &str, providers: usize| {
        let mut file = own(name);
        let tests = file["testGroups"][0]["tests"].as_array_mut().unwrap();
        tests.truncate(1);
        assert_eq!(tests[0]["result"], "valid");
        tests[0]["result"] = "invalid".into();
        let groups = file["testGroups"].as_array_mut().unwrap();
        groups.truncate(1);
        let failures = check_one(&file).failures;
        assert_eq!(failures.len(), providers, "{name}: {failures:?}");
        assert!(failures[0].starts_with("f.json tcId 1 rust_crypto: expected a refusal"), "{}", failures[0]);
        for member in ["shared", "sig", "okm", "msg"] {
            let mut file = file.clone();
            file["testGroups"][0]["tests"][0]["result"] = "valid".into();
            if let Some(member) = file["testGroups"][0]["tests"][0].get_mut(member) {
                *member = "00".into();
                let failures = check_one(&file).failures;
                assert_eq!(failures.len(), providers, "{name}: {failures:?}");
            }
        }
    };

    flip("wycheproof_ecdh_secp256r1_ecpoint_test.json", 2);
    flip("wycheproof_ecdh_secp256r1_test.json", 2);
    flip("wycheproof_ecdsa_secp256r1_sha256_p1363_test.json", 2);
    flip("wycheproof_aes_gcm_test.json", 1);
    flip("wycheproof_hkdf_sha256_test.json", 1);
}

/// RFC 8291 §3.1: a point travels uncompressed, although Wycheproof leaves it to the implementation.
#[test]
fn a_compressed_point_is_refused() {
    let mut seen = 0;
    for name in ["wycheproof_ecdh_secp256r1_ecpoint_test.json", "wycheproof_ecdh_secp256r1_test.json"] {
        let file = own(name);
        for group in file["testGroups"].as_array().unwrap() {
            for test in group["tests"].as_array().unwrap() {
                let flags = test["flags"].as_array().unwrap();
                if test["result"] == "acceptable" && flags.contains(&json!("CompressedPoint")) {
                    let mut group = group.clone();
                    group["tests"] = json!([test]);
                    let file = json!({"algorithm": "ECDH", "testGroups": [group]});
                    let report = check_one(&file);
                    assert_eq!((report.passed, report.failures), (2, vec![]));
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn what_is_no_file_of_vectors_fails_with_a_reason() {
    let reason = |file: &Value| {
        let report = check_one(file);
        assert_eq!((report.passed, report.failures.len()), (0, 1));
        report.failures[0].clone()
    };

    assert_eq!(
        reason(&json!({"kind": "frames", "vectors": []})),
        "f.json: kind \"frames\" is unknown; there are messages, header-fields and vapid"
    );
    assert_eq!(reason(&json!([])), "f.json: neither kind nor testGroups; it is no file of vectors");
    assert_eq!(reason(&json!({"kind": "vapid"})), "f.json: there is no list \"vectors\"");
    assert!(reason(&json!({"kind": "vapid", "vectors": []})).contains("empty"));
    assert!(reason(&json!({"kind": "vapid", "vectors": [7]})).contains("#0 any: the case has no name"));
    assert!(reason(&json!({"algorithm": "RSA", "testGroups": []})).contains("\"RSA\""));
    assert!(reason(&json!({"algorithm": "ECDH", "testGroups": []})).contains("no test"));
    let mut report = Report::default();
    check_file(Path::new("/nowhere/x.json"), &mut report);
    check_file(&own_folder().join("README.md"), &mut report);
    assert!(report.failures[0].starts_with("/nowhere/x.json: the file cannot be read: "));
    assert!(report.failures[1].contains("README.md: the file is not JSON: "));
}

#[test]
fn a_name_that_is_used_twice_fails() {
    let mut file = own("rfc8188.json");
    let again = file["vectors"][0].clone();
    file["vectors"].as_array_mut().unwrap().push(again);

    let report = check_one(&file);
    assert_eq!(report.failures, ["f.json rfc8188-3.1 any: the name is used twice in this file"]);
    assert_eq!(report.passed, 3);
}
