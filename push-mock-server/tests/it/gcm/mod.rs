//! Chromium's protocols over real sockets: a scripted Chromium and an application server.

mod client;
mod http;
mod messages;
mod octets;
mod session;
