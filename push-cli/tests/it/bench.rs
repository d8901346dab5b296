//! `push bench`: everything that it promises to measure is measured; how fast is not asked.

use serde_json::Value;

use crate::service::command;

fn json(line: &[&str]) -> Value {
    let home = tempfile::tempdir().unwrap();
    let output = command(home.path()).arg("bench").args(line).arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{line:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

/// The names of the figures, each with five samples above nothing.
fn names(report: &Value) -> Vec<&str> {
    let figures = report["figures"].as_array().unwrap();
    for figure in figures {
        let samples = figure["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 5, "{figure}");
        assert!(samples.iter().all(|sample| sample.as_f64().unwrap() >= 0.0), "{figure}");
        assert!(figure["median"].as_f64().unwrap() > 0.0, "{figure}");
        let product = figure["median"].as_f64().unwrap() * figure["perSecond"].as_f64().unwrap();
        assert!((product - 1e6).abs() < 1.0, "{figure}");
    }
    figures.iter().map(|figure| figure["name"].as_str().unwrap()).collect()
}

#[test]
fn crypto_is_measured_one_at_a_time_and_in_batches() {
    for (provider, coding) in [("best", "aes128gcm"), ("aws_lc_rs", "aesgcm"), ("rust_crypto", "aesgcm128")] {
        let line = ["crypto", "--time", "5", "--batch", "3", "--provider", provider, "--coding", coding];
        let report = json(&line);

        assert_eq!(
            names(&report),
            [
                "encrypt, one at a time",
                "encrypt, batches of 3",
                "decrypt, one at a time",
                "decrypt, batches of 3",
                "sign a VAPID token",
                "verify a VAPID token"
            ]
        );
        assert_eq!(report["settings"]["coding"], coding);
        assert_eq!(report["settings"]["batch"], 3);
    }
}

#[test]
fn the_report_says_what_was_measured_where_and_how() {
    let report = json(&["crypto", "--time", "5", "--batch", "1", "--provider", "aws_lc_rs"]);

    assert_eq!(report["bench"], "crypto");
    assert_eq!(report["settings"]["provider"], "aws_lc_rs");
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["command"], "push bench crypto --time 5 --batch 1 --provider aws_lc_rs --json");
    assert!(report["cores"].as_u64().unwrap() >= 1, "{report}");
    for member in ["cpu", "kernel", "date", "clock"] {
        assert!(!report[member].as_str().unwrap().is_empty(), "{member} in {report}");
    }
    assert!(report.as_object().unwrap().contains_key("commit"), "{report}");
}

#[test]
fn sender_and_sink_are_counted_apart() {
    let report = json(&["send", "--messages", "200", "--origins", "3"]);

    let names = names(&report);
    assert_eq!(names[..2], ["sender, encryption included", "encryption alone, batches of 64"]);
    if cfg!(unix) {
        assert_eq!(names[2..], ["sink"]);
    }
    assert_eq!(report["settings"]["origins"], 3);
}

#[test]
fn a_service_is_measured_in_each_mode() {
    for mode in ["connected", "offline", "sockets"] {
        let report = json(&["service", "--mode", mode, "--messages", "100"]);

        assert_eq!(names(&report), [format!("messages, {mode}")]);
    }
}
