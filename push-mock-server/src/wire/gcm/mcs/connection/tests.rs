//! Connections over streams in memory and in paused time.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    task::JoinHandle,
};

use super::*;
use crate::{
    clock::wall,
    config::Config,
    service::{
        attached::NewChannel,
        controls::{Control, ReplyControl},
        request::{DeliveryRequest, RequestBody, Via},
        spaces::Urls,
    },
    token::PushTokenText,
};

const ANDROID_ID: u64 = 7;
/// A login of that android id and security token 8, with the version in front.
const LOGIN: &[u8] = b"\x29\x02\x09\x0a\x01x\x1a\x017\x2a";
const PING: [u8; 2] = [0, 0];

fn service(limits: Limits) -> PushService {
    let origin: push_crypto::Origin = "http://localhost:8030".parse().unwrap();
    let urls = Urls { http: Some(origin.clone()), https: None, public: origin };
    PushService::new(Config { limits, ..Config::default() }, urls).unwrap()
}

/// A Chromium whose connection the service serves.
struct Scene {
    service: PushService,
    near: DuplexStream,
    serving: JoinHandle<()>,
    stop: watch::Sender<bool>,
    began: Instant,
}

impl Scene {
    /// Connected through buffers of that size, not yet logged in.
    fn connected(service: &PushService, buffer: usize) -> Self {
        let (near, far) = tokio::io::duplex(buffer);
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(serve(service.clone(), far, stopping));
        Self { service: service.clone(), near, serving, stop, began: Instant::now() }
    }

    async fn log_in(&mut self) {
        self.near.write_all(&[LOGIN, &[1, b'8']].concat()).await.unwrap();
    }

    /// Logged in and answered.
    async fn greeted(service: &PushService) -> Self {
        let mut scene = Self::connected(service, 64 * 1024);
        scene.log_in().await;
        assert_eq!(scene.near.read_u8().await.unwrap(), 41);
        assert_eq!(scene.frame().await.0, 3);
        scene
    }

    /// A frame of under 128 octets.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let tag = self.near.read_u8().await.unwrap();
        let mut body = vec![0; usize::from(self.near.read_u8().await.unwrap())];
        self.near.read_exact(&mut body).await.unwrap();
        (tag, body)
    }

    /// Everything that comes until the end, and after how many seconds that is.
    async fn rest(&mut self) -> (Vec<u8>, u64) {
        let mut rest = Vec::new();
        self.near.read_to_end(&mut rest).await.unwrap();
        (rest, self.began.elapsed().as_secs())
    }

    async fn control(&self, control: Control) {
        let space = SpaceName::default();
        self.service.control(&space, "chromium-1", control).await.unwrap();
    }
}

async fn subscribe(service: &PushService) -> String {
    let channel = NewChannel {
        name: "wp:x#1".to_owned(),
        app: Some("app".to_owned()),
        sender: None,
        application_server_key: None,
        secret: Some(8),
        label: None,
        version: None,
    };
    let agent = UserAgentId::from_android(ANDROID_ID);
    let space = SpaceName::default();
    service.register_channel(&space, AgentKind::Chromium, agent, channel).await.unwrap().path
}

async fn tickle(service: &PushService, path: &str) -> String {
    let token = path.split_once(":APA91b").unwrap().1;
    let request = DeliveryRequest {
        method: "POST".to_owned(),
        via: Via::Http,
        http_version: "1.1",
        origin: None,
        url: format!("http://localhost:8030{path}"),
        headers: vec![("ttl".to_owned(), "600".to_owned())],
        streamed: false,
        body: RequestBody::Whole(bytes::Bytes::new()),
        at: wall(),
    };
    let reply = service.deliver(Some(PushTokenText(token)), request).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.exchange
}

async fn state(service: &PushService, message: &str) -> &'static str {
    service.exchange(&SpaceName::default(), message).await.unwrap().state.as_str()
}

async fn on_hello(service: &PushService, then: ReplyControl) {
    let control = Control::Reply { of: Moment::Hello, then, times: 1 };
    service.control(&SpaceName::default(), "chromium", control).await.unwrap();
}

/// GCM-027, `mcs_login`: one below, and at it.
#[tokio::test(start_paused = true)]
async fn a_login_has_its_time() {
    let service = service(Limits::default());
    let mut late = Scene::connected(&service, 1024);
    tokio::time::advance(Duration::from_millis(9_999)).await;
    late.log_in().await;
    assert_eq!(late.near.read_u8().await.unwrap(), 41);

    let mut silent = Scene::connected(&service, 1024);
    silent.near.write_all(&LOGIN[..4]).await.unwrap();
    assert_eq!(silent.rest().await, (Vec::new(), 10));
}

/// GCM-056: a delayed LoginResponse; nothing is lost meanwhile.
#[tokio::test(start_paused = true)]
async fn an_answer_comes_later_when_a_test_wants_it() {
    let service = service(Limits::default());
    let path = subscribe(&service).await;
    let message = tickle(&service, &path).await;
    on_hello(&service, ReplyControl::Delay(Duration::from_secs(5))).await;
    let mut scene = Scene::connected(&service, 64 * 1024);

    scene.log_in().await;

    assert_eq!(scene.near.read_u8().await.unwrap(), 41);
    assert_eq!(scene.began.elapsed().as_secs(), 5);
    assert_eq!((scene.frame().await.0, scene.frame().await.0), (3, 8));
    assert_eq!(state(&service, &message).await, "delivered");
}

/// GCM-056: no answer at all, and one with an error.
#[tokio::test(start_paused = true)]
async fn an_answer_is_left_out_or_refuses_when_a_test_wants_it() {
    let service = service(Limits::default());
    on_hello(&service, ReplyControl::Omit).await;
    let mut scene = Scene::connected(&service, 1024);
    scene.log_in().await;
    assert_eq!(scene.rest().await, (Vec::new(), 10));

    for (then, error) in [
        (ReplyControl::Error("busy".to_owned()), &b"\x1a\x09\x08\xf4\x03\x12\x04busy"[..]),
        (ReplyControl::Status(503), b"\x1a\x1d\x08\xf7\x03\x12\x18a test refuses the login"),
    ] {
        on_hello(&service, then).await;
        let mut scene = Scene::connected(&service, 1024);
        scene.log_in().await;
        let (came, _) = scene.rest().await;
        assert!(came.starts_with(&[41, 3]) && came.ends_with(error), "{came:02x?}");
    }
    Scene::greeted(&service).await;
}

/// GCM-056: FIN, reset and Close of a connection; it ends each time, and only Close says so.
#[tokio::test(start_paused = true)]
async fn a_test_ends_a_connection() {
    let service = service(Limits::default());
    for (control, last) in [(Control::Close(1001), &[4, 0][..]), (Control::Fin, &[]), (Control::Reset, &[])] {
        let mut scene = Scene::greeted(&service).await;

        scene.control(control).await;

        assert_eq!(scene.rest().await.0, last);
        scene.serving.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_service_is_told() {
    let service = service(Limits::default());
    let mut scene = Scene::greeted(&service).await;
    let mut early = Scene::connected(&service, 1024);

    scene.stop.send(true).unwrap();
    early.stop.send(true).unwrap();

    assert_eq!(scene.rest().await.0, [4, 0]);
    assert!(early.rest().await.0.is_empty(), "GCM-027: it has not logged in");
}

/// `mcs_ack`, GCM-040: one below nothing, at it a ping; again while nothing is acknowledged.
#[tokio::test(start_paused = true)]
async fn an_acknowledgement_is_asked_for_in_its_time() {
    let service = service(Limits::default());
    let path = subscribe(&service).await;
    let mut scene = Scene::greeted(&service).await;
    let message = tickle(&service, &path).await;
    assert_eq!(scene.frame().await.0, 8);
    let handed = Instant::now();

    assert_eq!(scene.frame().await, (0, vec![0x10, 1]));
    assert_eq!(handed.elapsed().as_secs(), 10);
    assert_eq!(scene.frame().await.0, 0);
    assert_eq!(handed.elapsed().as_secs(), 20);

    // The ping that it answers was frame 4, the message frame 2.
    scene.near.write_all(&[1, 2, 0x10, 4, 0, 0]).await.unwrap();
    assert_eq!(scene.frame().await, (1, vec![0x10, 3]));
    assert_eq!(state(&service, &message).await, "acknowledged");
}

/// `heartbeat`: a ping after one and a half intervals, the end after two and `mcs_login`; any word begins anew.
#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_and_then_left() {
    let service = service(Limits::default());
    let mut scene = Scene::greeted(&service).await;
    let mut since = Instant::now();

    for _ in 0..2 {
        assert_eq!(scene.frame().await.0, 0);
        assert_eq!(since.elapsed().as_secs(), 450);
        scene.near.write_all(&[1, 0]).await.unwrap();
        since = Instant::now();
        // Read by the service before time goes on.
        scene.near.write_all(&PING).await.unwrap();
        assert_eq!(scene.frame().await.0, 1);
    }

    let (came, _) = scene.rest().await;
    assert_eq!((came, since.elapsed().as_secs()), (vec![0, 2, 0x10, 5], 610));
}

/// GCM-028, T21: who takes nothing is left after 30 seconds, and what was on its way waits again.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_left() {
    let service = service(Limits::default());
    let path = subscribe(&service).await;
    let mut scene = Scene::connected(&service, 64);
    scene.log_in().await;
    assert_eq!(scene.near.read_u8().await.unwrap(), 41);
    assert_eq!(scene.frame().await.0, 3);
    let messages = [tickle(&service, &path).await, tickle(&service, &path).await];

    (&mut scene.serving).await.unwrap();

    assert_eq!(scene.began.elapsed().as_secs(), 30);
    for message in messages {
        assert_eq!(state(&service, &message).await, "queued");
    }
}

/// A peer that reads slowly, but reads, keeps its connection.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_waited_for() {
    let service = service(Limits::default());
    let path = subscribe(&service).await;
    let mut scene = Scene::connected(&service, 16);
    scene.log_in().await;
    let message = tickle(&service, &path).await;
    let mut seen = Vec::new();

    while !seen.windows(2).any(|window| window == [0xc0, 1]) {
        tokio::time::advance(Duration::from_secs(20)).await;
        let mut some = [0; 16];
        let read = scene.near.read(&mut some).await.unwrap();
        assert!(read > 0, "{seen:02x?}");
        seen.extend_from_slice(&some[..read]);
    }

    assert_eq!(state(&service, &message).await, "delivered");
}

/// GCM-021: whoever sends without end is held up, not kept.
#[tokio::test(start_paused = true)]
async fn a_flood_is_not_buffered() {
    let service = service(Limits::default());
    let mut scene = Scene::connected(&service, 4096);
    scene.log_in().await;
    let pings = PING.repeat(1024);
    let mut taken = 0;

    while let Ok(written) = timeout(Duration::from_secs(1), scene.near.write(&pings)).await {
        taken += written.unwrap();
    }

    assert!(taken < 64 * 1024, "{taken} octets were taken while no answer was read");
    (&mut scene.serving).await.unwrap();
    assert_eq!(scene.began.elapsed().as_secs(), 30);
}
