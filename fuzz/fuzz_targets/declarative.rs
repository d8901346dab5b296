//! A decrypted payload read as a declarative message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use push_crypto::{Declarative, DeclarativeProblem, DeclarativeReading};

fuzz_target!(|payload: &[u8]| {
    let reading = Declarative::read(payload);
    let fatal = reading.problems().iter().any(DeclarativeProblem::is_fatal);
    match &reading {
        DeclarativeReading::Declarative(_) => assert!(!fatal),
        DeclarativeReading::NotDeclarative(problems) => assert!(fatal || problems.is_empty()),
    }
});
