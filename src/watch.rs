//! Watches one file: reports when its content has changed or it has been deleted.
//!
//! It watches directories, because an editor that saves by renaming replaces the file, and a watch on the file itself
//! would stay with the old one. The directories are the file's own and, if the file is a link, that of the link's
//! target. For a missing directory, the nearest existing parent is watched. Only changes of the file's content are
//! reported.

use std::ffi::OsString;
use std::fs::File;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use notify::event::{AccessKind, ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::text;

/// How long the content has to stay the same before it is reported. A write causes several events, between which the
/// file may be incomplete.
const SETTLES: Duration = Duration::from_millis(50);

/// How long a report waits at most for a file that keeps changing.
const AT_LAST: Duration = Duration::from_millis(500);

/// How often a file that the system cannot watch is read.
const POLL: Duration = Duration::from_secs(1);

/// The error if the system cannot watch a file, for example because all inotify instances are in use. The file is read
/// every second instead, until it can be watched.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is polled every second because it cannot be watched: {}",
    text::name(&.path.to_string_lossy(), 100),
    text::display_safe(&.error.to_string(), 200)
)]
pub struct WatchError {
    path: PathBuf,
    error: notify::Error,
}

/// A watch on one file.
pub struct Watch {
    path: PathBuf,
    watcher: Option<RecommendedWatcher>,
    /// The last content that was seen.
    known: Option<Content>,
    /// The greatest effect of the events since the content was last read.
    due: Option<Effect>,
    /// Whether the file is polled because it cannot be watched.
    polls: bool,
    /// Whether the file is only replaced atomically. Then it is always complete: changes are reported without delay,
    /// and detected without reading it.
    is_replaced_whole: bool,
    /// Starts to watch; tests replace this function.
    arm: fn(&mut Self) -> notify::Result<()>,
    /// How long a file that cannot be watched is left alone between two readings.
    poll_interval: Duration,
    sender: mpsc::UnboundedSender<Effect>,
    events: mpsc::UnboundedReceiver<Effect>,
}

/// The effect of an event on the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// Its content may be another one.
    Unknown,
    /// The file itself was created, renamed or removed.
    Replaced,
}

/// The SHA-256 of a file's content or of its metadata, or why it cannot be read.
type Content = Result<[u8; 32], ErrorKind>;

impl Watch {
    /// Creates a watch that never reports a change.
    pub fn nothing() -> Self {
        Self { due: None, ..Self::new(PathBuf::new()) }
    }

    /// Creates a watch on a file. It reports the file once at the beginning, because the file may have changed since it
    /// was read.
    pub fn new(path: PathBuf) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        Self {
            path,
            watcher: None,
            known: None,
            due: Some(Effect::Unknown),
            polls: false,
            is_replaced_whole: false,
            arm: Self::arm,
            poll_interval: POLL,
            sender,
            events,
        }
    }

    /// Creates a watch on a file that is only ever replaced atomically. It does not read the file, however large that
    /// is.
    pub fn of_whole(path: PathBuf) -> Self {
        Self { is_replaced_whole: true, ..Self::new(path) }
    }

    /// Waits until the file has changed. Cancel-safe. If the system cannot watch the file, one call reports that, and
    /// from then on the file is read every second.
    pub async fn touched(&mut self) -> Result<(), WatchError> {
        loop {
            if self.polls && self.due.is_none() {
                sleep(self.poll_interval).await;
            } else if self.due.is_none() {
                match self.events.recv().await {
                    Some(effect) => self.note(effect),
                    None => pending().await,
                }
            }
            self.note(Effect::Unknown);
            if self.known.is_some() && !self.polls && !self.is_replaced_whole {
                self.settle().await;
            }
            while let Ok(effect) = self.events.try_recv() {
                self.note(effect);
            }
            // The watch is renewed every time, because a directory may have been created, removed or replaced; and
            // before the content is read, so that no change in between is missed.
            let armed = (self.arm)(self);
            let is_replaced = self.due.take() == Some(Effect::Replaced) && self.is_replaced_whole;
            let content = if self.is_replaced_whole { stamp(&self.path) } else { content(&self.path) };
            // A whole file that was replaced is always reported: whoever was told of the last content may have read the
            // next one, which was replaced by the last one again.
            let is_new = self.known.replace(content) != Some(content) || is_replaced;
            match armed {
                // If the first watch fails, the file is not watched; if a later one fails, the previous one continues.
                Err(error) if self.watcher.is_none() && !self.polls => {
                    self.polls = true;
                    // The content that was just read has not been reported yet.
                    self.due = is_new.then_some(Effect::Unknown);
                    self.known = None;
                    return Err(WatchError { path: self.path.clone(), error });
                }
                Err(_) => {}
                Ok(()) => self.polls = false,
            }
            if is_new {
                return Ok(());
            }
        }
    }

    fn note(&mut self, effect: Effect) {
        self.due = self.due.max(Some(effect));
    }

    /// Waits until the content has stayed the same for [`SETTLES`], or for [`AT_LAST`]. An event that does not change
    /// the content does not prolong the wait.
    async fn settle(&mut self) {
        let mut seen = content(&self.path);
        let mut quiet = pin!(sleep(SETTLES));
        let mut at_last = pin!(sleep(AT_LAST));
        loop {
            tokio::select! {
                () = &mut quiet => return,
                () = &mut at_last => return,
                Some(_) = self.events.recv() => {
                    let now = content(&self.path);
                    if now != seen {
                        seen = now;
                        quiet.set(sleep(SETTLES));
                    }
                }
            }
        }
    }

    /// Watches the folders in which a change of the file can be noticed.
    fn arm(&mut self) -> notify::Result<()> {
        let target = self.path.canonicalize().ok();
        let names: Vec<OsString> = [Some(&self.path), target.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|path| path.file_name())
            .map(Into::into)
            .collect();
        let sender = self.sender.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(effect) = event.map_or(Some(Effect::Unknown), |event| effect(&event, &names)) {
                // An error means that the watch was dropped.
                let _ = sender.send(effect);
            }
        })?;
        for file in [Some(&self.path), target.as_ref()].into_iter().flatten() {
            if let Some(folder) = nearest_folder(file) {
                watcher.watch(&folder, RecursiveMode::NonRecursive)?;
            }
        }
        self.watcher = Some(watcher);
        Ok(())
    }
}

/// Returns the effect of an event; `None` if the file's content is the same. Reads are ignored: otherwise this program's
/// own reads would wake it forever. Writes to another file, such as a log, are ignored too. But another file that is
/// created, removed or renamed may be a link on the path to the file.
fn effect(event: &notify::Event, names: &[OsString]) -> Option<Effect> {
    let is_named = |path: &PathBuf| path.file_name().is_some_and(|name| names.iter().any(|known| known == name));
    let is_named = event.paths.iter().any(is_named);
    match event.kind {
        EventKind::Access(AccessKind::Open(_) | AccessKind::Read) => None,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Data(_)) => is_named.then_some(Effect::Unknown),
        // Another event for the new name precedes it.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => Some(Effect::Unknown),
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) if is_named => {
            Some(Effect::Replaced)
        }
        _ => Some(Effect::Unknown),
    }
}

/// Returns the nearest existing folder above a file.
fn nearest_folder(file: &Path) -> Option<PathBuf> {
    let above = file.ancestors().skip(1).map(|above| match above.as_os_str().is_empty() {
        true => Path::new("."),
        false => above,
    });
    above.into_iter().find_map(|above| above.canonicalize().ok())
}

fn content(path: &Path) -> Content {
    let read = || {
        // Opening a named pipe would wait for its writer.
        if !path.metadata()?.is_file() {
            return Err(io::Error::from(ErrorKind::InvalidInput));
        }
        let mut hash = Sha256::new();
        io::copy(&mut File::open(path)?, &mut HashWriter(&mut hash))?;
        Ok(hash.finalize().into())
    };
    read().map_err(|error: io::Error| error.kind())
}

/// Returns the SHA-256 of a file's metadata: its identity, its size and its times of change.
fn stamp(path: &Path) -> Content {
    let found = path.metadata().map_err(|error| error.kind())?;
    let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
    let numbers = [found.dev(), found.ino(), found.size()].map(u64::cast_signed).into_iter().chain(times);
    Ok(numbers.fold(Sha256::new(), |hash, number| hash.chain_update(number.to_le_bytes())).finalize().into())
}

/// A writer that hashes its input.
struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            fs::create_dir(folder.path().join("inner")).expect("a folder");
            Self(folder)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            fs::write(self.at(name), text).expect("it can be written");
            self.at(name)
        }
    }

    async fn noticed(watch: &mut Watch) {
        let deadline = Duration::from_secs(30);
        let touched = tokio::time::timeout(deadline, watch.touched()).await.expect("the system tells of it");
        touched.expect("it can be watched");
    }

    /// Returns a watch that has reported the file as it is.
    async fn watching(file: &Path) -> Watch {
        let mut watch = Watch::new(file.to_owned());
        noticed(&mut watch).await;
        watch
    }

    #[tokio::test]
    async fn whoever_writes_renames_or_removes_is_noticed() {
        let place = Place::new();
        let file = place.write("policy.toml", "");
        let mut watch = watching(&file).await;
        place.write("policy.toml", "# more");
        noticed(&mut watch).await;
        fs::rename(place.write("other", ""), &file).expect("it can be renamed");
        noticed(&mut watch).await;
        fs::remove_file(&file).expect("it can be removed");
        noticed(&mut watch).await;
        place.write("policy.toml", "# again");
        noticed(&mut watch).await;
    }

    #[tokio::test]
    async fn a_change_behind_a_link_is_noticed_and_so_is_another_link() {
        let place = Place::new();
        place.write("inner/one", "");
        place.write("inner/two", "");
        let link = place.at("policy.toml");
        symlink("inner/one", &link).expect("a link");
        let mut watch = watching(&link).await;
        place.write("inner/one", "# more");
        noticed(&mut watch).await;
        symlink("inner/two", place.at("new")).expect("a link");
        fs::rename(place.at("new"), &link).expect("it can be renamed");
        noticed(&mut watch).await;
        place.write("inner/two", "# more");
        noticed(&mut watch).await;
    }

    #[tokio::test]
    async fn a_folder_that_goes_and_comes_again_is_followed() {
        let place = Place::new();
        let file = place.write("inner/policy.toml", "");
        let mut watch = watching(&file).await;
        fs::rename(place.at("inner"), place.at("gone")).expect("it can be renamed");
        noticed(&mut watch).await;
        fs::create_dir(place.at("inner")).expect("a folder");
        place.write("inner/policy.toml", "# new");
        noticed(&mut watch).await;
        place.write("inner/policy.toml", "# newer");
        noticed(&mut watch).await;
    }

    #[test]
    fn what_cannot_be_read_is_told_apart_by_its_reason() {
        let place = Place::new();
        assert_eq!(content(&place.at("inner")), Err(ErrorKind::InvalidInput), "a folder");
        assert_eq!(content(&place.at("missing")), Err(ErrorKind::NotFound));
        assert_eq!(content(&place.write("empty", "")), content(&place.write("another", "")));
    }

    #[tokio::test]
    async fn what_happens_beside_the_file_and_who_reads_it_are_nothing() {
        let place = Place::new();
        let file = place.write("policy.toml", "");
        let mut watch = watching(&file).await;
        place.write("other", "");
        fs::read(&file).expect("it can be read");
        fs::write(&file, "").expect("the same again");
        let silent = tokio::time::timeout(4 * SETTLES, watch.touched()).await;
        assert!(silent.is_err(), "nothing has changed");
        place.write("policy.toml", "# more");
        noticed(&mut watch).await;
    }

    #[test]
    fn a_log_that_is_written_beside_the_file_does_not_even_wake() {
        let names = [OsString::from("state.json")];
        let event = |kind, name: &str| notify::Event::new(kind).add_path(Path::new("/folder").join(name));
        let data = EventKind::Modify(ModifyKind::Data(notify::event::DataChange::Any));
        let rename = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        assert_eq!(effect(&event(data, "calls.log"), &names), None);
        assert_eq!(effect(&event(data, "state.json"), &names), Some(Effect::Unknown));
        assert_eq!(effect(&event(rename, "state.json"), &names), Some(Effect::Replaced));
        assert_eq!(
            effect(&event(rename, "..data"), &names),
            Some(Effect::Unknown),
            "a link on the path may be another"
        );
        let read = EventKind::Access(AccessKind::Open(notify::event::AccessMode::Any));
        assert_eq!(effect(&event(read, "state.json"), &names), None);
    }

    #[tokio::test]
    async fn a_whole_file_that_came_and_went_unseen_is_reported() {
        let place = Place::new();
        let file = place.at("state.json");
        let mut watch = Watch::of_whole(file.clone());
        noticed(&mut watch).await;
        // Whoever was told of the missing file may have read this one.
        fs::rename(place.write("new", "{}"), &file).expect("it can be renamed");
        fs::remove_file(&file).expect("it can be removed");
        noticed(&mut watch).await;
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let place = Place::new();
        let file = place.write("policy.toml", "");
        let mut watch = watching(&file).await;
        place.write("policy.toml", "# more");
        for _ in 0..3 {
            // This ends in the middle of settling; on a busy machine, settling may be over already.
            if tokio::time::timeout(SETTLES / 2, watch.touched()).await.is_ok() {
                return;
            }
        }
        noticed(&mut watch).await;
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_watched_is_read_again_and_again() {
        let place = Place::new();
        let file = place.write("file", "one");
        let arm = |_: &mut Watch| Err(notify::Error::generic("no instance is left"));
        let mut watch = Watch { arm, poll_interval: Duration::from_millis(1), ..Watch::new(file.clone()) };
        let unwatched = watch.touched().await.expect_err("it cannot be watched");
        assert!(unwatched.to_string().contains("is polled every second"), "{unwatched}");
        watch.touched().await.expect("its content is new");
        fs::write(&file, "two").expect("written");
        watch.touched().await.expect("it has changed");
    }

    #[tokio::test]
    async fn a_watch_on_nothing_tells_nothing() {
        let mut watch = Watch::nothing();
        assert!(tokio::time::timeout(Duration::ZERO, watch.touched()).await.is_err());
    }
}
