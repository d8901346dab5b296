//! Coding, body, records, decryption, payload.

use push_crypto::{Schedule, base64url};

use super::Row;
use crate::service::inspect::tests::{
    SALT, Setup, TEXT,
    seal::{self, Derivation, context, sender_point},
    user_agent,
};

/// A record with its delimiter.
const RECORD: &[u8] = b"{\"title\":\"Goal!\"}\x02";

fn salt() -> String {
    base64url::encode(&SALT)
}

fn dh() -> String {
    base64url::encode(&sender_point())
}

fn octet(s: &mut Setup, at: usize, value: u8) {
    let mut body = s.octets();
    body[at] = value;
    s.body(body);
}

fn rs(s: &mut Setup, rs: u32) {
    let mut body = s.octets();
    body[16..20].copy_from_slice(&rs.to_be_bytes());
    s.body(body);
}

fn cut(s: &mut Setup, length: usize) {
    let body = s.octets()[..length].to_vec();
    s.body(body);
}

fn aesgcm(s: &mut Setup) {
    s.seal(Schedule::Aesgcm, TEXT, 4096, 0);
}

/// Records of aes128gcm with the right keys.
fn records(s: &mut Setup, rs: u32, plaintexts: &[&[u8]]) {
    s.body(seal::right(&user_agent(7), rs, plaintexts));
}

/// aes128gcm with the public keys as given.
fn parties(s: &mut Setup, auth: &[u8], keys: &[&[u8]]) {
    s.body(seal::aes128gcm(&user_agent(7), &Derivation::rfc8291(auth, keys), 4096, &[RECORD]));
}

/// A draft's coding with this behind its labels, and this record.
fn draft(s: &mut Setup, coding: &str, auth: &[u8], tail: &[u8], record: &[u8]) {
    s.set("content-encoding", coding);
    s.set("encryption", &format!("salt={}", salt()));
    s.set("crypto-key", &format!("dh={}", dh()));
    s.body(seal::records(&user_agent(7), &Derivation::draft(coding, auth, tail), &[record]));
}

/// The tail of the drafts in the right order.
fn right_tail() -> Vec<u8> {
    context(user_agent(7).public().as_octets(), &sender_point())
}

fn text(s: &mut Setup, text: &[u8]) {
    s.seal(Schedule::Aes128gcm, text, 4096, 0);
}

fn json(s: &mut Setup, notification: &str) {
    text(s, format!("{{\"web_push\":8030,\"notification\":{notification}}}").as_bytes());
}

const WHOLE: &str = r#"{"title":"Goal!","navigate":"/match/17"}"#;

pub(crate) const ROWS: &[Row] = &[
    Row("coding/missing", |s| s.unset("content-encoding"), |s| s.tickle()),
    Row("coding/unknown", |s| s.set("content-encoding", "gzip"), |s| s.set("content-encoding", "AES128GCM")),
    Row(
        "coding/several",
        |s| s.set("content-encoding", "gzip, aes128gcm"),
        |s| s.set("content-encoding", "aes128gcm,"),
    ),
    Row("coding/several", |s| s.add("content-encoding", "aes128gcm"), |_| {}),
    Row("coding/case", |s| s.set("content-encoding", "AES128GCM"), |_| {}),
    Row(
        "coding/without-body",
        |s| {
            s.tickle();
            s.set("crypto-key", "dh=BA");
        },
        |s| {
            s.tickle();
            s.set("crypto-key", "p256ecdsa=BA");
        },
    ),
    Row("coding/without-body", |s| s.body(Vec::new()), |_| {}),
    Row("coding/mislabelled", |s| s.set("content-encoding", "aesgcm"), |s| s.set("content-encoding", "gzip")),
    Row(
        "coding/mislabelled",
        |s| {
            aesgcm(s);
            s.set("content-encoding", "aes128gcm");
        },
        aesgcm,
    ),
    Row(
        "coding/mislabelled",
        |s| {
            s.seal(Schedule::Aesgcm128AuthContext, TEXT, 4096, 0);
            s.set("content-encoding", "aesgcm");
        },
        |s| s.seal(Schedule::Aesgcm128AuthContext, TEXT, 4096, 0),
    ),
    Row("coding/not-supported", |s| s.codings = vec![push_crypto::ContentCoding::Aesgcm], |_| {}),
    Row("coding/aesgcm-legacy", aesgcm, |_| {}),
    Row("coding/aesgcm128-obsolete", |s| s.seal(Schedule::Aesgcm128Bare, TEXT, 4096, 0), aesgcm),
    Row("coding/mixed-headers", |s| s.set("encryption", "salt=AA"), |s| s.set("encryption", "rs=1")),
    Row("coding/mixed-headers", |s| s.set("crypto-key", "dh=AA"), |s| s.set("crypto-key", "p256ecdsa=AA")),
    Row("body/unencrypted", |s| s.body(TEXT), |_| {}),
    Row("body/unencrypted", |s| s.body("Hello"), |s| s.body("")),
    Row(
        "body/base64-text",
        |s| s.body(base64url::encode(&s.octets())),
        |s| s.body("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo"),
    ),
    Row(
        "body/base64-text",
        |s| {
            aesgcm(s);
            let body = base64url::encode(&s.octets());
            s.body(body + "\n");
        },
        aesgcm,
    ),
    Row(
        "body/hex-text",
        |s| {
            let hex: String = s.octets().iter().map(|octet| format!("{octet:02x}")).collect();
            s.body(hex);
        },
        |s| s.body("00".repeat(103)),
    ),
    Row("body/utf8-mangled", |s| s.body(String::from_utf8_lossy(&s.octets()).into_owned()), |_| {}),
    Row("body/over-android", |s| text(s, &[b'x'; 2745]), |s| text(s, &[b'x'; 2744])),
    Row(
        "body/multi-record",
        |s| s.seal(Schedule::Aes128gcm, TEXT, 30, 0),
        |s| s.seal(Schedule::Aes128gcm, TEXT, 34, 0),
    ),
    Row(
        "body/multi-record",
        |s| s.seal(Schedule::Aesgcm, TEXT, 10, 0),
        |s| s.seal(Schedule::Aesgcm, TEXT, 20, 0),
    ),
    Row(
        "body/truncated",
        |s| {
            s.seal(Schedule::Aes128gcm, TEXT, 30, 0);
            cut(s, 86 + 30 + 16);
        },
        |s| s.seal(Schedule::Aes128gcm, TEXT, 30, 0),
    ),
    // Cut at the border of a record: the delimiter tells.
    Row(
        "body/truncated",
        |s| {
            s.seal(Schedule::Aes128gcm, TEXT, 30, 0);
            cut(s, 86 + 30);
        },
        |_| {},
    ),
    Row("aes128gcm/header-short", |s| cut(s, 20), |_| {}),
    Row("aes128gcm/header-short", |s| cut(s, 85), |s| cut(s, 86)),
    Row("aes128gcm/rs-too-small", |s| rs(s, 17), |s| rs(s, 18)),
    Row("aes128gcm/rs-huge", |s| rs(s, 1 << 31), |s| rs(s, (1 << 31) - 1)),
    Row("aes128gcm/rs-tight", |s| rs(s, 34), |s| rs(s, 35)),
    Row("aes128gcm/keyid-length", |s| octet(s, 20, 0), |_| {}),
    Row("aes128gcm/key-off-curve", |s| octet(s, 85, s.octets()[85] ^ 1), |_| {}),
    Row("aes128gcm/no-record", |s| cut(s, 86), |s| cut(s, 87)),
    Row("aes128gcm/empty-unpadded", |s| text(s, b""), |s| s.seal(Schedule::Aes128gcm, b"", 4096, 1)),
    Row("aes128gcm/delimiter", |s| records(s, 4096, &[b"abc\x03"]), |s| records(s, 4096, &[b"abc\x02"])),
    Row("aes128gcm/delimiter", |s| records(s, 4096, &[&[0; 5]]), |s| records(s, 4096, &[b"abc\x02\0\0"])),
    Row(
        "aes128gcm/delimiter",
        |s| records(s, 20, &[b"abc\x02", b"abc\x02"]),
        |s| records(s, 20, &[b"abc\x01", b"abc\x02"]),
    ),
    Row(
        "encryption/missing",
        |s| {
            aesgcm(s);
            s.unset("encryption");
        },
        aesgcm,
    ),
    Row(
        "encryption/salt-length",
        |s| encryption(s, "salt=AAAA"),
        |s| encryption(s, &format!("salt=\"{}\"", salt())),
    ),
    Row(
        "encryption/salt-length",
        |s| encryption(s, "rs=4096"),
        |s| encryption(s, &format!("rs=4096; salt={}", salt())),
    ),
    Row("encryption/salt-padded", |s| encryption(s, &format!("salt={}==", salt())), aesgcm),
    Row("encryption/salt-padded", |s| crypto_key(s, &format!("dh={}=", dh())), aesgcm),
    Row(
        "encryption/rs-invalid",
        |s| encryption(s, &format!("salt={};rs=-1", salt())),
        |s| encryption(s, &format!("salt={};rs=4096", salt())),
    ),
    Row(
        "encryption/rs-invalid",
        |s| encryption(s, &format!("salt={};rs=2", salt())),
        |s| encryption(s, &format!("salt={};rs=3", salt())),
    ),
    Row(
        "encryption/several",
        |s| encryption(s, &format!("salt={0}, salt={0}", salt())),
        |s| encryption(s, &format!("salt={};", salt())),
    ),
    Row("encryption/several", |s| encryption(s, &format!("salt={0};salt={0}", salt())), aesgcm),
    Row(
        "crypto-key/missing",
        |s| {
            aesgcm(s);
            s.unset("crypto-key");
        },
        |s| crypto_key(s, "p256ecdsa=BA"),
    ),
    Row("crypto-key/dh-invalid", |s| crypto_key(s, "dh=AAAA"), |s| crypto_key(s, &format!("dh={}", dh()))),
    Row("crypto-key/dh-invalid", |s| crypto_key(s, "p256ecdsa=BA"), aesgcm),
    Row(
        "crypto-key/several-dh",
        |s| crypto_key(s, &format!("dh={0},dh={0}", dh())),
        |s| {
            crypto_key(s, &format!("dh={0};keyid=a,dh={0};keyid=b", dh()));
            s.set("encryption", &format!("salt={};keyid=b", salt()));
        },
    ),
    Row(
        "crypto-key/keyid-mismatch",
        |s| encryption(s, &format!("keyid=a;salt={}", salt())),
        |s| crypto_key(s, &format!("keyid=a;dh={}", dh())),
    ),
    Row(
        "crypto-key/comma",
        |s| crypto_key(s, &format!("dh={},p256ecdsa=BA", dh())),
        |s| crypto_key(s, &format!("p256ecdsa=BA; dh={}", dh())),
    ),
    Row(
        "crypto-key/wrong-field",
        |s| {
            aesgcm(s);
            s.unset("crypto-key");
            s.set("encryption-key", &format!("dh={}", dh()));
        },
        |s| s.seal(Schedule::Aesgcm128Bare, TEXT, 4096, 0),
    ),
    Row(
        "aesgcm/last-record-full",
        |s| {
            aesgcm(s);
            s.set("encryption", &format!("salt={};rs={}", salt(), TEXT.len() + 2));
        },
        |s| {
            aesgcm(s);
            s.set("encryption", &format!("salt={};rs={}", salt(), TEXT.len() + 3));
        },
    ),
    Row(
        "aesgcm/padding",
        |s| draft(s, "aesgcm", &[7; 16], &right_tail(), b"\0\x09abc"),
        |s| draft(s, "aesgcm", &[7; 16], &right_tail(), b"\0\x01\0abc"),
    ),
    Row(
        "aesgcm128/spurious-zero",
        |s| draft(s, "aesgcm128", &[7; 16], &right_tail(), b"\0\0abc"),
        |s| draft(s, "aesgcm128", &[7; 16], &right_tail(), b"\0abc"),
    ),
    Row("decrypt/failed", |s| octet(s, 100, s.octets()[100] ^ 1), |_| {}),
    Row("decrypt/failed", |s| s.seal_for(&user_agent(8), Schedule::Aesgcm, TEXT, 4096, 0), aesgcm),
    // Only the second record is damaged.
    Row(
        "decrypt/failed",
        |s| {
            s.seal(Schedule::Aes128gcm, TEXT, 30, 0);
            octet(s, 118, s.octets()[118] ^ 1);
        },
        |s| s.seal(Schedule::Aes128gcm, TEXT, 30, 0),
    ),
    Row(
        "decrypt/other-subscription",
        |s| {
            parties(s, &[8; 16], &[user_agent(7).public().as_octets(), &sender_point()]);
            s.memory.others = vec![("bob".into(), user_agent(8))];
        },
        |s| s.memory.others = vec![("bob".into(), user_agent(8))],
    ),
    Row(
        "decrypt/auth-not-decoded",
        |s| {
            parties(
                s,
                base64url::encode(&[7; 16]).as_bytes(),
                &[user_agent(7).public().as_octets(), &sender_point()],
            )
        },
        |s| parties(s, &[7; 16], &[user_agent(7).public().as_octets(), &sender_point()]),
    ),
    Row(
        "decrypt/auth-not-decoded",
        |s| draft(s, "aesgcm", b"BwcHBwcHBwcHBwcHBwcHBw==", &right_tail(), b"\0\0abc"),
        aesgcm,
    ),
    Row(
        "decrypt/no-context",
        |s| parties(s, &[7; 16], &[&sender_point(), user_agent(7).public().as_octets()]),
        |_| {},
    ),
    Row("decrypt/no-context", |s| parties(s, &[7; 16], &[]), |_| {}),
    Row(
        "decrypt/no-context",
        |s| {
            draft(
                s,
                "aesgcm",
                &[7; 16],
                &context(&sender_point(), user_agent(7).public().as_octets()),
                b"\0\0abc",
            )
        },
        |s| draft(s, "aesgcm", &[7; 16], &right_tail(), b"\0\0abc"),
    ),
    Row("decrypt/no-context", |s| draft(s, "aesgcm", &[7; 16], b"\0", b"\0\0abc"), aesgcm),
    // The fifth schedule of aesgcm128: secret, but no context.
    Row("decrypt/no-context", |s| draft(s, "aesgcm128", &[7; 16], b"", b"\0abc"), aesgcm),
    // The bare form with its key in Crypto-Key.
    Row(
        "decrypt/no-context",
        |s| {
            s.seal(Schedule::Aesgcm128Bare, TEXT, 4096, 0);
            s.unset("encryption-key");
            s.set("crypto-key", &format!("dh={}", dh()));
        },
        |s| s.seal(Schedule::Aesgcm128Bare, TEXT, 4096, 0),
    ),
    Row(
        "declarative/version",
        |s| text(s, br#"{"web_push":"8030","notification":{}}"#),
        |s| text(s, br#"{"web":8030}"#),
    ),
    Row("declarative/title", |s| json(s, r#"{"navigate":"/"}"#), |s| json(s, WHOLE)),
    Row(
        "declarative/navigate",
        |s| json(s, r#"{"title":"Goal!","navigate":"https://[bad"}"#),
        |s| json(s, WHOLE),
    ),
    Row(
        "declarative/action",
        |s| json(s, r#"{"title":"a","navigate":"/","actions":[{"action":"a","title":"b"}]}"#),
        |s| json(s, r#"{"title":"a","navigate":"/","actions":[{"action":"a","title":"b","navigate":"/c"}]}"#),
    ),
    Row(
        "declarative/combination",
        |s| json(s, r#"{"title":"a","navigate":"/","silent":true,"vibrate":[200]}"#),
        |s| json(s, r#"{"title":"a","navigate":"/","silent":false,"vibrate":[200]}"#),
    ),
    Row(
        "declarative/misplaced",
        |s| json(s, r#"{"title":"a","navigate":"/","mutable":true}"#),
        |s| json(s, WHOLE),
    ),
    Row(
        "declarative/member-type",
        |s| json(s, r#"{"title":"a","navigate":"/","lang":7}"#),
        |s| json(s, WHOLE),
    ),
    Row("payload/not-utf8", |s| text(s, &[0xff, 0xfe]), |s| text(s, "é".as_bytes())),
];

fn encryption(s: &mut Setup, value: &str) {
    aesgcm(s);
    s.set("encryption", value);
}

fn crypto_key(s: &mut Setup, value: &str) {
    aesgcm(s);
    s.set("crypto-key", value);
}
