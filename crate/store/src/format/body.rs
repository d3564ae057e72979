//! A body: what both a log frame and a segment record carry. Header, optional nonce, payload, then a tag or a checksum.
//!
//! B1  A body is bound to its place (database, file, offset, page number), its commit and its codec: moved or spliced, it
//!     does not open.
//! B2  Authentication or checksum comes before decompression; the decompressed size is known beforehand and bounded.

use alloc::vec::Vec;

use super::layout::{
    BODY_CRC_BYTES, BODY_HEADER_BYTES, BODY_NONCE_BYTES, BODY_OVERHEAD_BYTES_MAX, BODY_TAG_BYTES, FRAME_HEADER_BYTES,
    RECORD_HEADER_BYTES,
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

impl Place<'_> {
    /// FORMAT: body-3
    pub(super) fn associated(&self, header: [u8; BODY_HEADER_BYTES]) -> [u8; ASSOCIATED_BYTES] {
        let mut out = [0; ASSOCIATED_BYTES];
        patch(&mut out, 0, &self.database.0);
        patch(&mut out, 16, &[self.kind as u8]);
        patch(&mut out, 24, &self.file.to_le_bytes());
        patch(&mut out, 32, &self.offset.to_le_bytes());
        patch(&mut out, 40, &self.page.to_le_bytes());
        patch(&mut out, 48, &header);
        out
    }
}

/// The first bytes of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BodyHeader {
    pub codec: Codec,
    pub encrypted: bool,
    pub dictionary: bool,
    pub raw_bytes: u32,
    pub commit: CommitId,
}

const FLAG_ENCRYPTED: u8 = 1;
const FLAG_DICTIONARY: u8 = 2;

impl BodyHeader {
    pub fn encode(&self) -> [u8; BODY_HEADER_BYTES] {
        let flags = if self.encrypted { FLAG_ENCRYPTED } else { 0 } | if self.dictionary { FLAG_DICTIONARY } else { 0 };
        let mut out = [0; BODY_HEADER_BYTES];
        patch(&mut out, 0, &[self.codec.id(), flags]);
        patch(&mut out, 4, &self.raw_bytes.to_le_bytes());
        patch(&mut out, 8, &self.commit.0.to_le_bytes());
        out
    }

    /// FORMAT: body-1
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let codec = Codec::from_id(reader.u8()?)?;
        let flags = reader.u8()?;
        if flags & !(FLAG_ENCRYPTED | FLAG_DICTIONARY) != 0 {
            return None;
        }
        reader.zeros(2)?;
        Some(Self {
            codec,
            encrypted: flags & FLAG_ENCRYPTED != 0,
            dictionary: flags & FLAG_DICTIONARY != 0,
            raw_bytes: reader.u32()?,
            commit: CommitId(reader.u64()?),
        })
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
    let start = begin_body(out, closing.is_some());
    let (codec, dictionary) = if let Some(encoder) = encoder {
        let done = encoder.encode(raw, out);
        (done.codec, done.dictionary)
    } else {
        out.put(raw);
        (Codec::None, false)
    };
    let raw_bytes = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    let header = BodyHeader { codec, encrypted: closing.is_some(), dictionary, raw_bytes, commit };
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
    let start = begin_body(out, closing.is_some());
    out.put(page.payload);
    let header = BodyHeader {
        codec: page.codec,
        encrypted: closing.is_some(),
        dictionary: page.dictionary,
        raw_bytes: page.raw_bytes,
        commit,
    };
    close_body(out, start, place, header, closing)
}

/// A page that is compressed, or not worth it, and not yet closed for its place.
pub(crate) struct Compressed<'a> {
    pub codec: Codec,
    pub dictionary: bool,
    pub raw_bytes: u32,
    pub payload: &'a [u8],
}

fn begin_body(out: &mut Vec<u8>, encrypted: bool) -> usize {
    let start = out.len();
    out.put(&[0; BODY_HEADER_BYTES]);
    if encrypted {
        out.put(&[0; BODY_NONCE_BYTES]);
    }
    start
}

/// Sets the header, and closes the payload that was appended since [`begin_body`].
fn close_body(out: &mut Vec<u8>, start: usize, place: Place<'_>, header: BodyHeader, closing: Closing<'_>) -> usize {
    let header = header.encode();
    patch(out, start, &header);
    let associated = place.associated(header);
    if let Some((subkey, nonce)) = closing {
        let payload = out.get_mut(start + BODY_HEADER_BYTES + BODY_NONCE_BYTES..).unwrap_or_default();
        let (nonce, tag) = subkey.seal(nonce, &associated, payload);
        patch(out, start + BODY_HEADER_BYTES, &nonce);
        out.put(&tag);
    } else {
        let crc = crc32(&[&associated, out.get(start + BODY_HEADER_BYTES..).unwrap_or_default()]);
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

/// Opens a body in place: verifies, decrypts, decompresses into `out`, which has the size that the caller expects.
pub(crate) fn open_body(
    body: &mut [u8],
    place: Place<'_>,
    opening: Opening<'_>,
    decoder: &mut Decoder,
    out: &mut [u8],
) -> Result<BodyHeader, What> {
    let (header, payload) = open_payload(body, place, opening)?;
    // FORMAT: body-4
    if header.raw_bytes as usize != out.len() {
        return Err(What::RecordHeader);
    }
    let dictionary = if header.dictionary { opening.dictionary } else { None };
    if header.dictionary && dictionary.is_none() {
        return Err(What::RecordHeader);
    }
    decoder.decode(header.codec, dictionary, payload, out)?;
    Ok(header)
}

/// Verifies and decrypts a body in place and gives its still compressed payload.
pub(crate) fn open_payload<'b>(
    body: &'b mut [u8],
    place: Place<'_>,
    opening: Opening<'_>,
) -> Result<(BodyHeader, &'b mut [u8]), What> {
    let (header_bytes, rest) = body.split_first_chunk_mut::<BODY_HEADER_BYTES>().ok_or(What::RecordHeader)?;
    let header = BodyHeader::decode(header_bytes).ok_or(What::RecordHeader)?;
    // FORMAT: body-2
    if header.encrypted != opening.subkey.is_some() {
        return Err(What::RecordAuthentication);
    }
    let associated = place.associated(*header_bytes);
    if let Some(subkey) = opening.subkey {
        let (nonce, rest) = rest.split_first_chunk_mut::<BODY_NONCE_BYTES>().ok_or(What::RecordHeader)?;
        let (payload, tag) = rest.split_last_chunk_mut::<BODY_TAG_BYTES>().ok_or(What::RecordHeader)?;
        subkey.open(nonce, &associated, payload, tag)?;
        Ok((header, payload))
    } else {
        let (payload, crc) = rest.split_last_chunk_mut::<BODY_CRC_BYTES>().ok_or(What::RecordHeader)?;
        if opening.verify && crc32(&[&associated, payload]) != u32::from_le_bytes(*crc) {
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
        let header = open_body(&mut out.clone(), place(1), PLAIN, &mut Decoder::default(), &mut page).unwrap();
        assert_eq!((header.commit, page.as_slice()), (CommitId(9), [5; 600].as_slice()));
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
}
