use super::*;

const CHANNEL: &str = "21782462-f381-457a-927e-12643b80541a";
/// The public key of the sender in RFC 8291 §5.
const KEY: &str = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";

fn read(text: &str) -> Frame {
    Frame::read(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn refused(text: &str) -> FrameError {
    Frame::read(text).expect_err(text)
}

/// AP-009, AP-011
#[test]
fn hello_comes_in_every_form() {
    let uaid = "2d03b25a83a54213a27bff7af0323c61";
    let known = Frame::Hello(UserAgentId::from_uaid(uaid));
    let unknown = Frame::Hello(None);

    assert_eq!(read(r#"{"messageType":"hello"}"#), unknown);
    assert_eq!(read(r#"{"messageType":"HELLO","uaid":null}"#), unknown);
    assert_eq!(read(r#"{"broadcasts":{},"use_webpush":true,"messageType":"hello","x":[1]}"#), unknown);
    assert_eq!(
        read(&format!(r#"{{"messageType":"hello","uaid":"{uaid}","channelIDs":["{CHANNEL}"]}}"#)),
        known
    );
    for malformed in ["", "x", "2D03B25A83A54213A27BFF7AF0323C61", "2d03b25a-83a5-4213-a27b-ff7af0323c61"] {
        assert_eq!(read(&format!(r#"{{"messageType":"hello","uaid":"{malformed}"}}"#)), unknown);
    }
}

/// AP-020
#[test]
fn a_channel_is_a_uuid_in_lower_case_with_dashes() {
    let register = |channel: &str| {
        Frame::read(&format!(r#"{{"channelID":"{channel}","messageType":"register","key":null}}"#))
    };

    let channel = ChannelId(CHANNEL.to_owned());
    assert_eq!(register(CHANNEL), Ok(Frame::Register { channel, key: None }));
    for wrong in [
        "",
        &CHANNEL.to_uppercase(),
        &CHANNEL.replace('-', ""),
        &CHANNEL[1..],
        &format!("{CHANNEL}0"),
        &CHANNEL.replace("-f381", "f-381"),
        &CHANNEL.replace('a', "g"),
        "ä1782462-f381-457a-927e-12643b80541",
    ] {
        assert_eq!(register(wrong), Err(FrameError::ChannelId), "{wrong}");
    }
}

/// AP-031, AP-032
#[test]
fn acks_and_nacks_are_read() {
    let update = |version: &str, code| Update { version: version.into(), code };

    assert_eq!(
        read(
            r#"{"messageType":"ack","updates":[{"channelID":"x","version":"a","code":100},
            {"version":"b","code":102},{"version":"c"},{"code":101},{"version":"d","code":70000}]}"#
        ),
        Frame::Ack(vec![update("a", 100), update("b", 102), update("c", 100), update("d", u16::MAX)])
    );
    assert_eq!(read(r#"{"messageType":"ack","updates":[]}"#), Frame::Ack(Vec::new()));
    assert_eq!(
        read(r#"{"messageType":"nack","version":"a","code":301}"#),
        Frame::Nack { version: Some("a".into()), code: 301 }
    );
    assert_eq!(read(r#"{"messageType":"nack"}"#), Frame::Nack { version: None, code: 303 });
}

/// AP-022, AP-034, AP-037
#[test]
fn the_other_frames_are_read() {
    assert_eq!(read("{}"), Frame::Ping);
    assert_eq!(read(r#" { "messageType" : "Ping" } "#), Frame::Ping);
    assert_eq!(
        read(
            r#"{"messageType":"broadcast_subscribe","broadcasts":{"remote-settings/monitor_changes":"\"0\""}}"#
        ),
        Frame::BroadcastSubscribe
    );
    assert_eq!(
        read(r#"{"messageType":"unregister","channelID":"whatever"}"#),
        Frame::Unregister { channel: "whatever".into(), code: None }
    );
    assert_eq!(
        read(r#"{"messageType":"unregister","channelID":"x","code":201}"#),
        Frame::Unregister { channel: "x".into(), code: Some(201) }
    );
}

/// AP-013
#[test]
fn what_is_no_frame_is_told_apart() {
    let member = |name, expected| FrameError::Member { name, expected };

    assert_eq!(refused(""), FrameError::Json { line: 1, column: 0 });
    assert_eq!(refused("{"), FrameError::Json { line: 1, column: 1 });
    assert_eq!(refused("{} {}"), FrameError::Json { line: 1, column: 4 });
    assert_eq!(refused("null"), FrameError::NotAnObject);
    assert_eq!(refused("[]"), FrameError::NotAnObject);
    assert_eq!(refused(r#"{"a":1}"#), member("messageType", "a text"));
    assert_eq!(refused(r#"{"messageType":1}"#), member("messageType", "a text"));
    assert_eq!(refused(r#"{"messageType":"urgency"}"#), FrameError::Type { seen: "urgency".into() });
    assert_eq!(refused(r#"{"messageType":"hello","uaid":1}"#), member("uaid", "a text"));
    assert_eq!(refused(r#"{"messageType":"register"}"#), member("channelID", "a text"));
    assert_eq!(refused(r#"{"messageType":"ack"}"#), member("updates", "a list of objects"));
    assert_eq!(refused(r#"{"messageType":"ack","updates":[1]}"#), member("updates", "a list of objects"));
    assert_eq!(
        refused(r#"{"messageType":"unregister","channelID":"x","code":-1}"#),
        member("code", "a whole number of 0 or more")
    );
}

#[test]
fn a_long_type_is_cut_and_escaped() {
    let FrameError::Type { seen } = refused(&format!(r#"{{"messageType":"\n{}"}}"#, "x".repeat(1000))) else {
        panic!("another error")
    };

    assert_eq!(seen, format!("\\n{}", "x".repeat(31)));
}

/// One level below, at and above what the reader goes into.
#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| {
        let levels = depth - 1;
        format!(r#"{{"messageType":"ping","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
    };

    assert_eq!(read(&nested(126)), Frame::Ping);
    assert_eq!(read(&nested(127)), Frame::Ping);
    assert!(matches!(refused(&nested(128)), FrameError::Json { .. }));
    assert!(matches!(refused(&nested(60_000)), FrameError::Json { .. }));
}

/// AP-017, AP-018
#[test]
fn keys_are_read_with_and_without_padding() {
    let plain = application_server_key(KEY).unwrap();

    assert_eq!(application_server_key(&format!("{KEY}=")), Ok(plain));
    assert_eq!(application_server_key("!!"), Err(KeyProblem::Base64));
    assert_eq!(application_server_key(&format!("{KEY}==")), Err(KeyProblem::Base64));
    assert_eq!(application_server_key(&base64url::encode(&plain.as_octets()[..64])), Err(KeyProblem::Point));
    let mut off = *plain.as_octets();
    off[64] ^= 1;
    assert_eq!(application_server_key(&base64url::encode(&off)), Err(KeyProblem::Point));
    assert_eq!(application_server_key(""), Err(KeyProblem::Point));
}

#[test]
fn errors_show_nothing_but_the_type() {
    for text in [
        r#"{"messageType":"hello","uaid":["canary"]}"#,
        r#"{"messageType":"register","channelID":"canary"}"#,
        r#"{"messageType":"hello" canary"#,
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        fuzz(&text);
    }

    #[test]
    fn any_members_are_read_or_refused(
        kind in "hello|register|unregister|ack|nack|ping|x", name in "uaid|channelID|key|code|version|updates",
        value in "null|1|-1|1e9|\"\"|\"x\"|\\[\\]|\\[\\{\\}\\]|\\{\\}|\\[\\{\"version\":1\\}\\]",
    ) {
        fuzz(&format!(r#"{{"messageType":"{kind}","{name}":{value}}}"#));
    }
}
