//! Keys: which cipher and which slots the database has, and which it may have after a change of which nobody knows the end.

use coffer_store::{
    Cipher, CommitId, Entropy, Error, Inline, Limit, NewKey, Options, Recovered, SlotKey, SlotKind, Store,
};

use super::{Runner, Step, wrong};
use crate::rng::Rng;
use crate::storage::{Faults, SimStorage};

/// The bytes of a slot's key.
type Key = [u8; 32];

/// What opens the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lock {
    pub(super) cipher: Option<Cipher>,
    /// By slot number.
    pub(super) slots: Vec<(u8, Key)>,
}

/// What opened the database last, and what else may open it now.
pub(super) struct Keys {
    pub(super) now: Lock,
    /// Changes whose end nobody knows. Until the next opening any of them may hold, or none.
    pub(super) in_doubt: Vec<Lock>,
}

pub(super) fn draw_key(rng: &mut Rng) -> Key {
    let mut key = [0; 32];
    rng.bytes(&mut key);
    key
}

pub(super) fn slot_key(key: &Key) -> SlotKey {
    SlotKey::take(&mut { *key })
}

impl Lock {
    /// Whether these are the cipher and the slots of a store, each with its key.
    fn fits(&self, store: &Store<SimStorage>) -> bool {
        let slots = store.key_slots();
        store.cipher() == self.cipher.unwrap_or(Cipher::None)
            && slots.len() == self.slots.len()
            && slots.iter().all(|slot| {
                let key = self.slots.iter().find(|(number, _)| *number == slot.number()).map(|(_, key)| slot_key(key));
                key.is_some_and(|key| slot.unwrap_master(store.cipher(), &key, store.database()).is_ok())
            })
    }
}

impl Keys {
    pub(super) fn new(cipher: Option<Cipher>, rng: &mut Rng) -> Self {
        let slots = cipher.map(|_| (0, draw_key(rng))).into_iter().collect();
        Self { now: Lock { cipher, slots }, in_doubt: Vec::new() }
    }

    /// Whether a store has the slots that it was left with.
    pub(super) fn fit(&self, store: Option<&Store<SimStorage>>) -> bool {
        store.is_none_or(|store| self.now.fits(store))
    }

    pub(super) fn create(
        &self,
        disk: SimStorage,
        entropy: Box<dyn Entropy + Send>,
        options: Options,
    ) -> Result<Store<SimStorage>, Error> {
        let key = self.now.slots.first().map(|(_, key)| slot_key(key));
        let new_key = self.now.cipher.zip(key.as_ref()).map(|(cipher, key)| NewKey {
            cipher,
            kind: SlotKind::Raw,
            parameters: Vec::new(),
            key,
        });
        Store::create(disk, entropy, options, new_key)
    }

    /// Opens with what must open it; where a change is in doubt, with whatever may.
    pub(super) fn open(
        &mut self,
        disk: &SimStorage,
        rng: &mut Rng,
        options: &Options,
    ) -> Result<(Store<SimStorage>, Recovered), Error> {
        let mut locks = vec![self.now.clone()];
        locks.append(&mut self.in_doubt.clone());
        let mut last = Error::WrongKey;
        for lock in locks {
            let keys: Vec<Option<SlotKey>> = if lock.cipher.is_some() {
                lock.slots.iter().map(|(_, key)| Some(slot_key(key))).collect()
            } else {
                vec![None]
            };
            // Any slot must do, so any is tried; the others only while a change is in doubt.
            let first = rng.index(keys.len());
            for turn in 0..keys.len() {
                let key = &keys[(first + turn) % keys.len()];
                match Store::open(disk.clone(), Box::new(rng.fork()), options.clone(), key.as_ref()) {
                    Ok(opened) => {
                        // The same key may open the database before and after a change: the slots decide. What a failed
                        // flush left readable may still be lost, so the others stay possible.
                        if let Some(index) = self.in_doubt.iter().position(|lock| lock.fits(&opened.0))
                            && !self.now.fits(&opened.0)
                        {
                            std::mem::swap(&mut self.now, &mut self.in_doubt[index]);
                        }
                        return Ok(opened);
                    }
                    Err(error @ (Error::WrongKey | Error::KeyRequired)) if !self.in_doubt.is_empty() => last = error,
                    Err(error) => return Err(error),
                }
            }
        }
        Err(last)
    }
}

impl Runner {
    /// Once the root is written again, what it says about keys holds.
    pub(super) fn settle_keys(&mut self) -> Step {
        if self.keys.in_doubt.is_empty() {
            return Ok(());
        }
        let result = self.store().release_commit(CommitId(u64::MAX));
        if self.tolerated("writing the root again", result)?.is_some() {
            self.keys.in_doubt.clear();
        }
        Ok(())
    }

    /// Encrypts, decrypts or rotates.
    pub(super) fn rekey(&mut self) -> Step {
        if !self.keys.in_doubt.is_empty() || !self.take_turn()? {
            return Ok(());
        }
        let mut after = self.keys.now.clone();
        let keys: Vec<(u8, SlotKey)> = after.slots.iter().map(|(number, key)| (*number, slot_key(key))).collect();
        let supplied: Vec<(u8, &SlotKey)> = keys.iter().map(|(number, key)| (*number, key)).collect();
        let threads = 1 + self.rng.index(2);
        let (what, result) = if after.cipher.is_none() {
            let cipher = *self.rng.pick(&[Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305]);
            after = Lock { cipher: Some(cipher), slots: vec![(0, draw_key(&mut self.rng))] };
            let key = slot_key(&after.slots[0].1);
            let new_key = NewKey { cipher, kind: SlotKind::Raw, parameters: Vec::new(), key: &key };
            ("encrypting", self.store().encrypt(new_key, &Inline, threads))
        } else if self.rng.one_in(3) {
            after = Lock::default();
            ("decrypting", self.store().decrypt(&Inline, threads))
        } else if self.rng.one_in(2) {
            ("rotating the key", self.store().rotate_key(&supplied))
        } else {
            ("rotating the key at once", self.store().rotate(&supplied, &Inline, threads))
        };
        self.changed_keys(what, result.map(|()| after.clone()), after)?;
        self.after_upkeep(what)
    }

    /// Adds, changes or removes a slot.
    pub(super) fn key_slot(&mut self) -> Step {
        if self.keys.now.cipher.is_none() || !self.keys.in_doubt.is_empty() {
            return Ok(());
        }
        let mut after = self.keys.now.clone();
        let drawn = draw_key(&mut self.rng);
        let parameters = vec![7; self.rng.index(100)];
        let index = self.rng.index(after.slots.len());
        let (number, _) = after.slots[index];
        match self.rng.below(3) {
            0 if after.slots.len() < 6 => {
                let result = self.store().add_key(SlotKind::External, parameters, &slot_key(&drawn));
                // The number is the lowest that is free; the key opens the slot whatever it is called.
                let free = (0..u8::MAX).find(|number| after.slots.iter().all(|(used, _)| used != number)).unwrap_or(0);
                after.slots.push((free, drawn));
                let result = result.map(|number| {
                    let mut known = after.clone();
                    if let Some(slot) = known.slots.last_mut() {
                        slot.0 = number;
                    }
                    known
                });
                self.changed_keys("adding a key", result, after)
            }
            1 => {
                let result = self.store().change_key(number, SlotKind::Argon2id, parameters, &slot_key(&drawn));
                after.slots[index].1 = drawn;
                self.changed_keys("changing a key", result.map(|()| after.clone()), after)
            }
            _ => {
                let last = after.slots.len() == 1;
                let result = self.store().remove_key(number);
                if last {
                    return match result {
                        Err(Error::Limit(Limit::LastKeySlot)) => Ok(()),
                        Err(error) => self.tolerate("removing the last key", &error),
                        Ok(()) => wrong!("the last key was removed"),
                    };
                }
                after.slots.remove(index);
                self.changed_keys("removing a key", result.map(|()| after.clone()), after)
            }
        }
    }

    /// Of a change that failed nobody knows whether it holds, until the store is opened again; so it is.
    fn changed_keys(&mut self, what: &'static str, result: Result<Lock, Error>, after: Lock) -> Step {
        if let Some(lock) = self.tolerated(what, result)? {
            self.keys.now = lock;
        } else {
            self.keys.in_doubt.push(after);
            self.broken = true;
        }
        Ok(())
    }

    /// Tries to get in without a right.
    pub(super) fn wrong_key(&mut self) -> Step {
        if self.faulty || self.keys.now.cipher.is_none() || !self.keys.in_doubt.is_empty() {
            return Ok(());
        }
        let before = self.disk.fork();
        before.set_faults(Faults::none());
        let wrong = slot_key(&draw_key(&mut self.rng));
        let options = self.options.clone();
        let opened = Store::open(before.clone(), Box::new(self.rng.fork()), options.clone(), Some(&wrong));
        if !matches!(&opened, Err(Error::WrongKey)) {
            wrong!("a wrong key was answered with {opened:?}");
        }
        let opened = Store::open(before.clone(), Box::new(self.rng.fork()), options, None);
        if !matches!(&opened, Err(Error::KeyRequired)) {
            wrong!("no key was answered with {opened:?}");
        }
        let counters = before.counters();
        let untouched = self.disk.counters();
        if counters.writes != untouched.writes
            || counters.truncates != untouched.truncates
            || counters.flushes != untouched.flushes
        {
            wrong!("a store that could not be opened was written to");
        }
        Ok(())
    }
}
