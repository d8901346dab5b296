//! Forms as Chromium sends them, and others.

use proptest::prelude::*;

use super::*;

const LOGIN: AidLogin = AidLogin { android_id: 5_000_000_000_000_000_001, security_token: 7 };
const KEY: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

fn subscription() -> String {
    format!(
        "app=org.chromium.linux&X-subtype=wp:http://localhost:9804/%2376EC5490-4FEA-4535-AFE2-82B0F8AED-V2\
         &device=5000000000000000001&scope=GCM&X-scope=GCM&gmsv=156&appid=es_LLxBXIjA&sender={KEY}"
    )
}

/// GCM-009.
#[test]
fn a_subscription_is_read_and_decoded() {
    let Ok(Asked::Subscribe(asked)) = read(subscription().as_bytes(), &LOGIN) else {
        panic!("it is a subscription");
    };

    assert_eq!(asked.app, "org.chromium.linux");
    assert_eq!(asked.subtype, "wp:http://localhost:9804/#76EC5490-4FEA-4535-AFE2-82B0F8AED-V2");
    assert_eq!(asked.sender, KEY);
    assert_eq!(asked.key.to_base64url(), KEY);
}

#[test]
fn the_other_two_kinds_are_told_apart() {
    let own = "app=com.google.android.gms&device=5000000000000000001&sender=745476177629";
    let delete = "app=org.chromium.linux&X-subtype=wp:http://localhost:9804/%2376EC&device=5000000000000000001\
                  &delete=true&appid=es_LLxBXIjA&sender=*&scope=*&X-scope=*&gmsv=156";

    assert_eq!(read(own.as_bytes(), &LOGIN), Ok(Asked::Own));
    assert_eq!(
        read(delete.as_bytes(), &LOGIN),
        Ok(Asked::Unsubscribe("wp:http://localhost:9804/#76EC".to_owned()))
    );
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let check = |from: &str, to: &str| read(subscription().replace(from, to).as_bytes(), &LOGIN);

    assert_eq!(check("app=org.chromium.linux", ""), Err(FormError::Missing("app")));
    assert_eq!(check("app=org.chromium.linux", "app="), Err(FormError::Missing("app")));
    assert_eq!(check("X-subtype", "x-subtype"), Err(FormError::Missing("X-subtype")));
    assert_eq!(check("device=5", "device=+5"), Err(FormError::Device));
    assert_eq!(check("device=5", "device=6"), Err(FormError::Device));
    assert_eq!(check("device=", "d="), Err(FormError::Missing("device")));
    assert_eq!(check("sender=", "s="), Err(FormError::Missing("sender")));
    assert_eq!(check(KEY, "745476177629"), Err(FormError::Sender));
    assert_eq!(check("sender=BC", "sender=BA"), Err(FormError::Sender), "not on the curve");
    assert_eq!(read(b"app=\xff", &LOGIN), Err(FormError::Text));
    assert_eq!(read(b"", &LOGIN), Err(FormError::Missing("device")));
}

/// GCM-013: every refusal has a code that Chromium does not try again.
#[test]
fn refusals_fail_at_once() {
    let all = [FormError::Text, FormError::Missing("app"), FormError::Device, FormError::Sender];

    assert!(all.iter().all(|error| matches!(error.code(), "INVALID_SENDER" | "INVALID_PARAMETERS")));
    assert!(all.iter().all(|error| !error.to_string().is_empty()));
}

#[test]
fn the_first_of_two_parameters_counts() {
    assert_eq!(parameter("a=1&a=2", "a").as_deref(), Some("1"));
    assert_eq!(parameter("a&b=2", "a").as_deref(), Some(""));
    assert_eq!(parameter("b=%2B+%zz%2", "b").as_deref(), Some("+ %zz%2"));
}

#[test]
fn logins_are_two_decimal_numbers() {
    let pair = |field| AidLogin::read(field).map(|login| (login.android_id, login.security_token));

    assert_eq!(pair("AidLogin 1:18446744073709551615"), Some((1, u64::MAX)));
    assert_eq!(pair("aidlogin  1:2 "), Some((1, 2)));
    for wrong in
        ["", "AidLogin", "AidLogin 1", "AidLogin 1:", "AidLogin 0:1", "AidLogin 1:0", "AidLogin +1:1"]
    {
        assert_eq!(pair(wrong), None, "{wrong}");
    }
    assert_eq!(pair("AidLogin 1:18446744073709551616"), None);
    assert_eq!(pair("Bearer 1:2"), None);
}

proptest! {
    #[test]
    fn no_form_panics(form: Vec<u8>, field: String) {
        let _ = read(&form, &LOGIN);
        let _ = AidLogin::read(&field);
    }

    #[test]
    fn no_likely_form_panics(form in "(app|device|sender|X-subtype|delete|&|=|%|[0-9a-f]{1,3}|true|\\+){0,40}") {
        let _ = read(form.as_bytes(), &LOGIN);
    }
}
