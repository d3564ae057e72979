//! Each decoder by itself, for fuzzers: any bytes are refused or read, and what is read is written as it was.
//!
//! Whole databases are fuzzed from outside, through [`Store`](crate::Store); but there a structure is only reached behind all
//! that leads to it. Not part of the API: only there with the feature `decoders`, which nothing but tests has.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use crate::bytes::patch;
use crate::codec::Decoder;
use crate::crc::crc32;
use crate::error::What;
use crate::format::body::{BodyHeader, FileKind, Opened, Opening, Place, open_body, open_payload};
use crate::format::commits::{decode_commits, encode_commits};
use crate::format::frame::{CommitPayload, FrameHeader, check_frame, split_commit};
use crate::format::index::{IndexEncoder, decode_index};
use crate::format::layout::{
    FRAME_HEADER_BYTES, FRAME_TRAILER_BYTES, LOG_HEADER_BYTES, MANIFEST_HEADER_BYTES, SEGMENT_HEADER_BYTES,
};
use crate::format::log::LogHeader;
use crate::format::manifest::{Slot, decode_slot};
use crate::format::seal::Seal;
use crate::format::segment::SegmentHeader;
use crate::ids::{DatabaseId, PageSize};
use crate::patch::apply;

/// How many decoders there are.
pub const COUNT: u8 = 9;

/// Gives the bytes to one decoder, as they are and with the checksum that they would need.
///
/// # Panics
///
/// If what was read is not written as it was.
pub fn decode(which: u8, bytes: &[u8]) {
    match which % COUNT {
        0 => manifest(bytes),
        1 => log_header(bytes),
        2 => frame(bytes),
        3 => commit_payload(bytes),
        4 => segment_header(bytes),
        5 => index(bytes),
        6 => seal(bytes),
        7 => commits(bytes),
        _ => body(bytes),
    }
}

fn manifest(bytes: &[u8]) {
    let mut mended = bytes.to_vec();
    mended.resize(MANIFEST_HEADER_BYTES.max(bytes.len()), 0);
    let body_bytes =
        bytes.get(40..44).and_then(|field| field.first_chunk()).map_or(0, |field| u32::from_le_bytes(*field));
    let end = (body_bytes as usize).saturating_add(MANIFEST_HEADER_BYTES);
    let crc = crc32(&[mended.get(..44), mended.get(48..end)].map(Option::unwrap_or_default));
    patch(&mut mended, 44, &crc.to_le_bytes());
    for slot in [bytes, &mended] {
        let Ok(Slot::Whole(sealed)) = decode_slot("manifest", slot) else { continue };
        let _ = (sealed.generation(), sealed.database(), sealed.page_size(), sealed.slots().len());
        let Some(manifest) = sealed.open(None) else { continue };
        // What it reads, it can write, and reads again; only authentication and features that are none are not kept.
        let Some(written) = manifest.encode(None) else { continue };
        let Ok(Slot::Whole(again)) = decode_slot("manifest", &written) else {
            panic!("{manifest:?} is not read again");
        };
        let again = again.open(None).map(|manifest| format!("{manifest:?}"));
        assert_eq!(again, Some(format!("{manifest:?}")));
    }
}

fn log_header(bytes: &[u8]) {
    let mut mended = bytes.to_vec();
    mended.resize(LOG_HEADER_BYTES.max(bytes.len()), 0);
    let crc = crc32(&[mended.get(..LOG_HEADER_BYTES - 4).unwrap_or_default()]);
    patch(&mut mended, LOG_HEADER_BYTES - 4, &crc.to_le_bytes());
    for start in [bytes, &mended] {
        if let Ok(Some(header)) = LogHeader::decode("log-0", start) {
            assert_eq!(LogHeader::decode("log-0", &header.encode()), Ok(Some(header)));
        }
    }
}

fn segment_header(bytes: &[u8]) {
    let mut header = [0; SEGMENT_HEADER_BYTES];
    patch(&mut header, 0, bytes.get(..SEGMENT_HEADER_BYTES).unwrap_or(bytes));
    let mut mended = header;
    let crc = crc32(&[header.get(..SEGMENT_HEADER_BYTES - 4).unwrap_or_default()]);
    patch(&mut mended, SEGMENT_HEADER_BYTES - 4, &crc.to_le_bytes());
    for header in [header, mended] {
        if let Ok(read) = SegmentHeader::decode("seg-1", &header) {
            assert_eq!(SegmentHeader::decode("seg-1", &read.encode()), Ok(read));
            assert_eq!(read.data_start(), u64::from(read.dictionary_bytes) + SEGMENT_HEADER_BYTES as u64);
        }
    }
}

fn frame(bytes: &[u8]) {
    for page_size in [PageSize::MIN, PageSize::MAX] {
        let Some(header) = FrameHeader::decode(bytes, page_size) else { continue };
        let frame_bytes = header.frame_bytes as usize;
        assert!(frame_bytes < 2 * page_size.bytes() + 512, "{header:?}");
        let Some(frame) = bytes.get(..frame_bytes) else { continue };
        let _ = check_frame(frame);
        let mut mended = frame.to_vec();
        let covered = frame_bytes - FRAME_TRAILER_BYTES;
        let crc = crc32(&[frame.get(..covered).unwrap_or_default()]);
        patch(&mut mended, covered, &crc.to_le_bytes());
        let (found, body) = check_frame(&mended).unwrap_or_else(|| panic!("{header:?} has the right checksum"));
        assert_eq!((found, body.len()), (crc, covered - FRAME_HEADER_BYTES));
        if let Some((_, body)) = split_commit(body) {
            commit_payload(body);
        }
    }
}

fn commit_payload(bytes: &[u8]) {
    if let Some(payload) = CommitPayload::decode(bytes) {
        assert_eq!(payload.encode(), *bytes);
    }
}

fn index(bytes: &[u8]) {
    let mut entries = Vec::new();
    if decode_index(bytes, |entry| entries.push(entry)) != Some(entries.len()) {
        return;
    }
    let mut encoder = IndexEncoder::default();
    for &entry in &entries {
        encoder.push(entry);
    }
    let mut again = Vec::new();
    assert_eq!(decode_index(&encoder.finish(), |entry| again.push(entry)), Some(entries.len()));
    assert_eq!(again, entries);
}

fn seal(bytes: &[u8]) {
    if let Some(seal) = Seal::decode(bytes) {
        assert_eq!(seal.encode(), bytes);
    }
}

fn commits(bytes: &[u8]) {
    if let Some(commits) = decode_commits(bytes) {
        assert_eq!(encode_commits(&commits), bytes);
    }
}

fn body(bytes: &[u8]) {
    if let Some(header) = BodyHeader::decode(bytes) {
        let mut written = Vec::new();
        header.encode(&mut written);
        assert_eq!(bytes.get(..header.bytes()), Some(written.as_slice()));
    }
    let database = DatabaseId([0; 16]);
    let place = Place { database: &database, kind: FileKind::Log, file: 1, offset: 1 << 16, page: 1 };
    for verify in [true, false] {
        let opening = Opening { subkey: None, dictionary: None, verify };
        let mut stored = bytes.to_vec();
        let raw_bytes = match open_payload(&mut stored, place, opening) {
            Ok((header, _)) => header.raw_bytes.min(1 << 16) as usize,
            Err(_) => continue,
        };
        let mut raw = vec![0xaa; raw_bytes];
        let mut again = vec![0x55; raw_bytes];
        let mut decoder = Decoder::default();
        let first = open(&mut stored, place, opening, &mut decoder, &mut raw);
        assert_eq!(open(&mut bytes.to_vec(), place, opening, &mut decoder, &mut again), first);
        assert!(first.is_err() || first == Ok(true) || raw == again, "every byte comes from what was stored");
    }
}

/// Whether it was a patch, which is applied to what there is.
fn open(
    stored: &mut [u8],
    place: Place<'_>,
    opening: Opening<'_>,
    decoder: &mut Decoder,
    raw: &mut [u8],
) -> Result<bool, What> {
    match open_body(stored, place, opening, decoder, raw)? {
        Opened::Page(_) => Ok(false),
        Opened::Patch(_, base, patch) => {
            assert!(place.base_offset(base, raw.len()).is_none_or(|offset| offset < place.offset));
            apply(patch, raw).map(|()| true).ok_or(What::RecordContent)
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    /// Whole structures, one or more for each decoder, and what a fuzzer found: the first byte says which decoder.
    #[test]
    fn each_decoder_reads_or_refuses_and_writes_what_it_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/decoders");
        let mut reached = [false; COUNT as usize];
        for entry in std::fs::read_dir(folder).unwrap() {
            let seed = std::fs::read(entry.unwrap().path()).unwrap();
            let (which, bytes) = seed.split_first().unwrap();
            decode(*which, bytes);
            reached[usize::from(which % COUNT)] = true;
            // Cut short and with each byte changed, as a fuzzer would begin.
            for at in 0..bytes.len().min(512) {
                let mut changed = bytes.to_vec();
                changed[at] ^= 0x5a;
                decode(*which, &changed);
                decode(*which, &bytes[..at]);
            }
        }
        assert_eq!(reached, [true; COUNT as usize]);
    }
}
