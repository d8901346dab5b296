//! The binary from outside: transcripts, help texts, and the service as a process.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod help;
#[cfg(test)]
mod intercept;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod service;
#[cfg(test)]
mod transcripts;
