//! What handing a message over costs: from the queue into the frame of a connected Firefox, and its acknowledgement.
//!
//! Measured as the difference between messages for user agents that are connected and for ones that are not; beside
//! it a process that does nothing but write frames of the same length to WebSockets and read as many answers.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::{runtime::Runtime, sync::mpsc, time};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Part,
    connections::{self, Target},
    figures::{Claim, Figure, Rounds, Scale, median},
    floor::{Floor, Role},
    machine::Account,
    push_build, service as accept,
};
use crate::{
    failure::{Context, Failure},
    service::{self, Service},
};

const ROUNDS: usize = 9;
/// Connections at once, as many as the target names.
const CONNECTIONS: usize = 1000;
/// Messages to each of them in a round: together a queue's worth over all rounds, since those of the absent ones stay.
const TIMES: u32 = 8;
/// Longer than any of this may take: then it is stuck.
const LIMIT: Duration = Duration::from_secs(120);

/// Measures and compares.
pub(super) fn run(scale: Scale) -> Result<Part, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let program = service::binary(push_build(scale))?;
    let service = Service::start(&program, "delivery")?;
    let count = scale.or(CONNECTIONS, 8);
    let absent = accept::opaque(service.port()?, count)?;
    let mut present = Present::connect(&runtime, service.port()?, count)?;
    let body = accept::sealed()?;
    // The length of a frame is known after the first one.
    let octets = present.receive(&runtime, &service, &body, 1)?;
    let mut writer = Writer::connect(&runtime, count)?;

    let total = TIMES * u32::try_from(count).context("connections")?;
    let mut rounds = Rounds::new(scale);
    rounds.add("accepted for user agents that are away", total, |count| {
        let before = Account::of(service.process())?;
        accept::drive(service.port()?, accept::plain(&absent, service.port()?, &body, count)?)?;
        before.since()
    });
    rounds.add("accepted and delivered, acknowledgements read", total, |count| {
        let before = Account::of(service.process())?;
        present.receive(&runtime, &service, &body, count)?;
        before.since()
    });
    rounds.add("bare WebSocket writer, answers read", total, |messages| {
        let before = Account::of(writer.floor.process())?;
        writer.write(&runtime, messages / u32::try_from(count).context("connections")?, octets)?;
        before.since()
    });
    let figures = rounds.run(ROUNDS)?;
    Ok(part(figures, count, octets))
}

fn part(mut figures: Vec<Figure>, count: usize, octets: usize) -> Part {
    let of = |name: &str| median(&figures, name);
    // Round by round, so that what disturbed one of them disturbs only that one.
    let samples = |name: &str| figures.iter().find(|figure| figure.name.starts_with(name));
    let (away, there) = (samples("accepted for"), samples("accepted and"));
    let each = away.into_iter().zip(there);
    let delivery: Vec<f64> = each
        .flat_map(|(away, there)| away.samples.iter().zip(&there.samples).map(|(away, there)| there - away))
        .collect();
    let delivery = Figure { name: "delivery: the difference".to_owned(), unit: "µs", samples: delivery };
    let claims = vec![
        Claim::at_least(
            0.5,
            of("bare WebSocket writer") / delivery.median(),
            format!("delivery to {count} autopush connections, 1 KiB: bare WebSocket writer ÷ ours"),
        ),
        Claim::told(1e6 / of("accepted and"), "messages accepted and delivered per second and core"),
    ];
    figures.push(delivery);
    let notes = vec![format!(
        "Processor time of the whole process, per message. A frame has {octets} octets, here and there; the connections take turns."
    )];
    Part { name: "delivery", title: "Delivering over autopush WebSockets", figures, claims, notes }
}

/// Firefoxes that are there and acknowledge what they get.
struct Present {
    paths: Vec<String>,
    received: mpsc::Receiver<usize>,
}

impl Present {
    fn connect(runtime: &Runtime, port: u16, count: usize) -> Result<Self, Failure> {
        let clients = runtime.block_on(connections::open(&Target::clear(port), count))?;
        let (done, received) = mpsc::channel(1024);
        let mut paths = Vec::with_capacity(count);
        for client in clients {
            paths.push(client.path().to_owned());
            runtime.spawn(client.acknowledge(done.clone()));
        }
        Ok(Self { paths, received })
    }

    /// Sends so many messages and waits until all have come; the length of their frames.
    fn receive(
        &mut self,
        runtime: &Runtime,
        service: &Service,
        body: &Bytes,
        count: u32,
    ) -> Result<usize, Failure> {
        let port = service.port()?;
        let requests = accept::plain(&self.paths, port, body, count)?;
        let sending = std::thread::spawn(move || accept::drive(port, requests));
        let mut octets = 0;
        for number in 0..count {
            let arrival = runtime.block_on(async { time::timeout(LIMIT, self.received.recv()).await });
            octets = arrival.ok().flatten().ok_or_else(|| {
                Failure::new(format!("{number} of {count} messages were delivered; the others never were"))
            })?;
        }
        sending.join().map_err(|_| Failure::new("the sender panicked"))??;
        Ok(octets)
    }
}

/// The floor, and the connection that commands it.
struct Writer {
    floor: Floor,
    connections: usize,
    orders: tokio_tungstenite::WebSocketStream<connections::Socket>,
}

impl Writer {
    fn connect(runtime: &Runtime, count: usize) -> Result<Self, Failure> {
        let floor = Floor::start(Role::Writer)?;
        let port = floor.port;
        runtime.block_on(async {
            let orders = connections::bare(port).await?;
            for _ in 0..count {
                let mut socket = connections::bare(port).await?;
                tokio::spawn(async move {
                    // As long as an acknowledgement of a Firefox.
                    let answer = Message::text("x".repeat(150));
                    while let Some(Ok(_)) = socket.next().await {
                        if socket.send(answer.clone()).await.is_err() {
                            break;
                        }
                    }
                });
            }
            Ok(Self { floor, connections: count, orders })
        })
    }

    fn write(&mut self, runtime: &Runtime, times: u32, octets: usize) -> Result<(), Failure> {
        let order = json!({ "connections": self.connections, "times": times, "octets": octets });
        runtime.block_on(async {
            self.orders.send(Message::text(order.to_string())).await.context("order")?;
            let done = time::timeout(LIMIT, self.orders.next()).await.context("the writer")?;
            done.ok_or_else(|| Failure::new("the writer has gone"))?.context("the writer").map(drop)
        })
    }
}
