//! A scripted Chromium, and an application server that sends to it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use push_crypto::{
    EncryptJob, EncryptOptions, Origin, SubscriptionKeys, UserAgentKeys,
    provider::aws_lc_rs::PROVIDER,
    vapid::{AuthorizationScheme, Claims, Token, VapidKey},
};
use push_mock_server::{Limits, clock::wall};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::octets::{Fields, fixed, frame, number, octets};
use crate::support::{Client, Running, tls, within};

pub(crate) const PING: u8 = 0;
pub(crate) const PONG: u8 = 1;
pub(crate) const LOGIN_REQUEST: u8 = 2;
pub(crate) const LOGIN_RESPONSE: u8 = 3;
pub(crate) const CLOSE: u8 = 4;
pub(crate) const IQ: u8 = 7;
pub(crate) const DATA: u8 = 8;

/// Who checked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) id: u64,
    pub(crate) token: u64,
}

/// A check-in with these names, zero for none.
pub(crate) fn check_in_body(id: u64, token: u64) -> Vec<u8> {
    let build = [number(1, 3), octets(2, "156.0.8078.79"), number(3, 5)].concat();
    let checkin = [number(12, 3), octets(13, build)].concat();
    [
        number(2, id),
        octets(3, "1-da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        octets(4, checkin),
        fixed(13, token),
        number(14, 3),
        number(22, 0),
    ]
    .concat()
}

pub(crate) async fn post(running: &Running, path: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let request = Request::post(path).header("host", "android.clients.google.com");
    running.send(request.body(Full::new(body.into())).unwrap()).await
}

pub(crate) async fn check_in(running: &Running, path: &str) -> Device {
    let response = post(running, path, check_in_body(0, 0)).await;
    assert_eq!(response.status(), StatusCode::OK);
    device_of(&response)
}

pub(crate) fn device_of(response: &Response<Bytes>) -> Device {
    let fields = Fields::read(response.body());
    assert_eq!(fields.number(1), Some(1), "{fields:?}");
    Device { id: fields.number(7).unwrap(), token: fields.number(8).unwrap() }
}

/// A registration; the answer's body.
pub(crate) async fn register3(running: &Running, device: Device, form: &str) -> String {
    let response = register3_at(running, "/c2dm/register3", device, form).await;
    assert_eq!(response.status(), StatusCode::OK);
    String::from_utf8(response.body().to_vec()).unwrap()
}

pub(crate) async fn register3_at(
    running: &Running,
    path: &str,
    device: Device,
    form: &str,
) -> Response<Bytes> {
    let request = Request::post(path)
        .header("host", "android.clients.google.com")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("AidLogin {}:{}", device.id, device.token));
    running.send(request.body(Full::new(form.to_owned().into())).unwrap()).await
}

/// A subscription of a page, with the keys of both sides.
pub(crate) struct Page {
    pub(crate) device: Device,
    pub(crate) app: &'static str,
    pub(crate) guid: &'static str,
    pub(crate) vapid: VapidKey,
    pub(crate) keys: UserAgentKeys,
    pub(crate) token: String,
}

impl Page {
    pub(crate) fn new(device: Device, guid: &'static str) -> Self {
        Self {
            device,
            app: "org.chromium.linux",
            guid,
            vapid: VapidKey::generate(&PROVIDER).unwrap(),
            keys: UserAgentKeys::generate(&PROVIDER).unwrap(),
            token: String::new(),
        }
    }

    pub(crate) async fn subscribe(running: &Running, device: Device, guid: &'static str) -> Self {
        let mut page = Self::new(device, guid);
        page.register(running).await;
        page
    }

    pub(crate) async fn register(&mut self, running: &Running) {
        let body = register3(running, self.device, &self.form()).await;
        self.token = body.strip_prefix("token=").unwrap_or_else(|| panic!("{body}")).to_owned();
    }

    pub(crate) fn sender(&self) -> String {
        self.vapid.public().point().to_base64url()
    }

    pub(crate) fn subtype(&self) -> String {
        format!("wp:http://localhost:9804/#{}-V2", self.guid)
    }

    pub(crate) fn form(&self) -> String {
        format!(
            "app={}&X-subtype={}&device={}&scope=GCM&X-scope=GCM&gmsv=156&appid=es_LLxBXIjA&sender={}",
            self.app,
            self.subtype().replace('#', "%23"),
            self.device.id,
            self.sender(),
        )
    }

    pub(crate) async fn unregister(&self, running: &Running) -> String {
        let form = format!(
            "app={}&X-subtype={}&device={}&delete=true&appid=es_LLxBXIjA&sender=*&scope=*&X-scope=*&gmsv=156",
            self.app,
            self.subtype().replace('#', "%23"),
            self.device.id,
        );
        register3(running, self.device, &form).await
    }

    /// A request to the push resource, identified for that origin.
    pub(crate) fn request(&self, key: &VapidKey, audience: &str) -> http::request::Builder {
        let audience: Origin = audience.parse().unwrap();
        let subject = Some("mailto:a@example.com".parse().unwrap());
        let claims = Claims::new(audience, wall(), Duration::from_secs(3600), subject).unwrap();
        let signed = Token::sign(&PROVIDER, key, &claims).unwrap();
        let signed = signed.authorization(AuthorizationScheme::Vapid, key.public());
        Request::post(format!("/fcm/send/{}", self.token))
            .header("host", "jmt17.google.com")
            .header("authorization", signed.authorization)
    }

    pub(crate) fn encrypt(&self, options: &EncryptOptions, text: &[u8]) -> (Vec<(String, String)>, Bytes) {
        let keys = SubscriptionKeys { p256dh: *self.keys.public(), auth: self.keys.auth().cloned() };
        let sealed = push_crypto::encrypt(&PROVIDER, options, EncryptJob { keys: &keys, plaintext: text });
        let sealed = sealed.unwrap();
        let headers = sealed.headers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        (headers, sealed.into_body().into())
    }

    /// Sends a text; the body of the message.
    pub(crate) async fn send(&self, running: &Running, ttl: u32, topic: Option<&str>, text: &str) -> Bytes {
        let (headers, body) = self.encrypt(&EncryptOptions::default(), text.as_bytes());
        let mut request = self.request(&self.vapid, "https://jmt17.google.com").header("ttl", ttl);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(topic) = topic {
            request = request.header("topic", topic);
        }
        let response = running.send(request.body(Full::new(body.clone())).unwrap()).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
        body
    }
}

/// A frame that came.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) tag: u8,
    pub(crate) fields: Fields,
}

impl Came {
    /// The persistent id of a message.
    pub(crate) fn id(&self) -> String {
        assert_eq!(self.tag, DATA, "{:?}", self.fields);
        self.fields.text(9).to_owned()
    }

    /// `app_data` in its order.
    pub(crate) fn app_data(&self) -> Vec<(String, String)> {
        let pairs = self.fields.every_octets(7).map(Fields::read);
        pairs.map(|pair| (pair.text(1).to_owned(), pair.text(2).to_owned())).collect()
    }
}

/// The push connection of a Chromium.
pub(crate) struct Mcs {
    pub(crate) stream: tokio_rustls::client::TlsStream<TcpStream>,
    greeted: bool,
}

pub(crate) fn login_body(device: Device, received: &[&str]) -> Vec<u8> {
    let mut body = [
        octets(1, "chrome-156.0.8078.79"),
        octets(2, "mcs.android.com"),
        octets(3, device.id.to_string()),
        octets(4, device.id.to_string()),
        octets(5, device.token.to_string()),
        octets(6, format!("android-{:x}", device.id)),
        octets(8, [octets(1, "new_vc"), octets(2, "1")].concat()),
    ]
    .concat();
    received.iter().for_each(|id| body.extend(octets(10, id)));
    body.extend([number(12, 0), number(14, 1), number(16, 2), number(17, 1)].concat());
    body
}

impl Mcs {
    /// TLS without ALPN, as Chromium opens it.
    pub(crate) async fn connect(running: &Running) -> Self {
        Self { stream: tls(running, "localhost", &[]).await, greeted: false }
    }

    /// Logs in; the answer.
    pub(crate) async fn log_in(running: &Running, device: Device, received: &[&str]) -> (Self, Came) {
        let mut mcs = Self::connect(running).await;
        mcs.write(&[vec![41], frame(LOGIN_REQUEST, login_body(device, received))].concat()).await;
        let answer = mcs.next().await;
        assert_eq!(answer.tag, LOGIN_RESPONSE);
        (mcs, answer)
    }

    pub(crate) async fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn say(&mut self, tag: u8, body: impl AsRef<[u8]>) {
        self.write(&frame(tag, body)).await;
    }

    /// Says what has come, so that everything up to it is acknowledged.
    pub(crate) async fn acknowledge(&mut self, stream: u64) {
        let ack = [number(1, 13), octets(2, "")].concat();
        self.say(IQ, [number(2, 1), octets(3, ""), octets(7, ack), number(10, stream)].concat()).await;
    }

    pub(crate) async fn next(&mut self) -> Came {
        within(self.try_next()).await.expect("a frame comes")
    }

    /// The next frame; none when the service has closed.
    pub(crate) async fn try_next(&mut self) -> Option<Came> {
        if !self.greeted {
            let version = self.stream.read_u8().await.ok()?;
            assert_eq!(version, 41, "GCM-018");
            self.greeted = true;
        }
        let tag = self.stream.read_u8().await.ok()?;
        let mut size = 0;
        for at in 0.. {
            let octet = self.stream.read_u8().await.ok()?;
            size |= usize::from(octet & 0x7f) << (7 * at);
            if octet & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; size];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Came { tag, fields: Fields::read(&body) })
    }

    /// Sees that nothing came before this: a ping is answered next, with the number of frames sent so far.
    pub(crate) async fn is_quiet(&mut self, sent: u64) {
        self.say(PING, []).await;
        let answer = self.next().await;
        assert_eq!((answer.tag, answer.fields.number(2)), (PONG, Some(sent)), "{answer:?}");
    }

    /// Waits until the service closes, with nothing but a `Close` before it.
    pub(crate) async fn is_closed(&mut self) {
        while let Some(came) = within(self.try_next()).await {
            assert_eq!(came.tag, CLOSE, "{came:?}");
        }
    }
}

/// Waits until so many messages of the default space are in that state.
pub(crate) async fn until(running: &Running, state: &str, count: usize) {
    let path = format!("/api/v1/messages?q=state:{state}&limit=1000");
    let reached = async {
        loop {
            let response = running.get(&path).await;
            let messages = crate::support::json(&response);
            if messages["items"].as_array().is_some_and(|items| items.len() == count) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    within(reached).await;
}

/// Limits with a window wide enough for every test here.
pub(crate) fn limits() -> Limits {
    Limits {
        window_messages: 500,
        window_octets: 1024 * 1024,
        queue_messages: 500,
        queue_octets: 1024 * 1024,
        ..Limits::default()
    }
}

/// Over HTTP/1.1 inside of TLS.
pub(crate) async fn post_tls(running: &Running, path: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut client = Client::http1(tls(running, "localhost", &["http/1.1"]).await).await;
    client.send(Request::post(path).header("host", "localhost").body(Full::new(body.into())).unwrap()).await
}
