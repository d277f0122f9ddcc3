//! The fingerprint of a file, taken while it is read.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// A reader that hashes what passes: after the last byte, the SHA-256 that `sha256sum` would print.
pub(crate) struct Hashed<R> {
    source: R,
    hash: Sha256,
}

impl<R: Read> Hashed<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, hash: Sha256::new() }
    }

    pub(crate) fn into_hex(self) -> String {
        crate::hex(&self.hash.finalize()[..])
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(out)?;
        self.hash.update(&out[..n]);
        Ok(n)
    }
}
