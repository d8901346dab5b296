//! The files of a kept authority: certificate, key and what it was made for, in a directory of mode 0700.

use std::{
    fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use push_crypto::Timestamp;

/// The certificate, PEM.
pub(super) const CERTIFICATE: &str = "ca.pem";
/// The private key, PKCS#8 as PEM, mode 0600.
const KEY: &str = "ca.key";
/// The key of every leaf, likewise: it stays, so that a browser which was told to trust it may outlive the service.
const LEAF_KEY: &str = "leaf.key";
/// Names and end, JSON.
const FACTS: &str = "ca.json";
/// Held while an authority is read or made.
const LOCK: &str = "ca.lock";
/// Where `push env` keeps the certificates of services elsewhere.
const TRUST: &str = "trust";

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
}

impl FileError {
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
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            #[cfg(unix)]
            Problem::Mode { .. } => None,
        }
    }
}

/// What was kept.
pub(super) struct Kept {
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
    pub(super) leaf_key_pem: String,
    pub(super) names: Vec<String>,
    pub(super) ends: Timestamp,
}

/// Reads a kept authority; none when there is none, or when a part of it is missing or not ours.
pub(super) fn read(directory: &Path) -> Result<Option<Kept>, FileError> {
    let (Some(key_pem), Some(leaf_key_pem)) = (read_key(directory, KEY)?, read_key(directory, LEAF_KEY)?)
    else {
        return Ok(None);
    };
    let (Ok(certificate_pem), Ok(facts)) =
        (fs::read_to_string(directory.join(CERTIFICATE)), fs::read_to_string(directory.join(FACTS)))
    else {
        return Ok(None);
    };
    Ok(read_facts(&facts).map(|(names, ends)| Kept { certificate_pem, key_pem, leaf_key_pem, names, ends }))
}

/// A key that only its owner can reach; none when there is none.
fn read_key(directory: &Path, file: &str) -> Result<Option<String>, FileError> {
    let path = directory.join(file);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::io(&path)(error)),
    };
    check_mode(directory, 0o700)?;
    check_mode(&path, 0o600)?;
    Ok(Some(text))
}

fn read_facts(text: &str) -> Option<(Vec<String>, Timestamp)> {
    let facts: serde_json::Value = serde_json::from_str(text).ok()?;
    let names = facts.get("names")?.as_array()?;
    let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    Some((names, Timestamp::from_unix_seconds(facts.get("ends")?.as_u64()?)))
}

/// Keeps other services out of `directory`, which is made if need be, until it is dropped.
///
/// None where nothing can be written: then nothing is made there either.
pub(super) fn lock(directory: &Path) -> Result<Option<fs::File>, FileError> {
    make_directory(directory).map_err(FileError::io(directory))?;
    let path = directory.join(LOCK);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = match options.open(&path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(FileError::io(&path)(error)),
    };
    match file.lock() {
        // Some network file systems have no locks; whole files with names of their own have to do there.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(FileError::io(&path)(error)),
        _ => Ok(Some(file)),
    }
}

/// Writes a new authority; each file appears as a whole, the key last, so that a cut leaves nothing half read.
pub(super) fn write(directory: &Path, kept: &Kept) -> Result<(), FileError> {
    make_private(directory)?;
    let old = directory.join(KEY);
    match fs::remove_file(&old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::io(&old)(error)),
        _ => {}
    }
    let facts = serde_json::json!({ "names": kept.names, "ends": kept.ends.as_unix_seconds() }).to_string();
    for (file, text) in [
        (FACTS, &facts),
        (CERTIFICATE, &kept.certificate_pem),
        (LEAF_KEY, &kept.leaf_key_pem),
        (KEY, &kept.key_pem),
    ] {
        let path = directory.join(file);
        replace(directory, file, text).map_err(FileError::io(&path))?;
    }
    Ok(())
}

fn replace(directory: &Path, file: &str, text: &str) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let new = directory.join(format!("{file}.{}-{number}.new", std::process::id()));
    let _ = fs::remove_file(&new);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let result = written.and_then(|()| fs::rename(&new, directory.join(file)));
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result
}

fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// A directory which holds nothing but ours, and no key yet, is closed to others; any other has to be closed already.
#[cfg(unix)]
fn make_private(directory: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let refused = check_mode(directory, 0o700);
    if refused.is_ok() {
        return refused;
    }
    let mode = fs::metadata(directory).map_err(FileError::io(directory))?.permissions().mode();
    // Where others may write, what stands there may be theirs.
    if mode & 0o022 == 0 && is_all_ours(directory) {
        let closed = fs::Permissions::from_mode(0o700);
        return fs::set_permissions(directory, closed).map_err(FileError::io(directory));
    }
    refused
}

#[cfg(not(unix))]
fn make_private(_directory: &Path) -> Result<(), FileError> {
    Ok(())
}

/// True when somebody who shares the directory for other things would lose nothing.
#[cfg(unix)]
fn is_all_ours(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().all(|entry| {
        let name = entry.file_name();
        [TRUST, LOCK, FACTS, CERTIFICATE].iter().any(|ours| name.as_os_str() == *ours)
    })
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
