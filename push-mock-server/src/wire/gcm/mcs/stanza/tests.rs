//! Stanzas as Chromium 156 was seen to send them, and others.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use push_crypto::{ContentCoding, Ttl};

use super::*;
use crate::{
    store::{Channel, Coded},
    wire::gcm::protobuf::Nothing,
};

fn heard(tag: u8, octets: &[u8]) -> Result<Heard, StanzaError> {
    read(&Frame { tag: Tag(tag), body: Bytes::copy_from_slice(octets) })
}

/// What a login begins with, and two messages that were received.
const LOGIN: &[u8] =
    b"\x0a\x14chrome-156.0.8078.79\x12\x0fmcs.android.com\x1a\x0212\x22\x0212\x2a\x0234\x32\x09android-c\
    \x42\x0b\x0a\x06new_vc\x12\x011\x52\x01a\x52\x01b\x60\x00\x70\x01\x80\x01\x02\x88\x01\x01";

#[test]
fn a_login_is_read() {
    let login = Login {
        id: "chrome-156.0.8078.79".to_owned(),
        android_id: 12,
        security_token: Some(34),
        received: vec!["a".to_owned(), "b".to_owned()],
    };

    assert_eq!(login.version().as_deref(), Some("156.0.8078.79"));
    assert_eq!(heard(2, LOGIN), Ok(Heard { said: Said::Login(login), last_received: None }));
}

#[test]
fn a_login_needs_an_android_id_and_nothing_else() {
    assert_eq!(heard(2, b""), Err(StanzaError::AndroidId));
    for id in [&b"\x1a\x010"[..], b"\x1a\x02-1", b"\x1a\x02+1", b"\x1a\x00", b"\x1a\x1418446744073709551616"]
    {
        assert_eq!(heard(2, id), Err(StanzaError::AndroidId), "{id:?}");
    }
    let Ok(Heard { said: Said::Login(login), .. }) = heard(2, b"\x1a\x017\x2a\x01x") else {
        panic!("it is a login");
    };
    assert_eq!((login.android_id, login.security_token, login.version()), (7, None, None));
}

/// GCM-037.
#[test]
fn what_was_received_is_in_a_field_of_its_own_for_each_tag() {
    let said = |said, last| Ok(Heard { said, last_received: last });

    assert_eq!(heard(0, &[0x10, 1]), said(Said::Ping, Some(1)));
    assert_eq!(heard(0, &[]), said(Said::Ping, None));
    assert_eq!(heard(1, &[0x10, 3]), said(Said::Other, Some(3)));
    let ack = [0x10, 1, 0x1a, 0, 0x3a, 4, 8, 0x0d, 0x12, 0, 0x50, 0x0b];
    assert_eq!(heard(7, &ack), said(Said::Other, Some(11)));
    assert_eq!(heard(8, &[0x58, 4]), said(Said::Other, Some(4)));
    assert_eq!(heard(4, &[]), said(Said::Close, None));
    assert_eq!(heard(99, &[0xff]), said(Said::Other, None), "nobody knows what is inside");
}

#[test]
fn broken_messages_name_their_tag() {
    assert_eq!(heard(0, &[0x12, 1, 0]), Err(StanzaError::Broken(Tag(0))), "a text where a number has to be");
    assert_eq!(heard(7, &[0x50]), Err(StanzaError::Broken(Tag(7))));
    assert_eq!(heard(2, &[0x0a, 0x7f]), Err(StanzaError::Broken(Tag(2))));
    assert_eq!(heard(2, &[0x0a, 1, 0xff]), Err(StanzaError::Broken(Tag(2))), "no UTF-8");
}

#[test]
fn secrets_are_not_printed() {
    let text = format!("{:?}", heard(2, LOGIN));

    assert!(text.contains("chrome-156") && !text.contains("34"), "{text}");
    let request = LoginRequest::decode(LOGIN).unwrap();
    assert!(!format!("{request:?}").contains("34"));
}

/// GCM-022, with what Chromium takes: field 1 alone is enough for it.
#[test]
fn answers_to_a_login() {
    let Ok(Heard { said: Said::Login(login), .. }) = heard(2, LOGIN) else { panic!("it is a login") };

    let taken = login_response(&login, Duration::from_millis(2000), Timestamp::from_unix_millis(5));
    let refused = login_error(&login, 0, "no");

    let octets = taken.encode_to_vec();
    assert!(octets.starts_with(b"\x0a\x14chrome-156.0.8078.79"));
    assert!(octets.ends_with(&[0x28, 1, 0x30, 1, 0x3a, 3, 0x18, 0xd0, 0x0f, 0x40, 5]), "{octets:02x?}");
    assert!(refused.encode_to_vec().ends_with(&[0x1a, 6, 8, 1, 0x12, 2, b'n', b'o']), "never code 0");
}

fn handed(coded: Option<Coded>) -> Handed {
    let channel = Channel { name: "wp:x#1".to_owned(), app: "app".to_owned(), sender: "key".to_owned() };
    Handed {
        version: "msg_1".to_owned(),
        channel: Arc::new(channel),
        body: Bytes::from_static(b"body"),
        coded,
        ttl: Ttl::seconds(60),
        sent: Timestamp::from_unix_millis(7999),
        topic: None,
    }
}

/// GCM-030 to GCM-032, GCM-035.
#[test]
fn a_message_has_its_fields_in_their_places() {
    let coded = Coded { coding: ContentCoding::Aes128gcm, encryption: None, crypto_key: None };

    let octets = data_message(&handed(Some(coded)), 3).encode_to_vec();

    let expected = b"\x1a\x03key\x2a\x03app\x3a\x11\x0a\x07subtype\x12\x06wp:x#1\
        \x3a\x1d\x0a\x10content-encoding\x12\x09aes128gcm\x4a\x05msg_1\x58\x03\x88\x01\x3c\x90\x01\x07\
        \xaa\x01\x04body\xc0\x01\x01";
    assert_eq!(octets, expected);
}

/// GCM-032, GCM-033: octets without a coding would reach the page as if nothing had been sent.
#[test]
fn a_body_without_coding_is_never_sent() {
    let stanza = data_message(&handed(None), 1);

    assert_eq!(stanza.raw_data, None);
    assert_eq!(stanza.app_data.len(), 1);
}

#[test]
fn a_close_is_empty() {
    assert_eq!(super::super::frame::encode(Tag::CLOSE, &Nothing {}), [4, 0]);
}

proptest! {
    #[test]
    fn no_octets_panic(octets: Vec<u8>, piece in 0_usize..10) {
        let octets = [&[41][..], &octets].concat();
        prop_assert_eq!(check(&octets, 1000, piece), check(&octets, 1000, octets.len()));
    }

    #[test]
    fn no_body_panics(tag in 0_u8..12, octets: Vec<u8>) {
        let _ = heard(tag, &octets);
    }
}
