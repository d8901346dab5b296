//! Opening the message with the keys of its subscription, and why it does not open (PS-124).

use push_crypto::{ContentCoding, DecryptError, Decrypted, Encrypted, RecordError, UserAgentKeys, decrypt};

use super::{
    Case, Target,
    body::{self, Text},
    coding::{CodingLines, check_legacy_fields},
    derivation::{Attempt, WrongWay},
    report::{Report, octets, shown},
};
use crate::service::{
    finding::{Payload, Traces},
    request::{DeliveryRequest, RequestBody},
};

/// Other subscriptions whose keys are tried at most; each costs a key agreement (our choice: 20 ms in all).
const OTHERS: usize = 512;

/// What became of a body.
#[derive(Debug)]
pub(super) enum Looked {
    /// It could not be opened, or is no encrypted message at all.
    Closed(Payload),
    /// It was opened with the keys of its subscription.
    Opened(Decrypted),
}

/// A message, and what came of opening it with the keys of its subscription.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) message: Encrypted,
    pub(crate) result: Result<Decrypted, DecryptError>,
}

/// The message in a request, where there can be no doubt about its coding; it is opened during inspection otherwise.
pub(crate) fn sealed(request: &DeliveryRequest) -> Option<Encrypted> {
    let RequestBody::Whole(octets) = &request.body else { return None };
    let mut names = request.fields("content-encoding");
    let coding = names.next().filter(|_| names.next().is_none())?.parse::<ContentCoding>().ok()?;
    let lines = CodingLines::of(request);
    Encrypted::read(coding, &lines.for_coding(coding), octets.to_vec()).ok()
}

impl<'a> Case<'a> {
    /// Coding, fields, body, decryption. Gives the coding, and what became of the body.
    pub(super) fn check_body(&mut self, traces: &mut Traces) -> (Option<ContentCoding>, Looked) {
        let lines = self.coding_lines();
        if self.request.body.is_empty() {
            self.check_tickle(&lines);
            return (None, Looked::Closed(Payload::Empty));
        }
        let coding = self.check_coding(&lines);
        let mut fields = Report::new(self.settings);
        if let Some(coding) = coding {
            check_legacy_fields(&mut fields, coding, &lines);
        }
        let Some(octets) = self.whole_body() else {
            self.report.append(fields);
            return (coding, Looked::Closed(Payload::Opaque));
        };
        if let Some(payload) = self.check_text(coding, &lines, octets) {
            self.report.append(fields);
            return (coding, Looked::Closed(payload));
        }
        let Some(named) = coding else { return (None, Looked::Closed(self.locked())) };
        (coding, self.check_encrypted(named, &lines, octets, fields, traces))
    }

    /// The body, unless a part of it was not read.
    pub(super) fn whole_body(&self) -> Option<&'a [u8]> {
        match &self.request.body {
            RequestBody::Whole(octets) => Some(octets),
            RequestBody::TooLarge { kept, declared: Some(size) } if kept.len() as u64 == *size => Some(kept),
            RequestBody::TooLarge { .. } => None,
        }
    }

    /// What a body is that does not open.
    fn locked(&self) -> Payload {
        if self.keys().is_some() { Payload::Undecryptable } else { Payload::Opaque }
    }

    fn keys(&self) -> Option<&'a UserAgentKeys> {
        match self.target {
            Target::Known(subject) => subject.keys,
            Target::Altered | Target::Unknown => None,
        }
    }

    /// A body that is text; none when it may be encrypted.
    fn check_text(
        &mut self,
        coding: Option<ContentCoding>,
        lines: &CodingLines<'_>,
        octets: &[u8],
    ) -> Option<Payload> {
        let locked = self.locked();
        let expected = "the encrypted octets themselves";
        let (code, seen, payload) = match body::text_of(octets)? {
            Text::Base64(decoded) if self.is_message(coding, lines, &decoded) => {
                ("body/base64-text", self.text_seen("base64", coding, lines, &decoded), locked)
            }
            Text::Hex(decoded) if self.is_message(coding, lines, &decoded) => {
                ("body/hex-text", self.text_seen("hexadecimal digits", coding, lines, &decoded), locked)
            }
            Text::Mangled(count) => {
                ("body/utf8-mangled", format!("{count} replacement characters (EF BF BD)"), locked)
            }
            Text::Json => ("body/unencrypted", "JSON in clear".to_owned(), Payload::Unencrypted),
            Text::Base64(_) | Text::Hex(_) | Text::Plain => {
                ("body/unencrypted", "text in clear".to_owned(), Payload::Unencrypted)
            }
        };
        self.report.add(code, "body", seen, expected);
        Some(payload)
    }

    fn is_message(&self, coding: Option<ContentCoding>, lines: &CodingLines<'_>, decoded: &[u8]) -> bool {
        body::has_form(coding, decoded) || self.opens_as(coding, lines, decoded).is_some()
    }

    fn text_seen(
        &self,
        what: &str,
        coding: Option<ContentCoding>,
        lines: &CodingLines<'_>,
        decoded: &[u8],
    ) -> String {
        let size = octets(decoded.len());
        match self.opens_as(coding, lines, decoded) {
            Some(coding) => format!("{what} of {size} which open as {coding}"),
            None => format!("{what} of {size}"),
        }
    }

    /// The coding, of the named one or else of all, as which the octets open with the subscription's own keys.
    pub(super) fn opens_as(
        &self,
        named: Option<ContentCoding>,
        lines: &CodingLines<'_>,
        octets: &[u8],
    ) -> Option<ContentCoding> {
        let codings =
            named.into_iter().chain(ContentCoding::ALL.into_iter().filter(|coding| Some(*coding) != named));
        let keys = self.keys()?;
        codings.into_iter().find(|coding| {
            Encrypted::read(*coding, &lines.for_coding(*coding), octets.to_vec())
                .is_ok_and(|message| decrypt(&self.settings.provider, keys, &message).is_ok())
        })
    }

    fn check_encrypted(
        &mut self,
        coding: ContentCoding,
        lines: &CodingLines<'_>,
        octets: &[u8],
        mut layout: Report,
        traces: &mut Traces,
    ) -> Looked {
        let locked = Looked::Closed(self.locked());
        body::check_layout(&mut layout, coding, lines, octets);
        let given = self.opening.take().filter(|given| given.message.coding() == coding);
        let read = match given {
            Some(Opening { message, result }) => Ok((message, Some(result))),
            None => Encrypted::read(coding, &lines.for_coding(coding), octets.to_vec())
                .map(|message| (message, None)),
        };
        let (message, result) = match read {
            Ok(read) => read,
            Err(error) => {
                if let Some(other) = self.opens_as(Some(coding), lines, octets) {
                    self.mislabelled(coding, other);
                    return locked;
                }
                if !layout.has_errors() {
                    layout.add(error.code(), "body", error.to_string(), "a message of this coding");
                }
                self.report.append(layout);
                return locked;
            }
        };
        traces.sender_key = Some(*message.sender_key());
        traces.salt = Some(*message.salt());
        self.check_reuse(&message);
        let open = |keys| decrypt(&self.settings.provider, keys, &message);
        let opened = result.or_else(|| self.keys().map(open));
        match opened {
            None => {
                self.report.append(layout);
                locked
            }
            Some(Ok(opened)) => {
                self.report.append(layout);
                Looked::Opened(opened)
            }
            Some(Err(error)) => {
                self.closed(coding, lines, &message, error, layout);
                locked
            }
        }
    }

    fn mislabelled(&mut self, named: ContentCoding, really: ContentCoding) {
        let seen = format!("{named}, but the body opens as {really}");
        self.report.add("coding/mislabelled", "header:content-encoding", seen, really.as_str());
    }

    /// Salt and sender key against those of earlier messages (AS-031, AS-035).
    fn check_reuse(&mut self, message: &Encrypted) {
        let key = message.sender_key();
        if self.recall.salt_seen(key, message.salt()) {
            let seen = "sender key and salt of an earlier message";
            self.report.add("decrypt/salt-reused", "body", seen, "a fresh salt for each message");
        } else if self.recall.sender_key_seen(key) {
            let seen = "the sender key of an earlier message";
            self.report.add("decrypt/sender-key-reused", "body", seen, "a fresh key pair for each message");
        }
    }

    /// The message is readable but does not open: the most telling cause.
    fn closed(
        &mut self,
        coding: ContentCoding,
        lines: &CodingLines<'_>,
        message: &Encrypted,
        error: DecryptError,
        layout: Report,
    ) {
        let tag = match error {
            DecryptError::Record(RecordError::Tag { record }) => record,
            DecryptError::Record(error) => {
                self.report.append(layout);
                // A fault of the layout shows without keys and has been told.
                if !self.report.has(error.code()) {
                    self.report.add(error.code(), "body", error.to_string(), "a well-formed last record");
                }
                return;
            }
            other => {
                self.report.append(layout);
                self.report.add("decrypt/failed", "body", other.to_string(), "a message for these keys");
                return;
            }
        };
        // The first record opened, so the keys are right and the octets behind it are not.
        if tag > 0 {
            self.report.append(layout);
            let seen = format!("the first {tag} records open, record {tag} (from 0) does not");
            self.report.add("decrypt/failed", "body", seen, "all records unchanged");
            return;
        }
        if let Some(other) = self.opens_as(Some(coding), lines, message.body()) {
            self.mislabelled(coding, other);
            return;
        }
        self.report.append(layout);
        let (code, seen) = self.diagnose(message);
        self.report.add(code, "body", seen, "p256dh and auth of this very subscription");
    }

    /// Which other keys, or which other way, open the message.
    fn diagnose(&self, message: &Encrypted) -> (&'static str, String) {
        let (provider, failed) = (&self.settings.provider, "decrypt/failed");
        let Target::Known(subject) = self.target else { return (failed, "no keys".to_owned()) };
        let opens = |keys: &UserAgentKeys| decrypt(provider, keys, message).is_ok();
        if subject.stale_keys.iter().any(opens) {
            return ("decrypt/stale-keys", "opens with the keys of before the rotation".to_owned());
        }
        let attempt = subject.keys.and_then(|keys| Attempt::new(provider, keys, message));
        if let Some(way) = attempt.as_ref().and_then(Attempt::wrong_way) {
            return wrong_way(way);
        }
        for (label, keys) in self.recall.other_keys().into_iter().take(OTHERS) {
            if opens(&keys) {
                return ("decrypt/other-subscription", format!("opens with the keys of {}", shown(&label)));
            }
            let theirs = keys.auth().is_some_and(|auth| {
                attempt.as_ref().is_some_and(|attempt| attempt.opens_with_auth(auth.expose()))
            });
            if theirs {
                let seen = format!("opens with p256dh of this subscription and auth of {}", shown(&label));
                return ("decrypt/other-subscription", seen);
            }
        }
        for keys in subject.stale_keys {
            let theirs = keys.auth().is_some_and(|auth| {
                attempt.as_ref().is_some_and(|attempt| attempt.opens_with_auth(auth.expose()))
            });
            if theirs {
                let seen = "opens with p256dh of now and auth of before the rotation";
                return ("decrypt/stale-keys", seen.to_owned());
            }
        }
        (failed, "the tag of record 0 does not verify".to_owned())
    }
}

fn wrong_way(way: WrongWay) -> (&'static str, String) {
    let (code, seen) = match way {
        WrongWay::AuthText => {
            ("decrypt/auth-not-decoded", "opens when the text of auth is used as the secret")
        }
        WrongWay::Bare => ("decrypt/no-context", "opens without secret and public keys, in the bare form"),
        WrongWay::KeysExchanged => {
            ("decrypt/no-context", "opens with the two public keys exchanged in the info string")
        }
        WrongWay::KeysLeftOut => {
            ("decrypt/no-context", "opens with the public keys left out of the info string")
        }
    };
    (code, seen.to_owned())
}
