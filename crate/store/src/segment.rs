//! Sealed segments: written once from front to back, read by their seal and index, or by a scan if those are damaged.
//!
//! G1  A segment is written by appending only, so it can be streamed anywhere.
//! G2  Nothing refers to a segment before it is whole and flushed; one without a seal does not exist.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::bytes::{Put, Reader};
use crate::cipher::{Cipher, Nonce, Subkey};
use crate::codec::Dictionary;
use crate::crc::crc32;
use crate::device::Device;
use crate::entropy::Entropy;
use crate::error::{Error, Result, What};
use crate::file::{Face, OpenFile};
use crate::format::body::{
    Compressed, FileKind, Place, append_body, append_compressed, body_bytes_max, fixed_body_bytes, open_payload,
};
use crate::format::commits::{CommitInfo, decode_commits, encode_commits};
use crate::format::index::{INDEX_PAYLOAD_BYTES_MAX, IndexEncoder, IndexEntry, decode_index};
use crate::format::layout::{
    BODY_NONCE_BYTES, BODY_TAG_BYTES, COMMIT_INFO_BYTES, COMMITS_MAX, COMMITS_PAGE, DICTIONARY_BYTES_MAX,
    DICTIONARY_PAGE, INDEX_PAGE, MANIFEST_PAGE, MANIFEST_SLOT_BYTES, RECORD_HEADER_BYTES, SEAL_PAGE,
    SEGMENT_HEADER_BYTES,
};
use crate::format::seal::{SEAL_SELF_CONTAINED, Seal, seal_record_bytes};
use crate::format::segment::SegmentHeader;
use crate::ids::{Chain, CommitId, DatabaseId, PageCount, PageNo, SegmentId};
use crate::keys::DataKey;
use crate::location::FILE_BYTES_MAX;

/// The file of a segment.
pub(crate) fn segment_name(id: SegmentId) -> String {
    format!("seg-{}", id.0)
}

/// The segment that a file's name says it is.
pub(crate) fn segment_of_name(name: &str) -> Option<SegmentId> {
    let id = SegmentId(name.strip_prefix("seg-")?.parse().ok()?);
    (segment_name(id) == name).then_some(id)
}

/// A segment's subkey.
pub(crate) fn segment_subkey(header: &SegmentHeader, database: &DatabaseId, data_key: &DataKey) -> Option<Subkey> {
    let context = crate::log::subkey_context(&database.0, FileKind::Segment, header.id.0);
    Subkey::derive(header.cipher, data_key, &header.salt.salt(), &context)
}

/// The dictionary section as it is stored.
pub(crate) fn seal_dictionary(
    raw: &[u8],
    id: SegmentId,
    database: &DatabaseId,
    subkey: Option<&Subkey>,
    entropy: &mut dyn Entropy,
) -> Vec<u8> {
    // FORMAT: segment-3
    let Some(subkey) = subkey else { return raw.to_vec() };
    let mut out = vec![0; BODY_NONCE_BYTES];
    out.put(raw);
    let associated = dictionary_associated(id, database);
    let payload = out.get_mut(BODY_NONCE_BYTES..).unwrap_or_default();
    let (nonce, tag) = subkey.seal(Nonce::draw(entropy), &associated, payload);
    crate::bytes::patch(&mut out, 0, &nonce);
    out.put(&tag);
    out
}

fn open_dictionary(stored: &mut Vec<u8>, id: SegmentId, database: &DatabaseId, subkey: &Subkey) -> Option<()> {
    let associated = dictionary_associated(id, database);
    let (nonce, rest) = stored.split_first_chunk_mut::<BODY_NONCE_BYTES>()?;
    let (payload, tag) = rest.split_last_chunk_mut::<BODY_TAG_BYTES>()?;
    subkey.open(nonce, &associated, payload, tag).ok()?;
    let raw = payload.len();
    stored.drain(..BODY_NONCE_BYTES);
    stored.truncate(raw);
    Some(())
}

fn dictionary_associated(id: SegmentId, database: &DatabaseId) -> [u8; 40] {
    let mut out = [0; 40];
    crate::bytes::patch(&mut out, 0, &database.0);
    crate::bytes::patch(&mut out, 16, &[FileKind::Segment as u8]);
    crate::bytes::patch(&mut out, 24, &id.0.to_le_bytes());
    crate::bytes::patch(&mut out, 32, &DICTIONARY_PAGE.to_le_bytes());
    out
}

/// What the writer of a segment needs to know from the start.
pub(crate) struct SegmentPlan {
    pub header: SegmentHeader,
    pub database: DatabaseId,
    pub subkey: Option<Subkey>,
    /// The section as stored.
    pub dictionary: Vec<u8>,
    pub base: CommitId,
    pub last: CommitId,
    pub chain: Chain,
    pub page_count: PageCount,
    pub commits: Vec<CommitInfo>,
    pub seal_flags: u32,
    /// The copy that makes it self-contained.
    pub manifest: Option<Vec<u8>>,
}

/// Writes a segment, record by record.
pub(crate) struct SegmentWriter {
    plan: SegmentPlan,
    /// Not written yet.
    out: Vec<u8>,
    /// Where `out` begins in the file.
    out_start: u64,
    index: IndexEncoder,
    index_payloads: Vec<Vec<u8>>,
    records: u64,
}

/// Bytes are collected to this much before they are written: calls cost more than bytes.
const WRITE_BYTES: usize = 1 << 20;

impl SegmentWriter {
    pub fn new(plan: SegmentPlan) -> Self {
        let mut out = plan.header.encode().to_vec();
        out.put(&plan.dictionary);
        Self { plan, out, out_start: 0, index: IndexEncoder::default(), index_payloads: Vec::new(), records: 0 }
    }

    pub const fn plan(&self) -> &SegmentPlan {
        &self.plan
    }

    fn position(&self) -> u64 {
        self.out_start + self.out.len() as u64
    }

    /// Appends a page's record whose payload is already compressed.
    pub fn page(&mut self, page: PageNo, commit: CommitId, encoded: &Compressed<'_>, entropy: &mut dyn Entropy) {
        let offset = self.position();
        let start = self.out.len();
        self.begin_record(u64::from(page.get()));
        let place = Place {
            database: &self.plan.database,
            kind: FileKind::Segment,
            file: self.plan.header.id.0,
            offset,
            page: u64::from(page.get()),
        };
        let closing = self.plan.subkey.as_ref().map(|subkey| (subkey, Nonce::draw(entropy)));
        let body_bytes = append_compressed(&mut self.out, place, commit, encoded, closing);
        let body_bytes = u32::try_from(body_bytes).unwrap_or(u32::MAX);
        crate::bytes::patch(&mut self.out, start + 8, &body_bytes.to_le_bytes());
        self.index.push(IndexEntry { page, commit, offset, body_bytes });
        self.records += 1;
        if self.index.is_full() {
            self.index_payloads.push(self.index.finish());
        }
    }

    fn begin_record(&mut self, page: u64) {
        self.out.put_u64(page);
        self.out.put_u32(0);
    }

    fn special(&mut self, page: u64, payload: &[u8], plain: bool, entropy: &mut dyn Entropy) {
        let offset = self.position();
        let start = self.out.len();
        self.begin_record(page);
        let place =
            Place { database: &self.plan.database, kind: FileKind::Segment, file: self.plan.header.id.0, offset, page };
        let subkey = self.plan.subkey.as_ref().filter(|_| !plain);
        let closing = subkey.map(|subkey| (subkey, Nonce::draw(entropy)));
        let body_bytes = append_body(&mut self.out, place, self.plan.last, payload, None, closing);
        let body_bytes = u32::try_from(body_bytes).unwrap_or(u32::MAX);
        crate::bytes::patch(&mut self.out, start + 8, &body_bytes.to_le_bytes());
    }

    /// Whether enough is collected to be worth a call.
    pub fn is_due(&self) -> bool {
        self.out.len() >= WRITE_BYTES
    }

    /// Writes what is collected.
    pub fn write(&mut self, device: &dyn Device) -> Result<()> {
        device.write_at(self.out_start, &self.out)?;
        self.out_start += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }

    /// Appends index, commits, manifest copy and seal, writes and flushes. Gives the file's length and record count.
    pub fn finish(mut self, device: &dyn Device, entropy: &mut dyn Entropy) -> Result<(u64, u64)> {
        let index_start = self.position();
        if !self.index.is_empty() {
            let payload = self.index.finish();
            self.index_payloads.push(payload);
        }
        let payloads = core::mem::take(&mut self.index_payloads);
        let index_records = u32::try_from(payloads.len()).unwrap_or(u32::MAX);
        for (page, payload) in (INDEX_PAGE..).zip(&payloads) {
            self.special(page, payload, false, entropy);
            if self.is_due() {
                self.write(device)?;
            }
        }
        let commits_start = self.position();
        let commits = encode_commits(&self.plan.commits);
        self.special(COMMITS_PAGE, &commits, false, entropy);
        let mut flags = self.plan.seal_flags & !SEAL_SELF_CONTAINED;
        if let Some(manifest) = self.plan.manifest.take() {
            flags |= SEAL_SELF_CONTAINED;
            // In the clear, since it holds the key slots; it carries its own authentication.
            self.special(MANIFEST_PAGE, &manifest, true, entropy);
        }
        let file_bytes = self.position() + seal_record_bytes(self.plan.subkey.is_some()) as u64;
        let seal = Seal {
            id: self.plan.header.id,
            database: self.plan.database,
            index_start,
            index_records,
            page_count: self.plan.page_count,
            records: self.records,
            base: self.plan.base,
            last: self.plan.last,
            chain: self.plan.chain,
            dictionary_crc: crc32(&[&self.plan.dictionary]),
            flags,
            commits_start,
            file_bytes,
        };
        self.special(SEAL_PAGE, &seal.encode(), false, entropy);
        debug_assert_eq!(self.position(), file_bytes);
        self.write(device)?;
        device.flush()?;
        Ok((file_bytes, self.records))
    }
}

/// Reads a segment's header.
pub(crate) fn read_header(device: &dyn Device, name: &str) -> Result<SegmentHeader> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let len = device.len()?;
    if len < SEGMENT_HEADER_BYTES as u64 {
        let mut start = vec![0; usize::try_from(len).unwrap_or(0)];
        device.read_at(0, &mut start)?;
        if start.starts_with(b"SQLCEvfS") {
            return Err(Error::corrupt(name, 0, What::SegmentHeader));
        }
        return Err(crate::format::foreign(name, &start));
    }
    device.read_at(0, &mut bytes)?;
    SegmentHeader::decode(name, &bytes)
}

/// Opens a segment's file with what its header says. `data_key` is the one of the header's epoch.
pub(crate) fn open_segment<D: Device>(
    device: D,
    name: &str,
    header: &SegmentHeader,
    database: DatabaseId,
    data_key: Option<&DataKey>,
    file_bytes: u64,
) -> Result<OpenFile<D>> {
    let damaged = |offset, what| Error::corrupt(name, offset, what);
    if file_bytes >= FILE_BYTES_MAX || file_bytes < header.data_start() {
        return Err(damaged(0, What::SegmentMissing));
    }
    let subkey = if header.cipher == Cipher::None {
        None
    } else {
        let data_key = data_key.ok_or_else(|| damaged(0, What::SegmentHeader))?;
        let subkey = segment_subkey(header, &database, data_key).ok_or_else(|| Error::Unsupported {
            file: name.into(),
            what: crate::error::Unsupported::Cipher(header.cipher.id()),
        })?;
        Some(subkey)
    };
    let dictionary_bytes = header.dictionary_bytes as usize;
    let dictionary = if dictionary_bytes == 0 {
        None
    } else {
        // FORMAT: segment-5
        if dictionary_bytes > DICTIONARY_BYTES_MAX + BODY_NONCE_BYTES + BODY_TAG_BYTES {
            return Err(damaged(20, What::Dictionary));
        }
        let mut stored = vec![0; dictionary_bytes];
        device.read_at(SEGMENT_HEADER_BYTES as u64, &mut stored)?;
        if let Some(subkey) = &subkey {
            open_dictionary(&mut stored, header.id, &database, subkey)
                .ok_or_else(|| damaged(SEGMENT_HEADER_BYTES as u64, What::Dictionary))?;
        }
        Some(Dictionary::new(stored).map_err(|_| damaged(SEGMENT_HEADER_BYTES as u64, What::Dictionary))?)
    };
    let face = Face { name: name.into(), kind: FileKind::Segment, id: header.id.0, database, subkey, dictionary };
    Ok(OpenFile { face, device, sealed_bytes: Some(file_bytes), epoch: header.epoch })
}

/// Reads the seal from the end of the file.
///
/// FORMAT: seal-1
pub(crate) fn read_seal<D: Device>(file: &OpenFile<D>, header: &SegmentHeader) -> Result<Seal> {
    let file_bytes = file.sealed_bytes.unwrap_or(0);
    let record_bytes = seal_record_bytes(file.subkey.is_some());
    let start = file_bytes
        .checked_sub(record_bytes as u64)
        .filter(|&start| start >= header.data_start())
        .ok_or_else(|| file.corrupt(file_bytes, What::Seal))?;
    let mut record = vec![0; record_bytes];
    file.device.read_at(start, &mut record)?;
    let payload = open_special(file, start, SEAL_PAGE, &mut record).map_err(|what| seal_error(file, start, what))?;
    let seal = Seal::decode(payload).ok_or_else(|| file.corrupt(start, What::Seal))?;
    let agrees = seal.id == header.id
        && seal.database == file.database
        && seal.file_bytes == file_bytes
        && seal.commits_start <= start
        && seal.index_start >= header.data_start();
    if !agrees {
        return Err(file.corrupt(start, What::Seal));
    }
    Ok(seal)
}

fn seal_error<D>(file: &OpenFile<D>, offset: u64, what: What) -> Error {
    let what = if what == What::RecordAuthentication { what } else { What::Seal };
    file.corrupt(offset, what)
}

/// Opens a whole special record that was read and gives its payload.
fn open_special<'b, D>(file: &OpenFile<D>, offset: u64, page: u64, record: &'b mut [u8]) -> Result<&'b [u8], What> {
    let (header, body) = record.split_first_chunk_mut::<RECORD_HEADER_BYTES>().ok_or(What::RecordHeader)?;
    let mut reader = Reader::new(header);
    let named = reader.u64().ok_or(What::RecordHeader)?;
    let body_bytes = reader.u32().ok_or(What::RecordHeader)?;
    if named != page || body_bytes as usize != body.len() {
        return Err(What::RecordHeader);
    }
    let mut opening = file.opening(true);
    if page == MANIFEST_PAGE {
        opening.subkey = None;
    }
    let (header, payload) = open_payload(body, file.place(offset, page), opening)?;
    if header.codec != crate::codec::Codec::None || header.raw_bytes as usize != payload.len() {
        return Err(What::RecordHeader);
    }
    Ok(payload)
}

/// The payload of a special record at most.
const fn special_bytes_max(page: u64) -> usize {
    if page == COMMITS_PAGE {
        COMMITS_MAX * COMMIT_INFO_BYTES
    } else if page == MANIFEST_PAGE {
        MANIFEST_SLOT_BYTES
    } else {
        INDEX_PAYLOAD_BYTES_MAX
    }
}

/// Reads a special record at a known place. Gives its payload and where the next record begins.
fn read_special<D: Device>(file: &OpenFile<D>, offset: u64, page: u64, what: What) -> Result<(Vec<u8>, u64)> {
    let file_bytes = file.sealed_bytes.unwrap_or(0);
    let mut header = [0; RECORD_HEADER_BYTES];
    if offset.saturating_add(RECORD_HEADER_BYTES as u64) > file_bytes {
        return Err(file.corrupt(offset, what));
    }
    file.device.read_at(offset, &mut header)?;
    let body_bytes = Reader::new(header.get(8..).unwrap_or_default()).u32().unwrap_or(u32::MAX);
    let end = offset + RECORD_HEADER_BYTES as u64 + u64::from(body_bytes);
    if end > file_bytes || body_bytes as usize > body_bytes_max(special_bytes_max(page)) {
        return Err(file.corrupt(offset, what));
    }
    let mut record = vec![0; RECORD_HEADER_BYTES + body_bytes as usize];
    file.device.read_at(offset, &mut record)?;
    let payload = open_special(file, offset, page, &mut record).map_err(|_| file.corrupt(offset, what))?;
    Ok((payload.to_vec(), end))
}

/// Reads the index, entry by entry, in page order.
///
/// FORMAT: index-1
pub(crate) fn read_index<D: Device>(
    file: &OpenFile<D>,
    header: &SegmentHeader,
    seal: &Seal,
    mut entry: impl FnMut(IndexEntry),
) -> Result<()> {
    let mut offset = seal.index_start;
    let mut records = 0u64;
    let mut order = RecordOrder::new(header);
    // One call for the whole index where it is of usual size: calls cost more than bytes.
    let mut cached = IndexBytes::read(file, seal)?;
    for page in (INDEX_PAGE..).take(seal.index_records as usize) {
        let damaged = || file.corrupt(offset, What::Index);
        let (payload, end) = match &mut cached {
            Some(cached) => cached.take(file, offset, page).ok_or_else(damaged)?,
            None => read_special(file, offset, page, What::Index)?,
        };
        let mut in_order = true;
        let count = decode_index(&payload, |next| {
            in_order &= order.admits(&next);
            entry(next);
        });
        let count = count.filter(|_| in_order).ok_or_else(damaged)?;
        records += count as u64;
        offset = end;
    }
    if records != seal.records || offset != seal.commits_start || order.end != seal.index_start {
        return Err(file.corrupt(seal.index_start, What::Index));
    }
    Ok(())
}

/// Whether entries name records that stand one behind the other, in the order of pages and commits.
///
/// FORMAT: index-4
struct RecordOrder {
    end: u64,
    last: Option<(PageNo, CommitId)>,
    body_bytes: core::ops::RangeInclusive<usize>,
}

impl RecordOrder {
    fn new(header: &SegmentHeader) -> Self {
        let least = fixed_body_bytes(0, header.cipher != Cipher::None);
        Self { end: header.data_start(), last: None, body_bytes: least..=body_bytes_max(header.page_size.bytes()) }
    }

    fn admits(&mut self, next: &IndexEntry) -> bool {
        let version = (next.page, next.commit);
        let admitted = next.offset == self.end
            && self.last.is_none_or(|last| last < version)
            && self.body_bytes.contains(&(next.body_bytes as usize));
        self.end = next.offset.saturating_add(RECORD_HEADER_BYTES as u64 + u64::from(next.body_bytes));
        self.last = Some(version);
        admitted
    }
}

/// The index section, read at once.
struct IndexBytes {
    start: u64,
    bytes: Vec<u8>,
}

/// Index sections up to this are read in one call.
const INDEX_BYTES_AT_ONCE: u64 = 16 << 20;

impl IndexBytes {
    fn read<D: Device>(file: &OpenFile<D>, seal: &Seal) -> Result<Option<Self>> {
        let len = seal.commits_start - seal.index_start;
        if len > INDEX_BYTES_AT_ONCE {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        file.device.read_at(seal.index_start, &mut bytes)?;
        Ok(Some(Self { start: seal.index_start, bytes }))
    }

    fn take<D>(&mut self, file: &OpenFile<D>, offset: u64, page: u64) -> Option<(Vec<u8>, u64)> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let tail = self.bytes.get_mut(from..)?;
        let body_bytes = Reader::new(tail.get(8..)?).u32()? as usize;
        let record_bytes = RECORD_HEADER_BYTES.checked_add(body_bytes)?;
        let record = tail.get_mut(..record_bytes)?;
        let payload = open_special(file, offset, page, record).ok()?.to_vec();
        Some((payload, offset + record_bytes as u64))
    }
}

/// Reads the commits record.
pub(crate) fn read_commits<D: Device>(file: &OpenFile<D>, seal: &Seal) -> Result<Vec<CommitInfo>> {
    let (payload, _) = read_special(file, seal.commits_start, COMMITS_PAGE, What::Index)?;
    decode_commits(&payload).ok_or_else(|| file.corrupt(seal.commits_start, What::Index))
}

/// Reads the manifest copy of a self-contained segment: the slot's bytes.
pub(crate) fn read_manifest_copy(device: &dyn Device, name: &str, header: &SegmentHeader) -> Result<Vec<u8>> {
    // The seal may be encrypted, and its key is in the copy. The copy stands right before the seal, whose length is known,
    // and ends with its own length, so it is found without a key.
    let file_bytes = device.len()?;
    let seal_bytes = seal_record_bytes(header.cipher != Cipher::None) as u64;
    let damaged = || Error::corrupt(name, file_bytes, What::Manifest);
    let copy_end = file_bytes.checked_sub(seal_bytes).ok_or_else(damaged)?;
    let tail_bytes = copy_end.min((MANIFEST_SLOT_BYTES + 256) as u64);
    let mut tail = vec![0; usize::try_from(tail_bytes).unwrap_or(0)];
    device.read_at(copy_end - tail_bytes, &mut tail)?;
    // FORMAT: segment-6
    let (rest, _crc) = tail.split_last_chunk::<4>().ok_or_else(damaged)?;
    let (rest, len) = rest.split_last_chunk::<4>().ok_or_else(damaged)?;
    let copy_bytes = u32::from_le_bytes(*len) as usize;
    let copy = rest.len().checked_sub(copy_bytes).and_then(|start| rest.get(start..)).ok_or_else(damaged)?;
    Ok(copy.to_vec())
}

/// A manifest copy with its length behind it, so that it is found from the end of the file without a key.
pub(crate) fn manifest_copy_payload(mut slot: Vec<u8>) -> Vec<u8> {
    let len = u32::try_from(slot.len()).unwrap_or(u32::MAX);
    slot.put_u32(len);
    slot
}

/// Walks every record by the header rule alone, verifies each page record, and gives those that are whole. This is how a
/// segment is read when its index is damaged.
///
/// FORMAT: segment-7
pub(crate) fn scan_records<D: Device>(
    file: &OpenFile<D>,
    header: &SegmentHeader,
    found: impl FnMut(Result<IndexEntry, Error>),
) -> Result<()> {
    scan_some(file, header, header.data_start(), u64::MAX, found).map(|_| ())
}

/// The same from an offset on, for about so many bytes. Gives where to go on; `None` at the end.
pub(crate) fn scan_some<D: Device>(
    file: &OpenFile<D>,
    header: &SegmentHeader,
    start: u64,
    budget_bytes: u64,
    mut found: impl FnMut(Result<IndexEntry, Error>),
) -> Result<Option<u64>> {
    let file_bytes = file.sealed_bytes.unwrap_or(0);
    let mut offset = start;
    let mut record_header = [0; RECORD_HEADER_BYTES];
    let mut body = Vec::new();
    while offset + RECORD_HEADER_BYTES as u64 <= file_bytes {
        if offset - start >= budget_bytes {
            return Ok(Some(offset));
        }
        file.device.read_at(offset, &mut record_header)?;
        let mut reader = Reader::new(&record_header);
        let (Some(page), Some(body_bytes)) = (reader.u64(), reader.u32()) else { break };
        let end = offset + RECORD_HEADER_BYTES as u64 + u64::from(body_bytes);
        let page_no = u32::try_from(page).ok().and_then(PageNo::new);
        let fits = end <= file_bytes
            && (page_no.is_some() && body_bytes as usize <= body_bytes_max(header.page_size.bytes())
                || page >= crate::format::layout::SPECIAL_PAGE);
        if !fits {
            // Sizes are what leads from one record to the next; behind a damaged one nothing can be found.
            found(Err(file.corrupt(offset, What::RecordHeader)));
            return Ok(None);
        }
        if let Some(page) = page_no {
            body.resize(body_bytes as usize, 0);
            file.device.read_at(offset + RECORD_HEADER_BYTES as u64, &mut body)?;
            let place = file.place(offset, u64::from(page.get()));
            let entry = open_payload(&mut body, place, file.opening(true))
                .map(|(header, _)| IndexEntry { page, commit: header.commit, offset, body_bytes })
                .map_err(|what| file.corrupt(offset, what));
            found(entry);
        }
        offset = end;
    }
    Ok(None)
}

/// Checks a record where the index says that it is: its own header, and that what is in it opens. Unlike a walk, this does not
/// need the records before it.
pub(crate) fn check_record<D: Device>(file: &OpenFile<D>, entry: &IndexEntry, buffer: &mut Vec<u8>) -> Result<()> {
    let header_bytes = RECORD_HEADER_BYTES;
    buffer.resize(header_bytes + entry.body_bytes as usize, 0);
    file.device.read_at(entry.offset, buffer)?;
    let (header, body) = buffer.split_at_mut(header_bytes);
    let mut reader = Reader::new(header);
    let named = reader.u64() == Some(u64::from(entry.page.get())) && reader.u32() == Some(entry.body_bytes);
    let place = file.place(entry.offset, u64::from(entry.page.get()));
    match open_payload(body, place, file.opening(true)) {
        Ok((header, _)) if named && header.commit == entry.commit => Ok(()),
        Ok(_) => Err(file.corrupt(entry.offset, What::RecordHeader)),
        Err(what) => Err(file.corrupt(entry.offset, what)),
    }
}

/// Finds the commits record by walking the records, where the seal that would lead to it is damaged.
pub(crate) fn walk_to_commits<D: Device>(file: &OpenFile<D>, header: &SegmentHeader) -> Result<Vec<CommitInfo>> {
    let file_bytes = file.sealed_bytes.unwrap_or(0);
    let mut offset = header.data_start();
    let mut record_header = [0; RECORD_HEADER_BYTES];
    while offset + RECORD_HEADER_BYTES as u64 <= file_bytes {
        file.device.read_at(offset, &mut record_header)?;
        let mut reader = Reader::new(&record_header);
        let (Some(page), Some(body_bytes)) = (reader.u64(), reader.u32()) else { break };
        if page == COMMITS_PAGE {
            let (payload, _) = read_special(file, offset, COMMITS_PAGE, What::Index)?;
            return decode_commits(&payload).ok_or_else(|| file.corrupt(offset, What::Index));
        }
        offset += RECORD_HEADER_BYTES as u64 + u64::from(body_bytes);
    }
    Err(file.corrupt(file_bytes, What::Seal))
}
