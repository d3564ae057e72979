//! A body: what both a log frame and a segment record carry. Header, optional nonce, payload, then a tag or a checksum.
//!
//! B1  A body is bound to its place (database, file, offset, page number), its commit and its codec: moved or spliced, it
//!     does not open.
//! B2  Authentication or checksum comes before decompression; the decompressed size is known beforehand and bounded.
//! B3  A patch names its base in the clear and bound like the header, so that whoever reads ahead knows where without a key.

use alloc::vec::Vec;

use super::layout::{
    BODY_CRC_BYTES, BODY_HEADER_BYTES, BODY_NONCE_BYTES, BODY_OVERHEAD_BYTES_MAX, BODY_TAG_BYTES, FRAME_HEADER_BYTES,
    LOG_DATA_START, PATCH_BASE_BYTES, RECORD_HEADER_BYTES,
};
use crate::bytes::{Put, Reader, patch};
use crate::cipher::{Nonce, Subkey};
use crate::codec::{Codec, Decoder, Dictionary, Encoder};
use crate::crc::crc32;
use crate::error::What;
use crate::ids::{CommitId, DatabaseId};

/// What kind of file a body lies in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum FileKind {
    Log = 1,
    Segment = 2,
}

impl FileKind {
    /// The bytes between the start of a frame or record and its body.
    pub const fn header_bytes(self) -> usize {
        match self {
            Self::Log => FRAME_HEADER_BYTES,
            Self::Segment => RECORD_HEADER_BYTES,
        }
    }
}

/// Where a body lies, as it is bound into it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub database: &'a DatabaseId,
    pub kind: FileKind,
    /// The log's generation or the segment's id.
    pub file: u64,
    /// Of the frame or record, not of the body.
    pub offset: u64,
    pub page: u64,
}

pub(super) const ASSOCIATED_BYTES: usize = 16 + 8 + 8 + 8 + 8 + BODY_HEADER_BYTES;

/// Associated data: [`ASSOCIATED_BYTES`], and for a patch [`PATCH_BASE_BYTES`] more.
pub(super) struct Associated {
    bytes: [u8; ASSOCIATED_BYTES + PATCH_BASE_BYTES],
    len: usize,
}

impl Associated {
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Place<'_> {
    /// `header` is all of it, with a patch's base.
    ///
    /// FORMAT: body-3
    pub(super) fn associated(&self, header: &[u8]) -> Associated {
        let mut bytes = [0; ASSOCIATED_BYTES + PATCH_BASE_BYTES];
        patch(&mut bytes, 0, &self.database.0);
        patch(&mut bytes, 16, &[self.kind as u8]);
        patch(&mut bytes, 24, &self.file.to_le_bytes());
        patch(&mut bytes, 32, &self.offset.to_le_bytes());
        patch(&mut bytes, 40, &self.page.to_le_bytes());
        patch(&mut bytes, 48, header);
        Associated { bytes, len: ASSOCIATED_BYTES - BODY_HEADER_BYTES + header.len() }
    }

    /// Where the frame begins that a patch here, of a page of so many bytes, was made from.
    ///
    /// FORMAT: patch-2
    pub fn base_offset(&self, base: PatchBase, raw_bytes: usize) -> Option<u64> {
        let offset = self.offset.checked_sub(u64::from(base.back))?;
        let end = offset + FRAME_HEADER_BYTES as u64 + u64::from(base.body_bytes);
        let is_page = base.body_bytes as usize <= body_bytes_max(raw_bytes);
        (is_page && offset >= LOG_DATA_START as u64 && end <= self.offset).then_some(offset)
    }
}

/// What a patch was made from: a whole frame of its page in the same log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PatchBase {
    /// How far before the patch's frame that frame begins.
    pub back: u32,
    /// The length of its body.
    pub body_bytes: u32,
}

/// The first bytes of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BodyHeader {
    pub codec: Codec,
    pub encrypted: bool,
    pub dictionary: bool,
    pub raw_bytes: u32,
    pub commit: CommitId,
    /// The payload is a patch, and of this.
    pub base: Option<PatchBase>,
}

const FLAG_ENCRYPTED: u8 = 1;
const FLAG_DICTIONARY: u8 = 2;
const FLAG_PATCH: u8 = 4;

impl BodyHeader {
    /// The header, and behind it a patch's base.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put(&[self.codec.id(), self.flags(), 0, 0]);
        out.put_u32(self.raw_bytes);
        out.put_u64(self.commit.0);
        if let Some(base) = self.base {
            out.put_u32(base.back);
            out.put_u32(base.body_bytes);
        }
    }

    const fn flags(&self) -> u8 {
        let encrypted = if self.encrypted { FLAG_ENCRYPTED } else { 0 };
        let dictionary = if self.dictionary { FLAG_DICTIONARY } else { 0 };
        encrypted | dictionary | if self.base.is_some() { FLAG_PATCH } else { 0 }
    }

    /// How long it is.
    pub const fn bytes(&self) -> usize {
        BODY_HEADER_BYTES + if self.base.is_some() { PATCH_BASE_BYTES } else { 0 }
    }

    /// FORMAT: body-1
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let codec = Codec::from_id(reader.u8()?)?;
        let flags = reader.u8()?;
        if flags & !(FLAG_ENCRYPTED | FLAG_DICTIONARY | FLAG_PATCH) != 0 {
            return None;
        }
        reader.zeros(2)?;
        let mut header = Self {
            codec,
            encrypted: flags & FLAG_ENCRYPTED != 0,
            dictionary: flags & FLAG_DICTIONARY != 0,
            raw_bytes: reader.u32()?,
            commit: CommitId(reader.u64()?),
            base: None,
        };
        if flags & FLAG_PATCH != 0 {
            // FORMAT: patch-1
            if header.codec != Codec::None || header.dictionary {
                return None;
            }
            header.base = Some(PatchBase { back: reader.u32()?, body_bytes: reader.u32()? });
        }
        Some(header)
    }
}

/// How long the body of a payload of fixed size is.
pub(crate) const fn fixed_body_bytes(payload: usize, encrypted: bool) -> usize {
    let seal = if encrypted { BODY_NONCE_BYTES + BODY_TAG_BYTES } else { BODY_CRC_BYTES };
    BODY_HEADER_BYTES + payload + seal
}

/// How long a body of one page can be.
pub(crate) const fn body_bytes_max(raw_bytes: usize) -> usize {
    raw_bytes + BODY_OVERHEAD_BYTES_MAX
}

/// How a body is closed: with a cipher and a fresh nonce, or with a checksum.
pub(crate) type Closing<'a> = Option<(&'a Subkey, Nonce)>;

/// Appends the body of `raw`, compressed by `encoder` (or as it is), closed for its place. Returns its length.
pub(crate) fn append_body(
    out: &mut Vec<u8>,
    place: Place<'_>,
    commit: CommitId,
    raw: &[u8],
    encoder: Option<&mut Encoder>,
    closing: Closing<'_>,
) -> usize {
    let raw_bytes = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    let mut header = BodyHeader {
        codec: Codec::None,
        encrypted: closing.is_some(),
        dictionary: false,
        raw_bytes,
        commit,
        base: None,
    };
    let start = begin_body(out, header);
    if let Some(encoder) = encoder {
        let done = encoder.encode(raw, out);
        (header.codec, header.dictionary) = (done.codec, done.dictionary);
    } else {
        out.put(raw);
    }
    close_body(out, start, place, header, closing)
}

/// Appends the body of a page of `raw_bytes` that is told by a patch.
pub(crate) fn append_patch(
    out: &mut Vec<u8>,
    place: Place<'_>,
    commit: CommitId,
    raw_bytes: usize,
    base: PatchBase,
    patch: &[u8],
    closing: Closing<'_>,
) -> usize {
    let raw_bytes = u32::try_from(raw_bytes).unwrap_or(u32::MAX);
    let base = Some(base);
    let header =
        BodyHeader { codec: Codec::None, encrypted: closing.is_some(), dictionary: false, raw_bytes, commit, base };
    let start = begin_body(out, header);
    out.put(patch);
    close_body(out, start, place, header, closing)
}

/// Appends the body of a page that was compressed elsewhere.
pub(crate) fn append_compressed(
    out: &mut Vec<u8>,
    place: Place<'_>,
    commit: CommitId,
    page: &Compressed<'_>,
    closing: Closing<'_>,
) -> usize {
    let header = BodyHeader {
        codec: page.codec,
        encrypted: closing.is_some(),
        dictionary: page.dictionary,
        raw_bytes: page.raw_bytes,
        commit,
        base: None,
    };
    let start = begin_body(out, header);
    out.put(page.payload);
    close_body(out, start, place, header, closing)
}

/// A page that is compressed, or not worth it, and not yet closed for its place.
pub(crate) struct Compressed<'a> {
    pub codec: Codec,
    pub dictionary: bool,
    pub raw_bytes: u32,
    pub payload: &'a [u8],
}

/// Makes room for what stands before the payload: a header as long as this one, and a nonce.
fn begin_body(out: &mut Vec<u8>, header: BodyHeader) -> usize {
    let start = out.len();
    header.encode(out);
    if header.encrypted {
        out.put(&[0; BODY_NONCE_BYTES]);
    }
    start
}

/// Sets the header, and closes the payload that was appended since [`begin_body`].
fn close_body(out: &mut Vec<u8>, start: usize, place: Place<'_>, header: BodyHeader, closing: Closing<'_>) -> usize {
    // What is known of it only now.
    patch(out, start, &[header.codec.id(), header.flags()]);
    let behind = start + header.bytes();
    let associated = place.associated(out.get(start..behind).unwrap_or_default());
    if let Some((subkey, nonce)) = closing {
        let payload = out.get_mut(behind + BODY_NONCE_BYTES..).unwrap_or_default();
        let (nonce, tag) = subkey.seal(nonce, associated.bytes(), payload);
        patch(out, behind, &nonce);
        out.put(&tag);
    } else {
        let crc = crc32(&[associated.bytes(), out.get(behind..).unwrap_or_default()]);
        out.put_u32(crc);
    }
    out.len() - start
}

/// What opens bodies: the key and dictionary of their file.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub subkey: Option<&'a Subkey>,
    pub dictionary: Option<&'a Dictionary>,
    /// Whether to check the checksum of a body that is not encrypted.
    pub verify: bool,
}

/// A body that was opened.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) enum Opened<'b> {
    /// Its page is in `out`.
    Page(BodyHeader),
    /// Its page is another one, patched; `out` was not touched.
    Patch(BodyHeader, PatchBase, &'b [u8]),
}

/// Opens a body in place: verifies, decrypts, decompresses into `out`, which has the size that the caller expects.
pub(crate) fn open_body<'b>(
    body: &'b mut [u8],
    place: Place<'_>,
    opening: Opening<'_>,
    decoder: &mut Decoder,
    out: &mut [u8],
) -> Result<Opened<'b>, What> {
    let (header, payload) = open_payload(body, place, opening)?;
    // FORMAT: body-4
    if header.raw_bytes as usize != out.len() {
        return Err(What::RecordHeader);
    }
    if let Some(base) = header.base {
        return Ok(Opened::Patch(header, base, payload));
    }
    let dictionary = if header.dictionary { opening.dictionary } else { None };
    if header.dictionary && dictionary.is_none() {
        return Err(What::RecordHeader);
    }
    decoder.decode(header.codec, dictionary, payload, out)?;
    Ok(Opened::Page(header))
}

/// Verifies and decrypts a body in place and gives its still compressed payload.
pub(crate) fn open_payload<'b>(
    body: &'b mut [u8],
    place: Place<'_>,
    opening: Opening<'_>,
) -> Result<(BodyHeader, &'b mut [u8]), What> {
    let header = BodyHeader::decode(body).ok_or(What::RecordHeader)?;
    // FORMAT: patch-1
    if header.base.is_some() && (place.kind != FileKind::Log || place.page == 0) {
        return Err(What::RecordHeader);
    }
    // FORMAT: body-2
    if header.encrypted != opening.subkey.is_some() {
        return Err(What::RecordAuthentication);
    }
    let (header_bytes, rest) = body.split_at_mut_checked(header.bytes()).ok_or(What::RecordHeader)?;
    let associated = place.associated(header_bytes);
    if let Some(subkey) = opening.subkey {
        let (nonce, rest) = rest.split_first_chunk_mut::<BODY_NONCE_BYTES>().ok_or(What::RecordHeader)?;
        let (payload, tag) = rest.split_last_chunk_mut::<BODY_TAG_BYTES>().ok_or(What::RecordHeader)?;
        subkey.open(nonce, associated.bytes(), payload, tag)?;
        Ok((header, payload))
    } else {
        let (payload, crc) = rest.split_last_chunk_mut::<BODY_CRC_BYTES>().ok_or(What::RecordHeader)?;
        if opening.verify && crc32(&[associated.bytes(), payload]) != u32::from_le_bytes(*crc) {
            return Err(What::RecordChecksum);
        }
        Ok((header, payload))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const DATABASE: DatabaseId = DatabaseId([7; 16]);

    fn place(page: u64) -> Place<'static> {
        Place { database: &DATABASE, kind: FileKind::Segment, file: 3, offset: 64, page }
    }

    const PLAIN: Opening<'static> = Opening { subkey: None, dictionary: None, verify: true };

    #[test]
    fn a_body_opens_only_in_its_place() {
        let mut out = Vec::new();
        append_body(&mut out, place(1), CommitId(9), &[5; 600], None, None);
        let mut page = vec![0; 600];
        let mut stored = out.clone();
        let opened = open_body(&mut stored, place(1), PLAIN, &mut Decoder::default(), &mut page);
        assert!(matches!(opened, Ok(Opened::Page(BodyHeader { commit: CommitId(9), .. }))), "{opened:?}");
        assert_eq!(page, [5; 600]);
        let moved = open_body(&mut out, place(2), PLAIN, &mut Decoder::default(), &mut page);
        assert_eq!(moved, Err(What::RecordChecksum));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut out = Vec::new();
        append_body(&mut out, place(1), CommitId(9), b"some page", None, None);
        for bit in 0..out.len() * 8 {
            let mut flipped = out.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut page = vec![0; 9];
            assert!(open_body(&mut flipped, place(1), PLAIN, &mut Decoder::default(), &mut page).is_err(), "bit {bit}");
        }
    }

    const BASE: PatchBase = PatchBase { back: 500, body_bytes: 400 };

    fn in_log(page: u64) -> Place<'static> {
        Place { kind: FileKind::Log, offset: 5000, ..place(page) }
    }

    fn patched(place: Place<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        append_patch(&mut out, place, CommitId(9), 600, BASE, b"a patch", None);
        out
    }

    fn open(body: &mut [u8], place: Place<'_>, raw_bytes: usize) -> Result<Option<(PatchBase, Vec<u8>)>, What> {
        let mut page = vec![0; raw_bytes];
        let opened = open_body(body, place, PLAIN, &mut Decoder::default(), &mut page)?;
        Ok(match opened {
            Opened::Page(_) => None,
            Opened::Patch(_, base, patch) => Some((base, patch.to_vec())),
        })
    }

    /// FORMAT: patch-1
    #[test]
    fn a_patch_opens_in_a_log_only_and_says_of_what_it_is_one() {
        assert_eq!(open(&mut patched(in_log(1)), in_log(1), 600), Ok(Some((BASE, b"a patch".to_vec()))));
        assert_eq!(open(&mut patched(in_log(1)), in_log(1), 601), Err(What::RecordHeader));
        assert_eq!(open(&mut patched(in_log(0)), in_log(0), 600), Err(What::RecordHeader));
        assert_eq!(open(&mut patched(place(1)), place(1), 600), Err(What::RecordHeader));
        let whole = patched(in_log(1));
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&mut flipped, in_log(1), 600).is_err(), "bit {bit}");
        }
        for len in 0..whole.len() {
            assert!(open(&mut whole[..len].to_vec(), in_log(1), 600).is_err(), "cut to {len}");
        }
        // Compressed, or with the dictionary.
        for header in [[Codec::Lz4.id(), FLAG_PATCH], [0, FLAG_PATCH | FLAG_DICTIONARY]] {
            let mut other = whole.clone();
            other[..2].copy_from_slice(&header);
            assert_eq!(BodyHeader::decode(&other), None);
        }
    }

    /// FORMAT: patch-2
    #[test]
    fn a_base_lies_in_the_log_and_before_its_patch() {
        let at = |back, body_bytes| in_log(1).base_offset(PatchBase { back, body_bytes }, 840);
        assert_eq!(at(500, 400), Some(4500));
        assert_eq!(at(904, 884), Some(4096));
        let far = Place { offset: 1 << 40, ..in_log(1) };
        let far_at = |body_bytes| far.base_offset(PatchBase { back: 1 << 20, body_bytes }, 840).is_some();
        assert!(far_at(840 + 44) && !far_at(840 + 45), "no body of a page is as long");
        assert_eq!((at(904, 885), at(905, 400), at(0, 0), at(19, 0)), (None, None, None, None));
        assert_eq!((at(u32::MAX, 1), at(500, u32::MAX)), (None, None));
    }
}
