//! Catching up with another process that committed to the same database.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bases::Bases;
use crate::device::{Device, Storage};
use crate::error::{Error, Result, What};
use crate::file::OpenFile;
use crate::format::layout::MANIFEST_SLOT_BYTES;
use crate::format::manifest::{Manifest, Slot, decode_slot};
use crate::learn::Learning;
use crate::log::{Log, LogNumber};
use crate::recover::{Followed, LOOKS_BESIDE_WRITER, Loaded, MANIFEST, follow_logs, load, may_be_between};
use crate::store::{Retired, Store};

impl<S: Storage> Store<S> {
    /// Looks whether another process has committed or checkpointed, and if so takes over its state. `true` if the newest
    /// commit changed. Snapshots that are held stay as they are. The caller holds whatever lock keeps writers out meanwhile.
    pub fn refresh(&mut self) -> Result<bool> {
        if self.has_run() {
            // Whoever has spilled is the writer, so nobody else has committed since.
            return Ok(false);
        }
        let before = self.view.commit;
        self.find_root()?;
        let newer = self.newer_root()?;
        // The other process may have made a file and not flushed its name.
        self.names_changed = true;
        if newer.is_some() || !self.follow() {
            self.load_anew(newer)?;
        }
        // There is another process, which may want them.
        for spare in &mut self.spares {
            spare.device = None;
        }
        Ok(self.view.commit != before)
    }

    /// The root, if another process has written one since.
    fn newer_root(&self) -> Result<Option<Manifest>> {
        let mut newer = None;
        if let Some(device) = &self.manifest_device {
            let len = device.len()?.min(2 * MANIFEST_SLOT_BYTES as u64);
            let mut bytes = alloc::vec![0; usize::try_from(len).unwrap_or(0)];
            device.read_at(0, &mut bytes)?;
            let (first, second) = bytes.split_at(bytes.len().min(MANIFEST_SLOT_BYTES));
            let mut newest = None;
            for slot in [first, second] {
                if let Slot::Whole(manifest) = decode_slot(MANIFEST, slot)?
                    && newest.as_ref().is_none_or(|(generation, _)| manifest.generation() > *generation)
                {
                    newest = Some((manifest.generation(), manifest));
                }
            }
            let (_, sealed) = newest.ok_or_else(|| Error::corrupt(MANIFEST, 0, What::Manifest))?;
            if sealed.generation() != self.manifest.generation {
                let master = self.keys.as_ref().map(crate::keys::Keyring::master);
                let unauthentic = || Error::corrupt(MANIFEST, 0, What::ManifestAuthentication);
                newer = Some(sealed.open(master).ok_or_else(unauthentic)?);
            }
        }
        Ok(newer)
    }

    /// Reads everything anew.
    fn load_anew(&mut self, newer: Option<Manifest>) -> Result<()> {
        let manifest = newer.as_ref().unwrap_or(&self.manifest);
        // Who only reads has not got the turn, and may be beside a writer.
        let mut looks = 1..LOOKS_BESIDE_WRITER;
        let loaded = loop {
            match load(&self.storage, manifest, self.keys.as_ref(), &self.options) {
                Err(error) if may_be_between(&error) && looks.next().is_some() => {}
                other => break other?,
            }
        };
        if let Some(manifest) = newer {
            self.encoder = Self::encoder_for(&manifest);
            self.manifest = manifest;
            self.root_confirmed = false;
        }
        self.take_over(loaded);
        Ok(())
    }

    /// Takes in what was appended to the logs, without reading what is known: the root is the same. `false`, and nothing changed, if
    /// that is not all that happened, or if it cannot be done; then reading everything says why.
    fn follow(&mut self) -> bool {
        if self.poisoned {
            return false;
        }
        let tallied: Vec<_> = self.segments.iter().map(|segment| (segment.live, segment.kept)).collect();
        let mut loaded = Loaded {
            view: self.view.clone(),
            chain: self.chain,
            logs: Vec::new(),
            spares: Vec::new(),
            segments: core::mem::take(&mut self.segments),
            flushed: self.flushed,
            // Those of commits that are stored are true, whatever else goes wrong.
            requests: core::mem::take(&mut self.requests),
            dictionary: None,
            indexes_rebuilt: Vec::new(),
            bytes_dropped: 0,
        };
        let mut files = (*self.view.files).clone();
        let (storage, manifest, options) = (&self.storage, &self.manifest, &self.options);
        let known = self.sealed.iter().chain(&self.log);
        let followed = follow_logs(storage, manifest, self.keys.as_ref(), options, known, &mut files, &mut loaded);
        let Ok(Some(Followed { tail })) = followed else {
            self.segments = loaded.segments;
            self.requests = loaded.requests;
            for (segment, (live, kept)) in self.segments.iter_mut().zip(tallied) {
                (segment.live, segment.kept) = (live, kept);
            }
            return false;
        };
        if !loaded.logs.is_empty() {
            loaded.view.files = Arc::new(files);
        }
        let mut known: Vec<Log<S::Device>> = self.sealed.drain(..).chain(self.log.take()).collect();
        if let (Some(newest), Some(tail)) = (known.last_mut(), tail) {
            newest.extend(tail);
        }
        loaded.logs.splice(..0, known);
        self.take_over(loaded);
        true
    }

    /// Takes over what is stored, whatever was thought to be: for a shell whose storage took commits, could not store them after
    /// all, and is as it was before them. Their numbers will be used again, so nothing may be kept that is known by them.
    /// Snapshots that are held may read what is not there any more, and must be let go of.
    pub fn reload(&mut self) -> Result<()> {
        self.running = None;
        self.job_out = false;
        if self.learning == Learning::Out {
            self.learning = Learning::Ready;
        }
        self.run = alloc::sync::Weak::new();
        self.poisoned = true;
        self.find_root()?;
        self.names_changed = true;
        let newer = self.newer_root()?;
        self.load_anew(newer)?;
        self.root_confirmed = false;
        self.poisoned = false;
        Ok(())
    }

    /// S1: what held snapshots read stays open as it is, and is neither used again nor removed while they do.
    fn take_over(&mut self, mut loaded: Loaded<S::Device>) {
        let mut before: Vec<Arc<OpenFile<S::Device>>> =
            self.view.files.iter().map(|(_, file)| Arc::clone(file)).collect();
        // Segments that this process replaced: another one had them open then, and nobody else will remove them.
        let replaced = |retired: &Retired<_>| match retired {
            Retired::Segment(file) => Some(file.name.clone()),
            Retired::Log(..) | Retired::Reopened(_) => None,
        };
        let replaced: Vec<String> = self.retired.iter().filter_map(replaced).collect();
        before.extend(core::mem::take(&mut self.retired).into_iter().map(Retired::into_file));
        self.log_next = loaded.logs.last().map_or(self.manifest.log_first, |log| log.generation().next());
        let mut logs: alloc::collections::VecDeque<_> = loaded.logs.into();
        self.log = logs.pop_back();
        self.sealed = logs;
        // Another process may have closed one of them.
        for log in &mut self.sealed {
            log.bases = Bases::default();
        }
        self.view = loaded.view;
        self.chain = loaded.chain;
        self.segments = loaded.segments;
        self.flushed = loaded.flushed;
        self.requests = loaded.requests;
        self.dictionary = loaded.dictionary.or_else(|| self.dictionary.take());
        let stays = |file: &_| self.view.files.iter().any(|(_, live)| Arc::ptr_eq(live, file));
        before.retain(|file| !stays(file) && (Arc::strong_count(file) > 1 || replaced.contains(&file.name)));
        for file in before {
            let number = LogNumber::of_name(&file.name);
            let spare = loaded.spares.iter().position(|spare| Some(spare.number) == number);
            let live = self.view.files.iter().any(|(_, live)| live.name == file.name);
            self.retired.push(match (number, spare) {
                (Some(number), Some(spare)) => {
                    let spare = loaded.spares.swap_remove(spare);
                    Retired::Log(number, file, spare.file_bytes)
                }
                // Who replaced it removes it, as soon as everybody has let go of it. Both waiting for the other, neither would.
                (None, _) if !live && replaced.contains(&file.name) => Retired::Segment(file),
                _ => Retired::Reopened(file),
            });
        }
        self.spares = loaded.spares;
    }
}
