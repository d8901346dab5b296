//! What came of a message, for people, for scripts, and as an exit code.

use http::StatusCode;
use push_client::outcome::{Outcome, Refused, UnsentReason};
use push_crypto::Origin;
use serde_json::{Value, json};

use crate::{
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    message::member,
    output::{Output, level_mark, level_style, styled},
    text,
};

/// Column of the status in the first line.
const STATUS_AT: usize = 44;

/// One outcome, and what is known around it.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// What the user called the receiver.
    pub(super) to: String,
    /// The outcome.
    pub(super) outcome: Outcome,
    /// Milliseconds from start to outcome.
    pub(super) ms: u128,
    /// Octets of the payload; none for a tickle.
    pub(super) payload: Option<usize>,
    /// Octets of the body.
    pub(super) body: usize,
    /// The coding, when there is a body.
    pub(super) coding: &'static str,
    /// `sub`, or nothing; none: sent without VAPID.
    pub(super) vapid: Option<Option<String>>,
    /// The message object of the local service.
    pub(super) recorded: Option<Value>,
}

impl Report {
    /// Prints it. With several receivers failures are told here, too, since the command goes on.
    pub(super) fn tell(&self, several: bool, out: Output) -> Result<()> {
        if out.is_json() {
            return out.record(&self.to_json());
        }
        match &self.outcome {
            Outcome::Accepted(_) => self.accepted(out),
            _ if several => {
                out.failure(&self.clone().diagnostic());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn accepted(&self, out: Output) -> Result<()> {
        let Outcome::Accepted(accepted) = &self.outcome else { return Ok(()) };
        let first = format!("Sent to {} ({})", text::escape(&self.to), accepted.origin);
        let gap = STATUS_AT.saturating_sub(first.chars().count()).max(3);
        let status = styled(crate::output::state_style("acknowledged"), &named(accepted.status));
        out.line(format!("{first}{:gap$}{status} in {} ms", "", self.ms))?;
        if let Some(id) = self.id() {
            out.line(format!("  message   {}     push show {}", text::cut_id(id), text::short_id(id)))?;
        }
        match self.payload {
            None => out.line("  payload   none: a tickle")?,
            Some(octets) => out.line(format!(
                "  payload   {} → {} on the wire ({}, one record)",
                text::count(octets, "octet"),
                self.body,
                self.coding
            ))?,
        }
        match &self.vapid {
            None => out.line("  vapid     none")?,
            Some(None) => out.line("  vapid     without sub, valid for 12 h")?,
            Some(Some(subject)) => {
                out.line(format!("  vapid     sub {}, valid for 12 h", text::escape(subject)))?
            }
        }
        for finding in self.findings() {
            let level = member(finding, "level");
            let mark = styled(level_style(level), level_mark(level));
            let code = text::escape(member(finding, "code"));
            out.line(format!("  finding   {mark} {code}: {}", text::escape(member(finding, "seen"))))?;
        }
        if let Some(receipt) = &accepted.receipt_subscription {
            out.line(format!("  receipts  {}", text::escape(receipt.expose())))?;
        }
        Ok(())
    }

    /// Id under which the local service recorded it.
    fn id(&self) -> Option<&str> {
        self.recorded.as_ref().map(|message| member(message, "id"))
    }

    /// What the local service would like to see done better; all else is in `push show`.
    fn findings(&self) -> Vec<&Value> {
        let findings = self.recorded.as_ref().and_then(|message| message.get("findings")?.as_array());
        findings.into_iter().flatten().filter(|finding| member(finding, "level") != "info").collect()
    }

    fn to_json(&self) -> Value {
        let outcome = &self.outcome;
        let mut object = json!({
            "ok": matches!(outcome, Outcome::Accepted(_)), "outcome": outcome.as_str(), "to": self.to,
            "status": outcome.status(), "attempts": outcome.attempts(),
            "ms": u64::try_from(self.ms).unwrap_or(u64::MAX), "bodyBytes": self.body,
        });
        let Some(members) = object.as_object_mut() else { return object };
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        match outcome {
            Outcome::Accepted(it) => {
                put("ttl", it.ttl.map(|ttl| ttl.as_seconds()).into());
                put(
                    "messageResource",
                    it.message_resource.as_ref().map(|resource| resource.expose().to_owned()).into(),
                );
                if let Some(receipt) = &it.receipt_subscription {
                    put("receiptSubscription", receipt.expose().into());
                }
            }
            Outcome::Gone(_) => {}
            Outcome::Refused(it) => {
                put("reason", it.reason.as_str().into());
                put("text", it.text.clone().into());
            }
            Outcome::Deferred(it) => {
                put("notBefore", it.not_before.map(text::rfc3339).into());
                put("text", it.text.clone().into());
            }
            Outcome::Unanswered(it) => {
                put("phase", it.phase.as_str().into());
            }
            Outcome::Unsent(it) => {
                put("reason", it.reason.as_str().into());
            }
        }
        if let Some(code) = outcome.code() {
            put("code", code.into());
        }
        if let Some(id) = self.id() {
            put("message", id.into());
        }
        if !matches!(outcome, Outcome::Accepted(_)) {
            let error = self.clone().diagnostic().to_json();
            put("error", error.get("error").cloned().unwrap_or(Value::Null));
        }
        object
    }

    /// What the process ends with.
    pub(super) fn exit(&self) -> ExitCode {
        match &self.outcome {
            Outcome::Accepted(_) => ExitCode::SUCCESS,
            Outcome::Gone(_) => ExitCode::GONE,
            Outcome::Refused(_) => ExitCode::REFUSED,
            Outcome::Deferred(_) => ExitCode::TEMPORARY,
            Outcome::Unanswered(_) => ExitCode::UNREACHABLE,
            Outcome::Unsent(unsent) => match unsent.reason {
                UnsentReason::Unreachable { .. } => ExitCode::UNREACHABLE,
                UnsentReason::Expired | UnsentReason::Stopped => ExitCode::TEMPORARY,
                _ => ExitCode::INPUT,
            },
        }
    }

    /// The failure in the usual shape.
    pub(super) fn diagnostic(self) -> Diagnostic {
        let exit = self.exit();
        let code = self.outcome.code().unwrap_or(self.outcome.as_str()).to_owned();
        let sentence = self.outcome.to_string();
        let diagnostic = match &self.outcome {
            Outcome::Refused(refused) => refused_because(refused, exit, &code),
            Outcome::Gone(gone) => {
                let status = gone.status.map(|status| format!(" ({})", named(status))).unwrap_or_default();
                Diagnostic::new(
                    exit,
                    code.clone(),
                    format!("the subscription of {} is gone{status}", self.to),
                )
                .why("it expired, or its user agent unsubscribed")
                .fix("delete it from your database; the user agent subscribes anew when it wants messages")
            }
            Outcome::Unsent(unsent) => unsent_because(&unsent.reason, &unsent.origin, exit, &code),
            _ => {
                let (what, rest) = sentence.split_once("; ").unwrap_or((&sentence, ""));
                Diagnostic::new(exit, code.clone(), what).fix(rest)
            }
        };
        let diagnostic = match self.id() {
            Some(id) => diagnostic.detail(format!(
                "recorded as {}: push show {}",
                text::cut_id(id),
                text::short_id(id)
            )),
            None => diagnostic,
        };
        if code.contains('/') { diagnostic.see(format!("push help {code}")) } else { diagnostic }
    }
}

fn unsent_because(reason: &UnsentReason, origin: &Origin, exit: ExitCode, code: &str) -> Diagnostic {
    match reason {
        UnsentReason::Unreachable { problem, phase } => {
            let text = problem.to_string();
            let certificate = text.contains("certificate");
            let what = if certificate {
                format!("certificate not trusted: {origin}")
            } else {
                format!("cannot reach {origin}")
            };
            let diagnostic =
                Diagnostic::new(exit, code.to_owned(), what).why(format!("{text} while {phase}"));
            if certificate && origin.is_loopback() {
                diagnostic.fix("eval \"$(push env)\"     then run it again")
            } else {
                diagnostic.fix("check the endpoint, the network and the proxy")
            }
        }
        UnsentReason::Expired => {
            Diagnostic::new(exit, code.to_owned(), "the TTL ran out before the message could be sent")
                .fix("give it more time: --ttl 3600")
        }
        UnsentReason::Invalid(invalid) => {
            let text =
                invalid.to_string().replace("use allow_loopback() or allow_private()", "add --allow-private");
            Diagnostic::new(exit, code.to_owned(), format!("nothing was sent to {origin}")).because(&text)
        }
        _ => Diagnostic::new(exit, code.to_owned(), format!("nothing was sent to {origin}")),
    }
}

/// The service's own words; a problem document is taken apart.
fn refused_because(refused: &Refused, exit: ExitCode, code: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new(
        exit,
        code.to_owned(),
        format!("the endpoint refused the message ({})", named(refused.status)),
    );
    let said = refused.text.as_deref().unwrap_or_default();
    if let Ok(problem) = serde_json::from_str::<Value>(said)
        && !member(&problem, "detail").is_empty()
    {
        let diagnostic = diagnostic.why(member(&problem, "detail"));
        return match member(&problem, "fix") {
            "" => diagnostic,
            fix => diagnostic.fix(fix),
        };
    }
    let diagnostic = if said.is_empty() {
        diagnostic.detail(format!("{} answered without a text", refused.origin))
    } else {
        diagnostic.detail(format!(
            "{} answered {}",
            refused.origin.host(),
            text::cut(&text::escape(said), 300)
        ))
    };
    let sentence = refused.to_string();
    let advice = sentence.split_once("): ").map_or("", |(_, advice)| advice);
    let advice = advice.split(": it said").next().unwrap_or(advice);
    if advice.is_empty() { diagnostic } else { diagnostic.fix(advice) }
}

/// `201 Created`
fn named(status: u16) -> String {
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    name.map_or_else(|| status.to_string(), |name| format!("{status} {name}"))
}
