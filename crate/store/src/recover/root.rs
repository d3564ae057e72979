//! The root: the manifest's newest whole slot, or the copy in a self-contained segment, and the keys that it wraps.
//!
//! R1  The newest whole manifest slot is the root. Segments that it does not name and logs older than it names do not count.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::cipher::Cipher;
use crate::device::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage};
use crate::error::{Error, Result, Unsupported, What};
use crate::file::OpenFile;
use crate::format::foreign;
use crate::format::layout::MANIFEST_SLOT_BYTES;
use crate::format::manifest::{Manifest, SealedManifest, SegmentEntry, Slot, decode_slot};
use crate::format::seal::Seal;
use crate::format::segment::SegmentHeader;
use crate::ids::{CommitId, DatabaseId, PageSize, SegmentId};
use crate::keys::{KeySlot, Keyring, SlotKey};
use crate::log::LogNumber;
use crate::options::Options;
use crate::segment::{open_segment, read_header, read_manifest_copy, read_seal, segment_of_name};

/// The root's file.
pub(crate) const MANIFEST: &str = "manifest";

/// Where the slot of a generation is, and how long it is.
pub(crate) const fn manifest_slot(generation: u64) -> (u64, u64) {
    ((generation & 1) * MANIFEST_SLOT_BYTES as u64, MANIFEST_SLOT_BYTES as u64)
}

/// What can be learned of a database without its key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peek {
    /// Its identity.
    pub database: DatabaseId,
    /// How it is encrypted.
    pub cipher: Cipher,
    /// The size of its pages.
    pub page_size: PageSize,
    /// The slots that a key can open, with what deriving it takes.
    pub slots: Vec<KeySlot>,
}

/// Reads the root without a key: whether there is a database, and how its key is derived.
pub fn peek<S: Storage>(storage: &S, base: Option<&str>) -> Result<Peek> {
    let (manifest, _) = read_root(storage, base, OpenMode::Read)?;
    Ok(Peek {
        database: manifest.database(),
        cipher: manifest.cipher(),
        page_size: manifest.page_size(),
        slots: manifest.slots().to_vec(),
    })
}

type Root<D> = (Box<SealedManifest>, Option<D>);

/// The newest whole slot of the manifest, or the manifest in a self-contained segment.
pub(super) fn read_root<S: Storage>(storage: &S, base: Option<&str>, mode: OpenMode) -> Result<Root<S::Device>> {
    let device = match (storage.open(MANIFEST, mode), base) {
        (Ok(device), _) => device,
        (Err(error), Some(base)) if error.kind == DeviceErrorKind::NotFound => return read_base_root(storage, base),
        (Err(error), _) => return Err(error.into()),
    };
    let len = device.len()?.min(2 * MANIFEST_SLOT_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    device.read_at(0, &mut bytes)?;
    let (first, second) = bytes.split_at(bytes.len().min(MANIFEST_SLOT_BYTES));
    let (first, second) = (decode_slot(MANIFEST, first)?, decode_slot(MANIFEST, second)?);
    // FORMAT: manifest-4
    let newest = match (first, second) {
        (Slot::Whole(first), Slot::Whole(second)) if first.generation() > second.generation() => first,
        (Slot::Whole(_) | Slot::Broken | Slot::Malformed, Slot::Whole(second)) => second,
        (Slot::Whole(first), Slot::Broken | Slot::Malformed) => first,
        (Slot::Malformed, _) | (_, Slot::Malformed) => return Err(Error::corrupt(MANIFEST, 0, What::ManifestField)),
        (Slot::Broken, Slot::Broken) if is_unfinished(storage, &bytes)? => {
            let missing = || DeviceError::new(DeviceOp::Open, MANIFEST, 0, DeviceErrorKind::NotFound);
            return base.map_or_else(|| Err(missing().into()), |base| read_base_root(storage, base));
        }
        (Slot::Broken, Slot::Broken) => {
            let ours = bytes.starts_with(crate::format::manifest::MAGIC) || bytes.iter().all(|&byte| byte == 0);
            return Err(if ours || bytes.len() > MANIFEST_SLOT_BYTES {
                Error::corrupt(MANIFEST, 0, What::Manifest)
            } else {
                foreign(MANIFEST, &bytes)
            });
        }
    };
    Ok((newest, Some(device)))
}

fn read_base_root<S: Storage>(storage: &S, base: &str) -> Result<Root<S::Device>> {
    let device = storage.open(base, OpenMode::Read)?;
    Ok((read_copied_root(&device, base)?.1, None))
}

/// The header of a self-contained segment and the root that it carries.
pub(crate) fn read_copied_root(device: &dyn Device, name: &str) -> Result<(SegmentHeader, Box<SealedManifest>)> {
    let header = read_header(device, name)?;
    let copy = read_manifest_copy(device, name, &header)?;
    match decode_slot(name, &copy)? {
        Slot::Whole(manifest) => Ok((header, manifest)),
        Slot::Malformed | Slot::Broken => Err(Error::corrupt(name, 0, What::Manifest)),
    }
}

/// Opens a self-contained segment. The root in it cannot name it, so what a root would say of it comes from its seal.
pub(crate) fn open_self_contained<D: Device>(
    device: D,
    name: &str,
    header: &SegmentHeader,
    database: DatabaseId,
    keys: Option<&Keyring>,
) -> Result<(OpenFile<D>, Seal, SegmentEntry)> {
    let data_key = keys.and_then(|keys| keys.data(header.epoch));
    let file_bytes = device.len()?;
    let file = open_segment(device, name, header, database, data_key, file_bytes)?;
    let seal = read_seal(&file, header)?;
    let entry = SegmentEntry {
        id: seal.id,
        file_bytes,
        records: seal.records,
        base: seal.base,
        last: seal.last,
        epoch: header.epoch,
    };
    Ok((file, seal, entry))
}

/// Whether these bytes of a manifest, neither slot of which is whole, are what a crash left of its first write: of ours, and
/// with no log and no segment beside it, both of which come later. Then nothing was ever in it.
pub(crate) fn is_unfinished<S: Storage>(storage: &S, bytes: &[u8]) -> Result<bool> {
    let magic = crate::format::manifest::MAGIC;
    let ours = bytes.chunks(MANIFEST_SLOT_BYTES).all(|slot| {
        let start = slot.get(..magic.len()).unwrap_or(slot);
        magic.starts_with(start) || start.iter().all(|&byte| byte == 0)
    });
    let of_a_database = |name: &String| LogNumber::of_name(name).is_some() || segment_of_name(name).is_some();
    Ok(ours && !storage.list()?.iter().any(of_a_database))
}

/// Opens the manifest with a key: the slot decides whether it is the right one, before anything else is read.
pub(crate) fn unlock(sealed: Box<SealedManifest>, key: Option<&SlotKey>) -> Result<(Manifest, Option<Keyring>)> {
    let (cipher, database) = (sealed.cipher(), sealed.database());
    let unauthentic = || Error::corrupt(MANIFEST, 0, What::ManifestAuthentication);
    if cipher == Cipher::None {
        // FORMAT: manifest-6
        if key.is_some() {
            return Err(Error::WrongKey);
        }
        return Ok((sealed.open(None).ok_or_else(unauthentic)?, None));
    }
    let file = || MANIFEST.into();
    cipher.require().map_err(|what: Unsupported| Error::Unsupported { file: file(), what })?;
    let key = key.ok_or(Error::KeyRequired)?;
    // FORMAT: key-1
    let master =
        sealed.slots().iter().find_map(|slot| slot.unwrap_master(cipher, key, database).ok()).ok_or(Error::WrongKey)?;
    let manifest = sealed.open(Some(&master)).ok_or_else(unauthentic)?;
    let mut keys = Keyring::new(cipher, master);
    for (epoch, wrapped) in &manifest.data_keys {
        // FORMAT: key-2
        let data = wrapped
            .unwrap_data(cipher, keys.master(), database, *epoch)
            .map_err(|what| Error::corrupt(MANIFEST, 0, what))?;
        keys.insert(*epoch, data);
    }
    Ok((manifest, Some(keys)))
}

/// A self-contained segment is the database: the root in it is completed by the segment itself.
pub(super) fn adopt_base<S: Storage>(
    storage: &S,
    options: &Options,
    manifest: &mut Manifest,
    keys: Option<&Keyring>,
) -> Result<()> {
    let base = options.base.as_deref().unwrap_or_default();
    let device = storage.open(base, OpenMode::Read)?;
    let header = read_header(&device, base)?;
    let (_, seal, entry) = open_self_contained(device, base, &header, manifest.database, keys)?;
    // FORMAT: seal-3. An increment opened by itself would read zeros where the copy that it belongs to has pages.
    if seal.base != CommitId::ZERO {
        return Err(Error::corrupt(base, 0, What::SegmentMissing));
    }
    manifest.segments = vec![entry];
    manifest.commit = seal.last;
    manifest.chain = seal.chain;
    manifest.page_count = seal.page_count;
    manifest.flushed = seal.last;
    manifest.segment_next = SegmentId(seal.id.0.max(manifest.segment_next.0.saturating_sub(1)).saturating_add(1));
    // FORMAT: manifest-7. What the seal says is held to the same limits.
    if !manifest.counts_on() {
        return Err(Error::corrupt(base, 0, What::ManifestField));
    }
    Ok(())
}

/// The generation of the newest whole slot, whoever wrote it.
pub(crate) fn newest_generation(device: &dyn Device) -> Result<Option<u64>> {
    let len = device.len()?.min(2 * MANIFEST_SLOT_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    device.read_at(0, &mut bytes)?;
    let (first, second) = bytes.split_at(bytes.len().min(MANIFEST_SLOT_BYTES));
    let mut newest = None;
    for slot in [first, second] {
        if let Slot::Whole(manifest) = decode_slot(MANIFEST, slot)? {
            newest = newest.max(Some(manifest.generation()));
        }
    }
    Ok(newest)
}
