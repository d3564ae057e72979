//! `coffer bench`: codecs, levels, dictionaries and ciphers, measured on the pages of a given database.
//!
//! Everything runs in memory on one thread over the same sample of pages, so the figures compare ways of storing, not disks.

use std::fs;
use std::hint::black_box;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use coffer_sqlite::SystemEntropy;
use coffer_store::{
    Cipher, Codec, CodecChoice, DataKey, Decoder, Dictionary, Encoded, Encoder, Nonce, PageNo, Salt, Scratch, Subkey,
    train,
};

use crate::failure::{Failure, Outcome};
use crate::open::{Access, DatabaseArgs};
use crate::progress::{Progress, Unit};
use crate::verb::init::parse_codec;

/// Compare codecs, levels, dictionaries and ciphers on a database's pages
#[derive(Args, Debug)]
pub struct Bench {
    #[command(flatten)]
    database: DatabaseArgs,
    /// A dictionary to measure with; by default one is trained on the sample.
    #[arg(long, value_name = "FILE")]
    dict: Option<PathBuf>,
    /// Measure these codecs: none, rle, lz4, zstd:LEVEL or gzip:LEVEL; may be given several times.
    #[arg(long = "codec", value_name = "CODEC[:LEVEL]", value_parser = parse_codec)]
    codecs: Vec<CodecChoice>,
    /// Bytes of pages to measure on.
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    sample: u64,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// What is measured unless codecs are named.
const CODECS: [(Codec, i8); 11] = [
    (Codec::None, 0),
    (Codec::Rle, 0),
    (Codec::Lz4, 0),
    (Codec::Zstd, -5),
    (Codec::Zstd, 1),
    (Codec::Zstd, 3),
    (Codec::Zstd, 9),
    (Codec::Zstd, 15),
    (Codec::Zstd, 19),
    (Codec::Gzip, 1),
    (Codec::Gzip, 6),
];

const DICTIONARY_BYTES: usize = 112_640;

/// One line of the table.
struct Line {
    name: String,
    dictionary: bool,
    raw_bytes: u64,
    stored_bytes: u64,
    write: Duration,
    read: Duration,
}

impl Bench {
    pub fn run(&self) -> Outcome {
        let pages = self.pages()?;
        if pages.is_empty() {
            return Err(Failure::data(format!("{} has no pages yet; load some data first", self.database.name())));
        }
        let dictionary = self.dictionary(&pages)?;
        let mut out = BufWriter::new(stdout());
        if !self.json {
            writeln!(out, "{} pages of {} bytes", pages.len(), pages.first().map_or(0, Vec::len))?;
            writeln!(
                out,
                "{:18} {:4} {:>12} {:>7} {:>11} {:>11}",
                "", "dict", "bytes", "ratio", "write MB/s", "read MB/s"
            )?;
        }
        for choice in self.choices()? {
            self.print(&codec(&pages, choice, None)?, &mut out)?;
            if let (Codec::Zstd, Some(dictionary)) = (choice.codec(), &dictionary) {
                self.print(&codec(&pages, choice, Some(dictionary))?, &mut out)?;
            }
        }
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            self.print(&seal(&pages, cipher)?, &mut out)?;
        }
        Ok(out.flush()?)
    }

    fn choices(&self) -> Outcome<Vec<CodecChoice>> {
        if !self.codecs.is_empty() {
            return Ok(self.codecs.clone());
        }
        let choice =
            |(codec, level)| CodecChoice::new(codec, level).map_err(|limit| coffer_store::Error::from(limit).into());
        CODECS.into_iter().map(choice).collect()
    }

    /// Pages spread over the whole database.
    fn pages(&self) -> Outcome<Vec<Vec<u8>>> {
        let database = self.database.open(Access::Read)?;
        let snapshot = database.snapshot();
        let page_bytes = snapshot.page_size().bytes();
        let count = snapshot.page_count().0;
        let wanted = u32::try_from(self.sample / page_bytes as u64).unwrap_or(u32::MAX).max(1);
        let step = usize::try_from(count.div_ceil(wanted).max(1)).unwrap_or(1);
        let mut scratch = Scratch::default();
        let mut pages = Vec::new();
        let mut progress = Progress::new("read", Some(u64::from(count.min(wanted))), Unit::Pages);
        for page in (1..=count).step_by(step).filter_map(PageNo::new) {
            let mut raw = vec![0; page_bytes];
            if snapshot.read(page, &mut raw, &mut scratch)? {
                pages.push(raw);
            }
            progress.set(pages.len() as u64);
        }
        Ok(pages)
    }

    /// The dictionary given, or one learned from half of the pages.
    fn dictionary(&self, pages: &[Vec<u8>]) -> Outcome<Option<Dictionary>> {
        let bytes = if let Some(file) = &self.dict {
            Some(fs::read(file).map_err(|error| Failure::file("read", file.display(), &error))?)
        } else {
            let half: Vec<&[u8]> = pages.iter().step_by(2).map(Vec::as_slice).collect();
            train(&half, DICTIONARY_BYTES)
        };
        let dictionary = bytes.map(Dictionary::new).transpose();
        dictionary.map_err(|_| Failure::data("the file is not a dictionary; make one with: coffer train-dict"))
    }

    fn print(&self, line: &Line, out: &mut impl Write) -> Outcome {
        let Line { name, dictionary, raw_bytes, stored_bytes, .. } = line;
        let (write, read) = (rate(*raw_bytes, line.write), rate(*raw_bytes, line.read));
        let ratio = ratio(*raw_bytes, *stored_bytes);
        if self.json {
            writeln!(
                out,
                "{{\"name\":\"{name}\",\"dictionary\":{dictionary},\"raw_bytes\":{raw_bytes},\"stored_bytes\":{stored_bytes},\
                 \"ratio\":{ratio:.3},\"write_mb_s\":{write:.1},\"read_mb_s\":{read:.1}}}"
            )?;
        } else {
            let dictionary = if *dictionary { "yes" } else { "" };
            writeln!(out, "{name:18} {dictionary:4} {stored_bytes:>12} {ratio:>7.2} {write:>11.1} {read:>11.1}")?;
        }
        // A slow level takes a while: what is known is shown.
        Ok(out.flush()?)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64().max(1e-9)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(raw: u64, stored: u64) -> f64 {
    raw as f64 / stored.max(1) as f64
}

fn bytes(pages: &[Vec<u8>]) -> u64 {
    pages.iter().map(|page| page.len() as u64).sum()
}

fn codec(pages: &[Vec<u8>], choice: CodecChoice, dictionary: Option<&Dictionary>) -> Outcome<Line> {
    let mut encoder = Encoder::new(choice, dictionary);
    let mut stored: Vec<(Encoded, Vec<u8>)> = Vec::with_capacity(pages.len());
    let began = Instant::now();
    for page in pages {
        let mut out = Vec::new();
        let how = encoder.encode(page, &mut out);
        stored.push((how, out));
    }
    let write = began.elapsed();
    let mut decoder = Decoder::default();
    let mut raw = vec![0; pages.first().map_or(0, Vec::len)];
    let began = Instant::now();
    for (how, bytes) in &stored {
        let dictionary = dictionary.filter(|_| how.dictionary);
        let given_back = decoder.decode(how.codec, dictionary, bytes, &mut raw);
        given_back.map_err(|what| Failure::data(format!("{choice} does not give back what it was given: {what}")))?;
        black_box(&raw);
    }
    let read = began.elapsed();
    let stored_bytes = stored.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let (name, dictionary) = (choice.to_string(), dictionary.is_some());
    Ok(Line { name, dictionary, raw_bytes: bytes(pages), stored_bytes, write, read })
}

fn seal(pages: &[Vec<u8>], cipher: Cipher) -> Outcome<Line> {
    let mut entropy = SystemEntropy;
    let key = DataKey::draw(&mut entropy);
    let lacking = || Failure::data(format!("this build has no {cipher}"));
    let subkey = Subkey::derive(cipher, &key, &Salt([0; 16]), b"bench").ok_or_else(lacking)?;
    let mut sealed = Vec::with_capacity(pages.len());
    let began = Instant::now();
    for page in pages {
        let mut data = page.clone();
        let (nonce, tag) = subkey.seal(Nonce::draw(&mut entropy), b"", &mut data);
        sealed.push((nonce, data, tag));
    }
    let write = began.elapsed();
    let stored_bytes = sealed.iter().map(|(nonce, data, tag)| (nonce.len() + data.len() + tag.len()) as u64).sum();
    let began = Instant::now();
    for (nonce, data, tag) in &mut sealed {
        let opened = subkey.open(nonce, b"", data, tag);
        opened.map_err(|what| Failure::data(format!("{cipher} does not give back what it was given: {what}")))?;
        black_box(&data);
    }
    let read = began.elapsed();
    Ok(Line { name: cipher.name().to_owned(), dictionary: false, raw_bytes: bytes(pages), stored_bytes, write, read })
}
