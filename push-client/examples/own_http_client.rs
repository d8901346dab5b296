//! Sends through an HTTP client of your own, by implementing one method.
//!
//! Here it is a few lines over a plain socket, enough for a push service on this machine:
//! `cargo run -p push-client --example own_http_client -- subscription.json`

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{env, error::Error, fs};

use bytes::Bytes;
use http::{Request, Response};
use push_client::{
    PushClient, PushMessage, Subscription, Transport, TransportError, Ttl,
    transport::{Phase, Problem},
};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

struct PlainSocket;

impl Transport for PlainSocket {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        // Before anything was sent, a failure is "unreachable": it can be repeated without harm.
        let unreachable = |_| TransportError::Unreachable { phase: Phase::Connect, problem: Problem::Closed };
        // Afterwards it is "unanswered": the message may have arrived.
        let unanswered = |_| TransportError::Unanswered { phase: Phase::Headers, problem: Problem::Closed };
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(&authority).await.map_err(unreachable)?;

        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: {authority}\r\n", request.method(), request.uri().path());
        for (name, value) in request.headers() {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
        }
        head.push_str("connection: close\r\n\r\n");
        stream.write_all(&[head.as_bytes(), request.body().as_ref()].concat()).await.map_err(unanswered)?;

        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer).await.map_err(unanswered)?;
        let text = String::from_utf8_lossy(&answer);
        let status = text.get(9..12).and_then(|status| status.parse::<u16>().ok()).unwrap_or(500);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        Response::builder()
            .status(status)
            .body(body.into())
            .map_err(|_| TransportError::Unanswered { phase: Phase::Headers, problem: Problem::BadAnswer })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args().nth(1).ok_or("usage: own_http_client SUBSCRIPTION.json")?;
    let subscription = Subscription::from_json(&fs::read_to_string(file)?)?;
    let client = PushClient::builder().transport(PlainSocket).build()?;

    println!("{}", client.send(&subscription, &PushMessage::tickle(Ttl::seconds(60))).await);
    Ok(())
}
