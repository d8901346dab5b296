//! The push connection of Chromium: frames split anywhere, and the stanzas in them. The first octet says how they are
//! split.
#![no_main]

use libfuzzer_sys::fuzz_target;
use push_mock_server::fuzzing::mcs_frames;

fuzz_target!(|input: &[u8]| {
    if let Some((piece, octets)) = input.split_first() {
        mcs_frames(octets, usize::from(*piece));
    }
});
