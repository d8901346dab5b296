//! Declarative payloads: what keeps one that means to be declarative from being it (AS-042 to AS-049).

use push_crypto::Declarative;

use super::report::Report;

pub(super) fn check(report: &mut Report, plaintext: &[u8]) {
    for problem in Declarative::read(plaintext).problems() {
        let place = format!("payload{}", problem.pointer());
        let expected =
            if problem.is_fatal() { "a declarative message" } else { "a member that is not skipped" };
        // The text of a problem holds nothing of the payload.
        report.add(problem.code(), place, problem.to_string(), expected);
    }
}
