//! Check-in and registration of Chromium. A line end separates `Authorization` from the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use push_mock_server::fuzzing::gcm_forms;

fuzz_target!(|input: &[u8]| {
    let at = input.iter().position(|octet| *octet == b'\n').unwrap_or(0);
    let (field, body) = input.split_at(at);
    gcm_forms(std::str::from_utf8(field).unwrap_or_default(), body.get(1..).unwrap_or_default());
});
