//! `kind: messages`: bodies that open to exactly one text, or must be refused; where the sender's part is known,
//! encryption must give them again octet for octet.

use aes_gcm::{
    Aes128Gcm,
    aead::{Aead as _, KeyInit as _},
};
use push_crypto::{
    AuthSecret, ContentCoding, EncryptJob, Encrypted, HeaderFields, PrivateKey, PublicKey, Schedule, Secret,
    SubscriptionKeys, UserAgentKeys, base64url,
    coding::{HeaderBlock, explain, fields},
    danger::{self, Chosen, PaperSchedule},
    decrypt,
    provider::{CryptoProvider, rust_crypto},
};

use super::{
    ANY, Outcomes,
    case::{Case, Stop, judge},
    reference::{self, Inputs, Steps},
    with_each_provider,
};

pub(super) fn check(case: &Case<'_>) -> Outcomes {
    let case = *case;
    let has_private = |name| case.object(name).is_some_and(|object| object.value("private").is_some());
    if has_private("receiver") || has_private("sender") {
        with_each_provider(|provider| check_with(case, provider))
    } else {
        // No curve is involved, so no provider is either.
        vec![(ANY, check_with(case, &rust_crypto::PROVIDER))]
    }
}

fn check_with(case: Case<'_>, provider: &CryptoProvider) -> Result<(), String> {
    let opened = Message::read(case, provider).and_then(|message| {
        let (plaintext, steps) = message.open(provider)?;
        Ok((message, plaintext, steps))
    });
    judge(case.error(), opened, |(message, plaintext, steps)| {
        let further = || {
            let expected = case.octets("plaintext_b64url")?;
            let expected = expected.ok_or(Stop::unclear("neither \"plaintext_b64url\" nor \"error\""))?;
            if expected != plaintext {
                return Err(Stop::refused(differ("the plaintext", &expected, &plaintext)));
            }
            check_steps(case, &message, &steps)?;
            reproduce(case, &message, provider, &plaintext)
        };
        further().map_err(|stop| match stop {
            Stop::Refused(why) => why,
            Stop::Unclear(why) => format!("cannot be judged: {why}"),
        })
    })
}

fn differ(what: &str, expected: &[u8], came: &[u8]) -> String {
    format!("expected {what} {}, came {}", base64url::encode(expected), base64url::encode(came))
}

/// A message as its case gives it.
struct Message {
    form: Form,
    key: Key,
    body: Vec<u8>,
}

/// A schedule of Web Push, or one that exists on paper only.
enum Form {
    WebPush(Encrypted),
    Paper { schedule: Paper, salt: [u8; 16], rs: u64, sender_key: Option<PublicKey>, records: Vec<u8> },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Paper {
    Aes128gcmExplicit,
    BareExplicit,
    Context(ContentCoding),
    Explicit(ContentCoding),
}

/// What the receiver has.
enum Key {
    Direct(Vec<u8>),
    Private(UserAgentKeys),
    Shared { secret: Secret<32>, receiver: PublicKey, auth: Option<AuthSecret> },
}

/// Which of the key schedules of the README a case means.
enum Meant {
    WebPush(Schedule),
    Paper(Paper),
}

impl Message {
    fn read(case: Case<'_>, provider: &CryptoProvider) -> Result<Self, Stop> {
        let coding = case.needed_text("coding")?;
        let coding: ContentCoding = coding.parse().map_err(Stop::refused)?;
        check_content_encoding(case, coding)?;
        let body = case.needed_octets("body_b64url")?;
        let key = Key::read(case, provider)?;
        let form = match meant(case, coding, &key)? {
            Meant::WebPush(schedule) => Form::WebPush(read_web_push(case, schedule, &key, &body)?),
            Meant::Paper(Paper::Aes128gcmExplicit) => {
                let (header, records) = HeaderBlock::read(&body).map_err(Stop::refused)?;
                Form::Paper {
                    schedule: Paper::Aes128gcmExplicit,
                    salt: header.salt,
                    rs: u64::from(header.rs),
                    sender_key: None,
                    records: records.to_vec(),
                }
            }
            Meant::Paper(schedule) => {
                let from_key_agreement = matches!(schedule, Paper::Context(_));
                let (salt, rs, dh) = old_parameters(case, coding, from_key_agreement, &key)?;
                let sender_key =
                    dh.map(|dh| PublicKey::from_octets(&dh).map_err(Stop::refused)).transpose()?;
                Form::Paper { schedule, salt, rs, sender_key, records: body.clone() }
            }
        };
        Ok(Self { form, key, body })
    }

    fn open(&self, provider: &CryptoProvider) -> Result<(Vec<u8>, Steps), Stop> {
        match (&self.form, &self.key) {
            (Form::WebPush(message), Key::Private(keys)) => {
                let opened = decrypt(provider, keys, message).map_err(Stop::refused)?;
                let steps = explain::key_steps(provider, keys, message).map_err(Stop::refused)?;
                let steps = steps.into_iter().map(|step| (step.name, step.octets.to_vec())).collect();
                Ok((opened.into_plaintext(), steps))
            }
            (Form::WebPush(message), Key::Shared { secret, receiver, auth }) => {
                let auth = auth.as_ref();
                let opened = danger::decrypt_with_shared_secret(receiver, auth, secret, message);
                let steps = reference::steps(&Inputs {
                    coding: message.coding(),
                    bare: message.schedule() == Schedule::Aesgcm128Bare,
                    secret: secret.expose(),
                    auth: auth.filter(|_| message.schedule().needs_auth()).map(AuthSecret::expose),
                    salt: message.salt(),
                    parties: Some((receiver, message.sender_key())),
                });
                Ok((opened.map_err(Stop::refused)?.into_plaintext(), steps))
            }
            (Form::WebPush(_), Key::Direct(_)) => {
                Err(Stop::unclear("a key given directly with key agreement"))
            }
            (Form::Paper { schedule, salt, rs, sender_key, records }, key) => {
                let secret = key.secret(provider, sender_key.as_ref())?;
                let parties = key.receiver().copied().zip(*sender_key);
                let schedule = schedule.with(parties, b"")?;
                let opened = danger::open_on_paper(schedule, &secret, *salt, *rs, records);
                let steps = paper_steps(&schedule, &secret, salt);
                Ok((opened.map_err(Stop::refused)?, steps))
            }
        }
    }
}

impl Key {
    fn read(case: Case<'_>, provider: &CryptoProvider) -> Result<Self, Stop> {
        if let Some(key) = case.octets("ikm_b64url")? {
            return Ok(Self::Direct(key));
        }
        let receiver = case.object("receiver");
        let receiver = receiver.ok_or_else(|| Stop::unclear("no \"receiver\" and no \"ikm_b64url\""))?;
        let auth = receiver.octets("auth")?;
        let auth = auth.map(|octets| AuthSecret::from_octets(&octets).map_err(Stop::refused)).transpose()?;
        let public = receiver.octets("public")?;
        let public =
            public.map(|octets| PublicKey::from_octets(&octets).map_err(Stop::refused)).transpose()?;
        if let Some(secret) = case.octets("ecdh_secret_b64url")? {
            let secret = <[u8; 32]>::try_from(secret.as_slice()).map(Secret::new);
            let secret = secret.map_err(|_| Stop::unclear("\"ecdh_secret_b64url\" has not 32 octets"))?;
            let receiver = public.ok_or_else(|| Stop::unclear("\"receiver.public\" is missing"))?;
            return Ok(Self::Shared { secret, receiver, auth });
        }
        let private = receiver.octets("private")?;
        let private = private.ok_or_else(|| Stop::unclear("no \"receiver.private\", and no secret given"))?;
        let private = PrivateKey::from_octets(&private).map_err(Stop::refused)?;
        let keys = UserAgentKeys::new(provider, private, auth).map_err(Stop::refused)?;
        if public.is_some_and(|public| public != *keys.public()) {
            return Err(Stop::refused("\"receiver.public\" does not belong to \"receiver.private\""));
        }
        Ok(Self::Private(keys))
    }

    fn receiver(&self) -> Option<&PublicKey> {
        match self {
            Self::Direct(_) => None,
            Self::Private(keys) => Some(keys.public()),
            Self::Shared { receiver, .. } => Some(receiver),
        }
    }

    fn auth(&self) -> Option<&AuthSecret> {
        match self {
            Self::Direct(_) => None,
            Self::Private(keys) => keys.auth(),
            Self::Shared { auth, .. } => auth.as_ref(),
        }
    }

    /// What goes into the schedule in place of the shared secret.
    fn secret(&self, provider: &CryptoProvider, sender: Option<&PublicKey>) -> Result<Vec<u8>, Stop> {
        match (self, sender) {
            (Self::Direct(key), _) => Ok(key.clone()),
            (Self::Shared { secret, .. }, _) => Ok(secret.expose().to_vec()),
            (Self::Private(keys), Some(sender)) => {
                let secret = provider.shared_secret(keys.private(), sender).map_err(Stop::refused)?;
                Ok(secret.expose().to_vec())
            }
            (Self::Private(_), None) => Err(Stop::unclear("no key of the sender")),
        }
    }
}

impl Paper {
    fn with(self, parties: Option<(PublicKey, PublicKey)>, keyid: &[u8]) -> Result<PaperSchedule<'_>, Stop> {
        Ok(match self {
            Self::Aes128gcmExplicit => PaperSchedule::Aes128gcmExplicit { keyid },
            Self::BareExplicit => PaperSchedule::BareExplicit,
            Self::Context(coding) => {
                let parties = parties.ok_or_else(|| Stop::unclear("the context needs both public keys"))?;
                PaperSchedule::Context { coding, parties }
            }
            Self::Explicit(coding) => PaperSchedule::Explicit { coding },
        })
    }
}

/// `Content-Encoding`, where it is there, names this coding and no other.
fn check_content_encoding(case: Case<'_>, coding: ContentCoding) -> Result<(), Stop> {
    let lines = case.lines("Content-Encoding")?;
    if lines.is_empty() || lines.join(",").trim_matches([' ', '\t']).parse() == Ok(coding) {
        return Ok(());
    }
    Err(Stop::refused("Content-Encoding does not name the coding alone"))
}

fn meant(case: Case<'_>, coding: ContentCoding, key: &Key) -> Result<Meant, Stop> {
    let direct = matches!(key, Key::Direct(_));
    let variant = case.text("variant")?;
    Ok(match (coding, variant) {
        (ContentCoding::Aes128gcm, None) if direct => Meant::Paper(Paper::Aes128gcmExplicit),
        (ContentCoding::Aes128gcm, None) => Meant::WebPush(Schedule::Aes128gcm),
        (ContentCoding::Aesgcm128, Some("bare" | "bare-explicit")) if direct => {
            Meant::Paper(Paper::BareExplicit)
        }
        (ContentCoding::Aesgcm128, Some("bare" | "bare-explicit")) => Meant::WebPush(Schedule::Aesgcm128Bare),
        (ContentCoding::Aesgcm, None | Some("no-auth"))
        | (ContentCoding::Aesgcm128, None | Some("context" | "auth-context"))
            if direct =>
        {
            Meant::Paper(Paper::Explicit(coding))
        }
        (ContentCoding::Aesgcm, None) => Meant::WebPush(Schedule::Aesgcm),
        (ContentCoding::Aesgcm, Some("no-auth")) | (ContentCoding::Aesgcm128, Some("context")) => {
            Meant::Paper(Paper::Context(coding))
        }
        (ContentCoding::Aesgcm128, Some("auth-context")) => Meant::WebPush(Schedule::Aesgcm128AuthContext),
        // The rule of the only receiver that knew both.
        (ContentCoding::Aesgcm128, None) if fields::has_dh(&case.lines("Crypto-Key")?) => {
            Meant::WebPush(Schedule::Aesgcm128AuthContext)
        }
        (ContentCoding::Aesgcm128, None) => Meant::WebPush(Schedule::Aesgcm128Bare),
        (_, Some(other)) => {
            return Err(Stop::unclear(format!("variant \"{other}\" is unknown with {coding}")));
        }
    })
}

fn read_web_push(case: Case<'_>, schedule: Schedule, key: &Key, body: &[u8]) -> Result<Encrypted, Stop> {
    // The 12 octets of pre-release Firefox belong to one schedule only.
    if key.auth().is_some_and(AuthSecret::is_pre_release)
        && matches!(schedule, Schedule::Aes128gcm | Schedule::Aesgcm)
    {
        return Err(Stop::refused("the authentication secret has 12 octets, 16 are needed"));
    }
    let coding = schedule.coding();
    if coding == ContentCoding::Aes128gcm {
        return Encrypted::read(coding, &HeaderFields::default(), body.to_vec()).map_err(Stop::refused);
    }
    if takes_members(case, key)? {
        let (salt, rs, dh) = members(case, coding)?;
        let dh = dh.ok_or_else(|| Stop::unclear("\"dh\" is missing"))?;
        let sender_key = PublicKey::from_octets(&dh).map_err(Stop::refused)?;
        return Ok(danger::from_parts(schedule, salt, rs, sender_key, body.to_vec()));
    }
    let lines = Lines::of(case, schedule == Schedule::Aesgcm128Bare)?;
    Encrypted::read(coding, &lines.fields(), body.to_vec()).map_err(Stop::refused)
}

/// The lines of the fields that count for a schedule; the other key field is not looked at.
struct Lines<'a> {
    encryption: Vec<&'a str>,
    crypto_key: Vec<&'a str>,
    encryption_key: Vec<&'a str>,
}

impl<'a> Lines<'a> {
    fn of(case: Case<'a>, bare: bool) -> Result<Self, Stop> {
        let encryption = case.lines("Encryption")?;
        let (crypto_key, encryption_key) = if bare {
            (Vec::new(), case.lines("Encryption-Key")?)
        } else {
            (case.lines("Crypto-Key")?, Vec::new())
        };
        Ok(Self { encryption, crypto_key, encryption_key })
    }

    fn fields(&self) -> HeaderFields<'_> {
        HeaderFields {
            encryption: &self.encryption,
            crypto_key: &self.crypto_key,
            encryption_key: &self.encryption_key,
        }
    }
}

/// Members count where the key is given, and where there are no header fields at all.
fn takes_members(case: Case<'_>, key: &Key) -> Result<bool, Stop> {
    let given = !matches!(key, Key::Private(_)) || case.lines("Encryption")?.is_empty();
    Ok(given && case.value("salt").is_some())
}

/// Salt, record size, and the sender's key where there is one.
type OldParameters = ([u8; 16], u64, Option<Vec<u8>>);

fn members(case: Case<'_>, coding: ContentCoding) -> Result<OldParameters, Stop> {
    let rs = case.number("rs")?.unwrap_or(fields::DEFAULT_RECORD_SIZE);
    check_record_size(coding, rs)?;
    Ok((salt_of(&case.needed_octets("salt")?)?, rs, case.octets("dh")?))
}

fn old_parameters(
    case: Case<'_>,
    coding: ContentCoding,
    from_key_agreement: bool,
    key: &Key,
) -> Result<OldParameters, Stop> {
    if takes_members(case, key)? {
        return members(case, coding);
    }
    if from_key_agreement {
        let lines = Lines::of(case, false)?;
        let fields = danger::read_fields(coding, &lines.fields()).map_err(Stop::refused)?;
        return Ok((salt_of(&fields.salt)?, fields.rs, Some(fields.dh)));
    }
    // A key given directly needs no key field, only salt and record size.
    let entries = fields::entries("Encryption", &case.lines("Encryption")?).map_err(Stop::refused)?;
    let [entry] = entries.as_slice() else {
        return Err(Stop::refused(format!("Encryption has {} entries", entries.len())));
    };
    let salt = entry.value("salt").ok_or_else(|| Stop::refused("Encryption has no salt"))?;
    let salt = salt_of(&base64url::decode(salt).map_err(Stop::refused)?)?;
    let rs = entry.value("rs").map_or(Ok(fields::DEFAULT_RECORD_SIZE), str::parse).map_err(Stop::refused)?;
    check_record_size(coding, rs)?;
    Ok((salt, rs, None))
}

fn salt_of(octets: &[u8]) -> Result<[u8; 16], Stop> {
    octets.try_into().map_err(|_| Stop::refused(format!("the salt has {} octets", octets.len())))
}

fn check_record_size(coding: ContentCoding, rs: u64) -> Result<(), Stop> {
    let least = match coding {
        ContentCoding::Aes128gcm => 18,
        ContentCoding::Aesgcm => 3,
        ContentCoding::Aesgcm128 => 2,
    };
    if (least..=fields::MAX_RECORD_SIZE).contains(&rs) {
        return Ok(());
    }
    Err(Stop::refused(format!("the record size is {rs}")))
}

fn paper_steps(schedule: &PaperSchedule<'_>, secret: &[u8], salt: &[u8; 16]) -> Steps {
    let mut inputs =
        Inputs { coding: ContentCoding::Aes128gcm, bare: false, secret, auth: None, salt, parties: None };
    match schedule {
        PaperSchedule::Aes128gcmExplicit { .. } => {}
        PaperSchedule::BareExplicit => (inputs.coding, inputs.bare) = (ContentCoding::Aesgcm128, true),
        PaperSchedule::Context { coding, parties: (receiver, sender) } => {
            (inputs.coding, inputs.parties) = (*coding, Some((receiver, sender)));
        }
        PaperSchedule::Explicit { coding } => inputs.coding = *coding,
    }
    reference::steps(&inputs)
}

/// `intermediate`: every value whose name is known must be what came; other names are left alone.
fn check_steps(case: Case<'_>, message: &Message, steps: &Steps) -> Result<(), Stop> {
    let Some(intermediate) = case.object("intermediate") else { return Ok(()) };
    for (name, _) in intermediate.members() {
        let came = match steps.iter().find(|(known, _)| *known == name) {
            Some((_, octets)) => octets.clone(),
            None if name == "record_plaintext" => first_record(message, steps)?,
            None => continue,
        };
        let expected = intermediate.needed_octets(name)?;
        if expected != came {
            return Err(Stop::refused(differ(&format!("intermediate.{name}"), &expected, &came)));
        }
    }
    Ok(())
}

/// The plaintext of the first record with its padding.
fn first_record(message: &Message, steps: &Steps) -> Result<Vec<u8>, Stop> {
    let step = |wanted: &str| {
        let found = steps.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, octets)| octets.as_slice()).ok_or_else(|| Stop::unclear(format!("no {wanted}")))
    };
    let (coding, rs, records) = match &message.form {
        Form::WebPush(encrypted) if encrypted.coding() == ContentCoding::Aes128gcm => {
            let (_, records) = HeaderBlock::read(&message.body).map_err(Stop::refused)?;
            (ContentCoding::Aes128gcm, encrypted.record_size(), records)
        }
        Form::WebPush(encrypted) => (encrypted.coding(), encrypted.record_size(), message.body.as_slice()),
        Form::Paper { schedule, rs, records, .. } => match schedule {
            Paper::Aes128gcmExplicit => (ContentCoding::Aes128gcm, *rs, records.as_slice()),
            Paper::BareExplicit | Paper::Context(_) | Paper::Explicit(_) => {
                (ContentCoding::Aesgcm, *rs, records.as_slice())
            }
        },
    };
    // The record size of aes128gcm counts the tag, that of the older codings does not.
    let tag = if coding == ContentCoding::Aes128gcm { 0 } else { 16 };
    let length =
        usize::try_from(rs.saturating_add(tag)).map_or(records.len(), |size| size.min(records.len()));
    let record = records.get(..length).unwrap_or_default();
    let cipher = Aes128Gcm::new_from_slice(step("cek")?).map_err(Stop::refused)?;
    let nonce: [u8; 12] = step("nonce")?.try_into().map_err(Stop::refused)?;
    cipher.decrypt(&nonce.into(), record).map_err(|_| Stop::refused("the first record does not open"))
}

/// Encrypts again with the sender's own key and salt where the case says that this must give the body.
fn reproduce(
    case: Case<'_>,
    message: &Message,
    provider: &CryptoProvider,
    plaintext: &[u8],
) -> Result<(), Stop> {
    let Some(sender) = case.object("sender") else { return Ok(()) };
    match sender.value("reproducible").map(|flag| flag.as_bool()) {
        Some(Some(true)) => {}
        None | Some(Some(false)) => return Ok(()),
        Some(None) => return Err(Stop::unclear("\"sender.reproducible\" is neither true nor false")),
    }
    let sender = Sender::read(sender, provider)?;
    if sender.padding > message.body.len() {
        return Err(Stop::refused("\"sender.pad\" is more padding than the body has octets"));
    }
    let body = match &message.form {
        Form::WebPush(expected) => {
            sender.encrypt(expected.schedule(), &message.key, provider, plaintext)?.into_body()
        }
        Form::Paper { schedule, sender_key, .. } => {
            sender.seal(*schedule, sender_key.as_ref(), &message.key, provider, plaintext)?
        }
    };
    if body == message.body {
        return Ok(());
    }
    Err(Stop::refused(differ("encryption to give the body", &message.body, &body)))
}

/// What the sender chose.
struct Sender<'a> {
    private: Option<PrivateKey>,
    salt: [u8; 16],
    rs: u64,
    padding: usize,
    keyid: &'a str,
}

impl<'a> Sender<'a> {
    fn read(sender: Case<'a>, provider: &CryptoProvider) -> Result<Self, Stop> {
        let private = sender.octets("private")?;
        let private =
            private.map(|octets| PrivateKey::from_octets(&octets).map_err(Stop::refused)).transpose()?;
        if let (Some(private), Some(public)) = (&private, sender.octets("public")?) {
            let computed = provider.public_key(private).map_err(Stop::refused)?;
            if public != computed.as_octets() {
                return Err(Stop::refused(differ("sender.public", &public, computed.as_octets())));
            }
        }
        let padding = usize::try_from(sender.number("pad")?.unwrap_or(0)).unwrap_or(usize::MAX);
        Ok(Self {
            private,
            salt: salt_of(&sender.needed_octets("salt")?)?,
            rs: sender.number("rs")?.ok_or_else(|| Stop::unclear("\"sender.rs\" is missing"))?,
            padding,
            keyid: sender.text("keyid")?.unwrap_or_default(),
        })
    }

    fn private(&self) -> Result<&PrivateKey, Stop> {
        self.private.as_ref().ok_or_else(|| Stop::unclear("\"sender.private\" is missing"))
    }

    fn encrypt(
        &self,
        schedule: Schedule,
        key: &Key,
        provider: &CryptoProvider,
        plaintext: &[u8],
    ) -> Result<Encrypted, Stop> {
        let p256dh = *key.receiver().ok_or_else(|| Stop::unclear("no key of the receiver"))?;
        let keys = SubscriptionKeys { p256dh, auth: key.auth().cloned() };
        let chosen = Chosen { sender: self.private()?, salt: self.salt, rs: self.rs, padding: self.padding };
        let job = EncryptJob { keys: &keys, plaintext };
        danger::encrypt(provider, schedule, job, &chosen).map_err(Stop::refused)
    }

    fn seal(
        &self,
        schedule: Paper,
        sender_key: Option<&PublicKey>,
        key: &Key,
        provider: &CryptoProvider,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Stop> {
        let (secret, parties) = match key.receiver().zip(sender_key) {
            None => (key.secret(provider, None)?, None),
            Some((receiver, sender)) => {
                // From the sender's side, so that both halves of the agreement are exercised.
                let shared = provider.shared_secret(self.private()?, receiver).map_err(Stop::refused)?;
                (shared.expose().to_vec(), Some((*receiver, *sender)))
            }
        };
        let schedule = schedule.with(parties, self.keyid.as_bytes())?;
        danger::seal_on_paper(schedule, &secret, self.salt, self.rs, self.padding, plaintext)
            .map_err(Stop::refused)
    }
}
