//! Detects security-relevant files that other users can change.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::quoted;
use crate::text;

/// Write permission for the group, and for everyone.
const GROUP: u32 = 0o020;
const ALL: u32 = 0o002;

/// In a directory with this bit, only their owners can replace files.
const STICKY: u32 = 0o1000;

/// The superuser, who can change everything anyway.
const ROOT: u32 = 0;

/// How another user can change a file, directly or by replacing it in its directory. The message is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WritableFile {
    /// Its mode allows it.
    #[error("{what}: other users can write {}; fix: chmod go-w {}", text::name(&.path.to_string_lossy(), 200), quoted(.path))]
    ByMode {
        /// The kind of file, for messages.
        what: &'static str,
        /// The file or directory that others can write.
        path: PathBuf,
    },
    /// It belongs to another user.
    #[error("{what}: {} belongs to another user, who can change it", text::name(&.path.to_string_lossy(), 200))]
    ByOwner {
        /// The kind of file, for messages.
        what: &'static str,
        /// The file or directory that belongs to another user.
        path: PathBuf,
    },
}

impl WritableFile {
    /// The kind of file, for messages.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::ByMode { what, .. } | Self::ByOwner { what, .. } => what,
        }
    }
}

/// Returns how another user can change a security-relevant file, if that is possible. If the file does not exist yet,
/// only its directory is checked.
pub fn writable(what: &'static str, path: &Path) -> Option<WritableFile> {
    // The file itself, the directory of its path, and, if the path is a link, the directory of the file that it refers
    // to.
    let real = path.canonicalize().ok();
    let folder = |path: &Path| {
        path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.to_owned())
    };
    let all = [real.clone(), folder(path), real.as_deref().and_then(folder)];
    all.into_iter().flatten().find_map(|path| {
        let found = path.metadata().ok()?;
        let is_foreign = ![ROOT, geteuid().as_raw()].contains(&found.uid());
        match (is_foreign, lets_others_write(&found)) {
            (true, _) => Some(WritableFile::ByOwner { what, path }),
            (false, true) => Some(WritableFile::ByMode { what, path }),
            (false, false) => None,
        }
    })
}

/// Whether the mode allows others to write. A group whose number is that of its user usually contains only that user.
fn lets_others_write(found: &Metadata) -> bool {
    let mode = found.mode();
    let by_group = mode & GROUP != 0 && found.gid() != found.uid();
    let is_sticky = found.is_dir() && mode & STICKY != 0;
    !is_sticky && (by_group || mode & ALL != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_file_is_as_safe_as_itself_its_folder_and_the_folder_of_a_link_to_it() {
        let place = tempfile::tempdir().expect("a folder");
        let (folder, links) = (place.path().join("folder"), place.path().join("links"));
        fs::create_dir(&folder).and_then(|()| fs::create_dir(&links)).expect("folders");
        let (file, link) = (folder.join("it's.toml"), links.join("link.toml"));
        fs::write(&file, "").and_then(|()| symlink(&file, &link)).expect("a file and a link");
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
        let said = |path: &Path| writable("policy file", path).map(|writable| writable.to_string());
        for path in [&file, &folder, &links] {
            set(path, if path.is_dir() { 0o755 } else { 0o644 });
        }
        assert_eq!((said(&file), said(&link), said(&folder.join("new"))), (None, None, None));
        set(&links, 0o777);
        assert_eq!(said(&file), None);
        assert!(said(&link).is_some_and(|said| said.starts_with("policy file: other users can write ")));
        set(&links, 0o1777);
        assert_eq!(said(&link), None, "nobody else may replace the link");
        set(&folder, 0o757);
        assert!(said(&file).is_some() && said(&link).is_some() && said(&folder.join("new")).is_some());
        set(&folder, 0o755);
        set(&file, 0o646);
        let mend = format!("fix: chmod go-w '{}'", file.display().to_string().replace('\'', r"'\''"));
        assert!(said(&link).is_some_and(|said| said.ends_with(&mend)), "{mend}");
    }
}
