//! The files of a kept authority: certificate, key and what it was made for, in a directory of mode 0700.

use std::{
    fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use push_crypto::Timestamp;

/// The certificate, PEM.
pub(super) const CERTIFICATE: &str = "ca.pem";
/// The private key, PKCS#8 as PEM, mode 0600.
const KEY: &str = "ca.key";
/// Names and end, JSON.
const FACTS: &str = "ca.json";

/// What is wrong with a directory or file of the authority.
#[derive(Debug)]
pub(crate) struct FileError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Io(io::Error),
    #[cfg(unix)]
    Mode {
        mode: u32,
        wanted: u32,
    },
    NotPem,
}

impl FileError {
    pub(super) fn not_pem(file: &str) -> Self {
        Self { path: file.into(), problem: Problem::NotPem }
    }

    pub(super) fn in_directory(self, directory: &Path) -> Self {
        Self { path: directory.join(self.path), ..self }
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self { path: path.to_owned(), problem: Problem::Io(error) }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            Problem::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(
                    f,
                    "{path} may not be read or written by this user; choose another directory with --ca-dir"
                )
            }
            Problem::Io(_) => write!(f, "{path} could not be read or written"),
            #[cfg(unix)]
            Problem::Mode { mode, wanted } => write!(
                f,
                "{path} has mode {mode:04o}, so other users can reach the key of the local certificate authority; \
                 run chmod {wanted:04o} on it, or remove it to get a new authority"
            ),
            Problem::NotPem => {
                write!(f, "{path} is not PEM; remove it to get a new certificate authority")
            }
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// What was kept.
pub(super) struct Kept {
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
    pub(super) names: Vec<String>,
    pub(super) ends: Timestamp,
}

/// Reads a kept authority; none when there is none, or when its facts are missing or not ours.
pub(super) fn read(directory: &Path) -> Result<Option<Kept>, FileError> {
    let key_path = directory.join(KEY);
    let key_pem = match fs::read_to_string(&key_path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::io(&key_path)(error)),
    };
    check_mode(directory, 0o700)?;
    check_mode(&key_path, 0o600)?;
    let (Ok(certificate_pem), Ok(facts)) =
        (fs::read_to_string(directory.join(CERTIFICATE)), fs::read_to_string(directory.join(FACTS)))
    else {
        return Ok(None);
    };
    Ok(read_facts(&facts).map(|(names, ends)| Kept { certificate_pem, key_pem, names, ends }))
}

fn read_facts(text: &str) -> Option<(Vec<String>, Timestamp)> {
    let facts: serde_json::Value = serde_json::from_str(text).ok()?;
    let names = facts.get("names")?.as_array()?;
    let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    Some((names, Timestamp::from_unix_seconds(facts.get("ends")?.as_u64()?)))
}

/// Writes a new authority; each file appears as a whole, the key last, so that a cut leaves nothing half read.
pub(super) fn write(
    directory: &Path,
    certificate_pem: &str,
    key_pem: &str,
    names: &[String],
    ends: Timestamp,
) -> Result<(), FileError> {
    make_directory(directory).map_err(FileError::io(directory))?;
    check_mode(directory, 0o700)?;
    let facts = serde_json::json!({ "names": names, "ends": ends.as_unix_seconds() }).to_string();
    for (file, text) in [(FACTS, facts.as_str()), (CERTIFICATE, certificate_pem), (KEY, key_pem)] {
        let path = directory.join(file);
        replace(&path, text).map_err(FileError::io(&path))?;
    }
    Ok(())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Refuses a file or directory that other users can use (T48).
#[cfg(unix)]
fn check_mode(path: &Path, wanted: u32) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map_err(FileError::io(path))?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(FileError { path: path.to_owned(), problem: Problem::Mode { mode, wanted } })
}

#[cfg(not(unix))]
fn check_mode(_path: &Path, _wanted: u32) -> Result<(), FileError> {
    Ok(())
}
