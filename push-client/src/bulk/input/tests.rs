//! What lines of both forms become, right and wrong ones.

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;

const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// A source that gives few octets at a time.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(self.0.len()).min(buffer.len());
        buffer[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

fn all(text: &[u8], format: Format, payload: &[u8]) -> Vec<Result<Receiver, Reject>> {
    let read = |octets: usize| {
        let template = Template::parse(payload).unwrap();
        let mut reader = Reader::new(Drip(text, octets), format, template).unwrap();
        let mut found = Vec::new();
        while let Some(line) = reader.next().unwrap() {
            found.push(line);
        }
        found
    };
    let found = read(usize::MAX);
    assert_eq!(read(7), found, "the pieces in which a file is read do not matter");
    found
}

fn json(text: &str) -> Vec<Result<Receiver, Reject>> {
    all(text.as_bytes(), Format::JsonLines, b"")
}

fn one(text: &str) -> Receiver {
    let mut found = json(text);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).unwrap()
}

fn reason(text: &str) -> String {
    let mut found = json(text);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).unwrap_err().reason.to_string()
}

/// Numbers of the lines that were taken, and of those that were not with the begin of the reason.
fn shape(found: &[Result<Receiver, Reject>]) -> Vec<String> {
    let told = found.iter().map(|line| match line {
        Ok(receiver) => format!("{} {}", receiver.index + 1, receiver.subscription.endpoint.expose_path()),
        Err(reject) => {
            let reason = reject.reason.to_string();
            format!("{}! {}", reject.line, reason.split([',', ';']).next().unwrap())
        }
    });
    told.collect()
}

#[test]
fn a_line_is_a_subscription_or_has_one() {
    let bare = format!(
        r#"{{"endpoint":"https://push.example/p/1","expirationTime":null,"keys":{{"p256dh":"{P256DH}","auth":"{AUTH}"}}}}"#
    );
    let full = format!(
        r#"{{"id":"user-17","subscription":{bare},"payload":{{"a": [1.10]}},"ttl":3600,"topic":"news","urgency":"high"}}"#
    );

    let (bare, full) = (one(&bare), one(&full));

    assert!(bare.subscription.keys.is_some());
    assert_eq!((bare.id, bare.payload, bare.ttl, bare.topic, bare.urgency), (None, None, None, None, None));
    assert_eq!(full.subscription, bare.subscription);
    assert_eq!(full.id.as_deref(), Some("\"user-17\""));
    assert_eq!(full.payload.as_deref(), Some(&br#"{"a": [1.10]}"#[..]), "the payload is sent as it stands");
    assert_eq!(full.ttl, Some(Ttl::seconds(3600)));
    assert_eq!(full.topic.unwrap().as_str(), "news");
    assert_eq!(full.urgency, Some(Urgency::High));
}

#[test]
fn the_quick_reader_and_the_thorough_one_agree() {
    let keys = format!(r#"{{"p256dh":"{P256DH}","auth":"{AUTH}"}}"#);
    let padded = format!(r#"{{"p256dh":"{P256DH}=","auth":"{AUTH}=="}}"#);
    for keys in [keys.as_str(), padded.as_str(), "null"] {
        for rest in [
            "",
            r#","id":7"#,
            r#","id":null,"ttl":"60","topic":null"#,
            r#","payload":"a\nb""#,
            r#","payload":"","other":{"x":[]}"#,
            r#","expirationTime":1800000000000"#,
            r#","expirationTime":1.5"#,
            r#","topic":"a\u0062c""#,
        ] {
            let bare = format!(r#"{{"endpoint":"https:\/\/push.example/p/1","keys":{keys}{rest}}}"#);
            // A template makes it thorough; it is not used where the line has a payload.
            let found = json(&bare);
            let template = Template::parse(b"{{none}}").unwrap();
            let mut thorough = super::json::read(bare.as_bytes(), 0, Some(&template));
            if let (Err(Reason::Fill(_)), Ok(_)) = (&thorough, &found[0]) {
                thorough = super::json::read(bare.replace('{', "{ ").as_bytes(), 0, None);
            }
            assert_eq!(found[0].as_ref().unwrap(), thorough.as_ref().unwrap(), "{bare}");
        }
    }
}

#[test]
fn each_fault_of_a_line_is_named() {
    let check = |text: &str, expected: &str| {
        let found = reason(text);
        assert!(found.starts_with(expected), "{text}: {found}");
    };
    let good = r#""endpoint":"https://push.example/p/1""#;

    check(" \t", "it is blank");
    check("nonsense", "it is not JSON (column 2)");
    check("[1]", "it is JSON, but no object");
    check("7", "it is JSON, but no object");
    check("{}", "it has neither endpoint nor subscription");
    check(r#"{"subscription":7}"#, "the subscription is JSON, but no object");
    check(r#"{"subscription":null}"#, "the subscription is JSON, but no object");
    check(r#"{"endpoint":"ftp://a.example/p"}"#, "the endpoint");
    check(r#"{"endpoint":"https://push.example/p","keys":{"p256dh":"AA"}}"#, "subscription.keys.p256dh");
    check(&format!(r#"{{{good},"id":{{}}}}"#), "its id is neither a string nor a number");
    check(&format!(r#"{{{good},"id":true}}"#), "its id is neither a string nor a number");
    check(&format!(r#"{{{good},"ttl":-1}}"#), "TTL");
    check(&format!(r#"{{{good},"ttl":1.5}}"#), "TTL");
    check(&format!(r#"{{{good},"topic":7}}"#), "its topic is not of a type");
    check(&format!(r#"{{{good},"topic":"a b"}}"#), "topic");
    check(&format!(r#"{{{good},"urgency":"soon"}}"#), "urgency");
    check(&format!(r#"{{"subscription":{{{good}}},"payload":"\ud800"}}"#), "its payload is not of a type");
}

#[test]
fn a_bad_line_never_ends_the_run() {
    let long = format!(r#"{{"endpoint":"https://push.example/p/long","x":"{}"}}"#, "x".repeat(LINE_OCTETS));
    let huge = "x".repeat(1_000_000);
    let text = format!(
        "\u{feff}{{\"endpoint\":\"https://push.example/p/1\"}}\r\n\n{long}\n{huge}\n{{\n\
         {{\"endpoint\":\"https://push.example/p/6\"}}"
    );
    let mut octets = b"\xff\xfe\n".to_vec();
    octets.extend(text.as_bytes());

    assert_eq!(
        shape(&json(&text)),
        [
            "1 /p/1",
            "2! it is blank",
            "3! it is over 16384 octets",
            "4! it is over 16384 octets",
            "5! it is not JSON (column 1)",
            "6 /p/6"
        ]
    );
    let found = all(&octets, Format::JsonLines, b"");
    assert_eq!(shape(&found)[0], "1! it is not text in UTF-8");
    assert_eq!(shape(&found)[6], "7 /p/6");
}

#[test]
fn a_line_may_have_16_384_octets() {
    let line = |octets: usize| {
        let head = r#"{"endpoint":"https://push.example/p/1","x":""#;
        format!("{head}{}\"}}", "x".repeat(octets - head.len() - 2))
    };
    for end in ["", "\n"] {
        let taken = |octets: usize| json(&format!("{}{end}", line(octets)))[0].is_ok();
        assert_eq!([16_383, 16_384, 16_385].map(taken), [true, true, false]);
    }
}

#[test]
fn rows_of_csv_are_receivers_too() {
    let text = format!(
        "id,subscription,payload,ttl,topic,urgency\r\n\
         u1,\"{{\"\"endpoint\"\":\"\"https://push.example/p/1\"\"}}\",Hello,60,news,high\r\n\
         2,\"{{\"\"endpoint\"\":\"\"https://push.example/p/2\"\",\n\"\"keys\"\":{{\"\"p256dh\"\":\"\"{P256DH}\"\",\"\"auth\"\":\"\"{AUTH}\"\"}}}}\",,,,\r\n\
         \r\n\
         u3,x\r\n\
         u4,nonsense,,,,\r\n\
         u5,\"{{\"\"endpoint\"\":\"\"https://push.example/p/5\"\"}}\",\"a \"\"b\"\"\",,,\r\n"
    );

    let found = all(text.as_bytes(), Format::Csv, b"");

    assert_eq!(
        shape(&found),
        ["2 /p/1", "3 /p/2", "6! it has 2 columns", "7! the subscription is not JSON (line 1", "8 /p/5"]
    );
    let first = found[0].as_ref().unwrap();
    assert_eq!(first.id.as_deref(), Some("\"u1\""));
    assert_eq!(first.payload.as_deref(), Some(&b"Hello"[..]));
    assert_eq!((first.ttl, first.urgency), (Some(Ttl::seconds(60)), Some(Urgency::High)));
    let second = found[1].as_ref().unwrap();
    assert_eq!((second.id.as_deref(), second.payload.as_deref()), (Some("2"), None));
    assert!(second.subscription.keys.is_some());
    assert_eq!(found[4].as_ref().unwrap().payload.as_deref(), Some(&b"a \"b\""[..]));
}

#[test]
fn the_parts_of_a_subscription_may_have_columns_of_their_own() {
    let text = format!(
        "endpoint,p256dh,auth,name\nhttps://push.example/p/1,{P256DH},{AUTH},Zoë\nhttps://push.example/p/2,,,x\n\
         https://push.example/p/3,{AUTH},{P256DH},x\n,,,\n"
    );

    let found = all(text.as_bytes(), Format::Csv, b"Hello {{name}}");

    assert_eq!(found[0].as_ref().unwrap().payload.as_deref(), Some("Hello Zoë".as_bytes()));
    assert!(found[0].as_ref().unwrap().subscription.keys.is_some());
    assert!(found[1].as_ref().unwrap().subscription.keys.is_none());
    assert_eq!(found[2].as_ref().unwrap_err().reason.code(), Some("subscription/keys-swapped"));
    assert_eq!(found[3].as_ref().unwrap_err().reason, Reason::Blank);
}

#[test]
fn an_open_quotation_mark_costs_its_line_only() {
    let mut text = "endpoint,x\nhttps://push.example/p/1,a\nhttps://push.example/p/2,\"open\n".to_owned();
    for number in 3..2000 {
        text.push_str(&format!("https://push.example/p/{number},b\n"));
    }

    let found = shape(&all(text.as_bytes(), Format::Csv, b""));

    assert_eq!(found.len(), 1999);
    assert_eq!(found[..3], ["2 /p/1", "3! it is over 16384 octets", "4 /p/3"]);
    assert_eq!(found[1998], "2000 /p/1999");
}

/// The window may hold one octet more than the longest row at the begin of a longer one.
#[test]
fn a_row_that_is_too_long_is_one_reject_wherever_the_window_ends() {
    for more in 0..4 {
        let mut text = "endpoint,x\n".to_owned();
        // What the window of 256 KiB has room for in front of its last octets.
        let begin = 256 * 1024 - (LINE_OCTETS + more);
        while text.len() < begin {
            let row = (begin - text.len()).min(8192);
            text.push_str(&format!("https://push.example/p/1,{}\n", "x".repeat(row.saturating_sub(26))));
        }
        let rows = text.lines().count() - 1;
        // Quotation marks: the values are shorter than the row.
        text.push_str(&format!("\"https://push.example/p/2\",\"{}\"\n", "x".repeat(LINE_OCTETS + 100)));
        text.push_str("https://push.example/p/3,y\n");

        let found = all(text.as_bytes(), Format::Csv, b"Hello");

        assert_eq!(found.len(), rows + 2, "{more}");
        let reject = found[rows].as_ref().unwrap_err();
        assert_eq!((reject.line, &reject.reason), (rows as u64 + 2, &Reason::TooLong), "{more}");
        assert!(found[rows + 1].is_ok(), "{more}");
    }
}

#[test]
fn a_header_that_cannot_be_used_is_refused() {
    let check = |text: &str, expected: &str| {
        let template = Template::parse(b"").unwrap();
        let error = Reader::new(text.as_bytes(), Format::Csv, template).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };

    check("", "the first line is no header");
    check("id,payload\n", "the first line is no header");
    check("{\"endpoint\":\"https://push.example/p/1\"}\n", "the first line is no header");
    check("endpoint,a,a\n", "two columns are called \"a\"");
    check(&format!("endpoint,{}\n", "x".repeat(LINE_OCTETS)), "the first line is no header");
}

#[test]
fn fields_of_a_line_fill_the_payload() {
    let good = r#""endpoint":"https://push.example/p/1""#;
    let text = format!(
        "{{{good},\"name\":\"Zo\\u00eb\",\"n\":3}}\n{{{good},\"name\":\"x\"}}\n{{{good},\"payload\":\"own\"}}\n"
    );

    let found = all(text.as_bytes(), Format::JsonLines, br#"{"t":"{{name}}","n":{{n}}}"#);

    assert_eq!(found[0].as_ref().unwrap().payload.as_deref(), Some(&br#"{"t":"Zo\u00eb","n":3}"#[..]));
    assert_eq!(
        found[1].as_ref().unwrap_err().reason.to_string(),
        "the line has no field \"n\", which the payload needs; add it"
    );
    assert_eq!(found[2].as_ref().unwrap().payload.as_deref(), Some(&b"own"[..]));
}

#[test]
fn numbers_of_a_table_stay_numbers() {
    let text = "id,endpoint,n\n007,https://push.example/p/1,12\n8,https://push.example/p/2,1e3\n";

    let found = all(text.as_bytes(), Format::Csv, br#"[{{id}},{{n}},"{{n}}"]"#);

    let payloads: Vec<_> = found.iter().map(|line| line.as_ref().unwrap().payload.clone().unwrap()).collect();
    assert_eq!(payloads, [&br#"["007",12,"12"]"#[..], br#"[8,1e3,"1e3"]"#]);
}

proptest! {
    // Each case reads its text eight times, through a window of its own.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_octets_are_lines_in_order(octets: Vec<u8>, text in "[,\"\\n\\r{}a:]{0,200}") {
        for octets in [octets.as_slice(), text.as_bytes()] {
            let mut last = 0;
            for line in all(octets, Format::JsonLines, b"") {
                let number = line.map_or_else(|reject| reject.line, |receiver| receiver.index + 1);
                prop_assert_eq!(number, last + 1);
                last = number;
            }
            prop_assert_eq!(last, summarize(octets).unwrap().lines);

            let mut table = b"endpoint,x\n".to_vec();
            table.extend(octets);
            let (mut last, lines) = (1, summarize(&table[..]).unwrap().lines);
            for line in all(&table, Format::Csv, b"{{x}}") {
                let number = line.map_or_else(|reject| reject.line, |receiver| receiver.index + 1);
                prop_assert!(last < number && number <= lines, "{} after {} of {}", number, last, lines);
                last = number;
            }
        }
    }

    #[test]
    fn every_good_row_is_found(rows in proptest::collection::vec("[a-z ,\"\\n]{0,20}", 1..50)) {
        let mut text = "endpoint,x\r\n".to_owned();
        for (number, x) in rows.iter().enumerate() {
            text.push_str(&format!("https://push.example/p/{number},\"{}\"\r\n", x.replace('"', "\"\"")));
        }

        let found = all(text.as_bytes(), Format::Csv, b"<{{x}}>");

        prop_assert_eq!(found.len(), rows.len());
        for (line, x) in found.iter().zip(&rows) {
            match line {
                Ok(receiver) => {
                    let expected = format!("<{x}>");
                    prop_assert_eq!(receiver.payload.as_deref(), Some(expected.as_bytes()));
                }
                // An empty value is none.
                Err(reject) => prop_assert!(x.is_empty(), "{:?}", reject),
            }
        }
    }
}
