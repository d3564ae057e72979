//! One log file in one of its lives: what was appended to it, and how frames are assembled.
//!
//! L1  A transaction is one contiguous run of page frames closed by a commit frame; the next begins where it ends.
//! L2  Commit ids grow by one from the log's base, and each commit's chain covers all before it.
//! L3  Nothing behind `end` counts. It is overwritten by the next run.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::bases::Bases;
use crate::bytes::Put;
use crate::cipher::{Nonce, Subkey};
use crate::codec::{Encoder, is_zero};
use crate::entropy::Entropy;
use crate::file::OpenFile;
use crate::format::body::{FileKind, PatchBase, append_body, append_patch};
use crate::format::commits::CommitInfo;
use crate::format::frame::{CommitPayload, begin_frame, end_frame};
use crate::format::layout::{FRAME_TRAILER_BYTES, LOG_DATA_START};
use crate::format::log::LogHeader;
use crate::ids::{Chain, CommitId, LogGeneration, PageCount, PageNo, RequestId};
use crate::location::{FileSlot, Location};
use crate::patch::diff;
use crate::sorted::SortedMap;

/// A log file's number; its name is `log-<n>`. Files are used again, generations are not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LogNumber(pub u32);

impl LogNumber {
    pub fn name(self) -> String {
        format!("log-{}", self.0)
    }

    pub fn of_name(name: &str) -> Option<Self> {
        let digits = name.strip_prefix("log-")?;
        let number = digits.parse().ok()?;
        (Self(number).name() == name).then_some(Self(number))
    }
}

/// A committed page frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameRef {
    pub page: PageNo,
    pub commit: CommitId,
    pub offset: u64,
    pub body_bytes: u32,
    /// What it is a patch of.
    pub base: Option<PatchBase>,
}

impl FrameRef {
    pub const fn location(&self, slot: FileSlot) -> Location {
        Location::new(slot, self.offset, self.body_bytes, self.commit)
    }
}

/// A log that holds commits, or is about to.
#[derive(Debug)]
pub(crate) struct Log<D> {
    pub number: LogNumber,
    pub file: Arc<OpenFile<D>>,
    pub slot: FileSlot,
    pub header: LogHeader,
    /// Whether the header is in the file; it is written with the first commit, in the same call.
    pub begun: bool,
    /// Where the next run goes.
    pub end: u64,
    /// How long the file is, as far as we know: behind `end` is what an earlier life left, or zeros.
    pub file_bytes: u64,
    pub frames: Vec<FrameRef>,
    pub commits: Vec<CommitInfo>,
    pub head: CommitId,
    pub chain: Chain,
    pub page_count: PageCount,
    pub bases: Bases,
}

impl<D> Log<D> {
    /// A log with nothing in it yet, in a file of some length.
    pub fn new(number: LogNumber, file: Arc<OpenFile<D>>, slot: FileSlot, header: LogHeader, file_bytes: u64) -> Self {
        Self {
            number,
            file,
            slot,
            header,
            begun: false,
            end: LOG_DATA_START as u64,
            file_bytes,
            frames: Vec::new(),
            commits: Vec::new(),
            head: header.base,
            chain: header.base_chain,
            page_count: header.base_page_count,
            bases: Bases::default(),
        }
    }

    pub const fn generation(&self) -> LogGeneration {
        self.header.generation
    }

    /// Takes over a run that is in the file now.
    ///
    /// FORMAT: write-1
    pub fn append(&mut self, run: Run, payload: &CommitPayload) {
        let commit = self.head.next();
        let cut = Some(payload.page_count_low).filter(|low| *low < self.page_count);
        self.end = run.end;
        self.head = commit;
        self.chain = payload.chain;
        self.page_count = payload.page_count;
        self.begun = true;
        // Spilled and then cut off in the same commit: no state ever shows it, kept ones included.
        self.frames.extend(run.frames.into_iter().filter(|frame| payload.page_count.contains(frame.page)));
        self.commits.push(CommitInfo {
            commit,
            page_count: payload.page_count,
            cut,
            time_ms: payload.time_ms,
            request: payload.request,
        });
    }

    /// The same log with nothing in it yet of what it holds, to read on where its last commit ended.
    pub fn rest(&self, file_bytes: u64) -> Self {
        let Self { number, slot, header, begun, end, head, chain, page_count, .. } = *self;
        let (frames, commits) = (Vec::new(), Vec::new());
        Self {
            number,
            file: Arc::clone(&self.file),
            slot,
            header,
            begun,
            end,
            file_bytes,
            frames,
            commits,
            head,
            chain,
            page_count,
            bases: Bases::default(),
        }
    }

    /// Takes over what was read on.
    pub fn extend(&mut self, rest: Self) {
        self.frames.extend(rest.frames);
        self.commits.extend(rest.commits);
        self.end = rest.end;
        self.file_bytes = rest.file_bytes;
        self.head = rest.head;
        self.chain = rest.chain;
        self.page_count = rest.page_count;
    }

    /// A run that begins where the last commit ended.
    pub fn run(&self) -> Run {
        Run {
            token: Arc::new(()),
            generation: self.generation(),
            commit: self.head.next(),
            start: self.end,
            end: self.end,
            frames: Vec::new(),
            hasher: ChainHasher::new(self.chain),
        }
    }
}

/// The associated context of a log's subkey.
pub(crate) fn subkey_context(database: &[u8; 16], kind: FileKind, file: u64) -> [u8; 48] {
    let mut out = [0; 48];
    crate::bytes::patch(&mut out, 0, b"coffer file v1");
    crate::bytes::patch(&mut out, 16, database);
    crate::bytes::patch(&mut out, 32, &[kind as u8]);
    crate::bytes::patch(&mut out, 40, &file.to_le_bytes());
    out
}

/// Frames of a transaction that is not committed yet.
#[derive(Debug)]
pub(crate) struct Run {
    /// Held by the transaction: while it lives, the bytes behind the log's end are its.
    pub token: Arc<()>,
    pub generation: LogGeneration,
    pub commit: CommitId,
    pub start: u64,
    pub end: u64,
    pub frames: Vec<FrameRef>,
    pub hasher: ChainHasher,
}

/// What the frames of a run are assembled with.
pub(crate) struct Assembler<'a, D> {
    pub file: &'a OpenFile<D>,
    pub encoder: &'a mut Encoder,
    /// `None` where a page's length must not say how much of it changed.
    pub bases: Option<&'a Bases>,
    pub patch: &'a mut Vec<u8>,
    pub entropy: &'a mut (dyn Entropy + Send),
    pub out: &'a mut Vec<u8>,
}

impl<D> Assembler<'_, D> {
    fn closing<'k>(subkey: Option<&'k Subkey>, entropy: &mut (dyn Entropy + Send)) -> Option<(&'k Subkey, Nonce)> {
        subkey.map(|subkey| (subkey, Nonce::draw(entropy)))
    }

    /// Appends one page to the run and to the bytes to be written.
    pub fn page(&mut self, run: &mut Run, page: PageNo, raw: &[u8]) -> FrameRef {
        let closing = Self::closing(self.file.subkey.as_ref(), self.entropy);
        let place = self.file.place(run.end, u64::from(page.get()));
        let start = begin_frame(self.out, page.get(), run.commit);
        let base = self.bases.and_then(|bases| bases.get(page));
        // A page of zeros is stored as nothing, which no patch is less than.
        let base = base.filter(|base| !is_zero(raw) && diff(&base.page, raw, base.patch_bytes_max(), self.patch));
        let base = base.and_then(|base| base.seen_from(run.end));
        let body_bytes = match base {
            Some(base) => append_patch(self.out, place, run.commit, raw.len(), base, self.patch, closing),
            None => append_body(self.out, place, run.commit, raw, Some(self.encoder), closing),
        };
        let crc = end_frame(self.out, start);
        run.hasher.frame(page.get(), crc, self.out.get(start..).unwrap_or_default());
        let frame = FrameRef {
            page,
            commit: run.commit,
            offset: run.end,
            body_bytes: u32::try_from(body_bytes).unwrap_or(u32::MAX),
            base,
        };
        run.end += (self.out.len() - start) as u64;
        run.frames.push(frame);
        frame
    }

    /// Appends the commit frame that closes the run. The chain in `payload` is set here.
    pub fn commit(&mut self, run: &mut Run, payload: &mut CommitPayload) {
        payload.chain = run.hasher.clone().finish(run.commit, payload);
        let closing = Self::closing(self.file.subkey.as_ref(), self.entropy);
        let place = self.file.place(run.end, 0);
        let start = begin_frame(self.out, 0, run.commit);
        self.out.put_u64(payload.flushed.0);
        append_body(self.out, place, run.commit, &payload.encode(), None, closing);
        end_frame(self.out, start);
        run.end += (self.out.len() - start) as u64;
    }
}

/// The chain checksum of a run, fed frame by frame.
///
/// FORMAT: chain-1
#[derive(Clone, Debug)]
pub(crate) struct ChainHasher(Sha256);

/// The end of a frame's body that goes into the chain: its tag, if it is encrypted.
const CHAIN_TAIL_BYTES: usize = 16;

impl ChainHasher {
    pub fn new(base: Chain) -> Self {
        Self(Sha256::new_with_prefix(base.0))
    }

    /// Adds a whole page frame.
    pub fn frame(&mut self, page: u32, crc: u32, frame: &[u8]) {
        let body_end = frame.len().saturating_sub(FRAME_TRAILER_BYTES);
        let tail = frame.get(body_end.saturating_sub(CHAIN_TAIL_BYTES)..body_end).unwrap_or_default();
        self.0.update(page.to_le_bytes());
        self.0.update(crc.to_le_bytes());
        self.0.update(tail);
    }

    /// Closes it with what the commit frame says.
    pub fn finish(mut self, commit: CommitId, payload: &CommitPayload) -> Chain {
        self.0.update(commit.0.to_le_bytes());
        self.0.update(payload.page_count.0.to_le_bytes());
        self.0.update(payload.page_count_low.0.to_le_bytes());
        self.0.update(payload.frame_count.to_le_bytes());
        self.0.update(payload.time_ms.to_le_bytes());
        self.0.update(payload.request.0);
        let digest = self.0.finalize();
        Chain(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// Requests that were committed, bounded.
///
/// A request's first half says whose it is. The newest are remembered whoever made them, since those may not know of them yet. The
/// others share the rest of the bound fairly: it is the caller with the most of these whose oldest is forgotten, so that one who
/// writes without end does not push out what another still waits to hear of.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    by_id: SortedMap<RequestId, CommitId>,
    /// The newest, in their order.
    recent: VecDeque<RequestId>,
    /// Those before them, in their order, and how many of them each caller has.
    aged: VecDeque<RequestId>,
    counts: SortedMap<[u8; CALLER_BYTES], usize>,
}

/// How many requests are remembered across checkpoints, and how many of them whoever made them.
pub(crate) const REQUESTS_MAX: usize = 1024;
const RECENT_MAX: usize = REQUESTS_MAX / 2;

/// How much of a request names its caller.
const CALLER_BYTES: usize = 8;

fn caller(request: RequestId) -> [u8; CALLER_BYTES] {
    request.0.first_chunk().copied().unwrap_or_default()
}

impl Requests {
    pub fn get(&self, request: RequestId) -> Option<CommitId> {
        self.by_id.get(&request).copied()
    }

    /// The first request from this one on that is remembered.
    pub fn next(&self, request: RequestId) -> Option<(RequestId, CommitId)> {
        self.by_id.starting_at(&request).next().map(|(&request, &commit)| (request, commit))
    }

    /// Remembers a commit's request. One that made several commits is remembered by its last.
    pub fn add(&mut self, request: RequestId, commit: CommitId) {
        if request == RequestId::NONE {
            return;
        }
        if self.by_id.insert(request, commit).is_some() {
            if self.recent.back() == Some(&request) {
                return;
            }
            self.take(request);
        }
        self.recent.push_back(request);
        if self.recent.len() > RECENT_MAX {
            self.age_one();
        }
    }

    /// Takes a request that is remembered out of its place.
    fn take(&mut self, request: RequestId) {
        self.recent.retain(|earlier| *earlier != request);
        if let Some(place) = self.aged.iter().position(|earlier| *earlier == request) {
            self.aged.remove(place);
            self.uncount(request);
        }
    }

    /// The oldest of the newest is one of the others from now on.
    fn age_one(&mut self) {
        let Some(request) = self.recent.pop_front() else { return };
        self.aged.push_back(request);
        match self.counts.get_mut(&caller(request)) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(caller(request), 1)),
        }
        if self.aged.len() > REQUESTS_MAX - RECENT_MAX {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let most = self.counts.values().max().copied().unwrap_or_default();
        let of_most = |request: &RequestId| self.counts.get(&caller(*request)) == Some(&most);
        let Some(request) = self.aged.iter().position(of_most).and_then(|place| self.aged.remove(place)) else {
            return;
        };
        self.by_id.remove(&request);
        self.uncount(request);
    }

    fn uncount(&mut self, request: RequestId) {
        match self.counts.get_mut(&caller(request)) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.counts.remove(&caller(request))),
        }
    }

    /// Whether a commit's request is recent enough to be remembered.
    pub fn remembers(&self, request: RequestId) -> bool {
        self.by_id.contains_key(&request)
    }
}
