//! Verifying: every byte of every file that counts, and a list of what is bad.

use alloc::vec;
use alloc::vec::Vec;

use crate::device::Storage;
use crate::error::{Error, Result};
use crate::ids::PageNo;
use crate::scratch::Scratch;
use crate::segment::{read_header, scan_records};
use crate::store::Store;

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Page records that were opened, in segments and logs.
    pub records: u64,
    /// Bytes of the files that were read.
    pub bytes: u64,
    /// What is damaged, with file and offset.
    pub damage: Vec<Error>,
    /// Pages of the newest state that cannot be read because of it.
    pub pages_lost: Vec<PageNo>,
}

impl<S: Storage> Store<S> {
    /// Opens every record of every segment, and every page of the newest state. `progress` is told the records done and may
    /// say `false` to stop.
    pub fn verify(&self, mut progress: impl FnMut(u64) -> bool) -> Result<Verified> {
        let mut verified = Verified::default();
        for segment in &self.segments {
            let Some(file) = self.view.files.get(segment.slot) else { continue };
            verified.bytes += segment.entry.file_bytes;
            let contents = read_header(&file.device, &file.name)
                .map(|header| (header, crate::recover::read_contents(file, &header, &segment.entry)));
            match contents {
                Ok((header, contents)) => {
                    match contents {
                        Ok(contents) if contents.rebuilt => {
                            let what = crate::error::What::Index;
                            verified.damage.push(file.corrupt(segment.entry.file_bytes, what));
                        }
                        Err(error) => verified.damage.push(error),
                        Ok(_) => {}
                    }
                    scan_records(file, &header, |found| match found {
                        Ok(_) => verified.records += 1,
                        Err(error) => verified.damage.push(error),
                    })?;
                }
                Err(error) => verified.damage.push(error),
            }
            if !progress(verified.records) {
                return Ok(verified);
            }
        }
        let mut pages = Vec::new();
        self.view.table.for_each(|page, _| pages.push(page));
        let mut scratch = Scratch::default();
        let mut raw = vec![0; self.manifest.page_size.bytes()];
        let snapshot = crate::snapshot::Snapshot { verify: true, ..self.view.clone() };
        for (count, page) in (1u64..).zip(pages) {
            match snapshot.read(page, &mut raw, &mut scratch) {
                Ok(_) => {}
                Err(error) => {
                    verified.pages_lost.push(page);
                    if !verified.damage.contains(&error) {
                        verified.damage.push(error);
                    }
                }
            }
            if count % PROGRESS_PAGES == 0 && !progress(verified.records + count) {
                break;
            }
        }
        verified.bytes += self.sealed.iter().chain(&self.log).map(|log| log.end).sum::<u64>();
        verified.records += self.log_frames();
        Ok(verified)
    }
}

const PROGRESS_PAGES: u64 = 256;
