//! A watch on one file: says when it is another one, or says something else, or is gone.
//!
//! Folders are watched, because an editor that saves by renaming leaves a watch on the file itself behind: the file's own
//! and, where the file is a link, the one the link leads to. Of a folder that is gone the nearest one above it is
//! watched. Whatever happens in them, what counts is whether the file is another one than it was.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::AccessKind};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

/// Writing is several events, and the file may be half of what it will be in between: for so long nothing happens before
/// it is looked at.
const SETTLES: Duration = Duration::from_millis(50);

/// It is looked at after this time even so.
const AT_LAST: Duration = Duration::from_millis(500);

/// The watch.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    path: PathBuf,
    folders: Vec<Folder>,
    known: Stamp,
    tell: mpsc::UnboundedSender<()>,
    told: mpsc::UnboundedReceiver<()>,
    settling: Option<Settling>,
}

/// Something has happened, and more may follow.
struct Settling {
    seen: Stamp,
    quiet: Pin<Box<Sleep>>,
    at_last: Pin<Box<Sleep>>,
}

impl Settling {
    fn new(seen: Stamp, quiet: Duration) -> Self {
        Self { seen, quiet: Box::pin(sleep(quiet)), at_last: Box::pin(sleep(AT_LAST)) }
    }

    /// More has happened, and the file is this one now. What happens beside it, such as a log that is written there,
    /// keeps nobody waiting.
    fn goes_on(&mut self, stamp: Stamp) {
        if stamp != self.seen {
            self.seen = stamp;
            self.quiet = Box::pin(sleep(SETTLES));
        }
    }
}

/// A folder under watch; one that was put in its place is another one.
#[derive(PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    number: Option<u64>,
}

/// What tells a file from another one, and from itself after a change.
#[derive(Default, PartialEq, Eq)]
struct Stamp {
    file: Option<PathBuf>,
    number: Option<u64>,
    bytes: u64,
    written: Option<SystemTime>,
    mode: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Watch {
    /// A watch on nothing.
    pub fn new() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let (watcher, folders, settling) = (None, Vec::new(), None);
        Self { watcher, path: PathBuf::new(), folders, known: Stamp::default(), tell, told, settling }
    }

    /// Watches this file from now on, and tells of it once: it may have changed since it was read. An empty path is none.
    /// Fails with a sentence where the system can watch nothing.
    pub fn follow(&mut self, path: &str) -> Result<(), String> {
        if self.path == Path::new(path) {
            return Ok(());
        }
        self.path = path.into();
        (self.watcher, self.settling, self.known) = (None, None, Stamp::default());
        self.folders.clear();
        while self.told.try_recv().is_ok() {}
        if path.is_empty() {
            return Ok(());
        }
        self.settling = Some(Settling::new(Stamp::default(), Duration::ZERO));
        self.arm()
    }

    /// Waits until the file has changed. To be asked again and again: what was heard before counts on.
    pub async fn touched(&mut self) {
        loop {
            let Some(settling) = &mut self.settling else {
                if self.told.recv().await.is_none() {
                    pending::<()>().await;
                }
                self.settling = Some(Settling::new(Stamp::of(&self.path), SETTLES));
                continue;
            };
            tokio::select! {
                () = &mut settling.at_last => {}
                () = &mut settling.quiet => {}
                Some(()) = self.told.recv() => {
                    while self.told.try_recv().is_ok() {}
                    settling.goes_on(Stamp::of(&self.path));
                    continue;
                }
            }
            self.settling = None;
            // A folder may have come or gone. Where it cannot be watched any more, that was said at the beginning.
            let _ = self.arm();
            let stamp = Stamp::of(&self.path);
            if stamp != self.known {
                self.known = stamp;
                return;
            }
        }
    }

    /// Watches the folders in which a change of the file can be seen.
    fn arm(&mut self) -> Result<(), String> {
        let folders = folders(&self.path);
        if folders == self.folders {
            return Ok(());
        }
        let tell = self.tell.clone();
        let on_event = move |event: notify::Result<notify::Event>| {
            let kind = event.map(|event| event.kind);
            // Who only reads changes nothing; the reading of this program would wake it for ever.
            if !matches!(kind, Ok(EventKind::Access(AccessKind::Open(_) | AccessKind::Read))) {
                // Nobody listens any more at the end of the program.
                let _ = tell.send(());
            }
        };
        let unwatched = |error: notify::Error| {
            let why = crate::text::display_safe(&error.to_string(), 200);
            format!("changes of {} are not noticed: {why}", crate::text::name(&self.path.to_string_lossy(), 100))
        };
        let mut watcher = notify::recommended_watcher(on_event).map_err(unwatched)?;
        for folder in &folders {
            watcher.watch(&folder.path, RecursiveMode::NonRecursive).map_err(unwatched)?;
        }
        (self.watcher, self.folders) = (Some(watcher), folders);
        Ok(())
    }
}

/// Where a change of a file can be seen, each folder once.
fn folders(path: &Path) -> Vec<Folder> {
    let mut folders: Vec<Folder> = Vec::new();
    for file in [Some(path.to_owned()), path.canonicalize().ok()].into_iter().flatten() {
        let nearest = file.ancestors().skip(1).map(|above| match above.as_os_str().is_empty() {
            true => Path::new("."),
            false => above,
        });
        if let Some(path) = nearest.into_iter().find_map(|above| above.canonicalize().ok())
            && folders.iter().all(|known| known.path != path)
        {
            folders.push(Folder { number: number(&path), path });
        }
    }
    folders
}

#[cfg(unix)]
fn number(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    path.metadata().ok().map(|found| found.ino())
}

#[cfg(not(unix))]
fn number(_: &Path) -> Option<u64> {
    None
}

#[cfg(unix)]
fn mode(found: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    found.mode()
}

#[cfg(not(unix))]
fn mode(found: &std::fs::Metadata) -> u32 {
    found.permissions().readonly().into()
}

impl Stamp {
    /// Of no file everything is nothing.
    fn of(path: &Path) -> Self {
        let Ok(found) = path.metadata() else { return Self { mode: u32::MAX, ..Self::default() } };
        Self {
            file: path.canonicalize().ok(),
            number: number(path),
            bytes: found.len(),
            written: found.modified().ok(),
            mode: mode(&found),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("portcullis-watch-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(folder.join("inner")).expect("a folder");
            Self(folder)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            fs::write(self.at(name), text).expect("it can be written");
            self.at(name)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    async fn noticed(watch: &mut Watch) {
        let deadline = Duration::from_secs(30);
        tokio::time::timeout(deadline, watch.touched()).await.expect("the system tells of it");
    }

    /// A watch that has told of the file as it is.
    async fn watching(file: &Path) -> Watch {
        let mut watch = Watch::new();
        watch.follow(file.to_str().expect("UTF-8")).expect("it can be watched");
        noticed(&mut watch).await;
        watch
    }

    #[tokio::test]
    async fn whoever_writes_renames_or_removes_is_noticed() {
        let place = Place::new("plain");
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
        let place = Place::new("link");
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
        let place = Place::new("folder");
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
    fn what_happens_beside_the_file_and_who_reads_it_are_nothing() {
        let place = Place::new("beside");
        let file = place.write("policy.toml", "");
        let known = Stamp::of(&file);
        place.write("other", "");
        fs::read(&file).expect("it can be read");
        assert!(Stamp::of(&file) == known);
        place.write("policy.toml", "# more");
        assert!(Stamp::of(&file) != known);
    }

    #[tokio::test]
    async fn only_a_change_of_the_file_itself_makes_it_wait_longer() {
        let place = Place::new("settling");
        let file = place.write("state.json", "");
        let mut settling = Settling::new(Stamp::of(&file), SETTLES);
        let first = settling.quiet.deadline();
        place.write("calls.log", "a call");
        settling.goes_on(Stamp::of(&file));
        assert_eq!(settling.quiet.deadline(), first);
        place.write("state.json", "half of");
        settling.goes_on(Stamp::of(&file));
        assert!(settling.quiet.deadline() > first);
    }

    #[tokio::test]
    async fn without_a_file_nothing_is_told() {
        let place = Place::new("none");
        let mut watch = watching(&place.write("policy.toml", "")).await;
        place.write("policy.toml", "# more");
        watch.follow("").expect("nothing to watch");
        assert!(tokio::time::timeout(Duration::ZERO, watch.touched()).await.is_err());
    }
}
