//! The bodies in a browser: the page steps them and keeps the time.

use aes_gcm::KeyInit;
use aes_gcm::aead::AeadInOut;
use coffer_store::{Inline, MemStorage};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{CommitBody, FoldBody, OpenBody, ReadBody, RecoverBody};

/// One body, made and ready to be stepped.
#[wasm_bindgen]
pub struct Body(Kind);

enum Kind {
    Commit(CommitBody<MemStorage>),
    Read(ReadBody<MemStorage>),
    Scan(ReadBody<MemStorage>),
    Open(OpenBody<MemStorage>),
    Recover(RecoverBody<MemStorage>),
    Fold(Option<FoldBody<MemStorage>>),
    /// By coffer-gcm, and by the crate that Coffer has natively.
    Seal(Box<coffer_gcm::Aes256Gcm>, Vec<u8>),
    SealThere(Box<aes_gcm::Aes256Gcm>, Vec<u8>),
}

/// A page of 8 KiB, as small as it usually is when it is sealed.
const SEALED_BYTES: usize = 4096;

#[wasm_bindgen]
impl Body {
    /// The body of this name; `undefined` if there is none.
    pub fn create(name: &str) -> Option<Self> {
        let storage = MemStorage::new();
        Some(Self(match name {
            "commit" => Kind::Commit(CommitBody::new(storage)),
            "read" => Kind::Read(ReadBody::new(storage)),
            "scan" => Kind::Scan(ReadBody::new(storage)),
            "open" => Kind::Open(OpenBody::new(storage, 1_000_000)),
            "recover" => Kind::Recover(RecoverBody::new(storage, 64 << 20)),
            "fold" => Kind::Fold(None),
            "seal" => Kind::Seal(coffer_gcm::Aes256Gcm::boxed(&[7; 32]), vec![1; SEALED_BYTES]),
            "seal-there" => Kind::SealThere(Box::new(aes_gcm::Aes256Gcm::new(&[7; 32].into())), vec![1; SEALED_BYTES]),
            _ => return None,
        }))
    }

    /// What is to be done before a step and is not measured.
    pub fn prepare(&mut self) {
        match &mut self.0 {
            Kind::Commit(body) => body.prepare(),
            Kind::Fold(body) => *body = Some(FoldBody::new(MemStorage::new())),
            Kind::Read(_) | Kind::Scan(_) | Kind::Open(_) | Kind::Recover(_) | Kind::Seal(..) | Kind::SealThere(..) => {
            }
        }
    }

    /// Steps it this often, without a word to JavaScript between.
    pub fn step(&mut self, times: u32) {
        for _ in 0..times {
            match &mut self.0 {
                Kind::Commit(body) => drop(body.step()),
                Kind::Read(body) => drop(body.step()),
                Kind::Scan(body) => drop(body.scan()),
                Kind::Open(body) => drop(body.step()),
                Kind::Recover(body) => drop(body.step()),
                Kind::Seal(cipher, bytes) => drop(cipher.seal(&[1; 12], &[2; 32], bytes)),
                Kind::SealThere(cipher, bytes) => {
                    drop(cipher.encrypt_inout_detached(&[1; 12].into(), &[2; 32], bytes.as_mut_slice().into()));
                }
                Kind::Fold(body) => drop(body.as_mut().map(|body| body.step(&Inline, 1))),
            }
        }
    }
}
