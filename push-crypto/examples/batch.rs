//! Encrypts one text for 64 recipients at once, and opens the messages at once, with the fastest provider there is.

use std::error::Error;

use push_crypto::{
    DecryptJob, EncryptJob, EncryptOptions, UserAgentKeys, decrypt_batch, encrypt_batch, provider,
};

fn main() -> Result<(), Box<dyn Error>> {
    let provider = provider::best();
    let receivers = (0..64).map(|_| UserAgentKeys::generate(&provider)).collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<_> = receivers.iter().map(UserAgentKeys::subscription_keys).collect();

    let jobs: Vec<_> = keys.iter().map(|keys| EncryptJob { keys, plaintext: b"Hello" }).collect();
    let mut results = Vec::with_capacity(jobs.len());
    encrypt_batch(&provider, &EncryptOptions::default(), &jobs, &mut results)?;
    let messages = results.into_iter().collect::<Result<Vec<_>, _>>()?;

    let jobs: Vec<_> =
        receivers.iter().zip(&messages).map(|(keys, message)| DecryptJob { keys, message }).collect();
    let mut opened = Vec::with_capacity(jobs.len());
    decrypt_batch(&provider, &jobs, &mut opened)?;
    for message in opened {
        assert_eq!(message?.plaintext, b"Hello");
    }
    Ok(())
}
