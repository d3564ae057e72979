//! Learning: a dictionary from the pages that are there, and what was stored without it stored anew. Nobody asked for it, so it
//! comes when nothing else is due.
//!
//! ```text
//!   no dictionary --- worth it: installed ---> some segments lack it --- each stored anew, or merged ---> none lacks it
//! ```
//!
//! L1  Where a database is in this is read from its segments, so what was interrupted is taken up by the next opening.
//! L2  There is one job of it at a time, as of every other kind. What fails or gains nothing is not tried again in this opening.
//! L3  A sample has [`SAMPLE_BYTES`] at most, however large the database and its pages are.
//! L4  A dictionary has to save more than all its copies take, by pages that it was not learnt from.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::checkpoint::{Installed, clone_subkey, uses_dictionary};
use crate::codec::{CodecChoice, Dictionary, Encoder, train};
use crate::compact::Compaction;
use crate::device::Storage;
use crate::error::{Error, Result, What};
use crate::format::layout::{BODY_NONCE_BYTES, BODY_TAG_BYTES};
use crate::ids::PageNo;
use crate::job::{Done, Job, Record, Source};
use crate::location::{FileSlot, Location};
use crate::store::{Segment, Store};

/// Pages to learn from. Twice as many take twice as long and gain next to nothing.
const SAMPLE_BYTES: u64 = 4 << 20;

/// Of so many pages one is not learnt from, but tells what was gained.
const TEST_SHARE: usize = 16;

const DICTIONARY_BYTES: usize = 32 << 10;

/// A database of fewer bytes is left alone.
const LEARN_BYTES_MIN: u64 = 4 << 20;

/// Besides what the copies take it has to save this share of what is stored, since all of that is written once more.
const GAIN_SHARE: u64 = 8;

/// What is stored without the dictionary is stored anew if it is no more than this, uncompressed; what is more, as it is merged.
const AGAIN_BYTES_MAX: u64 = 64 << 20;

/// A segment of fewer pages than so many dictionaries has none.
const PAGES_PER_DICTIONARY: u64 = 8;

/// Work that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spare {
    /// Learning a dictionary.
    Learn,
    /// Storing a segment anew that lacks the dictionary.
    Anew,
}

/// Whether such work is done in this opening (L2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learning {
    /// Unless the options say no.
    Ready,
    /// A job of it is out.
    Out,
    /// Not any more.
    Over,
}

impl<S: Storage> Store<S> {
    /// What [`spare_job`](Self::spare_job) would be about.
    pub fn spare(&self) -> Option<Spare> {
        let may = self.options.learns && !self.options.read_only && !self.poisoned && !self.job_out;
        if !may || self.learning != Learning::Ready || !uses_dictionary(self.manifest.cold) {
            return None;
        }
        if self.dictionary.is_some() {
            return self.lacking().map(|_| Spare::Anew);
        }
        // What is only read stays as it is.
        let bytes = u64::from(self.view.page_count.0) * u64::from(self.manifest.page_size.get());
        (bytes >= LEARN_BYTES_MIN && self.counters.commits > 0).then_some(Spare::Learn)
    }

    /// The job that learns a dictionary, or stores one segment anew that lacks it. `None` if there is nothing to do, it is not
    /// wanted, or it was given up.
    pub fn spare_job(&mut self) -> Result<Option<Job>> {
        let job = match self.spare() {
            None => return Ok(None),
            Some(Spare::Learn) => Ok(Some(self.learn_job())),
            Some(Spare::Anew) => self.compact_job(Compaction::Learnt),
        };
        match job {
            Ok(None) => {}
            Ok(Some(_)) => self.learning = Learning::Out,
            Err(_) => self.learning = Learning::Over,
        }
        job
    }

    /// Gives it up until the next opening: there is nowhere to do it, or no room.
    pub fn forgo_spare(&mut self) {
        self.learning = Learning::Over;
    }

    /// The first segment that was stored without the newest dictionary and is large enough for one (L1).
    pub(crate) fn lacking(&self) -> Option<core::ops::Range<usize>> {
        let dictionary = self.dictionary.as_ref().filter(|_| uses_dictionary(self.manifest.cold))?;
        let page_bytes = u64::from(self.manifest.page_size.get());
        let raw_bytes = |segment: &Segment| segment.live.records * page_bytes;
        let lacks = |segment: &Segment| {
            let own = self.view.files.get(segment.slot).and_then(|file| file.dictionary.as_ref());
            own.map(Dictionary::id) != Some(dictionary.id())
                && is_worth_a_dictionary(raw_bytes(segment), stored_bytes(dictionary.bytes().len()))
        };
        let all: u64 = self.segments.iter().filter(|segment| lacks(segment)).map(raw_bytes).sum();
        let first = self.segments.iter().position(lacks).filter(|_| all <= AGAIN_BYTES_MAX)?;
        Some(first..first + 1)
    }

    /// A job that reads pages from all over the database, wherever they are, and makes no file (L3).
    fn learn_job(&mut self) -> Job {
        let mut job = self.empty_job();
        let (count, page_bytes) = (u64::from(self.view.page_count.0), u64::from(self.manifest.page_size.get()));
        let wanted = count.min(SAMPLE_BYTES / page_bytes);
        let mut slots: Vec<FileSlot> = Vec::new();
        for index in 0..wanted {
            let page = u32::try_from(index * count / wanted).ok().and_then(PageNo::from_index);
            let Some(page) = page else { break };
            let Some(location) = self.view.location(page) else { continue };
            let known = slots.iter().position(|slot| *slot == location.file());
            let source = known.unwrap_or(slots.len());
            if known.is_none() {
                slots.push(location.file());
            }
            let source = FileSlot(u16::try_from(source).unwrap_or(u16::MAX));
            let location = Location::new(source, location.offset(), location.body_bytes(), location.commit());
            job.records.push(Record::new(page, location));
        }
        let ends: Vec<(FileSlot, u64)> = self.sealed.iter().chain(&self.log).map(|log| (log.slot, log.end)).collect();
        for slot in slots {
            let Some(file) = self.view.files.get(slot) else { continue };
            let end = ends.iter().find(|(log, _)| *log == slot).map(|(_, end)| *end);
            job.sources.push(Source {
                name: file.name.clone(),
                kind: file.kind,
                id: file.id,
                file_bytes: end.or(file.sealed_bytes).unwrap_or(0),
                subkey: clone_subkey(file.subkey.as_ref()),
                dictionary: file.dictionary.clone(),
            });
        }
        self.name_bases(&mut job);
        job.page_count = self.view.page_count;
        // As many segments may there be, each with a copy (L4).
        job.copies = u32::try_from(self.options.segments_max).unwrap_or(u32::MAX).max(1);
        self.job_out = true;
        job
    }

    /// Takes what was learnt into the database. Nothing is a result, too: then it is over (L2).
    pub(crate) fn install_learnt(&mut self, done: &Done, learnt: &[u8]) -> Result<Installed> {
        if self.learning != Learning::Out || self.dictionary.is_some() {
            return Err(Error::corrupt(&done.target(), 0, What::Message));
        }
        self.job_out = false;
        self.learning = Learning::Ready;
        let before = self.counters.segment_bytes;
        if learnt.is_empty() {
            self.learning = Learning::Over;
        } else if let Err(error) = self.embed_dictionary(Some(learnt.to_vec())) {
            // The job is still to be given up, or this to be repeated.
            self.learning = Learning::Out;
            return Err(error);
        }
        Ok(Installed { records: 0, file_bytes: self.counters.segment_bytes - before, replaced: 0 })
    }
}

/// Whether pages of so many bytes are enough for a segment with a dictionary that takes so many in it.
pub(crate) const fn is_worth_a_dictionary(raw_bytes: u64, dictionary_bytes: u64) -> bool {
    raw_bytes >= PAGES_PER_DICTIONARY * dictionary_bytes
}

/// Whether so many pages are no more than a sample has (L3).
pub(crate) const fn is_a_sample(pages: usize, page_bytes: usize) -> bool {
    pages.saturating_mul(page_bytes) as u64 <= SAMPLE_BYTES
}

/// What a dictionary takes in a segment, encrypted or nearly.
const fn stored_bytes(dictionary_bytes: usize) -> u64 {
    (dictionary_bytes + BODY_NONCE_BYTES + BODY_TAG_BYTES) as u64
}

/// The pages of a job that learns.
pub(crate) struct Lesson {
    pages: Zeroizing<Vec<u8>>,
    page_bytes: usize,
    cold: CodecChoice,
    page_count: u64,
    copies: u64,
}

impl Lesson {
    /// Of a job, if it learns.
    pub fn of(job: &Job) -> Option<Self> {
        let page_bytes = job.header.page_size.bytes();
        let (page_count, copies) = (u64::from(job.page_count.0), u64::from(job.copies));
        // As large as it will be, since one that grows leaves what it held behind.
        let pages = || Zeroizing::new(Vec::with_capacity(job.records.len() * page_bytes));
        (copies > 0).then(|| Self { pages: pages(), page_bytes, cold: job.cold, page_count, copies })
    }

    pub fn page(&mut self, page: &[u8]) {
        self.pages.extend_from_slice(page);
    }

    /// The dictionary, or nothing if it would not be worth it (L4).
    pub fn learn(&self) -> Vec<u8> {
        let (tests, samples): (Vec<_>, Vec<_>) =
            self.pages.chunks_exact(self.page_bytes).enumerate().partition(|(index, _)| index % TEST_SHARE == 0);
        // What all pages would take, if they are like these.
        let stored = |dictionary: Option<&Dictionary>| {
            let mut encoder = Encoder::new(self.cold, dictionary);
            let mut out = Zeroizing::new(Vec::new());
            for (_, page) in &tests {
                encoder.encode(page, &mut out);
            }
            out.len() as u64 * self.page_count / tests.len().max(1) as u64
        };
        let plain = stored(None);
        let raw = self.page_count * self.page_bytes as u64;
        // Pictures and what is random cannot be helped, which is seen sooner than learnt.
        if plain > raw - raw / GAIN_SHARE {
            return Vec::new();
        }
        let samples: Vec<&[u8]> = samples.into_iter().map(|(_, page)| page).collect();
        let trained = train(&samples, DICTIONARY_BYTES).unwrap_or_default();
        let Ok(dictionary) = Dictionary::new(trained.clone()) else { return Vec::new() };
        let taken = stored(Some(&dictionary)) + self.copies * stored_bytes(trained.len());
        if taken < plain - plain / GAIN_SHARE { trained } else { Vec::new() }
    }
}
