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

/// GCM-055: one hash is true of whatever is served.
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
    assert_eq!(first.spki(), second.spki(), "a browser that trusts the key of the leaves goes on doing so");
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
    for key in ["ca.key", "leaf.key"] {
        let key = path.join(key);
        assert_eq!(mode(&key), 0o600);

        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Authority::kept_in(&path, &[], NOW).unwrap_err().to_string();
        assert!(error.contains("mode 0640") && error.contains("chmod 0600"), "{error}");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn an_authority_with_a_missing_part_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca");

    for part in ["ca.key", "leaf.key", "ca.pem", "ca.json"] {
        let first = Authority::kept_in(&path, &[], NOW).unwrap();
        std::fs::remove_file(path.join(part)).unwrap();
        let second = Authority::kept_in(&path, &[], NOW).unwrap();
        assert_ne!(first.pem(), second.pem(), "{part}");
        verify(&second, &second.leaf(None, NOW).unwrap(), "localhost", NOW).unwrap();
    }
}

#[test]
fn services_that_start_at_once_make_one_authority() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca");
    let start = std::sync::Barrier::new(8);

    let made: Vec<_> = std::thread::scope(|scope| {
        let make = || {
            start.wait();
            let authority = Authority::kept_in(&path, &[], NOW).unwrap();
            (authority.pem().to_owned(), authority.spki())
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    assert!(made.iter().all(|one| one == &made[0]));
    let pem = std::fs::read_to_string(path.join("ca.pem")).unwrap();
    assert!(pem == made[0].0 && !pem.contains("PRIVATE"), "{pem}");
    let kept = Authority::from_kept(files::read(&path).unwrap().unwrap()).unwrap();
    assert_eq!((kept.pem(), kept.spki()), (made[0].0.as_str(), made[0].1));
    let names = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".new")));
}

#[test]
fn parts_that_do_not_belong_together_are_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (directory.path().join("ca"), directory.path().join("other"));

    for (part, replaced_by) in [("ca.pem", "ca.key"), ("ca.pem", "ca.pem"), ("ca.key", "ca.key")] {
        Authority::kept_in(&other, &[], NOW).unwrap();
        let first = Authority::kept_in(&path, &[], NOW).unwrap();
        std::fs::copy(other.join(replaced_by), path.join(part)).unwrap();
        let second = Authority::kept_in(&path, &[], NOW).unwrap();
        assert_ne!(first.pem(), second.pem(), "{part}");
        assert!(second.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        verify(&second, &second.leaf(None, NOW).unwrap(), "localhost", NOW).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_directory_without_anything_of_others_is_closed_to_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let made = |name: &str, bits: u32| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.join("trust")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits)).unwrap();
        path
    };

    let path = made("ours", 0o755);
    Authority::kept_in(&path, &[], NOW).unwrap();
    assert_eq!(mode(&path), 0o700);

    let shared = made("shared", 0o755);
    std::fs::write(shared.join("letter.txt"), "").unwrap();
    for path in [made("open", 0o777), shared] {
        let before = mode(&path);
        let error = Authority::kept_in(&path, &[], NOW).unwrap_err().to_string();
        assert!(error.contains("chmod 0700"), "{error}");
        assert_eq!(mode(&path), before);
    }
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
