//! What happens in the demo, in order.

use push_crypto::Schedule;
use serde_json::json;

use super::{
    Expected, Stage,
    application::Application,
    sender::{Draft, Receiver, Sender},
};
use crate::diagnostic::Result;

const GOAL: &[u8] = br#"{"title":"Goal!","body":"1:0 in minute 12","url":"/match/7"}"#;
const DECLARATIVE: &[u8] = br#"{"web_push":8030,"notification":{"title":"Goal!","body":"1:0 in minute 12","navigate":"https://example.com/match/7"}}"#;
/// One octet over the limit: 4 097 less what aes128gcm adds.
const TOO_LARGE: usize = 4097 - 103;

/// Plays it.
pub(super) async fn play(stage: &Stage) -> Result<()> {
    let sender = Sender::new(stage)?;
    let (laptop, phone) = (sender.receiver("laptop").await?, sender.receiver("phone").await?);
    good_messages(stage, &sender, &laptop).await?;
    while_offline(stage, &sender, &phone).await?;
    mistakes(stage, &sender, &laptop).await?;
    airplane_mode(stage, &sender, &phone).await
}

async fn good_messages(stage: &Stage, sender: &Sender<'_>, laptop: &Receiver) -> Result<()> {
    let acknowledged = Expected::new(201, "acknowledged");
    let id = sender.send(laptop, &Draft::new(GOAL)).await?;
    stage.show("a JSON notification", &id, &acknowledged).await?;
    let id = sender.send(laptop, &Draft::new(DECLARATIVE)).await?;
    stage.show("a declarative message", &id, &acknowledged).await?;

    let application =
        Application::start(json!({"title": "2:1", "body": "the score of this very second"})).await?;
    let id = sender.send(laptop, &Draft { text: None, ..Draft::new(&[]) }).await?;
    stage.show("a tickle, without a body", &id, &acknowledged).await?;
    // The push event has no data, so the worker asks its application server.
    let fresh = application.fetch().await?;
    stage.say(&format!("  {} fetched {fresh} from {}", laptop.label, application.url()))
}

async fn while_offline(stage: &Stage, sender: &Sender<'_>, phone: &Receiver) -> Result<()> {
    stage.switch(phone.label, false).await?;
    let topic = |text| Draft { topic: Some("match-12"), ttl: 3600, ..Draft::new(text) };
    let first = sender.send(phone, &topic(b"1:0")).await?;
    let second = sender.send(phone, &topic(b"2:0")).await?;
    stage.show("a topic, the first", &first, &Expected::new(201, "replaced")).await?;
    let id = sender.send(phone, &Draft { ttl: 0, ..Draft::new(b"now or never") }).await?;
    stage
        .show(
            "TTL 0, and the phone is offline",
            &id,
            &Expected::new(201, "dropped").finding("ttl/zero-dropped"),
        )
        .await?;
    let id = sender.send(phone, &Draft::new(b"for one minute")).await?;
    stage.advance("60s").await?;
    stage.show("TTL 60, a minute later", &id, &Expected::new(201, "expired")).await?;
    stage.switch(phone.label, true).await?;
    stage.show("a topic, the second", &second, &Expected::new(201, "acknowledged")).await
}

async fn mistakes(stage: &Stage, sender: &Sender<'_>, laptop: &Receiver) -> Result<()> {
    let id = sender
        .send(laptop, &Draft { subject: "mailto:app@localhost", ..Draft::new(b"whom to ask?") })
        .await?;
    stage
        .show("a sub on localhost", &id, &Expected::new(201, "acknowledged").finding("vapid/sub-localhost"))
        .await?;
    let id = sender
        .send(laptop, &Draft { audience: Some("https://fcm.googleapis.com"), ..Draft::new(b"for whom?") })
        .await?;
    stage
        .show(
            "a token for another service",
            &id,
            &Expected::new(403, "refused").finding("vapid/aud-mismatch"),
        )
        .await?;
    let large = vec![b'x'; TOO_LARGE];
    let id = sender.send(laptop, &Draft { body_limit: 8192, ..Draft::new(&large) }).await?;
    stage
        .show("a body of 4097 octets", &id, &Expected::new(413, "refused").finding("body/too-large"))
        .await?;
    let gone = sender.receiver("tablet").await?;
    stage.api.post(&format!("{}/expire", crate::commands::sub::path(gone.label)), &json!({})).await?;
    let id = sender.send(&gone, &Draft::new(b"anybody there?")).await?;
    stage
        .show("a subscription that is gone", &id, &Expected::new(404, "refused").finding("subscription/gone"))
        .await?;
    let id = sender.send(laptop, &Draft { wrong_keys: true, ..Draft::new(b"unreadable") }).await?;
    stage
        .show("a body for other keys", &id, &Expected::new(201, "discarded").finding("decrypt/failed"))
        .await?;
    let page = Draft {
        schedule: Schedule::Aesgcm128AuthContext,
        page_2016: true,
        ttl: 120,
        ..Draft::new(b"Hello from 2016")
    };
    let id = sender.send(laptop, &page).await?;
    stage
        .show(
            "the request of the 2016 page",
            &id,
            &Expected::new(201, "acknowledged").finding("request/method-put"),
        )
        .await
}

/// TTL 60 and airplane mode: left in time, the message arrives; left too late, it is gone.
async fn airplane_mode(stage: &Stage, sender: &Sender<'_>, phone: &Receiver) -> Result<()> {
    stage.switch(phone.label, false).await?;
    let id = sender.send(phone, &Draft::new(b"Hello")).await?;
    stage.advance("59999ms").await?;
    stage.switch(phone.label, true).await?;
    stage.show("airplane mode ends after 59.999 s", &id, &Expected::new(201, "acknowledged")).await?;
    stage.switch(phone.label, false).await?;
    let id = sender.send(phone, &Draft::new(b"Hello again")).await?;
    stage.advance("60s").await?;
    stage.switch(phone.label, true).await?;
    stage.show("airplane mode ends after 60 s", &id, &Expected::new(201, "expired")).await
}
