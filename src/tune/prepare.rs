//! What is known of a job before it is made: its training files, and the mark that it is found again by.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tunebench_data::{Dataset, hex};
use tunebench_providers::JobMark;

use super::{TuneError, Tuning};

/// A job as it is to be ordered.
pub(super) struct PreparedJob {
    pub(super) file: PathBuf,
    pub(super) validation: Option<PathBuf>,
    pub(super) mark: JobMark,
    /// Of the training file.
    pub(super) sha256: String,
}

impl Tuning<'_> {
    /// Checks everything that can be checked here, writes the files, and names the job.
    pub(super) fn prepare(&self) -> Result<PreparedJob, TuneError> {
        self.provider.check(self.spec, &self.train.examples, self.prompt)?;
        fs_err::create_dir_all(self.folder)?;
        let (train, training_hash) = self.write(self.train)?;
        let validation = self.validation.map(|validation| self.write(validation)).transpose()?;
        let validation_hash = validation.as_ref().map(|(_, hash)| hash.as_slice());
        let mark = self.mark(&training_hash, validation_hash);
        let keep = |file: tempfile::NamedTempFile, suffix: &str| {
            let path = self.folder.join(format!("{}{suffix}.jsonl", mark.0));
            file.persist(&path).map(|_| path).map_err(|error| error.error)
        };
        let file = keep(train, "")?;
        let validation = validation.map(|(file, _)| keep(file, "-validation")).transpose()?;
        Ok(PreparedJob { file, validation, mark, sha256: hex(&training_hash) })
    }

    /// Writes a file in the provider's format; also gives its SHA-256.
    fn write(&self, data: &Dataset) -> Result<(tempfile::NamedTempFile, Vec<u8>), TuneError> {
        let mut file = tempfile::NamedTempFile::new_in(self.folder)?;
        let out = std::io::BufWriter::new(file.as_file_mut());
        let mut hashed = HashingWriter { out, hash: Sha256::new() };
        self.provider.write_training_file(&data.examples, self.prompt, &mut hashed)?;
        let hash = hashed.finish()?;
        Ok((file, hash))
    }

    /// Equal training files, bases, hyperparameters and seeds have equal marks.
    fn mark(&self, training: &[u8], validation: Option<&[u8]>) -> JobMark {
        let hyperparameters = serde_json::to_string(&self.spec.hyperparameters).expect("JSON stays JSON");
        let mut hash = Sha256::new();
        let base = self.base.to_string();
        let seed = self.spec.seed.to_le_bytes();
        let parts = [base.as_bytes(), hyperparameters.as_bytes(), &seed, training];
        for part in parts.into_iter().chain(validation) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        JobMark(hex(&hash.finalize()[..16]))
    }

    /// The mark of the job, without any file being written.
    pub(super) fn mark_of_data(&self) -> Result<JobMark, TuneError> {
        let hash = |data: &Dataset| -> Result<Vec<u8>, TuneError> {
            let mut hashed = HashingWriter { out: std::io::sink(), hash: Sha256::new() };
            self.provider.write_training_file(&data.examples, self.prompt, &mut hashed)?;
            Ok(hashed.finish()?)
        };
        let validation = self.validation.map(hash).transpose()?;
        Ok(self.mark(&hash(self.train)?, validation.as_deref()))
    }
}

/// Takes the fingerprint of what passes.
struct HashingWriter<W> {
    out: W,
    hash: Sha256,
}

impl<W: std::io::Write> HashingWriter<W> {
    fn finish(mut self) -> std::io::Result<Vec<u8>> {
        self.out.flush()?;
        Ok(self.hash.finalize().to_vec())
    }
}

impl<W: std::io::Write> std::io::Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
