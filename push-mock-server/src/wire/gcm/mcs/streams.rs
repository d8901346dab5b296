//! `Streams`: the count of frames in both directions, and which messages an acknowledgement covers; pure.
//!
//! Stream ids are not sent: each side counts the frames of the other from 1, the login included.

use std::collections::VecDeque;

/// The counts of one connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    received: i32,
    sent: i32,
    /// Persistent ids of messages without acknowledgement, in the order of their stream ids.
    handed: VecDeque<(i32, String)>,
}

impl Streams {
    /// A frame of any tag came.
    pub(super) fn receive(&mut self) {
        self.received = self.received.saturating_add(1);
    }

    /// A frame is written.
    pub(super) fn send(&mut self) {
        self.sent = self.sent.saturating_add(1);
    }

    /// The frame that is written is this message.
    pub(super) fn send_message(&mut self, persistent_id: String) {
        self.send();
        self.handed.push_back((self.sent, persistent_id));
    }

    /// What the next frame says: the number of frames that came.
    pub(super) fn last_received(&self) -> i32 {
        self.received
    }

    /// The messages up to that stream id, which are forgotten here.
    pub(super) fn acknowledged(&mut self, last: i32) -> Vec<String> {
        let covered = self.handed.iter().take_while(|(stream, _)| *stream <= last).count();
        self.handed.drain(..covered).map(|(_, persistent_id)| persistent_id).collect()
    }

    /// True while a message has no acknowledgement.
    pub(super) fn is_waiting(&self) -> bool {
        !self.handed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GCM-037.
    #[test]
    fn acknowledgements_cover_what_was_sent_up_to_them_once() {
        let mut streams = Streams::default();
        streams.send();
        for name in ["a", "b", "c"] {
            streams.send_message(name.to_owned());
        }
        streams.send();

        assert!(streams.acknowledged(1).is_empty());
        assert_eq!(streams.acknowledged(3), ["a", "b"]);
        assert!(streams.acknowledged(3).is_empty());
        assert!(streams.acknowledged(-1).is_empty());
        assert!(streams.is_waiting());
        assert_eq!(streams.acknowledged(i32::MAX), ["c"]);
        assert!(!streams.is_waiting());
    }

    /// GCM-036.
    #[test]
    fn every_frame_counts() {
        let mut streams = Streams::default();

        (0..5).for_each(|_| streams.receive());

        assert_eq!(streams.last_received(), 5);
    }
}
