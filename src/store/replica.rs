//! The revocations of the shared state, kept in step with a store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Store, StoreError};
use crate::auth::revocations::{Revoked, Since};
use crate::auth::{NumericDate, Revocations};
use crate::gate::Shared;

/// A revocation, or its end.
#[derive(Clone, Debug)]
pub struct Change {
    /// What is revoked or restored.
    pub what: Revoked,
    /// Since when it is revoked; `None` restores it.
    pub since: Option<Since>,
}

impl Change {
    fn apply(&self, all: &mut Revocations) {
        match &self.since {
            Some(since) => all.revoke(self.what.clone(), since.clone()),
            None => drop(all.restore(&self.what)),
        }
    }
}

/// The store could not be read again; the revocations that were known stay in force.
#[derive(Debug, thiserror::Error)]
#[error("what was revoked stays revoked: {0}")]
pub struct NotReloaded(StoreError);

/// The copy of a store that decisions are made on: its content, and the changes made here that are not saved yet.
///
/// A change counts in memory at once and stays there until it is saved, however often the store is read meanwhile. Without
/// that, a change by another process could restore a token that was revoked here a moment ago.
pub struct Replica {
    shared: Shared,
    store: Arc<dyn Store>,
    /// Whether the store held something when it was read last. Locked from reading the store until what was read is in the
    /// shared state, so that the newest reading is what stays.
    reading: Mutex<bool>,
    /// Held while changes are saved: they are taken off the list by their number.
    saving: Mutex<()>,
    /// Held for a moment only, never while the store is read or changed: `change` runs on the thread that draws.
    unsaved: Mutex<Vec<Change>>,
}

impl Replica {
    /// A copy whose content is already in the shared state.
    pub fn new(shared: &Shared, store: Arc<dyn Store>) -> Self {
        let reading = Mutex::new(!shared.rules().revoked.is_empty());
        Self { shared: shared.clone(), store, reading, saving: Mutex::default(), unsaved: Mutex::default() }
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Revokes or restores something in memory. Returns at once; [`Replica::save`] is to follow.
    pub fn change(&self, change: Change) {
        let mut unsaved = self.unsaved();
        self.shared.update(|state| {
            let mut all = (*state.rules().revoked).clone();
            change.apply(&mut all);
            state.set_revoked(all);
        });
        unsaved.push(change);
    }

    /// How many changes are in memory only.
    pub fn unsaved_changes(&self) -> usize {
        self.unsaved().len()
    }

    /// Saves every change that is in memory only, also those that an earlier call could not save. Blocks for as long as
    /// another process holds the store's lock, and while another call saves.
    pub fn save(&self, now: NumericDate) -> Result<(), StoreError> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.unsaved().clone();
        if changes.is_empty() {
            return Ok(());
        }
        let before = *self.reading();
        match self.store.change_revocations(before, now, &mut |all| changes.iter().for_each(|change| change.apply(all)))
        {
            // Everything that is in force here is stored anew; to begin with the changes alone would restore the rest.
            Err(StoreError::Gone { .. }) => {
                let present = Arc::clone(&self.shared.rules().revoked);
                self.store.change_revocations(false, now, &mut |all| *all = (*present).clone())?;
            }
            saved => saved?,
        }
        let mut reading = self.reading();
        self.unsaved().drain(..changes.len());
        // The changes are saved. If the store cannot be read now, its follower reports that.
        let _ = self.read(&mut reading);
        Ok(())
    }

    /// Brings what others have changed in the store into the shared state. Blocks while it reads.
    pub fn reload(&self) -> Result<(), NotReloaded> {
        self.read(&mut self.reading()).map_err(NotReloaded)
    }

    fn read(&self, had_content: &mut bool) -> Result<(), StoreError> {
        let mut all = self.store.load(*had_content)?;
        *had_content = !all.is_empty();
        let unsaved = self.unsaved();
        unsaved.iter().for_each(|change| change.apply(&mut all));
        self.shared.update(|state| state.set_revoked(all));
        Ok(())
    }

    fn reading(&self) -> MutexGuard<'_, bool> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsaved(&self) -> MutexGuard<'_, Vec<Change>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{KeySet, Rules};
    use crate::gate::AuthState;
    use crate::gate::ports::Catalogue;
    use crate::store::{Changed, Memory};

    const NOW: NumericDate = NumericDate::from_seconds(1_795_380_000);

    fn jti(name: &str) -> Revoked {
        Revoked::Jti(name.into())
    }

    fn revoke(name: &str) -> Change {
        Change { what: jti(name), since: Some(Since { at: NOW, until: None, user: None }) }
    }

    fn restore(name: &str) -> Change {
        Change { what: jti(name), since: None }
    }

    /// A store that another process changes, and that can be made to refuse changes.
    #[derive(Default)]
    struct Other {
        memory: Memory,
        is_locked: Mutex<bool>,
    }

    impl Other {
        fn set_locked(&self, is_locked: bool) {
            *self.is_locked.lock().expect("a test") = is_locked;
        }

        fn change(&self, change: &Change) {
            self.memory.change_revocations(false, NOW, &mut |all| change.apply(all)).expect("memory");
        }
    }

    impl Store for Other {
        fn is_durable(&self) -> bool {
            true
        }

        fn load(&self, before: bool) -> Result<Revocations, StoreError> {
            self.memory.load(before)
        }

        fn change_revocations(
            &self,
            before: bool,
            now: NumericDate,
            change: &mut dyn FnMut(&mut Revocations),
        ) -> Result<(), StoreError> {
            match *self.is_locked.lock().expect("a test") {
                true => Err(StoreError::Locked { path: "state.json".into(), waited: super::super::LOCK_WAIT }),
                false => self.memory.change_revocations(before, now, change),
            }
        }

        fn changed(&self) -> Changed<'_> {
            self.memory.changed()
        }
    }

    fn replica() -> (Shared, Arc<Other>, Replica) {
        let shared = Shared::new(AuthState::new(Rules::new(KeySet::default()), None, Catalogue::default()));
        let other = Arc::new(Other::default());
        let replica = Replica::new(&shared, Arc::clone(&other) as Arc<dyn Store>);
        (shared, other, replica)
    }

    fn revoked(shared: &Shared) -> Vec<Revoked> {
        shared.rules().revoked.iter().map(|(what, _)| what.clone()).collect()
    }

    #[test]
    fn what_others_change_does_not_undo_what_is_not_saved_yet() {
        let (shared, other, replica) = replica();
        other.change(&revoke("theirs"));
        replica.change(revoke("ours"));
        assert_eq!(revoked(&shared), [jti("ours")], "at once");
        replica.reload().expect("read");
        assert_eq!(revoked(&shared), [jti("ours"), jti("theirs")]);
        replica.save(NOW).expect("saved");
        assert_eq!((replica.unsaved_changes(), revoked(&shared).len()), (0, 2));
        other.change(&restore("ours"));
        replica.reload().expect("read");
        assert_eq!(revoked(&shared), [jti("theirs")], "saved, it can be restored elsewhere");
    }

    #[test]
    fn a_change_that_could_not_be_saved_stays_and_is_saved_with_the_next_one() {
        let (shared, other, replica) = replica();
        other.set_locked(true);
        replica.change(revoke("first"));
        assert!(replica.save(NOW).is_err());
        replica.reload().expect("read");
        assert_eq!((revoked(&shared), replica.unsaved_changes()), (vec![jti("first")], 1));
        other.set_locked(false);
        replica.change(revoke("second"));
        replica.change(restore("second"));
        replica.save(NOW).expect("saved");
        assert_eq!(replica.unsaved_changes(), 0);
        let stored = other.load(true).expect("read");
        assert_eq!(stored.iter().map(|(what, _)| what.clone()).collect::<Vec<_>>(), [jti("first")]);
    }
}
