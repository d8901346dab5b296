//! Exit codes: part of the interface like the JSON, changed only with a major version.

/// The number a process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExitCode(u8);

impl ExitCode {
    /// Everything went as asked.
    pub(crate) const SUCCESS: Self = Self(0);
    /// Unexpected error: a bug, I/O, a port in use.
    pub(crate) const UNEXPECTED: Self = Self(1);
    /// Wrong usage of the command line.
    pub(crate) const USAGE: Self = Self(2);
    /// What is needed could not be reached: the service, an endpoint (DNS, TCP, TLS, timeout).
    pub(crate) const UNREACHABLE: Self = Self(3);
    /// An expectation was not met: `wait`, `inspect --strict`.
    pub(crate) const EXPECTATION: Self = Self(4);
    /// Refused by the push service, and a retry will not help.
    pub(crate) const REFUSED: Self = Self(5);
    /// The subscription is gone (404 or 410).
    pub(crate) const GONE: Self = Self(6);
    /// A temporary failure remained after retries, or the TTL ran out before it could be sent.
    pub(crate) const TEMPORARY: Self = Self(7);
    /// Several receivers, different outcomes.
    pub(crate) const MIXED: Self = Self(8);
    /// Input is not usable: JSON, key, subscription, address not allowed, configuration.
    pub(crate) const INPUT: Self = Self(9);

    /// Told to stop by Ctrl-C before all was done.
    pub(crate) const INTERRUPTED: Self = Self(130);
    /// Told to stop by SIGTERM before all was done.
    pub(crate) const TERMINATED: Self = Self(143);

    /// The table which `push help exit-codes` and the manual print.
    pub(crate) const ALL: [(u8, &'static str); 12] = [
        (Self::SUCCESS.0, "success"),
        (Self::UNEXPECTED.0, "unexpected error (bug, I/O, port in use)"),
        (Self::USAGE.0, "wrong usage"),
        (
            Self::UNREACHABLE.0,
            "could not reach or start what is needed: service, endpoint (DNS, TLS, timeout)",
        ),
        (Self::EXPECTATION.0, "expectation not met: wait, inspect --strict"),
        (Self::REFUSED.0, "refused by the push service, and a retry will not help"),
        (Self::GONE.0, "subscription gone (404 or 410)"),
        (
            Self::TEMPORARY.0,
            "temporary failure remained after retries, or the TTL ran out before it could be sent",
        ),
        (Self::MIXED.0, "several receivers, different outcomes"),
        (Self::INPUT.0, "input not usable: JSON, key, subscription, address not allowed, configuration"),
        (Self::INTERRUPTED.0, "interrupted"),
        (Self::TERMINATED.0, "terminated"),
    ];
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        let numbers: Vec<_> = ExitCode::ALL.iter().map(|(number, _)| *number).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();

        assert_eq!(numbers, sorted);
    }
}
