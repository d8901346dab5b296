use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{ServerName, UnixTime, pem::PemObject as _},
};

use super::*;

/// 2026-11-23T08:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_420_800);

fn verify(authority: &Authority, leaf: &Leaf, name: &str, at: Timestamp) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_unix_seconds()));
    verifier.verify_server_cert(&leaf.certificate, &[], &name, &[], at).map(|_| ())
}

#[test]
fn leaves_are_valid_for_every_permitted_name() {
    let authority = Authority::in_memory(&["push.example.org".into(), "192.0.2.7".into()], NOW).unwrap();

    for name in ["localhost", "127.0.0.1", "::1", "192.0.2.7"] {
        verify(&authority, &authority.leaf(None, NOW).unwrap(), name, NOW).unwrap();
    }
    for name in [
        "app.localhost",
        "app.test",
        "push.example.org",
        "fcm.googleapis.com",
        "api.push.apple.com",
        "wns2-par02p.notify.windows.com",
    ] {
        verify(&authority, &authority.leaf(Some(name), NOW).unwrap(), name, NOW).unwrap();
    }
}

#[test]
fn leaf_for_a_foreign_name_is_refused_by_the_name_constraints() {
    let authority = Authority::in_memory(&[], NOW).unwrap();

    // What a thief of the key could sign.
    for name in ["example.com", "googleapis.com", "evilfcm.googleapis.com.example.com", "8.8.8.8"] {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        set_validity(&mut params, NOW.before(BACKDATED), NOW.after(LEAF_LIFE));
        let certificate = params.signed_by(&authority.leaf_key, &authority.issuer).unwrap();
        let leaf = Leaf { certificate: certificate.der().clone(), made: NOW };

        let error = verify(&authority, &leaf, name, NOW).unwrap_err();

        assert!(format!("{error:?}").contains("NameConstraintViolation"), "{name}: {error:?}");
    }
}

#[test]
fn server_names_outside_the_list_get_the_local_leaf() {
    let authority = Authority::in_memory(&[], NOW).unwrap();
    let local = authority.leaf(None, NOW).unwrap();

    for name in
        ["example.com", "notlocalhost", "eviltest", ".test", "push.example.org", "localhost", "LOCALHOST"]
    {
        assert_eq!(authority.leaf(Some(name), NOW).unwrap().certificate, local.certificate, "{name}");
    }
    assert_ne!(authority.leaf(Some("a.test"), NOW).unwrap().certificate, local.certificate);
}

#[test]
fn leaf_lives_ninety_days_and_is_renewed_before_it_ends() {
    let authority = Authority::in_memory(&[], NOW).unwrap();
    let leaf = authority.leaf(None, NOW).unwrap();

    verify(&authority, &leaf, "localhost", NOW.after(days(89))).unwrap();
    verify(&authority, &leaf, "localhost", NOW.after(days(91))).unwrap_err();
    assert_eq!(authority.leaf(None, NOW.after(days(59))).unwrap().certificate, leaf.certificate);
    assert_ne!(authority.leaf(None, NOW.after(days(60))).unwrap().certificate, leaf.certificate);
}

#[test]
fn leaves_share_one_key() {
    let authority = Authority::in_memory(&[], NOW).unwrap();
    let spki = authority.leaf_key.subject_public_key_info();

    for name in [None, Some("a.test"), Some("fcm.googleapis.com")] {
        let leaf = authority.leaf(name, NOW).unwrap();
        assert!(leaf.certificate.windows(spki.len()).any(|window| window == spki), "{name:?}");
    }
    assert_eq!(authority.spki(), <[u8; 32]>::from(Sha256::digest(&spki)));
}

#[test]
fn kept_leaves_are_bounded() {
    let authority = Authority::in_memory(&[], NOW).unwrap();

    for number in 0..LEAVES_KEPT + 3 {
        authority.leaf(Some(&format!("n{number}.test")), NOW).unwrap();
    }

    assert!(authority.leaves.lock().unwrap().len() <= LEAVES_KEPT);
}

#[test]
fn kept_authority_is_the_same_after_a_restart_and_signs_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca");
    let first = Authority::kept_in(&path, &["push.example.org".into()], NOW).unwrap();

    let second = Authority::kept_in(&path, &["push.example.org".into()], NOW).unwrap();

    assert_eq!(first.pem(), second.pem());
    let leaf = second.leaf(Some("push.example.org"), NOW).unwrap();
    verify(&first, &leaf, "push.example.org", NOW).unwrap();
}

#[test]
fn another_name_or_a_near_end_makes_a_new_authority() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca");
    let first = Authority::kept_in(&path, &[], NOW).unwrap();

    let same = Authority::kept_in(&path, &[], NOW.after(days(274))).unwrap();
    let near_end = Authority::kept_in(&path, &[], NOW.after(days(275))).unwrap();
    let renamed = Authority::kept_in(&path, &["a.example".into()], NOW.after(days(275))).unwrap();

    assert_eq!(first.pem(), same.pem());
    assert_ne!(first.pem(), near_end.pem());
    assert_ne!(near_end.pem(), renamed.pem());
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca");
    Authority::kept_in(&path, &[], NOW).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;

    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("ca.key")), 0o600);

    std::fs::set_permissions(path.join("ca.key"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = Authority::kept_in(&path, &[], NOW).unwrap_err().to_string();
    assert!(error.contains("mode 0640") && error.contains("chmod 0600"), "{error}");
}

#[test]
fn certificate_and_debug_hold_no_key() {
    let authority = Authority::in_memory(&[], NOW).unwrap();

    assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(!authority.pem().contains("PRIVATE"));
    assert!(!format!("{authority:?}").contains("PRIVATE"));
}

/// The other implementation that enforces name constraints; most servers and languages use it.
#[test]
fn openssl_accepts_localhost_and_refuses_a_foreign_name() {
    if std::process::Command::new("openssl").arg("version").output().is_err() {
        return; // Not installed here; rustls has checked the same above.
    }
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::in_memory(&[], NOW).unwrap();
    std::fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
    let verify = |name: &str, certificate: &CertificateDer<'_>| {
        std::fs::write(directory.path().join("leaf.der"), certificate).unwrap();
        let output = std::process::Command::new("openssl")
            .current_dir(directory.path())
            .args(["verify", "-CAfile", "ca.pem", "-attime", &NOW.as_unix_seconds().to_string()])
            .args(["-verify_hostname", name, "leaf.der"])
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };

    let (accepted, text) = verify("localhost", &authority.leaf(None, NOW).unwrap().certificate);
    assert!(accepted, "{text}");

    let foreign = authority.make_leaf("example.com", NOW).unwrap();
    let (accepted, text) = verify("example.com", &foreign.certificate);
    assert!(!accepted && text.contains("permitted subtree"), "{text}");
}
