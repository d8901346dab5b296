//! Which VAPID key signs, and in whose name.

use clap::Args;
use push_crypto::vapid::{Subject, VapidKey};

use crate::{
    api::Api,
    commands::keys,
    diagnostic::{Diagnostic, Result},
    environment,
    message::member,
};

/// The contact of messages to the service's own subscriptions: nobody reads it there.
const OWN_SUBJECT: &str = "mailto:you@example.com";

#[derive(Args, Debug)]
#[command(next_help_heading = "VAPID")]
pub(crate) struct IdentityArgs {
    /// Key: FILE, env (PUSH_VAPID_PRIVATE_KEY) or none [default: the service's
    /// own for its endpoints, else env]
    #[arg(long, value_name = "FILE|env|none")]
    pub(crate) vapid: Option<String>,
    /// Contact: mailto: or https:
    #[arg(long, env = "PUSH_VAPID_SUBJECT", value_name = "S", value_parser = parse_subject, hide_env_values = true)]
    pub(crate) vapid_subject: Option<Subject>,
}

fn parse_subject(text: &str) -> std::result::Result<Subject, String> {
    text.parse().map_err(|error: push_crypto::vapid::SubjectError| error.to_string())
}

/// Key and contact of one message.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    /// The key.
    pub(crate) key: VapidKey,
    /// The contact.
    pub(crate) subject: Option<Subject>,
}

/// Finds the key for each receiver; asks the service at most once.
pub(crate) struct Identity<'a> {
    args: &'a IdentityArgs,
    api: &'a Api,
    own: Option<VapidKey>,
    told: Option<VapidKey>,
}

impl<'a> Identity<'a> {
    /// Nothing is read yet.
    pub(crate) const fn new(args: &'a IdentityArgs, api: &'a Api) -> Self {
        Self { args, api, own: None, told: None }
    }

    /// The key for a subscription of the service itself, or for one elsewhere; none sends without VAPID.
    pub(crate) async fn of(&mut self, is_own: bool) -> Result<Option<Signer>> {
        let subject = self.args.vapid_subject.clone();
        match self.args.vapid.as_deref() {
            Some("none") => Ok(None),
            Some(told) => Ok(Some(Signer { key: self.told(told)?, subject })),
            None if is_own => {
                let subject = subject.or_else(|| OWN_SUBJECT.parse().ok());
                Ok(Some(Signer { key: self.own().await?, subject }))
            }
            None => Ok(Some(Signer { key: self.told("env")?, subject })),
        }
    }

    fn told(&mut self, told: &str) -> Result<VapidKey> {
        if let Some(key) = &self.told {
            return Ok(key.clone());
        }
        let key = if told == "env" {
            let text = environment::variable("PUSH_VAPID_PRIVATE_KEY").ok_or_else(|| {
                Diagnostic::input("vapid/missing", "there is no VAPID key to sign with")
                    .why("the endpoint is not the local service's own, and PUSH_VAPID_PRIVATE_KEY is not set")
                    .fix("push keys new --pem > vapid.pem, then --vapid vapid.pem; or --vapid none to send without")
            })?;
            keys::read_private(&text)?
        } else {
            keys::read_private(told)?
        };
        self.told = Some(key.clone());
        Ok(key)
    }

    async fn own(&mut self) -> Result<VapidKey> {
        if let Some(key) = &self.own {
            return Ok(key.clone());
        }
        let pair = self.api.get("/keys", &[("secrets", "1")]).await?;
        let key = keys::read_private(member(&pair, "privateKey"))?;
        self.own = Some(key.clone());
        Ok(key)
    }
}

/// `--vapid-pubkey` beside `--vapid-pvtkey`: they must be one pair.
pub(crate) fn check_pair(public: &str, private: &str) -> Result<()> {
    let key = keys::read_private(private)?;
    if key.public().to_base64url() == public.trim().trim_end_matches('=') {
        return Ok(());
    }
    Err(Diagnostic::input("vapid/key-mismatch", "--vapid-pubkey does not belong to --vapid-pvtkey")
        .why(format!("the private key's public half is {}", keys::short(key.public())))
        .fix("use the two halves of one pair, or leave --vapid-pubkey out: it is computed"))
}
