//! `kind: header-fields`: the syntax of `Encryption`, `Crypto-Key` and `Encryption-Key`, with values of any length.

use push_crypto::{ContentCoding, HeaderFields, base64url, danger};

use super::{
    ANY, Outcomes,
    case::{Case, Stop, judge},
};

pub(super) fn check(case: &Case<'_>) -> Outcomes {
    let case = *case;
    let outcome = judge(case.error(), read(case), |came| match expected(case) {
        Ok(expected) if expected == came => Ok(()),
        Ok(expected) => Err(format!("expected {expected:?}, came {came:?}")),
        Err(Stop::Refused(why) | Stop::Unclear(why)) => Err(format!("cannot be judged: {why}")),
    });
    vec![(ANY, outcome)]
}

/// `salt`, `dh`, `rs`.
type Parameters = (String, String, u64);

fn expected(case: Case<'_>) -> Result<Parameters, Stop> {
    let params = case.object("params").ok_or_else(|| Stop::unclear("neither \"params\" nor \"error\""))?;
    let rs = params.number("rs")?.ok_or_else(|| Stop::unclear("\"params.rs\" is missing"))?;
    Ok((params.needed_text("salt")?.into(), params.needed_text("dh")?.into(), rs))
}

fn read(case: Case<'_>) -> Result<Parameters, Stop> {
    let coding = match case.text("coding")?.map(str::parse) {
        None => ContentCoding::Aesgcm,
        Some(Ok(coding @ (ContentCoding::Aesgcm | ContentCoding::Aesgcm128))) => coding,
        Some(_) => return Err(Stop::unclear("\"coding\" is neither aesgcm nor aesgcm128")),
    };
    let bare = match (coding, case.text("variant")?) {
        (ContentCoding::Aesgcm128, Some("bare")) => true,
        (_, None) | (ContentCoding::Aesgcm128, Some("auth-context" | "context")) => false,
        (_, Some(other)) => {
            return Err(Stop::unclear(format!("variant \"{other}\" is unknown with {coding}")));
        }
    };
    let encryption = case.lines("Encryption")?;
    // The variant says which field counts; the other one is not looked at.
    let (crypto_key, encryption_key) = if bare {
        (Vec::new(), case.lines("Encryption-Key")?)
    } else {
        (case.lines("Crypto-Key")?, Vec::new())
    };
    let lines =
        HeaderFields { encryption: &encryption, crypto_key: &crypto_key, encryption_key: &encryption_key };
    let fields = danger::read_fields(coding, &lines).map_err(Stop::refused)?;
    Ok((base64url::encode(&fields.salt), base64url::encode(&fields.dh), fields.rs))
}
