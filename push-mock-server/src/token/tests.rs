use super::*;

fn random() -> Randomness {
    Randomness::new(None, "default")
}

fn address() -> Address {
    Address { space: SpaceId(7), agent: UserAgentId(8), subscription: SubscriptionId(9) }
}

#[test]
fn a_token_is_opened_by_its_sealer_only() {
    let random = random();
    let (ours, other) = (Sealer::generate(&random).unwrap(), Sealer::generate(&random).unwrap());
    let key = MessageKey { of: address().owner(), seq: 3 };

    let unrestricted = ours.seal_push(&random, &address(), None).unwrap();
    let restricted = ours.seal_push(&random, &address(), Some(&[5; 32])).unwrap();
    let of_message = ours.seal_message(&random, &key, MessageId(1)).unwrap();

    assert_eq!((unrestricted.len(), restricted.len()), (87, 130));
    assert_eq!(ours.open_push(&unrestricted), Some((address(), None)));
    assert_eq!(ours.open_push(&restricted), Some((address(), Some([5; 32]))));
    assert_eq!(ours.open_message(&of_message), Some((key, MessageId(1))));
    assert_eq!(other.open_push(&unrestricted), None);
    assert_eq!(ours.open_push(&of_message), None);
    assert_eq!(ours.open_message(&unrestricted), None);
}

/// PS-100: a flipped bit anywhere is as good as a random text.
#[test]
fn no_changed_token_opens() {
    let random = random();
    let sealer = Sealer::generate(&random).unwrap();
    let token = sealer.seal_push(&random, &address(), None).unwrap();
    let octets = Base64UrlUnpadded::decode_vec(&token).unwrap();

    for bit in 0..octets.len() * 8 {
        let mut changed = octets.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(sealer.open_push(&Base64UrlUnpadded::encode_string(&changed)), None, "bit {bit}");
    }
    for text in ["", "a", "====", &token[..86], &format!("{token}A"), &"A".repeat(87), &"A".repeat(5000), "é"]
    {
        assert_eq!(sealer.open_push(text), None);
    }
}

/// PS-096, PS-099: two tokens of one user agent have nothing in common.
#[test]
fn tokens_of_one_user_agent_cannot_be_linked() {
    let random = random();
    let sealer = Sealer::generate(&random).unwrap();
    let tokens: Vec<_> = (0..200).map(|_| sealer.seal_push(&random, &address(), None).unwrap()).collect();

    let mut seen = std::collections::HashSet::new();
    for token in &tokens {
        let octets = Base64UrlUnpadded::decode_vec(token).unwrap();
        // Behind the key id every run of five octets is new: by chance alone that fails once in 10^4 runs.
        let runs: std::collections::HashSet<_> = octets[1..].windows(5).map(<[u8]>::to_vec).collect();
        for run in runs {
            assert!(seen.insert(run));
        }
    }
}

#[test]
fn an_altered_token_is_recognised() {
    let random = random();
    let sealer = Sealer::generate(&random).unwrap();
    let mut handed_out = HandedOut::default();
    let token = sealer.seal_push(&random, &address(), None).unwrap();
    handed_out.remember(&token);
    let check = |text: &str, expected| assert_eq!(handed_out.is_altered(&sealer, text), expected, "{text}");

    check(&token[..40], true);
    check(&token[..24], true);
    check(&token[..23], false);
    check(&token.to_lowercase(), true);
    check(&token.to_uppercase(), true);
    check(&format!("%{:02X}{}", token.as_bytes()[0], &token[1..]), true);
    check(&format!("\\{token}"), true);
    check(&format!("{token}x"), true);
    check("", false);
    check(&"A".repeat(87), false);
    let key = MessageKey { of: address().owner(), seq: 1 };
    check(&sealer.seal_message(&random, &key, MessageId(1)).unwrap(), false);
}

#[test]
fn neither_token_nor_key_is_printed() {
    let sealer = Sealer::generate(&random()).unwrap();

    assert_eq!(format!("{sealer:?}"), "Sealer(key 1)");
    assert_eq!(format!("{:?}", PushTokenText("canary")), "PushTokenText(6 characters)");
}
