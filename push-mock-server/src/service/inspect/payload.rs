//! What is inside an opened message: how it was packed, and what its text is.

use core::time::Duration;

use bytes::Bytes;
use push_crypto::{ContentCoding, Decrypted, Topic};
use sha2::{Digest, Sha256};

use super::{
    Case, declarative,
    report::{Report, octets},
};
use crate::service::finding::{Opened, Payload, Traces};

/// What Mozilla's service can hand on to Android at least (observed; see the vendors' tables).
const ANDROID: usize = 2744;
/// Within which time the same text again is probably a repeated request.
const DUPLICATE_WITHIN: Duration = Duration::from_secs(10);

impl Case<'_> {
    pub(super) fn check_payload(
        &mut self,
        coding: Option<ContentCoding>,
        message: Decrypted,
        topic: Option<&Topic>,
        traces: &mut Traces,
    ) -> Payload {
        self.check_packing(coding, &message);
        let (padding, records, rs) = (message.padding, message.records, message.record_size);
        let plaintext = Bytes::from(message.into_plaintext());
        check_text(&mut self.report, &plaintext);
        declarative::check(&mut self.report, &plaintext);
        if !plaintext.is_empty() {
            let digest: [u8; 32] = Sha256::digest(&plaintext).into();
            traces.plaintext = Some(digest);
            if topic.is_none() && self.recall.plaintext_seen(&digest, self.now.before(DUPLICATE_WITHIN)) {
                let seen = "the text of a message less than 10 s ago, without a topic";
                self.report.add("request/possible-duplicate", "body", seen, "a Topic on both");
            }
        }
        Payload::Decrypted(Opened { plaintext, padding, records, rs })
    }

    fn check_packing(&mut self, coding: Option<ContentCoding>, message: &Decrypted) {
        let text = message.plaintext.len();
        match coding {
            Some(ContentCoding::Aes128gcm) => {
                let needed = text as u64 + message.padding as u64 + 17;
                if message.records == 1 && message.record_size <= needed {
                    let seen = format!("rs {}, and text and padding need {needed}", message.record_size);
                    self.report.add("aes128gcm/rs-tight", "body@16", seen, "a larger rs, for example 4096");
                }
                if text == 0 && message.padding == 0 {
                    let seen = "an empty text without padding";
                    self.report.add("aes128gcm/empty-unpadded", "body", seen, "padding, or no body");
                }
            }
            Some(ContentCoding::Aesgcm128) if message.plaintext.first() == Some(&0) => {
                let seen = "a text that starts with a zero octet";
                self.report.add("aesgcm128/spurious-zero", "body", seen, "one octet of padding length");
            }
            _ => {}
        }
    }
}

/// What the text alone shows, before or after encryption.
pub(super) fn check_text(report: &mut Report, plaintext: &[u8]) {
    if core::str::from_utf8(plaintext).is_err() {
        let seen = format!("{} that are no UTF-8", octets(plaintext.len()));
        report.add("payload/not-utf8", "payload/", seen, "text, or arrayBuffer() in the worker");
    }
    if plaintext.len() > ANDROID {
        let seen = format!("a text of {}", octets(plaintext.len()));
        report.add("body/over-android", "body", seen, format!("at most {}", octets(ANDROID)));
    }
}
