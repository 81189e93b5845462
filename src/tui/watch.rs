//! A watch on one file: says when somebody wrote to it, put another in its place, or took it away.
//!
//! Its folder is watched, because an editor that saves by renaming leaves a watch on the file itself behind. Where the
//! system can watch nothing, nothing is said: the file is read again when it is asked for.

use std::ffi::OsString;
use std::path::Path;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// The watch.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    path: String,
    tell: mpsc::UnboundedSender<()>,
    told: mpsc::UnboundedReceiver<()>,
}

impl Watch {
    /// A watch on nothing.
    pub fn new() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self { watcher: None, path: String::new(), tell, told }
    }

    /// Watches this file from now on; an empty path is none.
    pub fn follow(&mut self, path: &str) {
        if self.path == path {
            return;
        }
        path.clone_into(&mut self.path);
        self.watcher = (!path.is_empty()).then(|| watcher(Path::new(path), self.tell.clone())).flatten();
    }

    /// Waits until somebody touches the file.
    pub async fn touched(&mut self) {
        if self.told.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        // Writing a file is several events; one reading answers them all.
        while self.told.try_recv().is_ok() {}
    }
}

fn watcher(path: &Path, tell: mpsc::UnboundedSender<()>) -> Option<RecommendedWatcher> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name: OsString = path.file_name()?.to_owned();
    let on_event = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let is_ours = event.paths.iter().any(|touched| touched.file_name() == Some(&name));
        if is_ours && !matches!(event.kind, EventKind::Access(_)) {
            // Nobody listens any more at the end of the program.
            let _ = tell.send(());
        }
    };
    let mut watcher = notify::recommended_watcher(on_event).ok()?;
    watcher.watch(folder, RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn noticed(watch: &mut Watch) {
        let deadline = std::time::Duration::from_secs(30);
        tokio::time::timeout(deadline, watch.touched()).await.expect("the system tells of it");
    }

    #[tokio::test]
    async fn whoever_writes_renames_or_removes_is_noticed() {
        let folder = std::env::temp_dir().join(format!("portcullis-watch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("policy.toml");
        std::fs::write(&file, "").expect("it can be written");
        let mut watch = Watch::new();
        watch.follow(file.to_str().expect("UTF-8"));
        std::fs::write(&file, "# more").expect("it can be written");
        noticed(&mut watch).await;
        std::fs::write(folder.join("other"), "").expect("it can be written");
        std::fs::rename(folder.join("other"), &file).expect("it can be renamed");
        noticed(&mut watch).await;
        std::fs::remove_file(&file).expect("it can be removed");
        noticed(&mut watch).await;
        std::fs::remove_dir_all(&folder).expect("it can be removed");
    }
}
