//! `[limits]` of `push.toml`, and `--print-limits`.

use push_mock_server::{LimitSetError, LimitValue, Limits, Rate};

use crate::{
    config::LimitSetting,
    diagnostic::{Diagnostic, Result},
    output::Output,
    text,
};

/// Puts the files' values in place.
pub(super) fn apply(limits: &mut Limits, settings: &[LimitSetting]) -> Result<()> {
    for setting in settings {
        let (name, value, file) = (&setting.name, &setting.value, setting.file.display());
        let wrong = match value_of(value).map(|value| limits.set(name, value)) {
            Some(Ok(())) => continue,
            Some(Err(LimitSetError::Unknown)) => {
                return Err(Diagnostic::input(
                    "config/unknown-key",
                    format!("{file}: unknown limit {}", text::quote(name, 60)),
                )
                .fix("push serve --print-limits shows their names"));
            }
            Some(Err(_)) | None => format!("{file}: limits.{name} cannot be {}", text::quote(value, 40)),
        };
        return Err(Diagnostic::input("config/value", wrong)
            .why("numbers are whole, times are written \"90s\", rates \"10/s\", and some can be \"off\""));
    }
    Ok(())
}

/// A value by its form; whether the limit takes this kind is the limit's to say.
fn value_of(text: &str) -> Option<LimitValue> {
    if text == "off" {
        return Some(LimitValue::Off);
    }
    if let Some(rate) = text.strip_suffix("/s") {
        return rate.parse().ok().map(|rate| LimitValue::Rate(Rate::per_second(rate)));
    }
    if let Ok(number) = text.parse() {
        return Some(LimitValue::Number(number));
    }
    text::parse_duration(text).ok().map(LimitValue::Time)
}

/// `push serve --print-limits`
pub(super) fn print(limits: &Limits, out: Output) -> Result<()> {
    for row in limits.rows() {
        if out.is_json() {
            out.record(&serde_json::json!({
                "name": row.name, "value": row.value.to_string(), "unit": row.unit, "meaning": row.meaning,
                "origin": row.origin,
            }))?;
        } else {
            let value = format!("{} {}", row.value, row.unit);
            out.line(format!("{:<24} {:<24} {}", row.name, value.trim_end(), row.origin))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use push_crypto::Ttl;

    use super::*;

    fn setting(name: &str, value: &str) -> LimitSetting {
        LimitSetting { name: name.to_owned(), value: value.to_owned(), file: PathBuf::from("push.toml") }
    }

    #[test]
    fn values_are_read_by_the_kind_of_the_limit() {
        let mut limits = Limits::default();
        let settings = [
            setting("body_octets", "5000"),
            setting("exchange_age", "1h"),
            setting("ttl_longest", "1d"),
            setting("rate_per_subscription", "10/s"),
            setting("connections", "off"),
        ];

        apply(&mut limits, &settings).unwrap();

        assert_eq!(limits.body_octets, 5000);
        assert_eq!(limits.exchange_age, Some(Duration::from_secs(3600)));
        assert_eq!(limits.ttl_longest, Ttl::seconds(86_400));
        assert_eq!(limits.rate_per_subscription.map(|rate| rate.per_second.get()), Some(10));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let error = |name, value| apply(&mut Limits::default(), &[setting(name, value)]).unwrap_err();

        assert!(error("body_octet", "1").message().contains("unknown limit"));
        assert!(error("body_octets", "many").message().contains("limits.body_octets"));
        assert!(error("header_timeout", "5").message().contains("limits.header_timeout"));
    }
}
