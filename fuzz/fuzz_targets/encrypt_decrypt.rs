//! What is encrypted with any schedule, record size and padding opens to the same text.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use push_crypto::{
    EncryptJob, HeaderFields, PrivateKey, Schedule, UserAgentKeys,
    danger::{self, Chosen},
    decrypt,
    provider::rust_crypto,
};

mod receiver;

static KEYS: LazyLock<UserAgentKeys> = LazyLock::new(receiver::keys);

fuzz_target!(|input: (u8, u16, u16, &[u8])| {
    let (schedule, rs, padding, plaintext) = input;
    let schedule = Schedule::ALL[usize::from(schedule) % Schedule::ALL.len()];
    let sender = PrivateKey::from_octets(&[7; 32]).expect("a scalar of P-256");
    let chosen = Chosen { sender: &sender, salt: [9; 16], rs: rs.into(), padding: padding.into() };
    let keys = KEYS.subscription_keys();
    let job = EncryptJob { keys: &keys, plaintext };
    let Ok(message) = danger::encrypt(&rust_crypto::PROVIDER, schedule, job, &chosen) else { return };
    let opened = decrypt(&rust_crypto::PROVIDER, &KEYS, &message).expect("what was encrypted opens");
    assert_eq!(opened.plaintext, plaintext);
    assert_eq!(opened.padding, usize::from(padding));
    receiver::receive(&KEYS, message.coding(), &HeaderFields::default(), message.body());
});
