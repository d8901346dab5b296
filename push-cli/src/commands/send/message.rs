//! What is sent: payload and message options, alike for one message and for many.

use clap::{Args, ValueEnum};
use push_client::{DeliveryMethod, PushMessage};
use push_crypto::{PushResource, Subscription, Topic, Ttl, Urgency};
use serde_json::{Map, Value};

use crate::{
    commands::{
        demo,
        encrypt::{Coding, FormArgs},
    },
    diagnostic::{Diagnostic, Result},
    input, text,
};

/// What is in the message.
#[derive(Args, Debug)]
#[command(next_help_heading = "Payload")]
pub(crate) struct Content {
    /// The payload from @FILE, or - for stdin, or as it is
    #[arg(long, value_name = "@FILE|-", conflicts_with_all = ["title", "body", "navigate", "empty"])]
    pub(crate) data: Option<String>,
    /// Title of a notification
    #[arg(long, value_name = "T")]
    pub(crate) title: Option<String>,
    /// Its text
    #[arg(long, value_name = "B", requires = "title")]
    pub(crate) body: Option<String>,
    /// Its URL (--url is the service's)
    #[arg(long, value_name = "U", requires = "title")]
    pub(crate) navigate: Option<String>,
    /// Declarative: shown without a worker
    #[arg(long, requires = "title")]
    pub(crate) declarative: bool,
    /// No payload: a tickle
    #[arg(long, conflicts_with = "title")]
    pub(crate) empty: bool,
}

/// How it is handed over.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Message")]
pub(crate) struct MessageOptions {
    /// Seconds for which the service tries to deliver
    #[arg(long, value_name = "N", default_value = "60", value_parser = parse_ttl)]
    pub(crate) ttl: Ttl,
    /// Replaces an undelivered message of the same topic
    #[arg(long, value_name = "T", value_parser = parse_topic)]
    pub(crate) topic: Option<Topic>,
    /// very-low, low, normal or high
    #[arg(long, value_name = "U", value_parser = parse_urgency)]
    pub(crate) urgency: Option<Urgency>,
    /// Ask for a delivery receipt
    #[arg(long)]
    pub(crate) receipt: bool,
    /// POST or PUT
    #[arg(
        long,
        value_name = "M",
        value_enum,
        ignore_case = true,
        default_value = "post",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) method: Method,
    /// The path of the 2016 page, of a local endpoint
    #[arg(long)]
    pub(crate) path_2016: bool,
}

/// The method of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// The standard's.
    Post,
    /// As in 2016.
    Put,
}

fn parse_ttl(text: &str) -> std::result::Result<Ttl, String> {
    match Ttl::parse(text) {
        Ok((ttl, _)) => Ok(ttl),
        Err(error) => {
            text::parse_duration(text).map(|time| Ttl::seconds(time.as_secs())).map_err(|_| error.to_string())
        }
    }
}

fn parse_topic(text: &str) -> std::result::Result<Topic, String> {
    text.parse().map_err(|error: push_crypto::TopicError| error.to_string())
}

fn parse_urgency(text: &str) -> std::result::Result<Urgency, String> {
    text.parse().map_err(|error: push_crypto::UrgencyError| error.to_string())
}

impl MessageOptions {
    /// The message with this payload; none is a tickle.
    pub(crate) fn message(&self, octets: Option<impl Into<bytes::Bytes>>, form: &FormArgs) -> PushMessage {
        self.message_for(self.ttl, octets, form)
    }

    /// The same with another TTL.
    pub(crate) fn message_for(
        &self,
        ttl: Ttl,
        octets: Option<impl Into<bytes::Bytes>>,
        form: &FormArgs,
    ) -> PushMessage {
        let mut message = match octets {
            None => PushMessage::tickle(ttl),
            Some(octets) => PushMessage::bytes(ttl, octets),
        };
        if let Some(topic) = &self.topic {
            message = message.topic(topic.clone());
        }
        if let Some(urgency) = self.urgency {
            message = message.urgency(urgency);
        }
        if self.receipt {
            message = message.receipt();
        }
        if self.method == Method::Put {
            message = message.method(DeliveryMethod::Put);
        }
        if let Some(padding) = form.pad {
            message = message.padding(padding);
        }
        match form.coding {
            Coding::Bare => message.schedule(push_crypto::Schedule::Aesgcm128Bare),
            Coding::Named(coding) => message.coding(coding),
        }
    }

    /// The subscription, on the path of 2016 when that was asked for.
    pub(crate) fn addressed(&self, subscription: &Subscription) -> Result<Subscription> {
        let mut subscription = subscription.clone();
        if !self.path_2016 {
            return Ok(subscription);
        }
        let path = subscription.endpoint.expose_path();
        let older = demo::path_2016(path);
        if older == path {
            return Err(Diagnostic::usage("--path-2016 needs a local endpoint (…/p/…) of push serve"));
        }
        let url = format!("{}{older}", subscription.endpoint.origin());
        subscription.endpoint = url.parse::<PushResource>().map_err(|error| {
            Diagnostic::input(error.code(), "the endpoint has no form of 2016").why(error.to_string())
        })?;
        Ok(subscription)
    }
}

impl Content {
    /// The payload: the text given, what a flag names, or nothing for a tickle.
    pub(crate) fn octets(&self, payload: Option<String>) -> Result<Option<Vec<u8>>> {
        Ok(match (payload, &self.data) {
            (Some(text), _) => Some(text.into_bytes()),
            (None, Some(data)) => Some(input::value(data)?),
            (None, None) => self.notification()?.map(|json| json.to_string().into_bytes()),
        })
    }

    /// The JSON of `--title` and its kin.
    fn notification(&self) -> Result<Option<Value>> {
        let Some(title) = &self.title else { return Ok(None) };
        let mut members = Map::new();
        members.insert("title".into(), title.as_str().into());
        if let Some(body) = &self.body {
            members.insert("body".into(), body.as_str().into());
        }
        if !self.declarative {
            if let Some(url) = &self.navigate {
                members.insert("url".into(), url.as_str().into());
            }
            return Ok(Some(Value::Object(members)));
        }
        let Some(url) = &self.navigate else {
            return Err(Diagnostic::usage("--declarative needs a URL to open")
                .why("without navigate a browser takes it for an ordinary message")
                .fix("add --navigate https://…")
                .see("push help declarative/navigate"));
        };
        members.insert("navigate".into(), url.as_str().into());
        Ok(Some(serde_json::json!({"web_push": 8030, "notification": members})))
    }
}
