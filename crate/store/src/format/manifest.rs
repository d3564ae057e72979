//! The manifest: the root of a database. Two slots, written in turn; the newer whole one counts.
//!
//! M1  A slot is whole if its checksum matches; with a key it must also be authentic. A whole slot that is not authentic is
//!     an error and never a reason to fall back: only a torn write is.
//! M2  Everything that a reader allocates for is bounded by the slot's size.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::layout::{
    DATA_KEYS_MAX, EPOCH_END, KEY_SLOTS_MAX, MANIFEST_COVERED_BYTES, MANIFEST_HEADER_BYTES, MANIFEST_SLOT_BYTES,
    NUMBER_END, PINS_MAX, SEGMENTS_MAX,
};
use super::{FORMAT_VERSION, check_version};
use crate::bytes::{Put, Reader};
use crate::cipher::Cipher;
use crate::codec::{Codec, CodecChoice};
use crate::crc::crc32;
use crate::error::{Error, Result, Unsupported};
use crate::ids::{Chain, CommitId, DatabaseId, Epoch, LogGeneration, PageCount, PageSize, SegmentId};
use crate::keys::{KeySlot, MasterKey, Wrapped, manifest_mac, verify_manifest_mac};

pub(crate) const MAGIC: &[u8; 8] = b"COFFERMF";

/// What the root says.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub cipher: Cipher,
    /// Grows by one with each write.
    pub generation: u64,
    pub database: DatabaseId,
    pub page_size: PageSize,
    /// The state that the segments hold.
    pub page_count: PageCount,
    pub commit: CommitId,
    pub chain: Chain,
    /// Commits up to here were known to be flushed, in segments or logs, when this was written.
    pub flushed: CommitId,
    pub segment_next: SegmentId,
    /// The oldest log that is not folded yet.
    pub log_first: LogGeneration,
    pub hot: CodecChoice,
    pub cold: CodecChoice,
    pub epoch: Epoch,
    /// Whether every commit is kept from `history_floor` on.
    pub archive: bool,
    /// Every commit from here on is readable, if `archive`.
    pub history_floor: CommitId,
    /// What was written so far, for the write amplification.
    pub log_bytes_written: u64,
    pub segment_bytes_written: u64,
    /// Single kept commits, ascending.
    pub pins: Vec<CommitId>,
    /// Oldest first; each covers the commits after the one before.
    pub segments: Vec<SegmentEntry>,
    pub data_keys: Vec<(Epoch, Wrapped)>,
    pub slots: Vec<KeySlot>,
}

/// A segment as the manifest names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentEntry {
    pub id: SegmentId,
    pub file_bytes: u64,
    pub records: u64,
    pub base: CommitId,
    pub last: CommitId,
    pub epoch: Epoch,
}

const FLAG_ARCHIVE: u32 = 1;

impl Manifest {
    /// The bytes of a slot. `None` if the manifest outgrew it.
    pub fn encode(&self, master: Option<&MasterKey>) -> Option<Vec<u8>> {
        let body = self.encode_body();
        let mut out = Vec::with_capacity(MANIFEST_HEADER_BYTES + body.len());
        out.put(MAGIC);
        out.put_u16(FORMAT_VERSION);
        out.put_u16(0);
        out.put_u16(0);
        out.put_u8(self.cipher.id());
        out.put_u8(0);
        out.put_u64(self.generation);
        out.put(&self.database.0);
        out.put_u32(u32::try_from(body.len()).ok()?);
        debug_assert_eq!(out.len(), MANIFEST_COVERED_BYTES);
        let mac =
            master.map_or([0; 32], |master| manifest_mac(master, self.database, &[out.as_slice(), &body].concat()));
        let crc = crc32(&[&out, &mac, &body]);
        out.put_u32(crc);
        out.put(&mac);
        out.put(&body);
        (out.len() <= MANIFEST_SLOT_BYTES).then_some(out)
    }

    /// Numbers that only ever grow stay far from their ends, so that no writer has to fear the last one.
    ///
    /// FORMAT: manifest-7
    pub fn counts_on(&self) -> bool {
        let bytes = [self.log_bytes_written, self.segment_bytes_written];
        let numbers = [self.generation, self.commit.0, self.flushed.0, self.segment_next.0, self.log_first.0];
        self.epoch.0 < EPOCH_END && bytes.iter().chain(&numbers).all(|&number| number < NUMBER_END)
    }

    fn encode_body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u32(self.page_size.get());
        out.put_u32(self.page_count.0);
        out.put_u64(self.commit.0);
        out.put(&self.chain.0);
        out.put_u64(self.flushed.0);
        out.put_u64(self.segment_next.0);
        out.put_u64(self.log_first.0);
        for choice in [self.hot, self.cold] {
            out.put_u8(choice.codec().id());
            out.put(&choice.level().to_le_bytes());
        }
        out.put_u32(self.epoch.0);
        out.put_u32(if self.archive { FLAG_ARCHIVE } else { 0 });
        out.put_u64(self.history_floor.0);
        out.put_u64(self.log_bytes_written);
        out.put_u64(self.segment_bytes_written);
        put_count(&mut out, self.pins.len());
        for pin in &self.pins {
            out.put_u64(pin.0);
        }
        put_count(&mut out, self.segments.len());
        for segment in &self.segments {
            out.put_u64(segment.id.0);
            out.put_u64(segment.file_bytes);
            out.put_u64(segment.records);
            out.put_u64(segment.base.0);
            out.put_u64(segment.last.0);
            out.put_u32(segment.epoch.0);
        }
        put_count(&mut out, self.data_keys.len());
        for (epoch, wrapped) in &self.data_keys {
            out.put_u32(epoch.0);
            put_wrapped(&mut out, wrapped);
        }
        put_count(&mut out, self.slots.len());
        for slot in &self.slots {
            slot.encode(&mut out);
        }
        out
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.put_u32(u32::try_from(count).unwrap_or(u32::MAX));
}

fn put_wrapped(out: &mut Vec<u8>, wrapped: &Wrapped) {
    out.put(&wrapped.to_bytes());
}

/// A slot whose checksum matches, but which nobody has authenticated yet. Only what needs no trust can be seen.
pub(crate) struct SealedManifest {
    manifest: Manifest,
    covered: Vec<u8>,
    mac: [u8; 32],
}

impl SealedManifest {
    pub const fn generation(&self) -> u64 {
        self.manifest.generation
    }

    pub const fn cipher(&self) -> Cipher {
        self.manifest.cipher
    }

    pub const fn database(&self) -> DatabaseId {
        self.manifest.database
    }

    pub fn slots(&self) -> &[KeySlot] {
        &self.manifest.slots
    }

    pub const fn page_size(&self) -> PageSize {
        self.manifest.page_size
    }

    /// The manifest, once the holder of the master key has found it authentic. Without a cipher there is nothing to find.
    ///
    /// FORMAT: manifest-3
    pub fn open(self: Box<Self>, master: Option<&MasterKey>) -> Option<Manifest> {
        let authentic = match master {
            Some(master) => verify_manifest_mac(master, self.manifest.database, &self.covered, &self.mac).is_ok(),
            None => self.manifest.cipher == Cipher::None,
        };
        authentic.then_some(self.manifest)
    }
}

/// What a slot's bytes are.
pub(crate) enum Slot {
    /// Zeros, torn or damaged.
    Broken,
    /// Whole, but its fields are outside their limits: not a torn write.
    Malformed,
    /// Whole.
    Whole(Box<SealedManifest>),
}

/// Reads one slot.
///
/// FORMAT: manifest-1
pub(crate) fn decode_slot(file: &str, slot: &[u8]) -> Result<Slot> {
    let Some((header, rest)) = slot.split_first_chunk::<MANIFEST_HEADER_BYTES>() else { return Ok(Slot::Broken) };
    if !header.starts_with(MAGIC) {
        return Ok(Slot::Broken);
    }
    let mut reader = Reader::new(header);
    let fields = (|| {
        reader.take(MAGIC.len())?;
        let version = (reader.u16()?, reader.u16()?, reader.u16()?);
        let cipher = reader.u8()?;
        let reserved = reader.u8()?;
        Some((
            version,
            cipher,
            reserved,
            reader.u64()?,
            reader.array::<16>()?,
            reader.u32()?,
            reader.u32()?,
            reader.array::<32>()?,
        ))
    })();
    let Some(((version, required, _compatible), cipher, reserved, generation, database, body_bytes, crc, mac)) = fields
    else {
        return Ok(Slot::Broken);
    };
    let Some(body) = rest.get(..body_bytes as usize) else { return Ok(Slot::Broken) };
    let covered_header = header.get(..MANIFEST_COVERED_BYTES).unwrap_or_default();
    if crc32(&[covered_header, &mac, body]) != crc {
        return Ok(Slot::Broken);
    }
    // The checksum stands in the same place in every version, so a newer writer is told from damage.
    check_version(file, version, required)?;
    let cipher = Cipher::from_id(cipher)
        .ok_or_else(|| Error::Unsupported { file: file.into(), what: Unsupported::Cipher(cipher) })?;
    let manifest = decode_body(cipher, generation, DatabaseId(database), body);
    let Some(manifest) = manifest.filter(|manifest| reserved == 0 && manifest.counts_on()) else {
        return Ok(Slot::Malformed);
    };
    let covered = [covered_header, body].concat();
    Ok(Slot::Whole(Box::new(SealedManifest { manifest, covered, mac })))
}

/// FORMAT: manifest-2
fn decode_body(cipher: Cipher, generation: u64, database: DatabaseId, body: &[u8]) -> Option<Manifest> {
    let mut reader = Reader::new(body);
    let page_size = PageSize::new(reader.u32()?)?;
    let page_count = PageCount(reader.u32()?);
    let commit = CommitId(reader.u64()?);
    let chain = Chain(reader.array()?);
    let flushed = CommitId(reader.u64()?);
    let segment_next = SegmentId(reader.u64()?);
    let log_first = LogGeneration(reader.u64()?);
    let hot = take_choice(&mut reader)?;
    let cold = take_choice(&mut reader)?;
    let epoch = Epoch(reader.u32()?);
    let flags = reader.u32()?;
    if flags & !FLAG_ARCHIVE != 0 {
        return None;
    }
    let history_floor = CommitId(reader.u64()?);
    let log_bytes_written = reader.u64()?;
    let segment_bytes_written = reader.u64()?;
    let pins = take_list(&mut reader, PINS_MAX, |reader| Some(CommitId(reader.u64()?)))?;
    let segments = take_list(&mut reader, SEGMENTS_MAX, take_segment)?;
    let data_keys =
        take_list(&mut reader, DATA_KEYS_MAX, |reader| Some((Epoch(reader.u32()?), take_wrapped(reader)?)))?;
    let slots = take_list(&mut reader, KEY_SLOTS_MAX, take_slot)?;
    if !reader.is_empty() || !segments_in_order(&segments, segment_next, commit) {
        return None;
    }
    Some(Manifest {
        cipher,
        generation,
        database,
        page_size,
        page_count,
        commit,
        chain,
        flushed,
        segment_next,
        log_first,
        hot,
        cold,
        epoch,
        archive: flags & FLAG_ARCHIVE != 0,
        history_floor,
        log_bytes_written,
        segment_bytes_written,
        pins,
        segments,
        data_keys,
        slots,
    })
}

fn segments_in_order(segments: &[SegmentEntry], segment_next: SegmentId, commit: CommitId) -> bool {
    let mut last = CommitId::ZERO;
    segments.iter().all(|segment| {
        let follows = segment.base >= last && segment.last >= segment.base && segment.last <= commit;
        last = segment.last;
        follows && segment.id < segment_next
    })
}

fn take_list<'a, T>(
    reader: &mut Reader<'a>,
    count_max: usize,
    mut item: impl FnMut(&mut Reader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = reader.u32()? as usize;
    if count > count_max {
        return None;
    }
    (0..count).map(|_| item(reader)).collect()
}

fn take_choice(reader: &mut Reader<'_>) -> Option<CodecChoice> {
    let codec = Codec::from_id(reader.u8()?)?;
    CodecChoice::new(codec, reader.i8()?).ok()
}

fn take_segment(reader: &mut Reader<'_>) -> Option<SegmentEntry> {
    Some(SegmentEntry {
        id: SegmentId(reader.u64()?),
        file_bytes: reader.u64()?,
        records: reader.u64()?,
        base: CommitId(reader.u64()?),
        last: CommitId(reader.u64()?),
        epoch: Epoch(reader.u32()?),
    })
}

fn take_wrapped(reader: &mut Reader<'_>) -> Option<Wrapped> {
    Some(Wrapped::from_bytes(&reader.array()?))
}

fn take_slot(reader: &mut Reader<'_>) -> Option<KeySlot> {
    let (slot, rest) = KeySlot::decode(reader.rest()).ok()?;
    reader.take(reader.rest().len() - rest.len())?;
    Some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(id: u64, base: u64, last: u64) -> SegmentEntry {
        let (file_bytes, records, epoch) = (100, 1, Epoch(0));
        SegmentEntry { id: SegmentId(id), file_bytes, records, base: CommitId(base), last: CommitId(last), epoch }
    }

    #[test]
    fn segments_follow_each_other_up_to_the_newest_commit() {
        let in_order = |segments: &[SegmentEntry]| segments_in_order(segments, SegmentId(8), CommitId(20));
        assert!(in_order(&[]));
        assert!(
            in_order(&[segment(7, 0, 10), segment(2, 10, 10), segment(3, 15, 20)]),
            "gaps are of commits that changed nothing"
        );
        assert!(!in_order(&[segment(1, 0, 10), segment(2, 9, 20)]), "one begins before the other ends");
        assert!(!in_order(&[segment(1, 10, 9)]), "one ends before it begins");
        assert!(!in_order(&[segment(1, 0, 21)]), "one is newer than the newest commit");
        assert!(!in_order(&[segment(8, 0, 10)]), "one has an id that is not given out yet");
    }

    #[test]
    fn a_list_is_refused_by_its_count_alone() {
        let list = |count: u32, bytes: usize| {
            let mut out = count.to_le_bytes().to_vec();
            out.resize(4 + bytes, 7);
            take_list(&mut Reader::new(&out), 3, Reader::u8).map(|list| list.len())
        };
        assert_eq!((list(0, 0), list(3, 3), list(3, 2)), (Some(0), Some(3), None));
        assert_eq!((list(4, 4), list(u32::MAX, 9)), (None, None));
    }
}
