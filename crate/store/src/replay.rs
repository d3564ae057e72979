//! Replaying one log: frame by frame up to the last valid commit, and what can be said of the rest.

use alloc::vec;
use alloc::vec::Vec;

use crate::device::Device;
use crate::error::{Error, Result, What};
use crate::file::OpenFile;
use crate::format::body::BodyHeader;
use crate::format::frame::{CommitPayload, FrameHeader, check_frame, commit_frame_bytes, split_commit};
use crate::format::layout::{BODY_HEADER_BYTES, FRAME_HEADER_BYTES, FRAME_MAGIC, FRAME_TRAILER_BYTES, LOG_DATA_START};
use crate::ids::{CommitId, PageNo, PageSize};
use crate::log::{FrameRef, Log, Run};
use crate::recover::{Loaded, frame_bytes_max, open_commit};

/// What a replay says besides what it laid over the table.
pub(crate) struct Replayed {
    /// Commits up to here were known to be flushed when later ones were written.
    pub promised: CommitId,
    /// What lies behind the last valid commit and belongs to commits that never became durable.
    pub bytes_dropped: u64,
}

/// How far a replay looks.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// What is read at once.
    window_bytes: usize,
    /// How far behind the last valid commit something is looked for that says that there were more.
    reach_bytes: u64,
}

impl Look {
    /// All of the file, in few reads.
    pub const WHOLE: Self = Self { window_bytes: WINDOW_BYTES, reach_bytes: u64::MAX };
    /// As far as small commits reach, which are all that another process is likely to have made since the last look. No power went
    /// since, so there is no torn end to be told from damage; whoever opens the database looks at all of it.
    pub const ON: Self = Self { window_bytes: 1 << 16, reach_bytes: 1 << 16 };
}

/// Lays the commits of a log over what was loaded before it.
pub(crate) fn replay<D: Device>(log: &mut Log<D>, look: Look, loaded: &mut Loaded<D>) -> Result<Replayed> {
    let file_bytes = log.file_bytes;
    let mut promised = CommitId::ZERO;
    lay_commits(log, look, loaded, &mut promised)?;
    loop {
        let stop = log.end;
        let judged = judge_tail(log, file_bytes.min(stop.saturating_add(look.reach_bytes)), stop);
        if let Err(Error::Corrupt(_)) = &judged {
            // Another process may have committed between the two looks. Each round goes further, or is the last.
            lay_commits(log, look, loaded, &mut promised)?;
            if log.end > stop {
                continue;
            }
        }
        return Ok(Replayed { promised, bytes_dropped: judged? });
    }
}

/// The valid commits from a log's end on.
fn lay_commits<D: Device>(log: &mut Log<D>, look: Look, loaded: &mut Loaded<D>, promised: &mut CommitId) -> Result<()> {
    let file = alloc::sync::Arc::clone(&log.file);
    let page_size = log.header.page_size;
    let mut window = Window::new(&file.device, log.file_bytes, frame_bytes_max(page_size));
    window.most = look.window_bytes;
    let mut run = log.run();
    while let Some(frame) = next_frame(&mut window, &run, page_size)? {
        let Some((crc, body)) = check_frame(frame.bytes) else { break };
        let frame_bytes = frame.bytes.len() as u64;
        if let Some(page) = PageNo::new(frame.header.page) {
            run.hasher.frame(page.get(), crc, frame.bytes);
            let body_bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
            let base = BodyHeader::decode(body).and_then(|header| header.base);
            let base = base.filter(|base| file.place(run.end, 0).base_offset(*base, page_size.bytes()).is_some());
            run.frames.push(FrameRef { page, commit: run.commit, offset: run.end, body_bytes, base });
            run.end += frame_bytes;
            continue;
        }
        let payload = open_payload_of(&file, run.end, body);
        let Some(payload) = payload.filter(|payload| closes(payload, &run, log)) else { break };
        run.end += frame_bytes;
        *promised = (*promised).max(payload.flushed);
        lay_over(log, &run, &payload, loaded);
        log.append(run, &payload);
        run = log.run();
    }
    Ok(())
}

struct Frame<'a> {
    header: FrameHeader,
    bytes: &'a [u8],
}

/// The frame that continues the run; `None` where the log ends.
///
/// FORMAT: frame-4
fn next_frame<'w, D: Device>(
    window: &'w mut Window<'_, D>,
    run: &Run,
    page_size: PageSize,
) -> Result<Option<Frame<'w>>> {
    let Some(bytes) = window.at(run.end)? else { return Ok(None) };
    let Some(header) = FrameHeader::decode(bytes, page_size) else { return Ok(None) };
    if header.commit != run.commit {
        return Ok(None);
    }
    let frame_bytes = header.frame_bytes as usize;
    Ok(bytes.get(..frame_bytes).map(|bytes| Frame { header, bytes }))
}

/// Whether a commit frame closes this run of this log.
///
/// FORMAT: commit-1
fn closes<D>(payload: &CommitPayload, run: &Run, log: &Log<D>) -> bool {
    payload.generation == log.generation()
        && payload.run_start == run.start
        && payload.frame_count as usize == run.frames.len()
        && payload.flushed < run.commit
        && payload.page_count_low <= payload.page_count
        && payload.chain == run.hasher.clone().finish(run.commit, payload)
}

fn lay_over<D: Device>(log: &Log<D>, run: &Run, payload: &CommitPayload, loaded: &mut Loaded<D>) {
    let mut tally = crate::store::LiveTally::new(&mut loaded.segments);
    let table = &mut loaded.view.table;
    if payload.page_count_low < loaded.view.page_count {
        table.truncate(payload.page_count_low, |location| tally.remove(location));
    }
    // FORMAT: commit-3
    for frame in run.frames.iter().filter(|frame| payload.page_count.contains(frame.page)) {
        if let Some(replaced) = table.set(frame.page, frame.location(log.slot)) {
            tally.remove(replaced);
        }
    }
    loaded.view.commit = run.commit;
    loaded.view.page_count = payload.page_count;
    loaded.chain = payload.chain;
    loaded.requests.add(payload.request, run.commit);
}

/// What follows the last valid commit: nothing, an unflushed tail (its length), or damage to what was flushed (an error).
///
/// FORMAT: log-6
fn judge_tail<D: Device>(log: &Log<D>, file_bytes: u64, stop: u64) -> Result<u64> {
    let next = log.head.next();
    let page_size = log.header.page_size;
    let mut tail_end = stop;
    for found in find_commit_frames(&log.file.device, stop, file_bytes, page_size)? {
        if found.commit < next {
            continue;
        }
        let payload = open_payload_of(&log.file, found.offset, &found.page_data);
        if let Some(payload) = payload.filter(|payload| payload.generation == log.generation()) {
            if payload.flushed >= next {
                return Err(log.file.corrupt(stop, What::Frame));
            }
            tail_end = tail_end.max(found.end);
        }
    }
    // A torn run leaves at least the beginning of its first frame, if anything.
    let mut window = Window::new(&log.file.device, file_bytes, frame_bytes_max(page_size));
    if let Some(header) = window.at(stop)?.and_then(|bytes| FrameHeader::decode(bytes, page_size))
        && header.commit == next
    {
        tail_end = tail_end.max(file_bytes.min(stop + u64::from(header.frame_bytes)));
    }
    Ok(tail_end - stop)
}

/// The payload of a commit frame, authenticated, whose clear mark says the same.
///
/// FORMAT: commit-2
pub(crate) fn open_payload_of<D>(file: &OpenFile<D>, offset: u64, page_data: &[u8]) -> Option<CommitPayload> {
    let (mark, body) = split_commit(page_data)?;
    let mut body = body.to_vec();
    let payload = open_commit(file, offset, &mut body).and_then(CommitPayload::decode)?;
    (payload.flushed == mark).then_some(payload)
}

/// A commit frame that was found by its magic.
pub(crate) struct FoundCommit {
    pub offset: u64,
    pub end: u64,
    pub commit: CommitId,
    pub page_data: Vec<u8>,
}

/// Looks for whole commit frames anywhere from `start`. Commit frames have a fixed size, so each candidate costs the same
/// whatever hostile bytes say, and the search is linear.
pub(crate) fn find_commit_frames<D: Device>(
    device: &D,
    start: u64,
    file_bytes: u64,
    page_size: PageSize,
) -> Result<Vec<FoundCommit>> {
    let frame_bytes_most = commit_frame_bytes(true);
    let mut window = Window::new(device, file_bytes, frame_bytes_most);
    let mut found: Vec<FoundCommit> = Vec::new();
    let magic = FRAME_MAGIC.to_le_bytes();
    let mut offset = start.max(LOG_DATA_START as u64);
    while let Some(bytes) = window.at(offset)? {
        if bytes.len() < FRAME_HEADER_BYTES + BODY_HEADER_BYTES + FRAME_TRAILER_BYTES {
            break;
        }
        // The last bytes of the window are looked at again from its next position, where whole frames fit.
        let searched = (bytes.len().saturating_sub(frame_bytes_most - 1)).max(1);
        let hit = bytes.windows(magic.len()).take(searched).position(|candidate| candidate == magic);
        let Some(hit) = hit else {
            offset += searched as u64;
            continue;
        };
        let candidate = bytes.get(hit..).unwrap_or_default();
        if let Some(frame) = whole_commit_frame(candidate, page_size)
            && let Some((_, body)) = check_frame(frame)
            && let Some(header) = FrameHeader::decode(frame, page_size)
            && found.len() < FOUND_MAX
        {
            let at = offset + hit as u64;
            found.push(FoundCommit {
                offset: at,
                end: at + frame.len() as u64,
                commit: header.commit,
                page_data: body.to_vec(),
            });
        }
        offset += hit as u64 + 1;
    }
    Ok(found)
}

/// More are not needed to judge a tail, and would only cost memory.
const FOUND_MAX: usize = 1 << 16;

fn whole_commit_frame(bytes: &[u8], page_size: PageSize) -> Option<&[u8]> {
    let header = FrameHeader::decode(bytes, page_size)?;
    let frame_bytes = header.frame_bytes as usize;
    let fixed = frame_bytes == commit_frame_bytes(true) || frame_bytes == commit_frame_bytes(false);
    if header.page == 0 && fixed { bytes.get(..frame_bytes) } else { None }
}

/// A piece of a file in memory, moved along as it is read.
struct Window<'d, D> {
    device: &'d D,
    file_bytes: u64,
    start: u64,
    bytes: Vec<u8>,
    need: usize,
    /// What is read at once, if more than is needed.
    most: usize,
}

const WINDOW_BYTES: usize = 1 << 20;

impl<'d, D: Device> Window<'d, D> {
    /// `need` bytes are there at every position, unless the file ends.
    const fn new(device: &'d D, file_bytes: u64, need: usize) -> Self {
        Self { device, file_bytes, start: 0, bytes: Vec::new(), need, most: WINDOW_BYTES }
    }

    /// What is at an offset; `None` at or past the end.
    fn at(&mut self, offset: u64) -> Result<Option<&[u8]>> {
        if offset >= self.file_bytes {
            return Ok(None);
        }
        let end = self.start + self.bytes.len() as u64;
        let wanted = self.file_bytes.min(offset + self.need as u64);
        if offset < self.start || wanted > end {
            let len = (self.file_bytes - offset).min(self.most.max(self.need) as u64);
            self.bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            self.device.read_at(offset, &mut self.bytes)?;
            self.start = offset;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Put as _;
    use crate::device::MemDevice;
    use crate::format::frame::{begin_frame, end_frame};

    fn commit_frame(commit: CommitId, encrypted: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let start = begin_frame(&mut out, 0, commit);
        // What is in it is not looked at here.
        out.put(&vec![7; commit_frame_bytes(encrypted) - FRAME_HEADER_BYTES - FRAME_TRAILER_BYTES]);
        end_frame(&mut out, start);
        out
    }

    fn found(bytes: Vec<u8>, start: u64) -> Vec<(u64, u64, CommitId)> {
        let file_bytes = bytes.len() as u64;
        let found = find_commit_frames(&MemDevice::new("log-0", bytes), start, file_bytes, PageSize::MIN).unwrap();
        found.iter().map(|found| (found.offset, found.end, found.commit)).collect()
    }

    #[test]
    fn a_commit_frame_is_found_wherever_the_window_ends() {
        for encrypted in [false, true] {
            let frame = commit_frame(CommitId(9), encrypted);
            // The first window ends here. The frame lies before, across and behind its end, and the file ends soon after or with it.
            let edge = LOG_DATA_START + WINDOW_BYTES;
            for at in (edge - frame.len() - 2)..(edge + 2) {
                let behind = [0, 1, 300][at % 3];
                let mut bytes = vec![0; at + frame.len() + behind];
                bytes[at..at + frame.len()].copy_from_slice(&frame);
                let expected = (at as u64, (at + frame.len()) as u64, CommitId(9));
                assert_eq!(found(bytes, 0), [expected], "at {at}, {behind} bytes behind it");
            }
        }
    }

    #[test]
    fn commit_frames_side_by_side_are_all_found_and_others_are_not() {
        let mut bytes = vec![0; LOG_DATA_START];
        let mut expected = Vec::new();
        // So many that several windows end in the midst of them.
        for commit in 1..20_000 {
            let frame = commit_frame(CommitId(commit), commit % 3 == 0);
            expected.push((bytes.len() as u64, (bytes.len() + frame.len()) as u64, CommitId(commit)));
            bytes.extend_from_slice(&frame);
        }
        assert_eq!(found(bytes.clone(), 0), expected);
        // From behind the first one's beginning; with one that is damaged; with one that the file's end cuts off.
        let (_, second_end, _) = expected[1];
        bytes[usize::try_from(second_end).unwrap() - 1] ^= 1;
        bytes.pop();
        assert_eq!(found(bytes, expected[0].0 + 1), expected[2..expected.len() - 1]);
    }
}
