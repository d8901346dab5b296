//! Times of a connection, on paused time over a stream in memory; and what tests do to its replies.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::*;
use crate::{
    Config, Limits,
    service::{
        controls::{Control, ReplyControl},
        spaces::Urls,
        subscription::UserAgentChange,
    },
};

const CHANNEL: &str = "21782462-f381-457a-927e-12643b80541a";

struct World {
    service: PushService,
    space: SpaceName,
    stop: watch::Sender<bool>,
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let local = |scheme: &str| format!("{scheme}://localhost:8030").parse().unwrap();
        let urls = Urls { http: Some(local("http")), https: None, public: local("http") };
        let service = PushService::new(Config { limits, ..Config::default() }, urls).unwrap();
        Self { service, space: SpaceName::default(), stop: watch::channel(false).0 }
    }

    /// The service's end is served; the other is given.
    fn connect(&self, buffer: usize) -> (DuplexStream, JoinHandle<()>) {
        let (client, served) = duplex(buffer);
        let visitor = Visitor { space: self.space.clone(), label: Some("fox".into()), version: None };
        let serving = serve(self.service.clone(), visitor, served, self.stop.subscribe());
        (client, tokio::spawn(serving))
    }

    async fn open(&self) -> Fox {
        let (client, served) = self.connect(64 * 1024);
        Fox { socket: WebSocketStream::from_raw_socket(client, Role::Client, None).await, served }
    }

    async fn greeted(&self) -> (Fox, String) {
        let mut fox = self.open().await;
        let uaid = fox.hello(None).await;
        (fox, uaid)
    }

    async fn control(&self, id: &str, control: Control) {
        self.service.control(&self.space, id, control).await.unwrap();
    }

    async fn reply(&self, of: Moment, then: ReplyControl) {
        self.control("firefox", Control::Reply { of, then, times: 1 }).await;
    }

    async fn subscriptions(&self) -> usize {
        self.service.subscriptions(&self.space).await.unwrap().len()
    }
}

struct Fox {
    socket: WebSocketStream<DuplexStream>,
    served: JoinHandle<()>,
}

impl Fox {
    async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn hello(&mut self, uaid: Option<&str>) -> String {
        self.say(json!({"messageType": "hello", "uaid": uaid})).await;
        self.hear().await["uaid"].as_str().unwrap().to_owned()
    }

    async fn register(&mut self) {
        self.say(json!({"messageType": "register", "channelID": CHANNEL})).await;
    }

    async fn next(&mut self) -> Option<Message> {
        self.socket.next().await.and_then(Result::ok)
    }

    async fn hear(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("a text frame was expected, {other:?} came"),
        }
    }

    /// The close code; nothing but the end may come.
    async fn close_code(&mut self) -> Option<u16> {
        match self.next().await {
            Some(Message::Close(frame)) => frame.map(|frame| frame.code.into()),
            None => None,
            other => panic!("the end was expected, {other:?} came"),
        }
    }

    /// Nothing comes for that long.
    async fn hears_nothing_for(&mut self, time: Duration) {
        let heard = timeout(time, self.next()).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// AP-005, AP-006: `hello_timeout` at one below and at its end.
#[tokio::test(start_paused = true)]
async fn hello_has_five_seconds() {
    let world = World::new();

    let mut silent = world.open().await;
    silent.hears_nothing_for(millis(4999)).await;
    assert_eq!(timeout(millis(2), silent.close_code()).await.unwrap(), Some(1008));

    let mut late = world.open().await;
    late.hears_nothing_for(millis(4999)).await;
    late.hello(None).await;
    late.hears_nothing_for(secs(60)).await;
}

/// AP-036: `ping_every` and `pong_within`; who answers stays.
#[tokio::test(start_paused = true)]
async fn who_answers_pings_stays() {
    let world = World::new();
    let (mut fox, _) = world.greeted().await;

    for _ in 0..5 {
        fox.hears_nothing_for(millis(299_999)).await;
        // The library answers it as soon as it is read.
        let ping = timeout(millis(2), fox.next()).await.unwrap();
        assert!(matches!(ping, Some(Message::Ping(_))), "{ping:?}");
    }
    fox.say(json!({})).await;
    assert_eq!(fox.hear().await, json!({}));
}

/// AP-036: who does not is cut, and what it was given waits again.
#[tokio::test(start_paused = true)]
async fn who_ignores_a_ping_is_cut() {
    let world = World::new();
    let (fox, _) = world.greeted().await;
    let Fox { socket, served } = fox;

    // Nobody reads the socket, so nobody answers.
    let early = timeout(millis(309_990), served).await;
    assert!(early.is_err());
    let mut stream = socket.into_inner();
    let mut octets = Vec::new();
    timeout(millis(20), stream.read_to_end(&mut octets)).await.unwrap().unwrap();
    assert_eq!(octets, [0x89, 0], "a PING and no farewell");
}

/// `no_progress`: a frame that does not come in.
#[tokio::test(start_paused = true)]
async fn a_frame_has_thirty_seconds_to_come_in() {
    let world = World::new();
    let (fox, _) = world.greeted().await;
    let mut stream = fox.socket.into_inner();
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'{']).await.unwrap();

    // Octets do not make it longer: the frame counts.
    let mut octets = [0; 4];
    let early = timeout(millis(29_999), stream.read_exact(&mut octets)).await;
    assert!(early.is_err());
    timeout(millis(2), stream.read_exact(&mut octets)).await.unwrap().unwrap();
    assert_eq!((octets[0], u16::from_be_bytes([octets[2], octets[3]])), (0x88, 1008));
}

/// `no_progress`: a frame that is not taken. The peer hears nothing any more, since it reads nothing.
#[tokio::test(start_paused = true)]
async fn a_frame_has_thirty_seconds_to_be_taken() {
    let world = World::new();
    let (stream, served) = world.connect(16);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    socket.send(Message::text(r#"{"messageType":"hello"}"#)).await.unwrap();

    let mut served = served;
    assert!(timeout(millis(29_990), &mut served).await.is_err());
    // Then the second for last words that nobody takes.
    timeout(millis(1_020), served).await.unwrap().unwrap();
}

/// Reading goes on while a write waits: who takes nothing can still acknowledge and be heard.
#[tokio::test(start_paused = true)]
async fn reading_goes_on_while_a_write_waits() {
    let world = World::new();
    let (stream, _served) = world.connect(64);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    socket.send(Message::text(r#"{"messageType":"hello"}"#)).await.unwrap();

    // The answer does not fit into the stream; frames behind it are heard all the same.
    for number in 0..100 {
        let channel = format!("21782462-f381-457a-927e-{number:012x}");
        let register = json!({"messageType": "register", "channelID": channel}).to_string();
        timeout(secs(1), socket.send(Message::text(register))).await.unwrap().unwrap();
    }
}

/// AP-057: replies are delayed, and come in the order of their times.
#[tokio::test(start_paused = true)]
async fn replies_can_be_delayed() {
    let world = World::new();
    world.reply(Moment::Hello, ReplyControl::Delay(secs(8))).await;
    world.reply(Moment::Register, ReplyControl::Delay(secs(5))).await;
    world.reply(Moment::Unregister, ReplyControl::Delay(secs(2))).await;
    let mut fox = world.open().await;

    fox.say(json!({"messageType": "hello"})).await;
    fox.hears_nothing_for(millis(7_999)).await;
    assert_eq!(timeout(millis(2), fox.hear()).await.unwrap()["messageType"], "hello");

    fox.register().await;
    fox.say(json!({"messageType": "unregister", "channelID": CHANNEL})).await;
    fox.hears_nothing_for(millis(1_999)).await;
    assert_eq!(timeout(millis(2), fox.hear()).await.unwrap()["messageType"], "unregister");
    // Other frames are answered meanwhile.
    fox.say(json!({})).await;
    assert_eq!(fox.hear().await, json!({}));
    fox.hears_nothing_for(millis(2_990)).await;
    let register = timeout(millis(20), fox.hear()).await.unwrap();
    assert_eq!((&register["messageType"], &register["status"]), (&"register".into(), &200.into()));
}

/// A second frame before a delayed answer to hello is out of order, and the service does not wait to stop.
#[tokio::test(start_paused = true)]
async fn a_delayed_hello_holds_nothing_up() {
    let world = World::new();
    world.control("firefox", delay(Moment::Hello, 3)).await;

    let mut hasty = world.open().await;
    hasty.say(json!({"messageType": "hello"})).await;
    hasty.say(json!({})).await;
    assert_eq!(timeout(secs(1), hasty.close_code()).await.unwrap(), Some(1011));

    let mut gone = world.open().await;
    gone.say(json!({"messageType": "hello"})).await;
    let Fox { socket, served } = gone;
    drop(socket);
    timeout(secs(3), served).await.unwrap().unwrap();

    let mut patient = world.open().await;
    patient.say(json!({"messageType": "hello"})).await;
    world.stop.send_replace(true);
    assert_eq!(timeout(secs(1), patient.close_code()).await.unwrap(), Some(1001));
}

fn delay(of: Moment, times: u32) -> Control {
    Control::Reply { of, then: ReplyControl::Delay(secs(1000)), times }
}

/// AP-057, AP-019: an answer is left out; what was asked for is done, and may be asked for again.
#[tokio::test(start_paused = true)]
async fn replies_can_be_left_out() {
    let world = World::new();
    world.reply(Moment::Register, ReplyControl::Omit).await;
    let (mut fox, _) = world.greeted().await;

    fox.register().await;
    fox.hears_nothing_for(secs(60)).await;
    assert_eq!(world.subscriptions().await, 1);
    fox.register().await;
    assert_eq!(fox.hear().await["status"], 200);
    assert_eq!(world.subscriptions().await, 1);

    world.reply(Moment::Hello, ReplyControl::Omit).await;
    let mut unheard = world.open().await;
    unheard.say(json!({"messageType": "hello"})).await;
    unheard.hears_nothing_for(secs(60)).await;
    // Whom nobody greets may still be told that it is over.
    world.stop.send_replace(true);
    assert_eq!(unheard.close_code().await, Some(1001));
}

/// AP-057: a status other than 200 is answered instead of doing it.
#[tokio::test(start_paused = true)]
async fn replies_can_have_another_status() {
    let world = World::new();
    let (mut fox, _) = world.greeted().await;

    world.reply(Moment::Register, ReplyControl::Status(409)).await;
    fox.register().await;
    let refused = fox.hear().await;
    assert_eq!((&refused["status"], &refused["pushEndpoint"]), (&409.into(), &"".into()));
    assert_eq!(world.subscriptions().await, 0);

    fox.register().await;
    fox.hear().await;
    world.reply(Moment::Unregister, ReplyControl::Status(500)).await;
    fox.say(json!({"messageType": "unregister", "channelID": CHANNEL})).await;
    assert_eq!(fox.hear().await["status"], 500);
    assert_eq!(world.subscriptions().await, 1);
}

/// AP-057: a test ends the connection with any code, or without a word.
#[tokio::test(start_paused = true)]
async fn connections_can_be_ended_in_every_way() {
    for (control, code) in [
        (Control::Close(1000), Some(1000)),
        (Control::Close(4774), Some(4774)),
        (Control::Fin, None),
        (Control::Reset, None),
        (Control::NewUaid, Some(1001)),
    ] {
        let world = World::new();
        let (mut fox, _) = world.greeted().await;
        fox.register().await;
        fox.hear().await;
        world.control("fox", control.clone()).await;
        assert_eq!(fox.close_code().await, code, "{control:?}");
        fox.say_goodbye().await;
    }
}

impl Fox {
    /// Ends the own side, and waits until the service has forgotten the connection.
    async fn say_goodbye(self) {
        drop(self.socket);
        self.served.await.unwrap();
    }
}

/// A user agent that was switched off the hard way is sent away; one that is merely offline is not.
#[tokio::test(start_paused = true)]
async fn who_is_switched_off_is_sent_away() {
    let world = World::new();
    let (mut fox, uaid) = world.greeted().await;
    fox.register().await;
    fox.hear().await;
    let change = |online, hard| UserAgentChange { online: Some(online), hard, ..UserAgentChange::default() };

    world.service.change_user_agent(&world.space, "fox", change(false, false)).await.unwrap();
    fox.hears_nothing_for(secs(10)).await;
    world.service.change_user_agent(&world.space, "fox", change(false, true)).await.unwrap();
    assert_eq!(fox.close_code().await, Some(1013));

    let mut again = world.open().await;
    again.say(json!({"messageType": "hello", "uaid": uaid})).await;
    assert_eq!(again.close_code().await, Some(1013));

    world.service.change_user_agent(&world.space, "fox", change(true, false)).await.unwrap();
    assert_eq!(world.open().await.hello(Some(&uaid)).await, uaid);
}

/// One connection at rest: the state of its task, without the buffers of the WebSocket.
#[tokio::test]
async fn the_task_of_a_connection_is_small() {
    let world = World::new();
    let (_client, served) = duplex(64);
    let visitor = Visitor { space: world.space.clone(), label: None, version: None };

    let serving = serve(world.service.clone(), visitor, served, world.stop.subscribe());

    let octets = size_of_val(&serving);
    assert!(octets <= 4096, "{octets} octets");
}
