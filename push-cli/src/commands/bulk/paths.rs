//! No file of a run is another one of it: what is written would destroy what is read.

use std::path::{Path, PathBuf};

use super::BulkArgs;
use crate::{
    diagnostic::{Diagnostic, Result},
    text,
};

/// What stands for a file, however it is called.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    /// Device and number on it: links have the same.
    #[cfg(unix)]
    Node(u64, u64),
    Path(PathBuf),
}

/// Refuses two names of one file, before anything is opened.
///
/// # Errors
/// A diagnostic that names both.
pub(super) fn check(args: &BulkArgs) -> Result<()> {
    let (results, ledger) = (&args.results, args.ledger_path());
    let input = args.input.as_deref().map(Path::new);
    let named = [
        ("the list", input),
        ("--out", results.out.as_deref()),
        ("--gone-out", results.gone_out.as_deref()),
        ("--rejects", results.rejects.as_deref()),
        ("the ledger", ledger.as_deref()),
    ];
    let files = named.into_iter().filter_map(|(what, path)| {
        let path = path.filter(|path| path.as_os_str() != "-")?;
        Some((what, path, identity(path)?))
    });
    let files: Vec<_> = files.collect();
    for (at, (what, path, identity)) in files.iter().enumerate() {
        if let Some((other, ..)) = files.iter().take(at).find(|(.., earlier)| earlier == identity) {
            let path = text::escape(&path.to_string_lossy());
            return Err(Diagnostic::input(
                "bulk/same-file",
                format!("{other} and {what} are the same file, {path}"),
            )
            .why("one would overwrite the other")
            .fix("name another file"));
        }
    }
    Ok(())
}

/// `None` for pipes and devices, which may have several names here.
fn identity(path: &Path) -> Option<Identity> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => None,
        #[cfg(unix)]
        Ok(metadata) => {
            use std::os::unix::fs::MetadataExt as _;
            Some(Identity::Node(metadata.dev(), metadata.ino()))
        }
        #[cfg(not(unix))]
        Ok(_) => Some(Identity::Path(path.canonicalize().unwrap_or_else(|_| path.to_owned()))),
        // It is not there yet; its directory is.
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new(".")).canonicalize();
            let whole = parent.ok().zip(path.file_name()).map(|(parent, name)| parent.join(name));
            Some(Identity::Path(whole.unwrap_or_else(|| path.to_owned())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_however_it_is_called() {
        let home = tempfile::tempdir().unwrap();
        let [file, other] = ["a", "b"].map(|name| home.path().join(name));
        std::fs::write(&file, "x").unwrap();
        std::fs::write(&other, "x").unwrap();
        std::fs::create_dir(home.path().join("d")).unwrap();
        let around = |name: &str| home.path().join("d").join("..").join(name);

        assert_eq!(identity(&file), identity(&around("a")));
        assert_ne!(identity(&file), identity(&other));
        assert_eq!(identity(&home.path().join("new")), identity(&around("new")));
        assert_ne!(identity(&home.path().join("new")), identity(&around("newer")));
        #[cfg(unix)]
        {
            std::fs::hard_link(&file, home.path().join("c")).unwrap();
            std::os::unix::fs::symlink(&file, home.path().join("s")).unwrap();
            assert_eq!(identity(&file), identity(&home.path().join("c")));
            assert_eq!(identity(&file), identity(&home.path().join("s")));
            assert_eq!(identity(Path::new("/dev/null")), None);
        }
    }
}
