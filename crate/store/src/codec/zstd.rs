//! zstd: one standard frame for each page, without checksum and dictionary id.
//!
//! Z1: contexts and prepared dictionaries are kept, so a page costs no allocation. Z2: decoding is one call into the page's
//! own buffer, which is also its window; whatever window a hostile frame asks for, nothing is allocated for it. Z3: the frame
//! keeps its magic number: 4 bytes a page buy records that every zstd tool reads.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use zstd_safe::{CCtx, CDict, CParameter, DCtx, DDict, train_from_buffer};

use crate::error::What;
use crate::sorted::SortedMap;
use crate::sync::Shared;

/// What a zdict-format dictionary begins with. Anything else is a raw-content dictionary.
const DICTIONARY_MAGIC: [u8; 4] = 0xec30_a437_u32.to_le_bytes();
/// zdict makes nothing shorter.
const DICTIONARY_BYTES_MIN: usize = 256;
/// A dictionary longer than this share of its samples has learnt them by heart.
const SAMPLES_PER_DICTIONARY: usize = 8;
/// zdict refuses fewer.
const SAMPLES_MIN: usize = 8;

/// A dictionary made ready: once for decoding, once for each level it encodes at.
pub struct Prepared {
    decoder: DDict<'static>,
    encoders: Shared<SortedMap<i8, Option<Arc<CDict<'static>>>>>,
}

impl Prepared {
    /// Makes ready, or `None` if it calls itself a zdict dictionary and is not.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        Some(Self { decoder: DDict::try_create(bytes)?, encoders: Shared::new(SortedMap::new()) })
    }

    /// The dictionary made ready for encoding at this level, or `None` if zstd cannot.
    fn encoder(&self, bytes: &[u8], level: i8) -> Option<Arc<CDict<'static>>> {
        self.encoders.with(|encoders| {
            if let Some(known) = encoders.get(&level) {
                return known.clone();
            }
            let made = CDict::try_create(&without_id(bytes), level.into()).map(Arc::new);
            encoders.insert(level, made.clone());
            made
        })
    }
}

/// The same dictionary with the id 0. zstd writes the id of a dictionary into each frame unless it is 0; our records say
/// already that there is one, and the file has only one.
fn without_id(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.starts_with(&DICTIONARY_MAGIC)
        && let Some(id) = bytes.get_mut(4..8)
    {
        id.fill(0);
    }
    bytes
}

/// A compressor, kept between pages.
pub struct Encoder {
    context: CCtx<'static>,
    dictionary: Option<Arc<CDict<'static>>>,
}

impl Encoder {
    /// A compressor at this level, or `None` if zstd does not take it.
    pub fn new(level: i8, dictionary: Option<(&Prepared, &[u8])>) -> Option<Self> {
        let mut context = CCtx::try_create()?;
        context.set_parameter(CParameter::CompressionLevel(level.into())).ok()?;
        context.set_parameter(CParameter::ContentSizeFlag(false)).ok()?;
        context.set_parameter(CParameter::ChecksumFlag(false)).ok()?;
        context.set_parameter(CParameter::DictIdFlag(false)).ok()?;
        let dictionary = dictionary.and_then(|(prepared, bytes)| prepared.encoder(bytes, level));
        Some(Self { context, dictionary })
    }

    /// Whether what it writes needs the dictionary to be read.
    pub fn uses_dictionary(&self) -> bool {
        self.dictionary.is_some()
    }

    /// Writes the coded form of `raw` to the beginning of `out` and returns its length, or `None` if it does not fit.
    pub fn encode(&mut self, raw: &[u8], out: &mut [u8]) -> Option<usize> {
        match &self.dictionary {
            Some(dictionary) => self.context.compress_using_cdict(out, raw, dictionary),
            None => self.context.compress2(out, raw),
        }
        .ok()
    }
}

/// A decompressor, kept between pages.
#[derive(Default)]
pub struct Decoder(Option<DCtx<'static>>);

impl Decoder {
    /// Fills `out` from `stored`.
    pub fn decode(&mut self, dictionary: Option<&Prepared>, stored: &[u8], out: &mut [u8]) -> Result<(), What> {
        let context = self.0.get_or_insert_with(DCtx::create);
        let len = match dictionary {
            Some(dictionary) => context.decompress_using_ddict(out, stored, &dictionary.decoder),
            None => context.decompress(out, stored),
        };
        match len {
            Ok(len) if len == out.len() => Ok(()),
            _ => Err(What::RecordContent),
        }
    }
}

/// Learns a dictionary, or `None` if there is too little to learn from. The same samples give the same dictionary.
pub fn train(samples: &[&[u8]], bytes_max: usize) -> Option<Vec<u8>> {
    let sizes: Vec<usize> = samples.iter().map(|sample| sample.len()).filter(|&size| size > 0).collect();
    let joined = samples.concat();
    let bytes_max = bytes_max.min(joined.len() / SAMPLES_PER_DICTIONARY);
    if sizes.len() < SAMPLES_MIN || bytes_max < DICTIONARY_BYTES_MIN {
        return None;
    }
    let mut dictionary = vec![0; bytes_max];
    let len = train_from_buffer(dictionary.as_mut_slice(), &joined, &sizes).ok()?;
    dictionary.truncate(len);
    Some(dictionary)
}
