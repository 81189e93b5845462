//! Keeps the revocations of the shared state in step with a store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Edition, Setback, Store, StoreError};
use crate::auth::Revocations;
use crate::auth::revocations::{Revocation, RevocationTarget};
use crate::gate::{Gate, ReadFailure};

/// The revocation or restoration of a target.
#[derive(Clone, Debug)]
pub struct Change {
    /// The target to revoke or restore.
    pub what: RevocationTarget,
    /// The revocation; `None` restores the target.
    pub since: Option<Revocation>,
}

impl Change {
    fn apply(&self, all: &mut Revocations) {
        match &self.since {
            Some(since) => all.revoke(self.what.clone(), since.clone()),
            None => drop(all.restore(&self.what)),
        }
    }
}

/// The store could not be read again. The known revocations stay in force.
#[derive(Debug, thiserror::Error)]
#[error("cannot read revocations; the last known ones stay in force: {0}")]
pub struct ReloadError(StoreError);

/// Changes that are only in memory, in the order in which they are applied. They are numbered, because others may be
/// inserted before them during a save.
#[derive(Default)]
struct PendingChanges {
    changes: Vec<(u64, Change)>,
    last: u64,
}

impl PendingChanges {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn push(&mut self, change: Change) {
        let number = self.number();
        self.changes.push((number, change));
    }

    /// Inserts changes before all others.
    fn put_first(&mut self, changes: impl Iterator<Item = Change>) {
        let first: Vec<_> = changes.map(|change| (self.number(), change)).collect();
        self.changes.splice(..0, first);
    }

    /// Removes changes that have been saved.
    fn remove(&mut self, saved: &[(u64, Change)]) {
        let is_saved = |number: u64| saved.iter().any(|(saved, _)| *saved == number);
        self.changes.retain(|(number, _)| !is_saved(*number));
    }

    fn apply(&self, all: &mut Revocations) {
        self.changes.iter().for_each(|(_, change)| change.apply(all));
    }
}

/// The copy of a store that decisions are based on: its contents, and the changes made here that are not saved yet.
///
/// A change takes effect in memory immediately, and stays in effect until it is saved, however often the store is read
/// in the meantime. Otherwise, a change by another process could restore a token that was revoked here a moment ago.
///
/// A store that went back (a [`Setback`]) does not restore tokens either: revocations stay in force and are saved
/// again.
pub struct Replica {
    gate: Gate,
    store: Arc<dyn Store>,
    /// The edition that was read last. It stays locked from reading the store until the contents are in the shared
    /// state, so that the newest reading takes effect last.
    known: Mutex<Option<Edition>>,
    /// The latest setback, until it is reported.
    setback: Mutex<Option<Setback>>,
    /// Locked while changes are saved.
    saving: Mutex<()>,
    /// Locked only briefly, never while the store is read or changed: `change` runs on the thread that draws.
    unsaved: Mutex<PendingChanges>,
    /// Wakes the task that retries failed saves.
    to_save: Notify,
}

impl Replica {
    /// Creates a copy of a store whose edition `known` is in the shared state already.
    pub fn new(gate: &Gate, store: Arc<dyn Store>, known: Option<Edition>) -> Self {
        Self {
            gate: gate.clone(),
            store,
            known: Mutex::new(known),
            setback: Mutex::default(),
            saving: Mutex::default(),
            unsaved: Mutex::default(),
            to_save: Notify::new(),
        }
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Revokes or restores a target in memory. Returns immediately; the caller must call [`Replica::save`] afterwards.
    pub fn change(&self, change: Change) {
        let mut unsaved = lock(&self.unsaved);
        self.gate.shared().update(|state| {
            let mut all = (*state.rules().revoked).clone();
            change.apply(&mut all);
            state.set_revoked(all);
        });
        unsaved.push(change);
    }

    /// The number of changes that are only in memory.
    pub fn unsaved_changes(&self) -> usize {
        lock(&self.unsaved).changes.len()
    }

    /// Completes when there are changes that [`Replica::save`] failed to save or has not tried to save.
    pub async fn has_to_save(&self) {
        self.to_save.notified().await;
    }

    /// Returns the latest setback of the store, once.
    pub fn take_setback(&self) -> Option<Setback> {
        lock(&self.setback).take()
    }

    /// Saves all changes that are only in memory, including those that an earlier call could not save. Blocks while
    /// another process holds the store's lock, up to the store's limit, and while another call saves.
    pub fn save(&self) -> Result<(), StoreError> {
        let _saving = lock(&self.saving);
        let changes = lock(&self.unsaved).changes.clone();
        if changes.is_empty() {
            return Ok(());
        }
        let saved = self.put(&changes);
        let mut known = lock(&self.known);
        match saved {
            Ok(edition) => {
                *known = edition;
                lock(&self.unsaved).remove(&changes);
                self.note_unsaved();
                // The changes are saved. If the store cannot be read now, the follower reports that.
                let _ = self.read(&mut known);
                Ok(())
            }
            Err(error) => {
                self.note_unsaved();
                self.to_save.notify_one();
                Err(error)
            }
        }
    }

    fn put(&self, changes: &[(u64, Change)]) -> Result<Option<Edition>, StoreError> {
        let known = lock(&self.known).clone();
        let present = Arc::clone(&self.gate.shared().rules().revoked);
        let mut setback = None;
        let edition = self.store.change(self.gate.clock().now(), &mut |stored| {
            setback = Setback::between(known.as_ref(), stored.edition.as_ref());
            if setback.is_some() {
                present.iter().for_each(|(what, since)| stored.revoked.revoke(what.clone(), since.clone()));
            }
            for (_, change) in changes {
                change.apply(&mut stored.revoked);
            }
        })?;
        if setback.is_some() {
            *lock(&self.setback) = setback;
        }
        Ok(edition)
    }

    /// Applies changes by other processes to the shared state. Blocks while it reads the store.
    pub fn reload(&self) -> Result<(), ReloadError> {
        let read = self.read(&mut lock(&self.known));
        let (at, why) = (self.gate.clock().monotonic(), read.as_ref().err().map(ToString::to_string));
        self.gate.shared().update(|state| {
            state.set_health(|health| {
                let since = health.store.as_ref().map_or(at, |unread| unread.since);
                health.store = why.map(|why| ReadFailure { since, why: why.into(), goes_stale: true });
            });
        });
        read.map_err(ReloadError)
    }

    /// Records in the shared state why the policy file cannot be read, and whether its contents become stale; `None` if
    /// it was read.
    pub(super) fn note_policy(&self, why: Option<(String, bool)>) {
        let at = self.gate.clock().monotonic();
        self.gate.shared().update(|state| {
            state.set_health(|health| {
                let since = health.policy.as_ref().map_or(at, |unread| unread.since);
                health.policy = why.map(|(why, goes_stale)| ReadFailure { since, why: why.into(), goes_stale });
            });
        });
    }

    fn read(&self, known: &mut Option<Edition>) -> Result<(), StoreError> {
        let mut stored = self.store.load()?;
        let setback = Setback::between(known.as_ref(), stored.edition.as_ref());
        *known = stored.edition;
        let mut unsaved = lock(&self.unsaved);
        if setback.is_some() {
            *lock(&self.setback) = setback;
            let present = Arc::clone(&self.gate.shared().rules().revoked);
            let lost = present.iter().filter(|(what, _)| stored.revoked.get(what).is_none());
            let again = lost.map(|(what, since)| Change { what: what.clone(), since: Some(since.clone()) });
            // Inserted before the changes that are not saved yet, because one of those may restore a target.
            unsaved.put_first(again);
            self.to_save.notify_one();
        }
        unsaved.apply(&mut stored.revoked);
        // While the list is still locked, or a change made in between would be lost.
        self.gate.shared().update(|state| state.set_revoked(stored.revoked));
        Ok(())
    }

    /// Records in the shared state how many changes are not saved. Changes count only after a save has ended, because
    /// until then they are merely in progress.
    fn note_unsaved(&self) {
        let unsaved = self.unsaved_changes();
        self.gate.shared().update(|state| state.set_health(|health| health.unsaved = unsaved));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{KeySet, NumericDate, Rules};
    use crate::clock::ManualClock;
    use crate::store::{ChangeFuture, Memory, StoreContents};

    const NOW: NumericDate = NumericDate::from_seconds(1_795_380_000);

    fn jti(name: &str) -> RevocationTarget {
        RevocationTarget::Jti(name.into())
    }

    fn revoke(name: &str) -> Change {
        Change { what: jti(name), since: Some(Revocation { at: NOW, until: None, user: None }) }
    }

    fn restore(name: &str) -> Change {
        Change { what: jti(name), since: None }
    }

    /// A store that another process changes, replaces or removes, and that can be made to reject changes.
    #[derive(Default)]
    struct Other {
        memory: Memory,
        edition: Mutex<Option<Edition>>,
        is_locked: Mutex<bool>,
    }

    impl Other {
        fn set_locked(&self, is_locked: bool) {
            *lock(&self.is_locked) = is_locked;
        }

        fn changes(&self, change: &Change) {
            Store::change(self, NOW, &mut |stored| change.apply(&mut stored.revoked)).expect("not locked");
        }

        /// Replaces the contents.
        fn becomes(&self, edition: Option<Edition>, names: &[&str]) {
            let all = names.iter().map(|name| (jti(name), Revocation { at: NOW, until: None, user: None }));
            self.memory.change(NOW, &mut |stored| stored.revoked = all.clone().collect()).expect("memory");
            *lock(&self.edition) = edition;
        }

        fn holds(&self) -> Vec<RevocationTarget> {
            self.memory.load().expect("memory").revoked.iter().map(|(what, _)| what.clone()).collect()
        }
    }

    impl Store for Other {
        fn is_durable(&self) -> bool {
            true
        }

        fn name(&self) -> String {
            "a test".to_owned()
        }

        fn load(&self) -> Result<StoreContents, StoreError> {
            Ok(StoreContents { edition: lock(&self.edition).clone(), ..self.memory.load()? })
        }

        fn change(
            &self,
            now: NumericDate,
            change: &mut dyn FnMut(&mut StoreContents),
        ) -> Result<Option<Edition>, StoreError> {
            if *lock(&self.is_locked) {
                return Err(StoreError::Locked { path: "state.json".into(), waited: super::super::LOCK_WAIT });
            }
            let mut edition = lock(&self.edition);
            self.memory.change(now, &mut |stored| {
                stored.edition.clone_from(&edition);
                change(stored);
            })?;
            let new = || Edition { store: "one".into(), generation: 0 };
            edition.get_or_insert_with(new).generation += 1;
            Ok(edition.clone())
        }

        fn changed(&self) -> ChangeFuture<'_> {
            self.memory.changed()
        }
    }

    fn replica() -> (Gate, Arc<Other>, Replica) {
        let gate = Gate::with(Rules::new(KeySet::default()), None, Arc::new(ManualClock::new(NOW)));
        let other = Arc::new(Other::default());
        let replica = Replica::new(&gate, Arc::clone(&other) as Arc<dyn Store>, None);
        (gate, other, replica)
    }

    fn revoked(gate: &Gate) -> Vec<RevocationTarget> {
        gate.shared().rules().revoked.iter().map(|(what, _)| what.clone()).collect()
    }

    fn unsaved(gate: &Gate) -> usize {
        gate.shared().read(|state| state.health().unsaved)
    }

    #[test]
    fn what_others_change_does_not_undo_what_is_not_saved_yet() {
        let (gate, other, replica) = replica();
        other.changes(&revoke("theirs"));
        replica.change(revoke("ours"));
        assert_eq!(revoked(&gate), [jti("ours")], "at once");
        replica.reload().expect("read");
        assert_eq!(revoked(&gate), [jti("ours"), jti("theirs")]);
        replica.save().expect("saved");
        assert_eq!((replica.unsaved_changes(), revoked(&gate).len()), (0, 2));
        other.changes(&restore("ours"));
        replica.reload().expect("read");
        assert_eq!(revoked(&gate), [jti("theirs")], "saved, it can be restored elsewhere");
    }

    #[test]
    fn a_change_that_could_not_be_saved_stays_is_counted_and_is_saved_with_the_next_one() {
        let (gate, other, replica) = replica();
        other.set_locked(true);
        replica.change(revoke("first"));
        assert_eq!(unsaved(&gate), 0, "it is on its way");
        assert!(replica.save().is_err());
        replica.reload().expect("read");
        assert_eq!((revoked(&gate), replica.unsaved_changes(), unsaved(&gate)), (vec![jti("first")], 1, 1));
        other.set_locked(false);
        replica.change(revoke("second"));
        replica.change(restore("second"));
        replica.save().expect("saved");
        assert_eq!((replica.unsaved_changes(), unsaved(&gate), other.holds()), (0, 0, vec![jti("first")]));
    }

    /// One thread finds that the store was deleted while another one has begun to save a revocation.
    #[test]
    fn what_a_setback_adds_while_a_save_is_under_way_is_not_taken_for_saved() {
        let (gate, other, replica) = replica();
        for name in ["a", "b"] {
            replica.change(revoke(name));
            replica.save().expect("saved");
        }
        replica.change(revoke("c"));
        let begun = lock(&replica.unsaved).changes.clone();
        other.becomes(None, &[]);
        replica.reload().expect("read");
        lock(&replica.unsaved).remove(&begun);
        assert_eq!(replica.unsaved_changes(), 3, "all that is in force is still to be saved");
        replica.save().expect("saved");
        let all = [jti("a"), jti("b"), jti("c")];
        assert_eq!((other.holds(), revoked(&gate)), (all.to_vec(), all.to_vec()));
    }

    #[test]
    fn a_store_that_went_back_restores_nobody_and_gets_back_what_it_lost() {
        let old = || Some(Edition { store: "one".into(), generation: 1 });
        let another = || Some(Edition { store: "two".into(), generation: 9 });
        for (edition, setback) in [(None, Setback::Gone), (old(), Setback::Older), (another(), Setback::Replaced)] {
            // The setback is noticed by reading and by changing the store.
            for is_read in [true, false] {
                let (gate, other, replica) = replica();
                for name in ["a", "b", "c"] {
                    replica.change(revoke(name));
                    replica.save().expect("saved");
                }
                replica.change(restore("b"));
                replica.save().expect("saved");
                other.becomes(edition.clone(), &["theirs"]);
                if is_read {
                    replica.reload().expect("read");
                    assert_eq!(replica.take_setback(), Some(setback));
                } else {
                    replica.change(revoke("d"));
                }
                replica.save().expect("saved");
                let mut all = vec![jti("a"), jti("c"), jti("theirs")];
                all.splice(2..2, (!is_read).then(|| jti("d")));
                assert_eq!((other.holds(), revoked(&gate)), (all.clone(), all), "{setback:?}, read: {is_read}");
                assert_eq!(replica.take_setback(), (!is_read).then_some(setback));
            }
        }
    }
}
