//! Rules about opening a message with the keys of its subscription.

use super::{
    Example, Rule, Status,
    vendors::{CHROMIUM_SILENT, FIREFOX_101},
};
use crate::service::finding::{Level, VendorAnswer};

/// Services do not decrypt, so all of them answer 201.
const LOST: &[VendorAnswer] = &[FIREFOX_101, CHROMIUM_SILENT];

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "decrypt/failed",
        level: Level::Error,
        status: Status::RefusesIfStrict(400),
        title: "The message does not open",
        when: "The tag of a record does not verify with the keys of the subscription.",
        why: "The message was encrypted to other keys, with other key derivation, or was changed. Push services do not decrypt: all of them answer 201, and nothing appears.",
        fix: "Encrypt to p256dh and auth of this very subscription, with a push library; push encrypt shows a good one to compare with.",
        example: Example {
            before: "encrypt(payload, other.keys)",
            after: "encrypt(payload, subscription.keys); post(subscription.endpoint, …)",
        },
        vendors: LOST,
        spec: &["RFC 8291 §4"],
        row: Some("PS-124"),
    },
    Rule {
        code: "decrypt/other-subscription",
        level: Level::Error,
        status: Status::RefusesIfStrict(400),
        title: "Encrypted to another subscription",
        when: "The message opens with the keys of another subscription of this space, which is named.",
        why: "Keys and endpoint of two subscriptions were mixed up; the receiver cannot open it.",
        fix: "Keep endpoint and keys of a subscription together, in one row.",
        example: Example {
            before: "post(a.endpoint, encrypt(payload, b.keys))",
            after: "post(a.endpoint, encrypt(payload, a.keys))",
        },
        vendors: LOST,
        spec: &["RFC 8291 §3"],
        row: Some("PS-124"),
    },
    Rule {
        code: "decrypt/stale-keys",
        level: Level::Error,
        status: Status::RefusesIfStrict(400),
        title: "Encrypted to keys of before the change",
        when: "The message opens with the keys that the subscription had before it was rotated.",
        why: "The browser renewed its subscription; the old keys are gone.",
        fix: "Store the whole new subscription: handle pushsubscriptionchange, and compare at every visit.",
        example: Example {
            before: "db.update({endpoint: sub.endpoint})",
            after: "db.replace(oldEndpoint, sub.toJSON())        // endpoint and keys",
        },
        vendors: LOST,
        spec: &["Push API, refresh"],
        row: Some("PS-124"),
    },
    Rule {
        code: "decrypt/auth-not-decoded",
        level: Level::Error,
        status: Status::RefusesIfStrict(400),
        title: "auth was used as text",
        when: "The message opens when the base64url text of auth is used as the secret.",
        why: "auth in the JSON is base64url of 16 octets; the octets are the secret.",
        fix: "Decode auth before you use it.",
        example: Example {
            before: "hkdf(salt=keys['auth'].encode(), …)",
            after: "hkdf(salt=urlsafe_b64decode(keys['auth'] + '=='), …)",
        },
        vendors: LOST,
        spec: &["RFC 8291 §3.2"],
        row: Some("PS-124"),
    },
    Rule {
        code: "decrypt/no-context",
        level: Level::Error,
        status: Status::RefusesIfStrict(400),
        title: "The public keys are missing or exchanged in the key derivation",
        when: "The message opens when receiver and sender key are left out of the info string, or exchanged in it.",
        why: "Both public keys go into the derivation, the user agent's first, then the sender's.",
        fix: "Build the info string as the standard says: \"WebPush: info\", 00, key of the user agent, key of the sender.",
        example: Example {
            before: "info = b'WebPush: info\\x00' + as_public + ua_public",
            after: "info = b'WebPush: info\\x00' + ua_public + as_public",
        },
        vendors: LOST,
        spec: &["RFC 8291 §3.4"],
        row: Some("PS-124"),
    },
    Rule {
        code: "decrypt/salt-reused",
        level: Level::Error,
        status: Status::Accepts,
        title: "Salt and sender key used twice",
        when: "An earlier message had the same sender key and the same salt.",
        why: "Both messages have the same key and nonce: who sees both can read and forge (AES-GCM forbids it).",
        fix: "Make a fresh random salt, and a fresh key pair, for each message.",
        example: Example {
            before: "const salt = Buffer.alloc(16);",
            after: "const salt = crypto.randomBytes(16);        // per message",
        },
        vendors: &[],
        spec: &["RFC 8188 §4.3"],
        row: Some("AS-031"),
    },
    Rule {
        code: "decrypt/sender-key-reused",
        level: Level::Info,
        status: Status::Accepts,
        title: "Sender key used twice",
        when: "An earlier message had the same sender key.",
        why: "A fresh key pair per message is what the standard describes; one for all links the recipients, and leaves only the salt between two messages and one key.",
        fix: "Make a fresh key pair for each message.",
        example: Example {
            before: "const ecdh = createECDH('prime256v1'); ecdh.generateKeys();        // once",
            after: "the same, inside the function that encrypts one message",
        },
        vendors: &[],
        spec: &["RFC 8291 §3.1"],
        row: Some("AS-035"),
    },
];
