//! A map in a sorted vector.
//!
//! For few entries: files, sessions, keys, requests. A `BTreeMap` is compiled anew for each pair of types, 6 KB every time, and a
//! browser has to download it; this is a tenth of that (docs/decisions/0015). Inserting and removing move what comes after, so
//! it is not for pages.

use alloc::vec::Vec;
use core::borrow::Borrow;

/// Values by key, in the order of the keys.
#[derive(Clone, Debug)]
pub struct SortedMap<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> SortedMap<K, V> {
    /// No entries yet.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Keys and values, by key, the values to be changed.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Drops the entries that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries.binary_search_by(|(other, _)| other.borrow().cmp(key))
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        Some(&self.entries.get(self.place(key).ok()?)?.1)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(&mut self.entries.get_mut(place)?.1)
    }

    /// Whether there is a value for the key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Keys and values up to this key, which may be there or not.
    pub fn up_to<Q: Ord + ?Sized>(&self, key: &Q) -> impl DoubleEndedIterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        let end = self.place(key).map_or_else(|place| place, |place| place + 1);
        self.entries.get(..end).unwrap_or_default().iter().map(|(key, value)| (key, value))
    }

    /// Keys and values from this key on, which may be there or not.
    pub fn starting_at<Q: Ord + ?Sized>(&self, key: &Q) -> impl DoubleEndedIterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        let start = self.place(key).unwrap_or_else(|place| place);
        self.entries.get(start..).unwrap_or_default().iter().map(|(key, value)| (key, value))
    }

    /// Sets the value of a key, and gives the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => Some(core::mem::replace(&mut self.entries.get_mut(place)?.1, value)),
            Err(place) => {
                self.entries.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes a key and its value out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(self.entries.remove(place).1)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    #[test]
    fn agrees_with_a_b_tree() {
        let mut map = SortedMap::new();
        let mut model = BTreeMap::new();
        let mut state = 1_u32;
        for step in 0..5000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (state >> 24) as u8;
            match state >> 8 & 7 {
                0..4 => assert_eq!(map.insert(key, step), model.insert(key, step)),
                4..6 => assert_eq!(map.remove(&key), model.remove(&key)),
                6 => {
                    if let (Some(ours), Some(theirs)) = (map.get_mut(&key), model.get_mut(&key)) {
                        (*ours, *theirs) = (step, step);
                    }
                    assert_eq!(map.get_mut(&key), model.get_mut(&key));
                }
                _ if step % 64 == 0 => {
                    assert!(map.iter_mut().eq(model.iter_mut()));
                    map.retain(|key, _| key % 3 != 0);
                    model.retain(|key, _| key % 3 != 0);
                }
                _ => assert_eq!((map.get(&key), map.contains_key(&key)), (model.get(&key), model.contains_key(&key))),
            }
            assert!(map.iter().eq(model.iter()));
            assert!(map.up_to(&key).eq(model.range(..=key)));
            assert!(map.starting_at(&key).eq(model.range(key..)));
        }
        assert!(map.keys().eq(model.keys()) && map.values().eq(model.values()));
        assert_eq!((map.len(), map.is_empty()), (model.len(), false));
    }
}
