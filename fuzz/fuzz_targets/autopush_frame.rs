//! What Firefox says over its push connection.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| push_mock_server::fuzzing::autopush_frame(text));
