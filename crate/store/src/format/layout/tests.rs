//! What is written is described three times: in FORMAT.md, in constants and code, and in golden vectors. Here the first two
//! meet.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use super::*;
use crate::cipher::Cipher;
use crate::codec::{Codec, CodecChoice};
use crate::crc::crc32;
use crate::entropy::Entropy;
use crate::format::body::{ASSOCIATED_BYTES, BodyHeader, FileKind, PatchBase, Place, body_bytes_max};
use crate::format::commits::{CommitInfo, encode_commits};
use crate::format::frame::{CommitPayload, begin_frame, commit_frame_bytes, end_frame};
use crate::format::index::{IndexEncoder, IndexEntry};
use crate::format::log::LogHeader;
use crate::format::manifest::{Manifest, SegmentEntry};
use crate::format::seal::{Seal, seal_record_bytes};
use crate::format::segment::{SegmentHeader, SegmentSalt};
use crate::ids::{
    Chain, CommitId, DatabaseId, Epoch, LogGeneration, PageCount, PageNo, PageSize, RequestId, Salt, SegmentId,
};
use crate::keys::{KeySlot, MasterKey, SlotKey, SlotKind, Wrapped};

const FORMAT_MD: &str = include_str!("../../../../../FORMAT.md");
const LAYOUT_TXT: &str = include_str!("../layout.txt");

/// A row of an offset table. `None` stands for what depends on another field.
struct Row {
    offset: Option<usize>,
    size: Option<usize>,
    field: String,
}

/// The offset tables of the document, by the heading above them.
fn tables() -> BTreeMap<String, Vec<Row>> {
    let mut tables: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut heading = String::new();
    let mut inside = false;
    for line in FORMAT_MD.lines() {
        if let Some(title) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            heading = title.to_string();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if !line.starts_with('|') {
            inside = false;
        } else if cells.get(1..3) == Some(&["offset", "size"]) {
            inside = true;
        } else if inside && !line.starts_with("|--") {
            tables.entry(heading.clone()).or_default().push(Row {
                offset: cells[1].parse().ok(),
                size: cells[2].parse().ok(),
                field: cells[3].to_string(),
            });
        }
    }
    tables
}

/// The two-column rows of the table under a heading.
fn pairs(heading: &str) -> BTreeMap<String, String> {
    let section = FORMAT_MD.split_once(heading).unwrap().1;
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|line| line.split('|').map(|cell| cell.trim().to_string()).collect::<Vec<_>>());
    cells.map(|cells| (cells[1].clone(), cells[2].clone())).collect()
}

const DATABASE: DatabaseId = DatabaseId(*b"database-id-0123");
const CHAIN: Chain = Chain(*b"chain-0123456789");
const REQUEST: RequestId = RequestId(*b"request-01234567");
const ENTRY: SegmentEntry = SegmentEntry {
    id: SegmentId(0x21),
    file_bytes: 0x2223,
    records: 0x24,
    base: CommitId(0x25),
    last: CommitId(0x26),
    epoch: Epoch(0x27),
};

fn manifest() -> Manifest {
    Manifest {
        cipher: Cipher::ChaCha20Poly1305,
        generation: 0x1112,
        database: DATABASE,
        page_size: PageSize::DEFAULT,
        page_count: PageCount(0x13),
        commit: CommitId(0x28),
        chain: CHAIN,
        flushed: CommitId(0x29),
        segment_next: SegmentId(0x30),
        log_first: LogGeneration(0x31),
        hot: CodecChoice::new(Codec::Zstd, -7).unwrap(),
        cold: CodecChoice::new(Codec::Gzip, 9).unwrap(),
        epoch: Epoch(0x32),
        archive: true,
        history_floor: CommitId(0x33),
        log_bytes_written: 0x34,
        segment_bytes_written: 0x35,
        pins: Vec::new(),
        segments: vec![ENTRY],
        data_keys: Vec::new(),
        slots: Vec::new(),
    }
}

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

type Fields = Vec<(&'static str, Vec<u8>)>;

macro_rules! fields {
    ($($name:literal: $value:expr),* $(,)?) => { vec![$(($name, $value.to_vec())),*] };
}

/// Every structure as the code writes it, with the value of each field.
#[expect(clippy::too_many_lines, reason = "a list")]
fn structures() -> Vec<(&'static str, Vec<u8>, Fields)> {
    let le16 = |value: u16| value.to_le_bytes();
    let le32 = |value: u32| value.to_le_bytes();
    let le64 = |value: u64| value.to_le_bytes();
    let slot = manifest().encode(None).unwrap();
    let (header, body) = slot.split_at(MANIFEST_HEADER_BYTES);
    let crc = crc32(&[&header[..MANIFEST_COVERED_BYTES], &header[48..], body]);
    let lists_start = 92;
    let entry_start = lists_start + 4 + 4;
    let wrapped: Vec<u8> = (1..=60).collect();
    let key_slot = KeySlot::wrap_master(
        Cipher::Aes256Gcm,
        &mut Counting(0),
        &SlotKey::take(&mut [1; 32]),
        DATABASE,
        (5, SlotKind::Pbkdf2, b"salt and costs".to_vec()),
        &MasterKey::draw(&mut Counting(9)),
    );
    let mut slot_bytes = Vec::new();
    key_slot.unwrap().encode(&mut slot_bytes);
    let log = LogHeader {
        cipher: Cipher::Aes256Gcm,
        generation: LogGeneration(0x41),
        database: DATABASE,
        salt: Salt(*b"salt-of-16-bytes"),
        epoch: Epoch(0x42),
        page_size: PageSize::MAX,
        base: CommitId(0x43),
        base_chain: CHAIN,
        base_page_count: PageCount(0x44),
    };
    let log_bytes = log.encode()[..LOG_HEADER_BYTES].to_vec();
    let mut frame = Vec::new();
    begin_frame(&mut frame, 0x51, CommitId(0x52));
    frame.extend_from_slice(b"page data");
    end_frame(&mut frame, 0);
    let frame_bytes = u32::try_from(frame.len()).unwrap();
    let commit = CommitPayload {
        page_count: PageCount(0x62),
        page_count_low: PageCount(0x61),
        frame_count: 0x63,
        run_start: 0x64,
        chain: CHAIN,
        request: REQUEST,
        flushed: CommitId(0x65),
        time_ms: 0x66,
        generation: LogGeneration(0x67),
    };
    let segment = SegmentHeader {
        page_size: PageSize::MIN,
        dictionary_bytes: 0x71,
        cipher: Cipher::Aes256Gcm,
        id: SegmentId(0x72),
        epoch: Epoch(0x73),
        salt: SegmentSalt(*b"twelve-bytes"),
    };
    let segment_bytes = segment.encode().to_vec();
    let mut index = IndexEncoder::default();
    let page = PageNo::new(3).unwrap();
    index.push(IndexEntry { page, commit: CommitId(4), offset: 0x81, body_bytes: 5 });
    let info = CommitInfo {
        commit: CommitId(0x91),
        page_count: PageCount(0x92),
        cut: Some(PageCount(0x90)),
        time_ms: 0x93,
        request: REQUEST,
    };
    let seal = Seal {
        id: SegmentId(0xa1),
        database: DATABASE,
        index_start: 0xa2,
        index_records: 0xa3,
        page_count: PageCount(0xa4),
        records: 0xa5,
        base: CommitId(0xa6),
        last: CommitId(0xa7),
        chain: CHAIN,
        dictionary_crc: 0xa8,
        flags: 3,
        commits_start: 0xa9,
        file_bytes: 0xaa,
    };
    let body_header = BodyHeader {
        codec: Codec::Gzip,
        encrypted: true,
        dictionary: true,
        raw_bytes: 0xb1,
        commit: CommitId(0xb2),
        base: None,
    };
    let base = Some(PatchBase { back: 0xb3, body_bytes: 0xb4 });
    let patch_header = BodyHeader { codec: Codec::None, dictionary: false, base, ..body_header };
    let encoded = |header: BodyHeader| {
        let mut out = Vec::new();
        header.encode(&mut out);
        out
    };
    let place = Place { database: &DATABASE, kind: FileKind::Segment, file: 0xc1, offset: 0xc2, page: 0xc3 };
    vec![
        (
            "Manifest header",
            header.to_vec(),
            fields! {
                "magic": b"COFFERMF", "version": le16(1), "required": le16(0), "compatible": le16(0), "cipher": [2],
                "zero": [0], "generation": le64(0x1112), "database": DATABASE.0,
                "body_bytes": le32(u32::try_from(body.len()).unwrap()), "crc": le32(crc), "mac": [0; 32],
            },
        ),
        (
            "Manifest body",
            body[..lists_start].to_vec(),
            fields! {
                "page_size": le32(8192), "page_count": le32(0x13), "commit": le64(0x28), "chain": CHAIN.0,
                "flushed": le64(0x29), "segment_next": le64(0x30), "log_first": le64(0x31), "hot_codec": [3],
                "hot_level": [249], "cold_codec": [4], "cold_level": [9], "epoch": le32(0x32), "flags": le32(1),
                "history_floor": le64(0x33), "log_bytes_written": le64(0x34), "segment_bytes_written": le64(0x35),
            },
        ),
        (
            "Segment entry",
            body[entry_start..body.len() - 8].to_vec(),
            fields! {
                "id": le64(0x21), "file_bytes": le64(0x2223), "records": le64(0x24), "base": le64(0x25),
                "last": le64(0x26), "epoch": le32(0x27),
            },
        ),
        (
            "Wrapped key",
            Wrapped::from_bytes(wrapped.first_chunk().unwrap()).to_bytes().to_vec(),
            fields! { "nonce": wrapped[..12], "sealed": wrapped[12..44], "tag": wrapped[44..] },
        ),
        (
            "Key slot",
            slot_bytes.clone(),
            fields! {
                "number": [5], "kind": [2], "parameter_bytes": le16(14), "parameters": b"salt and costs",
                "wrapped": slot_bytes[18..],
            },
        ),
        (
            "Log header",
            log_bytes.clone(),
            fields! {
                "magic": b"COFFERLG", "version": le16(1), "required": le16(0), "compatible": le16(0), "cipher": [1],
                "zero": [0], "generation": le64(0x41), "database": DATABASE.0, "salt": b"salt-of-16-bytes",
                "epoch": le32(0x42), "page_size": le32(65536), "base": le64(0x43), "base_chain": CHAIN.0,
                "base_page_count": le32(0x44), "zeros": [0; 32], "crc": le32(crc32(&[&log_bytes[..124]])),
            },
        ),
        (
            "Frame",
            frame.clone(),
            fields! {
                "magic": le32(0x377F_0682), "frame_bytes": le32(frame_bytes), "page": le32(0x51),
                "commit": le64(0x52), "page_data": b"page data", "crc": le32(crc32(&[&frame[..frame.len() - 4]])),
            },
        ),
        (
            "Commit payload",
            commit.encode().to_vec(),
            fields! {
                "page_count": le32(0x62), "page_count_low": le32(0x61), "frame_count": le32(0x63), "zero": [0; 4],
                "run_start": le64(0x64), "chain": CHAIN.0, "request": REQUEST.0, "flushed": le64(0x65),
                "time_ms": le64(0x66), "generation": le64(0x67),
            },
        ),
        (
            "Segment header",
            segment_bytes.clone(),
            fields! {
                "magic": b"SQLCEvfS", "page_size": le32(512), "data_start": le64(64 + 0x71), "dict_bytes": le32(0x71),
                "flags": le32(1), "version": le16(1), "required": le16(0), "compatible": le16(0), "cipher": [1],
                "zero": [0], "id": le64(0x72), "epoch": le32(0x73), "salt": b"twelve-bytes",
                "crc": le32(crc32(&[&segment_bytes[..60]])),
            },
        ),
        ("Index record", index.finish()[..12].to_vec(), fields! { "first_offset": le64(0x81), "count": le32(1) }),
        (
            "Commits record",
            encode_commits(&[info]),
            fields! {
                "commit": le64(0x91), "page_count": le32(0x92), "cut": le32(0x90), "time_ms": le64(0x93),
                "request": REQUEST.0,
            },
        ),
        (
            "Seal",
            seal.encode(),
            fields! {
                "id": le64(0xa1), "database": DATABASE.0, "index_start": le64(0xa2), "index_records": le32(0xa3),
                "page_count": le32(0xa4), "records": le64(0xa5), "base": le64(0xa6), "last": le64(0xa7),
                "chain": CHAIN.0, "dictionary_crc": le32(0xa8), "flags": le32(3), "commits_start": le64(0xa9),
                "file_bytes": le64(0xaa),
            },
        ),
        (
            "Body header",
            encoded(body_header),
            fields! {
                "codec": [4], "flags": [3], "zero": [0; 2], "raw_bytes": le32(0xb1), "commit": le64(0xb2),
            },
        ),
        ("Patch base", encoded(patch_header)[16..].to_vec(), fields! { "back": le32(0xb3), "body_bytes": le32(0xb4) }),
        (
            "Associated data",
            place.associated(&encoded(patch_header)).bytes().to_vec(),
            fields! {
                "database": DATABASE.0, "kind": [2], "zeros": [0; 7], "file": le64(0xc1), "offset": le64(0xc2),
                "page": le64(0xc3), "header": encoded(patch_header)[..16], "patch_base": encoded(patch_header)[16..],
            },
        ),
    ]
}

#[test]
fn the_code_writes_every_field_where_the_document_says() {
    let tables = tables();
    for (heading, bytes, fields) in structures() {
        let rows = &tables[heading];
        let names: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
        assert_eq!(names, fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{heading}");
        let mut end = 0;
        for (row, (name, value)) in rows.iter().zip(&fields) {
            assert_eq!(row.offset.unwrap_or(end), end, "offset of {name} of {heading}");
            assert_eq!(row.size.unwrap_or(value.len()), value.len(), "size of {name} of {heading}");
            assert_eq!(&bytes[end..end + value.len()], value, "{name} of {heading}");
            end += value.len();
        }
        assert_eq!(end, bytes.len(), "{heading}");
    }
}

#[test]
fn no_table_of_the_document_is_left_out() {
    let checked: Vec<&str> = structures().iter().map(|(heading, ..)| *heading).chain(["Record"]).collect();
    for (heading, rows) in tables() {
        assert!(checked.contains(&heading.as_str()), "{heading}");
        if heading == "Record" {
            assert_eq!(rows[2].offset, Some(RECORD_HEADER_BYTES));
        }
    }
}

#[test]
fn codecs_and_ciphers_have_the_numbers_of_the_document() {
    for (heading, names) in [
        ("### Codecs", Codec::ALL.map(|codec| (codec.id(), codec.name())).to_vec()),
        ("### Ciphers", Cipher::ALL.map(|cipher| (cipher.id(), cipher.name())).to_vec()),
    ] {
        let rows = pairs(heading);
        assert_eq!(rows.len(), names.len() + 2, "{heading}");
        for (id, name) in names {
            let said = rows[&id.to_string()].to_lowercase();
            let word = name.split('-').next().unwrap_or_default();
            assert!(said.starts_with(word), "{name}: {said}");
        }
    }
}

#[test]
fn the_limits_are_those_of_the_document() {
    let limits = pairs("## Limits");
    let limit = |name: &str| limits[name].trim_end_matches(" bytes").to_string();
    assert_eq!(limit("manifest slot"), MANIFEST_SLOT_BYTES.to_string());
    assert_eq!(limit("segments"), SEGMENTS_MAX.to_string());
    assert_eq!(limit("key slots"), KEY_SLOTS_MAX.to_string());
    assert_eq!(limit("data keys at once"), DATA_KEYS_MAX.to_string());
    assert_eq!(limit("single kept commits"), PINS_MAX.to_string());
    assert_eq!(limit("slot parameters"), KeySlot::PARAMETER_BYTES_MAX.to_string());
    assert_eq!((limit("dictionary"), DICTIONARY_BYTES_MAX), ("2^20".to_string(), 1 << 20));
    assert_eq!(limit("entries in an index record"), INDEX_ENTRIES_MAX.to_string());
    assert_eq!((limit("entries in a commits record"), COMMITS_MAX), ("2^20".to_string(), 1 << 20));
    assert_eq!((limit("commits, ids, generations"), NUMBER_END), ("below 2^62".to_string(), 1 << 62));
    assert_eq!((limit("file"), crate::location::FILE_BYTES_MAX), ("below 2^48".to_string(), 1 << 48));
    let frame_overhead = FRAME_HEADER_BYTES + FRAME_TRAILER_BYTES + body_bytes_max(0);
    assert_eq!(limit("frame"), alloc::format!("page size + {frame_overhead}"));
}

#[test]
fn the_layout_is_the_one_that_was_agreed_on() {
    let mut out = String::new();
    macro_rules! print {
        ($($name:ident)*) => { $(writeln!(out, "{} = {:?}", stringify!($name), $name).unwrap();)* };
    }
    print! {
        FRAME_MAGIC FRAME_HEADER_BYTES FRAME_TRAILER_BYTES BODY_HEADER_BYTES PATCH_BASE_BYTES BODY_NONCE_BYTES BODY_TAG_BYTES BODY_CRC_BYTES
        BODY_OVERHEAD_BYTES_MAX COMMIT_PAYLOAD_BYTES LOG_HEADER_BYTES LOG_HEADER_COPY_START LOG_DATA_START
        SEGMENT_HEADER_BYTES RECORD_HEADER_BYTES SEAL_PAYLOAD_BYTES INDEX_ENTRIES_MAX INDEX_ENTRY_BYTES_MAX
        COMMIT_INFO_BYTES COMMITS_MAX MANIFEST_SLOT_BYTES MANIFEST_HEADER_BYTES MANIFEST_COVERED_BYTES SPECIAL_PAGE
        INDEX_PAGE COMMITS_PAGE DICTIONARY_PAGE MANIFEST_PAGE SEAL_PAGE DICTIONARY_BYTES_MAX SEGMENTS_MAX KEY_SLOTS_MAX
        DATA_KEYS_MAX NUMBER_END EPOCH_END PINS_MAX ASSOCIATED_BYTES
    }
    for encrypted in [false, true] {
        writeln!(out, "commit frame, encrypted {encrypted} = {}", commit_frame_bytes(encrypted)).unwrap();
        writeln!(out, "seal record, encrypted {encrypted} = {}", seal_record_bytes(encrypted)).unwrap();
    }
    for (heading, bytes, fields) in structures() {
        writeln!(out, "\n{heading}, {} bytes", bytes.len()).unwrap();
        let mut end = 0;
        for (name, value) in fields {
            writeln!(out, "{end:4} {:3} {name}", value.len()).unwrap();
            end += value.len();
        }
    }
    assert!(out == LAYOUT_TXT, "the layout changed; if that is meant, layout.txt becomes:\n{out}");
}
