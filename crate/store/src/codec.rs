//! Codecs: how a page becomes fewer bytes, and again a page.
//!
//! It knows bytes and lengths, and nothing of records or files: who stores a page keeps the codec, whether it used the
//! dictionary, and the page's length beside it.
//!
//! C1: encoding never fails; what does not shrink by a sixteenth is stored as it is. C2: a page of zeros is stored as nothing:
//! [`Codec::None`] with no bytes. C3: decoding fills exactly its buffer or fails, allocates nothing that stored bytes decide,
//! and never panics. C4: the same pages, choice and dictionary give the same bytes, whatever was encoded before.

#[cfg(feature = "lz4")]
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::crc::crc32;
use crate::error::{Limit, Unsupported, What};

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "rle")]
mod rle;
#[cfg(feature = "zstd")]
mod zstd;

/// A way to store a page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    #[default]
    None = 0,
    /// Run-length coding: next to no cost, and little gain beyond empty space.
    Rle = 1,
    /// LZ4 blocks: fast both ways.
    Lz4 = 2,
    /// zstd frames: the best ratio, with levels and dictionaries.
    Zstd = 3,
    /// gzip members: what other tools read.
    Gzip = 4,
}

impl Codec {
    /// Every codec, in the order of ids.
    pub const ALL: [Self; 5] = [Self::None, Self::Rle, Self::Lz4, Self::Zstd, Self::Gzip];

    /// The number that stands for it in files.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The codec with this number.
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::Rle),
            2 => Some(Self::Lz4),
            3 => Some(Self::Zstd),
            4 => Some(Self::Gzip),
            _ => None,
        }
    }

    /// Whether this build has it.
    pub const fn is_available(self) -> bool {
        match self {
            Self::None => true,
            Self::Rle => cfg!(feature = "rle"),
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
            Self::Gzip => cfg!(feature = "gzip"),
        }
    }

    /// Fails if this build lacks it.
    pub const fn require(self) -> Result<(), Unsupported> {
        if self.is_available() { Ok(()) } else { Err(Unsupported::Codec(self.id())) }
    }

    /// Its name, as options and listings spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rle => "rle",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|codec| codec.name() == name).ok_or(UnknownName)
    }
}

/// A name or level that stands for no codec, cipher or kind of key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownName;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such name: codecs are none, rle, lz4, zstd[:LEVEL] and gzip[:LEVEL]; ciphers none, aes-256-gcm and chacha20-poly1305")
    }
}

impl core::error::Error for UnknownName {}

/// A codec and how hard it tries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct CodecChoice {
    codec: Codec,
    level: i8,
}

impl CodecChoice {
    /// Pages stored as they are.
    pub const NONE: Self = Self { codec: Codec::None, level: 0 };

    /// This codec at this level: for zstd -7 to 22 and 0 for the default of 3, for gzip 1 to 9 and 0 for the default of 6,
    /// else 0. Fails with [`Limit::Level`].
    ///
    /// Whether the build has the codec is not asked here; an encoder for one that it lacks stores pages as they are.
    pub const fn new(codec: Codec, level: i8) -> Result<Self, Limit> {
        let level = match (codec, level) {
            (Codec::Zstd, 0) => 3,
            (Codec::Gzip, 0) => 6,
            (Codec::Zstd, -7..=22) | (Codec::Gzip, 1..=9) | (_, 0) => level,
            _ => return Err(Limit::Level),
        };
        Ok(Self { codec, level })
    }

    /// This codec at this level where the build has it, else LZ4, else none: what a default can promise in every build.
    pub fn best_available(codec: Codec, level: i8) -> Self {
        let wanted = Self::new(codec, level).unwrap_or(Self::NONE);
        if wanted.codec.is_available() {
            wanted
        } else if Codec::Lz4.is_available() {
            Self { codec: Codec::Lz4, level: 0 }
        } else {
            Self::NONE
        }
    }

    /// The codec.
    pub const fn codec(self) -> Codec {
        self.codec
    }

    /// The level, with the default filled in; 0 for codecs without levels.
    pub const fn level(self) -> i8 {
        self.level
    }
}

impl From<Codec> for CodecChoice {
    fn from(codec: Codec) -> Self {
        Self::new(codec, 0).unwrap_or(Self::NONE)
    }
}

impl fmt::Display for CodecChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            0 => self.codec.fmt(f),
            level => write!(f, "{}:{level}", self.codec),
        }
    }
}

impl FromStr for CodecChoice {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let (codec, level) = match text.split_once(':') {
            Some((codec, level)) => (codec, level.parse().map_err(|_| UnknownName)?),
            None => (text, 0),
        };
        Self::new(codec.parse()?, level).map_err(|_| UnknownName)
    }
}

/// Bytes that pages have in common, known to both sides, so that even a small page compresses well. Only zstd uses it.
///
/// Cheap to clone: clones share the bytes and what was prepared from them, also between threads.
#[derive(Clone)]
pub struct Dictionary(Arc<Inner>);

struct Inner {
    bytes: Vec<u8>,
    id: u32,
    #[cfg(feature = "zstd")]
    prepared: zstd::Prepared,
}

impl Dictionary {
    /// The longest dictionary: 1 MiB.
    pub const BYTES_MAX: usize = 1 << 20;

    /// Takes a dictionary in zdict's format, or any bytes as raw content. Fails with [`Limit::Dictionary`] if it is empty,
    /// too long, or claims zdict's format and is not in it.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Limit> {
        if bytes.is_empty() || bytes.len() > Self::BYTES_MAX {
            return Err(Limit::Dictionary);
        }
        Ok(Self(Arc::new(Inner {
            id: crc32(&[&bytes]),
            #[cfg(feature = "zstd")]
            prepared: zstd::Prepared::new(&bytes).ok_or(Limit::Dictionary)?,
            bytes,
        })))
    }

    /// The dictionary itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The CRC32 of its bytes.
    pub fn id(&self) -> u32 {
        self.0.id
    }
}

impl PartialEq for Dictionary {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.bytes() == other.bytes()
    }
}

impl Eq for Dictionary {}

impl fmt::Debug for Dictionary {
    /// Dictionaries are made of people's pages, so only the length and id are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({} bytes, {:08x})", self.bytes().len(), self.id())
    }
}

/// How a page was stored; a decoder needs to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// The codec.
    pub codec: Codec,
    /// Whether the dictionary is needed to read it.
    pub dictionary: bool,
}

/// Makes pages small. Holds what compressors need between pages: have one for each thread.
pub struct Encoder {
    choice: CodecChoice,
    engine: Engine,
    /// Where a page is compressed before it is known what becomes of it. Kept, as clearing it would cost more than the copy out of it.
    room: Vec<u8>,
}

enum Engine {
    None,
    #[cfg(feature = "rle")]
    Rle,
    #[cfg(feature = "lz4")]
    Lz4(Box<lz4::Encoder>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::Encoder),
    #[cfg(feature = "gzip")]
    Gzip(gzip::Encoder),
}

impl Encoder {
    /// An encoder of this choice. Codecs other than zstd leave the dictionary aside.
    pub fn new(choice: CodecChoice, dictionary: Option<&Dictionary>) -> Self {
        #[cfg(not(feature = "zstd"))]
        let _ = dictionary;
        let engine = match choice.codec {
            #[cfg(feature = "rle")]
            Codec::Rle => Engine::Rle,
            #[cfg(feature = "lz4")]
            Codec::Lz4 => Engine::Lz4(Box::new(lz4::Encoder::new())),
            #[cfg(feature = "zstd")]
            Codec::Zstd => {
                let dictionary = dictionary.map(|dictionary| (&dictionary.0.prepared, dictionary.bytes()));
                zstd::Encoder::new(choice.level, dictionary).map_or(Engine::None, Engine::Zstd)
            }
            #[cfg(feature = "gzip")]
            Codec::Gzip => Engine::Gzip(gzip::Encoder::new(choice.level.unsigned_abs())),
            _ => Engine::None,
        };
        Self { choice, engine, room: Vec::new() }
    }

    /// What it was made for.
    pub fn choice(&self) -> CodecChoice {
        self.choice
    }

    /// Appends the stored form of a page to `out` and says how to read it.
    pub fn encode(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Encoded {
        const STORED: Encoded = Encoded { codec: Codec::None, dictionary: false };
        if is_zero(raw) {
            return STORED;
        }
        if !matches!(self.engine, Engine::None) && (self.engine.gives_up_by_itself() || !looks_random(raw)) {
            // What is longer is not worth decoding later.
            let most = raw.len() - raw.len().div_ceil(SAVING_SHARE);
            let room = self.engine.room(raw.len(), most);
            if self.room.len() < room {
                self.room.resize(room, 0);
            }
            let len =
                self.room.get_mut(..room).and_then(|room| self.engine.encode(raw, room)).filter(|&len| len <= most);
            if let Some(coded) = len.and_then(|len| self.room.get(..len)) {
                out.extend_from_slice(coded);
                return Encoded { codec: self.choice.codec, dictionary: self.engine.uses_dictionary() };
            }
        }
        out.extend_from_slice(raw);
        STORED
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoder({})", self.choice)
    }
}

impl Engine {
    /// How much room to give for a page whose coded form may have `most` bytes.
    fn room(&self, raw_bytes: usize, most: usize) -> usize {
        #[cfg(not(feature = "lz4"))]
        let _ = raw_bytes;
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4(_) => lz4::Encoder::room(raw_bytes),
            _ => most,
        }
    }

    /// Whether it passes over what does not repeat itself so quickly (LZ4: 3 us of 8 KiB) that a look beforehand would cost the
    /// many pages that do more than it spares the few that do not.
    fn gives_up_by_itself(&self) -> bool {
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4(_) => true,
            _ => false,
        }
    }

    fn encode(&mut self, raw: &[u8], out: &mut [u8]) -> Option<usize> {
        #[cfg(not(any(feature = "rle", feature = "lz4", feature = "zstd", feature = "gzip")))]
        let _ = (raw, out);
        match self {
            Self::None => None,
            #[cfg(feature = "rle")]
            Self::Rle => rle::encode(raw, out),
            #[cfg(feature = "lz4")]
            Self::Lz4(encoder) => encoder.encode(raw, out),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.encode(raw, out),
            #[cfg(feature = "gzip")]
            Self::Gzip(encoder) => encoder.encode(raw, out),
        }
    }

    fn uses_dictionary(&self) -> bool {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.uses_dictionary(),
            _ => false,
        }
    }
}

/// Makes stored bytes pages again. Holds what decompressors need between pages: have one for each thread.
#[derive(Default)]
pub struct Decoder {
    #[cfg(feature = "zstd")]
    zstd: zstd::Decoder,
    #[cfg(feature = "gzip")]
    gzip: gzip::Decoder,
}

impl Decoder {
    /// Fills exactly `out` from what an encoder stored, or fails with [`What::RecordContent`]; then what `out` holds is
    /// unspecified. Ask [`Codec::require`] first: a codec that this build lacks fails here like damage.
    pub fn decode(
        &mut self,
        codec: Codec,
        dictionary: Option<&Dictionary>,
        stored: &[u8],
        out: &mut [u8],
    ) -> Result<(), What> {
        #[cfg(not(feature = "zstd"))]
        let _ = dictionary;
        // FORMAT: codec-1
        match codec {
            Codec::None => {
                if stored.is_empty() {
                    out.fill(0);
                } else if stored.len() == out.len() {
                    out.copy_from_slice(stored);
                } else {
                    return Err(What::RecordContent);
                }
                Ok(())
            }
            #[cfg(feature = "rle")]
            Codec::Rle => rle::decode(stored, out),
            #[cfg(feature = "lz4")]
            Codec::Lz4 => lz4::decode(stored, out),
            #[cfg(feature = "zstd")]
            Codec::Zstd => self.zstd.decode(dictionary.map(|dictionary| &dictionary.0.prepared), stored, out),
            #[cfg(feature = "gzip")]
            Codec::Gzip => self.gzip.decode(stored, out),
            #[cfg(not(all(feature = "rle", feature = "lz4", feature = "zstd", feature = "gzip")))]
            _ => Err(What::RecordContent),
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

/// Learns a dictionary of at most `dictionary_bytes_max` bytes from pages that are typical. `None` if there is too little to
/// learn from, or zstd is not in this build. The same samples in the same order give the same dictionary.
pub fn train(samples: &[&[u8]], dictionary_bytes_max: usize) -> Option<Vec<u8>> {
    #[cfg(feature = "zstd")]
    return zstd::train(samples, dictionary_bytes_max.min(Dictionary::BYTES_MAX));
    #[cfg(not(feature = "zstd"))]
    {
        let _ = (samples, dictionary_bytes_max);
        None
    }
}

/// A page must shrink by one part in this many, or is stored as it is.
const SAVING_SHARE: usize = 16;

pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(64).all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
}

/// Whether a page is so much like random bytes (ciphertext, pictures, archives) that no compressor need try.
///
/// Two looks, both far cheaper than a compressor: are the values of a sample of bytes evenly spread, and, since text may be
/// evenly spread and still repeat itself, does a sample of four-byte words occur elsewhere in the page?
fn looks_random(raw: &[u8]) -> bool {
    raw.len() >= SAMPLE_BYTES && is_evenly_spread(raw) && !repeats_itself(raw)
}

const SAMPLE_BYTES: usize = WINDOW_BYTES * WINDOWS;
const WINDOW_BYTES: usize = 32;
const WINDOWS: usize = 16;

/// Windows of the page with their places, spaced evenly from its beginning to its end.
fn windows(raw: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let step = raw.len().saturating_sub(WINDOW_BYTES) / (WINDOWS - 1);
    (0..WINDOWS).filter_map(move |window| Some((window * step, raw.get(window * step..)?.get(..WINDOW_BYTES)?)))
}

fn is_evenly_spread(raw: &[u8]) -> bool {
    let mut counts = [0_u32; 256];
    for &byte in windows(raw).flat_map(|(_, window)| window) {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    // Of n random bytes n (n - 1) / 256 ordered pairs are equal, give or take a few in a hundred. A source that is a
    // sixteenth short of random, 7.5 bits a byte, has at least half as many again.
    let sampled: u32 = counts.iter().sum();
    let pairs: u32 = counts.iter().map(|count| count * count.saturating_sub(1)).sum();
    u64::from(pairs) * 200 < u64::from(sampled) * u64::from(sampled.saturating_sub(1))
}

fn repeats_itself(raw: &[u8]) -> bool {
    const SLOTS: usize = 2048;
    const EMPTY: u32 = u32::MAX;
    // In a random page of 64 KiB one sampled word in a hundred thousand is elsewhere by chance.
    const REPEATS_MIN: usize = 8;
    let slot = |word: [u8; 4]| usize::try_from(u32::from_le_bytes(word).wrapping_mul(0x9e37_79b1) >> 21).unwrap_or(0);
    let mut places = [EMPTY; SLOTS];
    for (place, word) in (0_u32..EMPTY).step_by(4).zip(raw.as_chunks::<4>().0) {
        if let Some(entry) = places.get_mut(slot(*word)) {
            *entry = place;
        }
    }
    let occurs_elsewhere = |place: usize, word: [u8; 4]| {
        let seen = places.get(slot(word)).copied().filter(|&seen| seen != EMPTY);
        let seen = seen.and_then(|seen| usize::try_from(seen).ok()).filter(|&seen| seen != place);
        seen.and_then(|seen| raw.get(seen..)?.first_chunk()) == Some(&word)
    };
    let repeats = windows(raw)
        .flat_map(|(place, window)| window.windows(4).enumerate().map(move |(offset, word)| (place + offset, word)))
        .filter(|&(place, word)| word.first_chunk().is_some_and(|&word| occurs_elsewhere(place, word)))
        .count();
    repeats >= REPEATS_MIN
}

#[cfg(all(test, feature = "std", feature = "rle", feature = "lz4", feature = "zstd", feature = "gzip"))]
mod tests;
