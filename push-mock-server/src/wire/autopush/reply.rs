//! What is said to a user agent, as JSON text; pure.

use push_crypto::base64url;
use serde_json::{Value, json};

use super::frame::ChannelId;
use crate::{ids::UserAgentId, service::attached::Handed};

/// The answer to a ping (AP-034).
pub(super) const PONG: &str = "{}";

/// The answer to hello. `broadcasts` is empty: a version would send the browser to the network (AP-037).
pub(super) fn hello(agent: UserAgentId, status: u16) -> String {
    json!({
        "messageType": "hello", "uaid": agent.uaid(), "status": status, "use_webpush": true, "broadcasts": {},
    })
    .to_string()
}

/// The answer to register; `endpoint` is the push resource, or why there is none.
pub(super) fn register(channel: &ChannelId, status: u16, endpoint: &str) -> String {
    json!({
        "messageType": "register", "channelID": channel.as_str(), "status": status, "pushEndpoint": endpoint,
    })
    .to_string()
}

/// The answer to unregister.
pub(super) fn unregister(channel: &str, status: u16) -> String {
    json!({ "messageType": "unregister", "channelID": channel, "status": status }).to_string()
}

/// A message. One without data has neither `data` nor `headers` (AP-026).
pub(super) fn notification(message: &Handed) -> String {
    /// Octets of a notification beside its data and fields: names, channel and version.
    const REST: usize = 256;
    let mut text = String::with_capacity(REST + message.body.len() * 4 / 3);
    text.push_str(r#"{"messageType":"notification","channelID":"#);
    push_quoted(&mut text, &message.channel.name);
    text.push_str(r#","version":"#);
    push_quoted(&mut text, &message.version);
    if let Some(coded) = &message.coded {
        text.push_str(r#","data":""#);
        text.push_str(&base64url::encode(&message.body));
        text.push_str(r#"","headers":{"encoding":"#);
        push_quoted(&mut text, coded.coding.as_str());
        for (name, value) in [("encryption", &coded.encryption), ("crypto_key", &coded.crypto_key)] {
            if let Some(value) = value {
                text.push(',');
                push_quoted(&mut text, name);
                text.push(':');
                push_quoted(&mut text, &unpadded(value));
            }
        }
        text.push('}');
    }
    text.push('}');
    text
}

/// A text of JSON.
fn push_quoted(out: &mut String, text: &str) {
    let is_plain = |octet: u8| (b' '..=b'~').contains(&octet) && !matches!(octet, b'"' | b'\\');
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

/// A field without quotes and without the padding of its values, which Firefox does not take (AP-027).
///
/// The `=` between name and value stays: only those that end a value go.
fn unpadded(field: &str) -> String {
    let plain: String = field.chars().filter(|character| *character != '"').collect();
    let parts = plain.split_inclusive([',', ';']).map(|part| {
        let (value, end) = match part.strip_suffix([',', ';']) {
            Some(value) => (value, part.get(value.len()..).unwrap_or_default()),
            None => (part, ""),
        };
        let kept = value.trim_end();
        let without = kept.trim_end_matches(['=', ' ', '\t']);
        // `name=` alone has an empty value and no padding.
        let is_pair = without.contains('=');
        let kept = if is_pair || without.len() == kept.len() { without } else { kept };
        format!("{kept}{end}")
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use push_crypto::{ContentCoding, Timestamp, Ttl};

    use super::*;
    use crate::store::{Channel, Coded};

    fn handed(body: &'static [u8], coded: Option<Coded>) -> Handed {
        Handed {
            version: "v1".into(),
            channel: Arc::new(Channel { name: "c".into(), app: String::new(), sender: String::new() }),
            body: Bytes::from_static(body),
            coded,
            ttl: Ttl::seconds(60),
            sent: Timestamp::from_unix_seconds(0),
            topic: Some("t".into()),
        }
    }

    fn coded(coding: ContentCoding, encryption: Option<&str>, crypto_key: Option<&str>) -> Coded {
        Coded { coding, encryption: encryption.map(str::to_owned), crypto_key: crypto_key.map(str::to_owned) }
    }

    /// AP-026, AP-052
    #[test]
    fn a_tickle_has_neither_data_nor_headers() {
        assert_eq!(
            notification(&handed(b"", None)),
            r#"{"messageType":"notification","channelID":"c","version":"v1"}"#
        );
    }

    /// AP-025, AP-026: the URL-safe alphabet without padding, and the coding in lower case.
    #[test]
    fn data_comes_with_the_headers_that_open_it() {
        assert_eq!(
            notification(&handed(b"\xfb\xff\xfe\x00", Some(coded(ContentCoding::Aes128gcm, None, None)))),
            r#"{"messageType":"notification","channelID":"c","version":"v1","data":"-__-AA","headers":{"encoding":"aes128gcm"}}"#
        );
    }

    /// AP-027
    #[test]
    fn quotes_and_padding_are_taken_out_of_the_fields() {
        let coded = coded(
            ContentCoding::Aesgcm,
            Some("salt=\"dHCW==\""),
            Some("dh=BIzx=;p256ecdsa=BBuL, keyid=\"a\"; dh=\"QQ==\""),
        );

        let frame: Value = serde_json::from_str(&notification(&handed(b"x", Some(coded)))).unwrap();

        assert_eq!(frame["headers"]["encryption"], "salt=dHCW");
        assert_eq!(frame["headers"]["crypto_key"], "dh=BIzx;p256ecdsa=BBuL, keyid=a; dh=QQ");
    }

    #[test]
    fn only_padding_is_taken_out() {
        for (field, expected) in [
            ("", ""),
            ("dh", "dh"),
            ("dh=", "dh="),
            ("dh==", "dh=="),
            ("dh=AA=;", "dh=AA;"),
            ("dh=AA= ; salt=BB==", "dh=AA; salt=BB"),
            (",;=", ",;="),
            ("dh=\"\"", "dh="),
        ] {
            assert_eq!(unpadded(field), expected, "{field}");
        }
    }

    #[test]
    fn what_json_has_to_escape_is_escaped() {
        for text in ["", "plain", "a\"b", "\\", "line\n", "\u{7f}", "é", "\u{1}"] {
            let mut quoted = String::new();
            push_quoted(&mut quoted, text);
            assert_eq!(serde_json::from_str::<Value>(&quoted).unwrap(), text, "{quoted}");
        }
    }

    #[test]
    fn answers_have_the_documented_members() {
        let agent = UserAgentId::from_uaid("2d03b25a83a54213a27bff7af0323c61").unwrap();

        assert_eq!(
            hello(agent, 200),
            r#"{"messageType":"hello","uaid":"2d03b25a83a54213a27bff7af0323c61","status":200,"use_webpush":true,"broadcasts":{}}"#
        );
        assert_eq!(unregister("c", 200), r#"{"messageType":"unregister","channelID":"c","status":200}"#);
    }

    proptest::proptest! {
        #[test]
        fn a_cleaned_field_stays_as_it_is(field in "[a-z=\";, ]{0,40}") {
            let once = unpadded(&field);
            proptest::prop_assert_eq!(unpadded(&once), once.clone());
            proptest::prop_assert!(!once.contains('"'));
        }
    }
}
