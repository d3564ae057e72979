//! A job: rewrite these versions of these pages into a new segment.
//!
//! Folding a log, merging segments, changing codec, dictionary or key, and exporting a database are all this one thing. A
//! job is a value with everything in it, so that it can run where the files are, on another thread, or in another worker to
//! which the bytes of its sources were sent.
//!
//! J1  Running a job changes nothing but its own output; an abandoned one leaves a file that nothing refers to.
//! J2  A step does a bounded amount of work: it decodes, compresses and writes about as many bytes as it was given.
//! J3  A batch changes nothing before all that it reads has been read, so a step whose source was not ready can be repeated.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::bytes::{Put, Reader};
use crate::cipher::{Cipher, Subkey};
use crate::codec::{Codec, CodecChoice, Decoder, Dictionary, Encoder};
use crate::device::Device;
use crate::entropy::Entropy;
use crate::error::{Error, Result, What};
use crate::file::Face;
use crate::format::body::{Compressed, FileKind, PatchBase, body_bytes_max};
use crate::format::commits::{CommitInfo, decode_commits, encode_commits};
use crate::format::manifest::SegmentEntry;
use crate::format::segment::SegmentHeader;
use crate::ids::{Chain, CommitId, DatabaseId, LogGeneration, PageCount, PageNo, SegmentId};
use crate::learn::{Lesson, is_a_sample};
use crate::location::{FileSlot, Location};
use crate::segment::{SegmentPlan, SegmentWriter};
use crate::sync::{Shared, Work};

/// Work that makes a new segment out of versions in other files. Made by a [`Store`](crate::Store), run by a [`Task`].
pub struct Job {
    pub(crate) header: SegmentHeader,
    pub(crate) database: DatabaseId,
    pub(crate) subkey: Option<Subkey>,
    /// The dictionary as stored in the new segment, and as it is.
    pub(crate) dictionary_stored: Vec<u8>,
    pub(crate) dictionary: Option<Dictionary>,
    pub(crate) cold: CodecChoice,
    pub(crate) sources: Vec<Source>,
    /// In page order, and commit order within a page. The location's file is an index into `sources`.
    pub(crate) records: Vec<Record>,
    pub(crate) base: CommitId,
    pub(crate) last: CommitId,
    pub(crate) chain: Chain,
    pub(crate) page_count: PageCount,
    pub(crate) commits: Vec<CommitInfo>,
    pub(crate) seal_flags: u32,
    pub(crate) manifest: Option<Vec<u8>>,
    /// It learns a dictionary of which there will be so many copies, and makes no segment; 0 for one that makes a segment.
    pub(crate) copies: u32,
}

/// A version that a job rewrites.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    pub page: PageNo,
    pub location: Location,
    /// What it is a patch of, in a log.
    pub base: Option<PatchBase>,
}

impl Record {
    pub const fn new(page: PageNo, location: Location) -> Self {
        Self { page, location, base: None }
    }

    /// Where the body of its base lies; its own, if it is no patch.
    fn base_location(&self) -> Location {
        self.base.map_or(self.location, |base| {
            let offset = self.location.offset().saturating_sub(u64::from(base.back));
            // Of which commit the base is, only its body says.
            Location::new(self.location.file(), offset, base.body_bytes, CommitId::ZERO)
        })
    }
}

/// A file that a job reads from.
pub struct Source {
    pub(crate) name: String,
    pub(crate) kind: FileKind,
    pub(crate) id: u64,
    pub(crate) file_bytes: u64,
    pub(crate) subkey: Option<Subkey>,
    pub(crate) dictionary: Option<Dictionary>,
}

impl Source {
    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many of its first bytes the job may read: what has to be sent to a worker that cannot open it.
    pub const fn file_bytes(&self) -> u64 {
        self.file_bytes
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({} records of {} files to {:?})", self.records.len(), self.sources.len(), self.header.id)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name)
    }
}

impl Job {
    /// The name of the file to be made; empty if none is, since it [learns](Self::learns).
    pub fn target(&self) -> String {
        if self.learns() { String::new() } else { crate::segment::segment_name(self.header.id) }
    }

    /// Whether it learns a dictionary. It makes no file then: what it learnt is in its [`Done`].
    pub const fn learns(&self) -> bool {
        self.copies > 0
    }

    /// The files to read from, in the order in which a [`Task`] wants their devices.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// How many pages it rewrites.
    pub fn records(&self) -> u64 {
        self.records.len() as u64
    }

    fn into_writer(self) -> (SegmentWriter, Vec<Record>) {
        let plan = SegmentPlan {
            header: self.header,
            database: self.database,
            subkey: self.subkey,
            dictionary: self.dictionary_stored,
            base: self.base,
            last: self.last,
            chain: self.chain,
            page_count: self.page_count,
            commits: self.commits,
            seal_flags: self.seal_flags,
            manifest: self.manifest,
        };
        (SegmentWriter::new(plan), self.records)
    }
}

/// What a finished job made, to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub(crate) entry: SegmentEntry,
    /// The segments that it replaces.
    pub(crate) segments: Vec<SegmentId>,
    /// The log that it replaces.
    pub(crate) log: Option<LogGeneration>,
    /// Of a job that learns: the dictionary, or nothing where none would be worth it.
    pub(crate) learnt: Option<Vec<u8>>,
}

impl Done {
    /// The name of the file that was made; empty if none was.
    pub fn target(&self) -> String {
        if self.learnt.is_some() { String::new() } else { crate::segment::segment_name(self.entry.id) }
    }

    /// The dictionary that was learnt; empty if none would be worth it. `None` if that was not the job.
    pub fn learnt(&self) -> Option<&[u8]> {
        self.learnt.as_deref()
    }

    /// The length of the file that was made.
    pub const fn file_bytes(&self) -> u64 {
        self.entry.file_bytes
    }

    /// The pages in it.
    pub const fn records(&self) -> u64 {
        self.entry.records
    }
}

/// Threads that can share work. The default runs everything where it is called.
pub trait Workers {
    /// Runs `work` for every number below `count`, in any order, at once or not, and returns when all are done.
    fn run(&self, count: usize, work: &Work<'_>);

    /// Hears how many pages of the job at hand are done, of how many. The default does not care.
    fn progress(&self, done: u64, total: u64) {
        let _ = (done, total);
    }
}

/// No other threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

impl Workers for Inline {
    fn run(&self, count: usize, work: &Work<'_>) {
        (0..count).for_each(work);
    }
}

/// A job that is running.
pub struct Task<I, O> {
    inputs: Vec<I>,
    faces: Vec<Face>,
    /// `None` for a job that makes no file.
    output: Option<O>,
    /// The pages of one that learns.
    lesson: Option<Box<Lesson>>,
    writer: SegmentWriter,
    records: Vec<Record>,
    next: usize,
    /// What the records from here on read is not there yet.
    limit: usize,
    cold: CodecChoice,
    dictionary: Option<Dictionary>,
    page_bytes: usize,
    segments: Vec<SegmentId>,
    log: Option<LogGeneration>,
    scratches: Vec<Shared<JobScratch>>,
    batch: Vec<u8>,
}

/// One worker's share of a batch, and its working memory.
struct JobScratch {
    decoder: Decoder,
    /// `None` where pages are wanted as they are.
    encoder: Option<Encoder>,
    body: Vec<u8>,
    base_body: Vec<u8>,
    page: Vec<u8>,
    out: Vec<u8>,
    /// Where each page of the share ends in `out`, and how it is compressed.
    pages: Vec<(usize, Codec, bool)>,
    failure: Option<Error>,
}

/// Bytes of one of a job's sources, by its place in [`Job::sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadRange {
    /// Which source.
    pub source: usize,
    /// Where.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
}

/// Sources are read in calls of about this many bytes.
const READ_BYTES: u64 = 1 << 20;

/// Pages in one worker's share at most.
const SHARE_PAGES_MAX: usize = 64;

impl<I: Device, O: Device> Task<I, O> {
    /// Starts a job on these devices: one for each of the job's sources in their order, and an empty one to write to, which one
    /// that learns does not touch.
    pub fn new(job: Job, inputs: Vec<I>, output: O, workers: usize) -> Self {
        Self::start(job, inputs, Some(output), workers)
    }

    pub(crate) fn start(mut job: Job, inputs: Vec<I>, output: Option<O>, workers: usize) -> Self {
        let database = job.database;
        let (segments, log) = replaced(&job.sources);
        let faces = core::mem::take(&mut job.sources)
            .into_iter()
            .map(|source| Face {
                name: source.name,
                kind: source.kind,
                id: source.id,
                database,
                subkey: source.subkey,
                dictionary: source.dictionary,
            })
            .collect();
        let (cold, dictionary) = (job.cold, job.dictionary.take());
        let page_bytes = job.header.page_size.bytes();
        let lesson = Lesson::of(&job).map(Box::new);
        let learns = lesson.is_some();
        let (writer, records) = job.into_writer();
        let encoder = || (!learns).then(|| Encoder::new(cold, dictionary.as_ref()));
        let scratches = (0..workers.max(1)).map(|_| Shared::new(JobScratch::new(encoder(), page_bytes))).collect();
        Self {
            inputs,
            faces,
            output,
            lesson,
            writer,
            records,
            next: 0,
            limit: usize::MAX,
            cold,
            dictionary,
            page_bytes,
            segments,
            log,
            scratches,
            batch: Vec::new(),
        }
    }

    /// The name of the file that it makes; empty if it makes none.
    pub fn target(&self) -> String {
        if self.lesson.is_some() {
            return String::new();
        }
        crate::segment::segment_name(self.writer.plan().header.id)
    }

    /// Pages done and pages in all.
    pub fn progress(&self) -> (u64, u64) {
        (self.next as u64, self.records.len() as u64)
    }

    /// What the pages from the `first` on will read, up to about `budget_bytes`, and the page that this ends before: for a
    /// shell that has to fetch it beforehand. While [`limit`](Self::limit) keeps steps before that page, they read nothing else.
    pub fn ahead(&self, first: u64, budget_bytes: u64) -> Result<(u64, Vec<ReadRange>)> {
        let rest = self.records.get(usize::try_from(first).unwrap_or(usize::MAX)..).unwrap_or_default();
        let mut bytes = 0;
        let spent = |record: &&Record| {
            let room = bytes < budget_bytes.max(1);
            bytes += u64::from(record.location.body_bytes());
            bytes += record.base.map_or(0, |base| u64::from(base.body_bytes));
            room
        };
        let count = rest.iter().take_while(spent).count();
        let records = rest.get(..count).unwrap_or_default();
        let places = places(records);
        let order = in_file_order(&places);
        let (mut ranges, mut left) = (Vec::new(), order.as_slice());
        while !left.is_empty() {
            let (range, covered) = next_range(&self.faces, &places, left, u64::MAX)?;
            ranges.push(range);
            left = left.get(covered..).unwrap_or_default();
        }
        Ok((first + count as u64, ranges))
    }

    /// Keeps steps before a page, since what it reads is not there yet. They do nothing once they have come to it.
    pub fn limit(&mut self, page: u64) {
        self.limit = usize::try_from(page).unwrap_or(usize::MAX);
    }

    /// Rewrites about `budget_bytes` of pages. True when all are done, and [`finish`](Self::finish) is due.
    ///
    /// A source that fails with [`DeviceErrorKind::NotReady`](crate::DeviceErrorKind::NotReady) has cost nothing (J3): fetch
    /// what it lacks, and call again.
    pub fn step(&mut self, budget_bytes: u64, entropy: &mut dyn Entropy, workers: &dyn Workers) -> Result<bool> {
        let mut spent = 0;
        while self.next < self.records.len().min(self.limit) && spent < budget_bytes.max(1) {
            spent += self.batch(budget_bytes - spent, entropy, workers)?;
            if let Some(output) = self.output.as_ref().filter(|_| self.writer.is_due()) {
                self.writer.write(output)?;
            }
        }
        Ok(self.next >= self.records.len())
    }

    /// Closes the segment: index, seal, flush; or learns, which takes a second. Called once [`step`](Self::step) has said `true`.
    pub fn finish(self, entropy: &mut dyn Entropy) -> Result<Done> {
        let plan = self.writer.plan();
        let (id, epoch, base, last) = (plan.header.id, plan.header.epoch, plan.base, plan.last);
        let learnt = self.lesson.as_ref().map(|lesson| lesson.learn());
        let (file_bytes, records) = match &self.output {
            Some(output) if learnt.is_none() => self.writer.finish(output, entropy)?,
            _ => (0, 0),
        };
        let entry = SegmentEntry { id, file_bytes, records, base, last, epoch };
        Ok(Done { entry, segments: self.segments, log: self.log, learnt })
    }

    /// Reads, recompresses and appends one batch; gives the raw bytes in it.
    fn batch(&mut self, budget_bytes: u64, entropy: &mut dyn Entropy, workers: &dyn Workers) -> Result<u64> {
        let pages_max = usize::try_from(budget_bytes / self.page_bytes as u64)
            .unwrap_or(usize::MAX)
            .clamp(1, SHARE_PAGES_MAX * self.scratches.len());
        let end = self.records.len().min(self.limit).min(self.next + pages_max);
        let records = self.records.get(self.next..end).unwrap_or_default();
        let starts = read_bodies(&self.faces, &self.inputs, &places(records), &mut self.batch)?;
        let share = records.len().div_ceil(self.scratches.len());
        let (faces, batch, scratches) = (&self.faces, &self.batch, &self.scratches);
        let bodies = starts.as_chunks::<2>().0;
        workers.run(scratches.len(), &|worker| {
            let (first, last) = (share * worker, (share * (worker + 1)).min(records.len()));
            let Some(scratch) = scratches.get(worker) else { return };
            scratch.with(|scratch| {
                scratch.begin();
                let mine = records.get(first..last).unwrap_or_default();
                for (record, body) in mine.iter().zip(bodies.get(first..last).unwrap_or_default()) {
                    scratch.recompress(faces, *record, batch, *body);
                }
            });
        });
        let mut next = records.iter();
        for scratch in &self.scratches {
            let (writer, lesson) = (&mut self.writer, &mut self.lesson);
            let page_bytes = self.page_bytes;
            scratch.with(|scratch| {
                if let Some(failure) = scratch.failure.take() {
                    return Err(failure);
                }
                let mut start = 0;
                for &(end, codec, dictionary) in &scratch.pages {
                    let Some(&Record { page, location, .. }) = next.next() else { break };
                    let payload = scratch.out.get(start..end).unwrap_or_default();
                    let raw_bytes = u32::try_from(page_bytes).unwrap_or(u32::MAX);
                    let compressed = Compressed { codec, dictionary, raw_bytes, payload };
                    match lesson {
                        Some(lesson) => lesson.page(payload),
                        None => writer.page(page, location.commit(), &compressed, entropy),
                    }
                    start = end;
                }
                Ok(())
            })?;
        }
        let count = (end - self.next) as u64;
        self.next = end;
        Ok(count * self.page_bytes as u64)
    }

    /// The codec that it compresses with.
    pub fn codec(&self) -> (CodecChoice, bool) {
        (self.cold, self.dictionary.is_some())
    }
}

impl<I, O> fmt::Debug for Task<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({} of {} pages)", self.next, self.records.len())
    }
}

impl JobScratch {
    fn new(encoder: Option<Encoder>, page_bytes: usize) -> Self {
        Self {
            decoder: Decoder::default(),
            encoder,
            body: Vec::new(),
            base_body: Vec::new(),
            page: vec![0; page_bytes],
            out: Vec::new(),
            pages: Vec::new(),
            failure: None,
        }
    }

    fn begin(&mut self) {
        self.out.clear();
        self.pages.clear();
        self.failure = None;
    }

    fn recompress(&mut self, faces: &[Face], record: Record, batch: &[u8], starts: [usize; 2]) {
        if self.failure.is_some() {
            return;
        }
        let Some(face) = faces.get(usize::from(record.location.file().0)) else { return };
        match self.open(face, record, batch, starts) {
            Ok(()) => {
                let (codec, dictionary) = if let Some(encoder) = &mut self.encoder {
                    let encoded = encoder.encode(&self.page, &mut self.out);
                    (encoded.codec, encoded.dictionary)
                } else {
                    self.out.extend_from_slice(&self.page);
                    (Codec::None, false)
                };
                self.pages.push((self.out.len(), codec, dictionary));
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// Makes the page of a record, whether its body holds all of it or patches another.
    fn open(&mut self, face: &Face, record: Record, batch: &[u8], [own, base]: [usize; 2]) -> Result<()> {
        let Self { decoder, body, base_body, page: out, .. } = self;
        let Record { page, location, .. } = record;
        copy_body(batch, own, location, body);
        let Some(patch) = face.open_page(body, page, location, true, decoder, out)? else { return Ok(()) };
        if record.base != Some(patch.base) {
            return Err(face.corrupt(location.offset(), What::RecordHeader));
        }
        copy_body(batch, base, record.base_location(), base_body);
        face.open_patched(&patch, base_body, decoder, out)
    }
}

fn copy_body(batch: &[u8], start: usize, location: Location, out: &mut Vec<u8>) {
    let stored = batch.get(start..).unwrap_or_default();
    out.clear();
    out.extend_from_slice(stored.get(..location.body_bytes() as usize).unwrap_or_default());
}

/// What is to be read for records: two bodies of each, its own and that of its base, which are the same if it is no patch.
fn places(records: &[Record]) -> Vec<Location> {
    let mut places = Vec::with_capacity(2 * records.len());
    for record in records {
        places.extend_from_slice(&[record.location, record.base_location()]);
    }
    places
}

/// Fetches bodies into `batch`, in as few calls as their places allow; gives where each begins there.
fn read_bodies<I: Device>(
    faces: &[Face],
    inputs: &[I],
    places: &[Location],
    batch: &mut Vec<u8>,
) -> Result<Vec<usize>> {
    let order = in_file_order(places);
    let mut starts = vec![0; places.len()];
    batch.clear();
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let (range, count) = next_range(faces, places, rest, READ_BYTES)?;
        let (group, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = others;
        let input = inputs.get(range.source).ok_or_else(|| Error::corrupt("job", 0, What::Message))?;
        let into = batch.len();
        batch.resize(into + usize::try_from(range.bytes).unwrap_or(0), 0);
        input.read_at(range.offset, batch.get_mut(into..).unwrap_or_default())?;
        for &index in group {
            let Some(location) = places.get(index) else { continue };
            let from = body_start(faces, *location)? - range.offset;
            if let Some(start) = starts.get_mut(index) {
                *start = into + usize::try_from(from).unwrap_or(0);
            }
        }
    }
    Ok(starts)
}

/// Places in the order of their files, so that neighbours are found whatever order the pages have.
fn in_file_order(places: &[Location]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_unstable_by_key(|&index| places.get(index).map(|location| location.place()));
    order
}

/// The next read of places that are in file order, of at least one and of about `bytes_max` at most, and how many it covers.
fn next_range(faces: &[Face], places: &[Location], order: &[usize], bytes_max: u64) -> Result<(ReadRange, usize)> {
    let mut locations = order.iter().filter_map(|&index| places.get(index)).copied();
    let first = locations.next().unwrap_or(Location::NONE);
    let offset = body_start(faces, first)?;
    let (mut end, mut count) = (offset + u64::from(first.body_bytes()), 1);
    for location in locations.take_while(|location| location.file() == first.file()) {
        let start = body_start(faces, location)?;
        let next_end = start + u64::from(location.body_bytes());
        if location.offset().saturating_sub(end) > GAP_BYTES || next_end - offset > bytes_max {
            break;
        }
        end = next_end.max(end);
        count += 1;
    }
    Ok((ReadRange { source: usize::from(first.file().0), offset, bytes: end - offset }, count))
}

/// Where a record's body begins in its file.
fn body_start(faces: &[Face], location: Location) -> Result<u64> {
    let face = faces.get(usize::from(location.file().0)).ok_or_else(|| Error::corrupt("job", 0, What::Message))?;
    Ok(location.offset() + face.kind.header_bytes() as u64)
}

/// Dead bytes that are read along rather than pay another call.
const GAP_BYTES: u64 = 16 * 1024;

fn replaced(sources: &[Source]) -> (Vec<SegmentId>, Option<LogGeneration>) {
    let of = |kind| sources.iter().filter(move |source| source.kind == kind).map(|source| source.id);
    (of(FileKind::Segment).map(SegmentId).collect(), of(FileKind::Log).map(LogGeneration).next_back())
}

/// A job or its result as bytes, to travel between workers of one program. Not a stored format: both sides are one build.
impl Job {
    /// The job as bytes. They hold keys: send them only to a worker of the same program, and wipe them.
    pub fn to_bytes(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let mut out = Vec::new();
        out.put(&self.header.encode());
        out.put(&self.database.0);
        put_subkey(&mut out, self.subkey.as_ref());
        put_bytes(&mut out, &self.dictionary_stored);
        put_bytes(&mut out, self.dictionary.as_ref().map_or(&[], |dictionary| dictionary.bytes()));
        out.put_u8(self.cold.codec().id());
        out.put(&self.cold.level().to_le_bytes());
        out.put_u32(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        for source in &self.sources {
            put_bytes(&mut out, source.name.as_bytes());
            out.put_u8(source.kind as u8);
            out.put_u64(source.id);
            out.put_u64(source.file_bytes);
            put_subkey(&mut out, source.subkey.as_ref());
            put_bytes(&mut out, source.dictionary.as_ref().map_or(&[], |dictionary| dictionary.bytes()));
        }
        out.put_u32(u32::try_from(self.records.len()).unwrap_or(u32::MAX));
        for Record { page, location, base } in &self.records {
            out.put_u32(page.get());
            out.put_u16(location.file().0);
            out.put_u64(location.offset());
            out.put_u32(location.body_bytes());
            out.put_u64(location.commit().0);
            let base = base.unwrap_or(PatchBase { back: 0, body_bytes: 0 });
            out.put_u32(base.back);
            out.put_u32(base.body_bytes);
        }
        out.put_u64(self.base.0);
        out.put_u64(self.last.0);
        out.put(&self.chain.0);
        out.put_u32(self.page_count.0);
        put_bytes(&mut out, &encode_commits(&self.commits));
        out.put_u32(self.seal_flags);
        put_bytes(&mut out, self.manifest.as_deref().unwrap_or_default());
        out.put_u32(self.copies);
        zeroize::Zeroizing::new(out)
    }

    /// A job from its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let malformed = || Error::corrupt("job", 0, What::Message);
        let mut reader = Reader::new(bytes);
        let header = reader.array().ok_or_else(malformed)?;
        let header = SegmentHeader::decode("job", &header)?;
        Self::take_fields(header, &mut reader).ok_or_else(malformed)
    }

    fn take_fields(header: SegmentHeader, reader: &mut Reader<'_>) -> Option<Self> {
        let database = DatabaseId(reader.array()?);
        let subkey = take_subkey(reader)?;
        let dictionary_stored = take_bytes(reader)?.to_vec();
        let dictionary = take_dictionary(reader)?;
        let cold = CodecChoice::new(Codec::from_id(reader.u8()?)?, reader.i8()?).ok()?;
        let mut sources = Vec::new();
        for _ in 0..reader.u32()? {
            sources.push(Source {
                name: String::from_utf8(take_bytes(reader)?.to_vec()).ok()?,
                kind: match reader.u8()? {
                    1 => FileKind::Log,
                    2 => FileKind::Segment,
                    _ => return None,
                },
                id: reader.u64()?,
                file_bytes: reader.u64()?,
                subkey: take_subkey(reader)?,
                dictionary: take_dictionary(reader)?,
            });
        }
        let mut records = Vec::new();
        for _ in 0..reader.u32()? {
            let page = PageNo::new(reader.u32()?)?;
            let file = FileSlot(reader.u16()?);
            let (offset, body_bytes, commit) = (reader.u64()?, reader.u32()?, CommitId(reader.u64()?));
            let location = Location::new(file, offset, body_bytes, commit);
            let base = PatchBase { back: reader.u32()?, body_bytes: reader.u32()? };
            records.push(Record { page, location, base: Some(base).filter(|base| base.back > 0) });
        }
        let job = Self {
            header,
            database,
            subkey,
            dictionary_stored,
            dictionary,
            cold,
            sources,
            records,
            base: CommitId(reader.u64()?),
            last: CommitId(reader.u64()?),
            chain: Chain(reader.array()?),
            page_count: PageCount(reader.u32()?),
            commits: decode_commits(take_bytes(reader)?)?,
            seal_flags: reader.u32()?,
            manifest: Some(take_bytes(reader)?.to_vec()).filter(|manifest| !manifest.is_empty()),
            copies: reader.u32()?,
        };
        (reader.is_empty() && job.is_sound()).then_some(job)
    }

    /// Whether its parts agree. A sound job asks for no more memory than its largest page takes, whatever it says.
    fn is_sound(&self) -> bool {
        let body_bytes_max = body_bytes_max(self.header.page_size.bytes());
        let is_inside = |location: Location| {
            let source = self.sources.get(usize::from(location.file().0));
            source.is_some_and(|source| {
                let start = location.offset() + source.kind.header_bytes() as u64;
                location.body_bytes() as usize <= body_bytes_max
                    && start + u64::from(location.body_bytes()) <= source.file_bytes
            })
        };
        let version = |record: &Record| (record.page, record.location.commit());
        self.header.dictionary_bytes as usize == self.dictionary_stored.len()
            && self.header.cipher == self.subkey.as_ref().map_or(Cipher::None, Subkey::cipher)
            && self.records.is_sorted_by(|record, next| version(record) < version(next))
            && self.records.iter().all(|record| is_inside(record.location) && is_inside(record.base_location()))
            && (!self.learns() || is_a_sample(self.records.len(), self.header.page_size.bytes()))
    }
}

impl Done {
    /// The result as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let entry = &self.entry;
        for field in [entry.id.0, entry.file_bytes, entry.records, entry.base.0, entry.last.0] {
            out.put_u64(field);
        }
        out.put_u32(entry.epoch.0);
        out.put_u64(self.log.map_or(0, |log| log.0));
        out.put_u8(self.learnt.is_some().into());
        put_bytes(&mut out, self.learnt.as_deref().unwrap_or_default());
        for segment in &self.segments {
            out.put_u64(segment.0);
        }
        out
    }

    /// A result from its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let take = |reader: &mut Reader<'_>| {
            let entry = SegmentEntry {
                id: SegmentId(reader.u64()?),
                file_bytes: reader.u64()?,
                records: reader.u64()?,
                base: CommitId(reader.u64()?),
                last: CommitId(reader.u64()?),
                epoch: crate::ids::Epoch(reader.u32()?),
            };
            let log = Some(LogGeneration(reader.u64()?)).filter(|log| log.0 != 0);
            let has_learnt = reader.u8()? == 1;
            let learnt = Some(take_bytes(reader)?.to_vec()).filter(|_| has_learnt);
            let mut segments = Vec::new();
            while !reader.is_empty() {
                segments.push(SegmentId(reader.u64()?));
            }
            Some(Self { entry, segments, log, learnt })
        };
        take(&mut Reader::new(bytes)).ok_or_else(|| Error::corrupt("result", 0, What::Message))
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put(bytes);
}

fn take_bytes<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let count = reader.u32()? as usize;
    reader.take(count)
}

fn put_subkey(out: &mut Vec<u8>, subkey: Option<&Subkey>) {
    match subkey {
        Some(subkey) => put_bytes(out, subkey.to_secret_bytes().as_slice()),
        None => put_bytes(out, &[]),
    }
}

#[expect(clippy::option_option, reason = "malformed, absent, present")]
fn take_subkey(reader: &mut Reader<'_>) -> Option<Option<Subkey>> {
    let bytes = take_bytes(reader)?;
    if bytes.is_empty() { Some(None) } else { Subkey::from_secret_bytes(bytes).ok().map(Some) }
}

#[expect(clippy::option_option, reason = "malformed, absent, present")]
fn take_dictionary(reader: &mut Reader<'_>) -> Option<Option<Dictionary>> {
    let bytes = take_bytes(reader)?;
    if bytes.is_empty() { Some(None) } else { Dictionary::new(bytes.to_vec()).ok().map(Some) }
}
