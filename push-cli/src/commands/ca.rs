//! `push ca`: the certificate of the local CA; never its key.

use std::path::{Path, PathBuf};

use clap::Args;
use rustls_pki_types::{
    CertificateDer,
    pem::{PemObject as _, SectionKind},
};
use serde_json::json;

use crate::{
    api::Api,
    diagnostic::{Diagnostic, Result},
    environment::Directory,
    exit_code::ExitCode,
    message::member,
    output::Output,
};

/// The service's own file names in its directory.
const CERTIFICATE: &str = "ca.pem";
const BUNDLE: &str = "bundle.pem";

/// The certificate of the local CA, which the service makes at its first start.
///
/// Its key is never printed. It is not installed anywhere; push env tells
/// other programs about it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push ca --path
  push ca --bundle > roots.pem      # system roots and ours")]
pub(crate) struct CaArgs {
    /// Print where the certificate is (this is the default)
    #[arg(long, group = "what")]
    path: bool,
    /// Print the certificate
    #[arg(long, group = "what")]
    pem: bool,
    /// Print the system's roots and the certificate
    #[arg(long, group = "what")]
    bundle: bool,
    /// Directory of the CA, as given to push serve
    #[arg(long, value_name = "DIR")]
    ca_dir: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &CaArgs, out: Output) -> Result<()> {
    let path = directory(args.ca_dir.as_deref())?.join(CERTIFICATE);
    let pem = std::fs::read_to_string(&path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            Diagnostic::input("ca/none", format!("there is no CA yet: {} does not exist", path.display()))
                .why("it is made when the service starts for the first time")
                .fix("push serve")
        } else {
            Diagnostic::file(ExitCode::INPUT, "read", &path, &error)
        }
    })?;
    if !is_certificate(&pem) {
        return Err(Diagnostic::input(
            "ca/no-certificate",
            format!("{} is not exactly one certificate", path.display()),
        )
        .why("what else a PEM file may hold, such as a private key, is not printed")
        .fix("stop the service and remove the file: push serve makes a new CA"));
    }
    if out.is_json() {
        return out.object(json!({"path": path, "pem": pem}));
    }
    if args.bundle {
        out.octets(bundle(&pem).as_bytes())
    } else if args.pem {
        out.octets(pem.as_bytes())
    } else {
        out.line(path.display().to_string())
    }
}

/// True when `pem` is one certificate and nothing else.
fn is_certificate(pem: &str) -> bool {
    let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes());
    let first = sections.next();
    let is_first = matches!(first, Some(Ok((SectionKind::Certificate, octets))) if !octets.is_empty());
    is_first && sections.next().is_none() && pem.matches("-----BEGIN ").count() == 1
}

/// Where the CA is kept: as told, else in the user's state directory.
pub(crate) fn directory(told: Option<&Path>) -> Result<PathBuf> {
    match told {
        Some(path) => Ok(path.to_owned()),
        None => Directory::State.path().ok_or_else(|| {
            Diagnostic::input("ca/directory", "there is no home directory to keep the CA in")
                .fix("name one with --ca-dir DIR")
        }),
    }
}

/// The certificates of the local CA that this program knows, for its own connections.
pub(crate) fn local_certificates() -> Vec<CertificateDer<'static>> {
    let pems = local_pems();
    let certificates = pems.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes()));
    certificates.filter_map(std::result::Result::ok).map(CertificateDer::into_owned).collect()
}

/// The same as PEM: the service's own file, and what `push env` wrote for services elsewhere.
pub(crate) fn local_pems() -> Vec<String> {
    let Ok(directory) = directory(None) else { return Vec::new() };
    let mut files = vec![directory.join(CERTIFICATE)];
    files.extend(
        std::fs::read_dir(directory.join("trust")).into_iter().flatten().flatten().map(|entry| entry.path()),
    );
    let ours = files.iter().filter(|path| !path.to_string_lossy().ends_with(BUNDLE));
    ours.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// The files that variables point to.
#[derive(Debug)]
pub(crate) struct TrustFiles {
    /// The bare certificate, for variables which add to the system's roots.
    pub(crate) certificate: PathBuf,
    /// System roots and ours, for variables which replace them.
    pub(crate) bundle: PathBuf,
}

/// Asks the service for its certificate and writes both files below the state directory.
pub(crate) async fn files_of(api: &Api) -> Result<TrustFiles> {
    let info = api.get("/info", &[]).await?;
    let pem = member(&info, "caPem");
    if pem.is_empty() {
        return Err(Diagnostic::new(
            ExitCode::INPUT,
            "ca/none",
            format!("{} has no CA of its own", api.origin()),
        )
        .why("it was started with a certificate from elsewhere, or without TLS")
        .fix("trust the CA of that certificate, and set PUSH_URL yourself"));
    }
    let directory = directory(None)?.join("trust");
    make_private(&directory)
        .map_err(|error| Diagnostic::file(ExitCode::UNEXPECTED, "create", &directory, &error))?;
    let name =
        format!("{}-{}", api.origin().host().trim_matches(['[', ']']).replace(':', "_"), api.origin().port());
    let files = TrustFiles {
        certificate: directory.join(format!("{name}.pem")),
        bundle: directory.join(format!("{name}-{BUNDLE}")),
    };
    for (path, text) in [(&files.certificate, pem.to_owned()), (&files.bundle, bundle(pem))] {
        std::fs::write(path, text)
            .map_err(|error| Diagnostic::file(ExitCode::UNEXPECTED, "write", path, &error))?;
    }
    Ok(files)
}

/// For this user alone: the CA's key may come to stand in it, and push serve refuses a directory open to others.
pub(crate) fn make_private(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// The system's roots as PEM, ours last.
fn bundle(pem: &str) -> String {
    let mut text = String::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        text.push_str(&to_pem(&certificate));
    }
    text.push_str(pem);
    text
}

fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let base64 = push_crypto::base64url::encode(certificate).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - base64.len() % 4) % 4);
    let base64 = base64 + &padding;
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_certificate_is_taken_for_the_certificate() {
        let pem = to_pem(&CertificateDer::from(vec![1, 2, 3]));
        let key = pem.replace("CERTIFICATE", "PRIVATE KEY");

        assert!(is_certificate(&pem));
        for wrong in [String::new(), key.clone(), pem.clone() + &key, key + &pem, pem.clone() + &pem] {
            assert!(!is_certificate(&wrong), "{wrong}");
        }
    }

    #[test]
    fn a_certificate_survives_its_pem_form() {
        for length in [1, 2, 3, 47, 48, 49, 500] {
            let octets: Vec<u8> = (0..length).map(|n: usize| u8::try_from(n % 256).unwrap()).collect();
            let pem = to_pem(&CertificateDer::from(octets.clone()));

            let read = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();

            assert_eq!(read.as_ref(), octets, "{length}");
            assert!(pem.lines().all(|line| line.len() <= 64));
        }
    }
}
