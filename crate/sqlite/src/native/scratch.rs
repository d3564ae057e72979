//! Scratch files in the system's temporary directory. They lose their names at once, so nothing is left of them however the
//! process ends; what they hold is encrypted by [`crate::memory`].

use std::env;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use coffer_store::{Device, DeviceError, DeviceOp};

use super::files::device_error;
use crate::memory::{Scratch, ScratchDevice};

/// Opens scratch files in the temporary directory.
pub(crate) struct TempScratch;

#[derive(Debug)]
struct TempDevice(fs::File);

const NAME: &str = "a scratch file";

impl Scratch for TempScratch {
    fn create(&self) -> Result<Box<dyn ScratchDevice>, DeviceError> {
        let fail = |error| device_error(DeviceOp::Open, NAME, 0, &error);
        let mut random = [0; 8];
        self.random(&mut random);
        let path: PathBuf = env::temp_dir().join(format!("coffer-{:016x}.tmp", u64::from_le_bytes(random)));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(fail)?;
        fs::remove_file(&path).map_err(fail)?;
        Ok(Box::new(TempDevice(file)))
    }

    fn random(&self, out: &mut [u8]) {
        coffer_store::Entropy::fill(&mut crate::SystemEntropy, out);
    }
}

impl Device for TempDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        Ok(self.0.metadata().map_err(|error| device_error(DeviceOp::Len, NAME, 0, &error))?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.0.read_exact_at(out, offset).map_err(|error| device_error(DeviceOp::Read, NAME, offset, &error))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.0.write_all_at(data, offset).map_err(|error| device_error(DeviceOp::Write, NAME, offset, &error))
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.0.set_len(len).map_err(|error| device_error(DeviceOp::Truncate, NAME, len, &error))
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(()) // It dies with the process; there is nothing to outlive.
    }
}
