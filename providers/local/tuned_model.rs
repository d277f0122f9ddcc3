//! A tuned model by itself, from the bytes of its file: for programs that ask it outside of a run.

use std::path::Path;
use std::sync::Arc;

use tunebench_data::{LabelId, LabelSet};

use super::classifier::{Classifier, Scratch};
use super::completions::largest;
use super::encoder::{BATCH_SIZE, Encoder, Header, Tuned};
use super::model_file::ModelFileError;
use super::store::Store;
use crate::ProviderError;

/// A tuned model; share it between threads by reference or `Arc`.
#[derive(Debug)]
pub struct TunedModel(pub(super) Kind);

/// What it is.
#[derive(Debug)]
pub(super) enum Kind {
    Ngrams(Classifier),
    Encoder(Tuned),
}

impl TunedModel {
    /// The file of a model that was tuned with this folder for its state, by the model's name without `local/`.
    pub fn file(state_dir: &Path, name: &str) -> Result<Vec<u8>, ProviderError> {
        Store::new(state_dir).model(name)
    }

    /// The names of all models there, in alphabetical order.
    pub fn names(state_dir: &Path) -> Vec<String> {
        Store::new(state_dir).models()
    }

    /// The encoder that the model of this file needs, as it was named when the model was tuned; none where it needs none.
    pub fn encoder_of(file: &[u8]) -> Result<Option<String>, ModelFileError> {
        if !Tuned::is_file(file) {
            return Ok(None);
        }
        let header = Header::of(file).map_err(ModelFileError::Encoder)?;
        Ok(Some(header.base().to_owned()))
    }

    /// The model of a file, and the encoder that [`encoder_of`](Self::encoder_of) names.
    pub fn from_file(file: &[u8], encoder: Option<Arc<Encoder>>) -> Result<Self, ModelFileError> {
        if !Tuned::is_file(file) {
            return Classifier::from_bytes(file).map(|classifier| Self(Kind::Ngrams(classifier)));
        }
        let encoder = encoder.ok_or_else(|| ModelFileError::Encoder("its encoder is missing".to_owned()))?;
        let tuned = Tuned::from_bytes(file, encoder).map_err(ModelFileError::Encoder)?;
        Ok(Self(Kind::Encoder(tuned)))
    }

    /// The labels, in the order of the probabilities.
    pub fn labels(&self) -> &LabelSet {
        match &self.0 {
            Kind::Ngrams(classifier) => classifier.labels(),
            Kind::Encoder(tuned) => tuned.labels(),
        }
    }

    /// Hands the probability of each label of the set, in its order, to `each`, text by text.
    pub fn probabilities(&self, texts: &[&str], mut each: impl FnMut(&[f32])) {
        match &self.0 {
            Kind::Ngrams(classifier) => {
                let mut scratch = Scratch::default();
                texts.iter().for_each(|text| each(classifier.predict(text, &mut scratch)));
            }
            Kind::Encoder(tuned) => {
                let batches = texts.chunks(2 * BATCH_SIZE).flat_map(|texts| tuned.predict(texts));
                batches.for_each(|probabilities| each(&probabilities));
            }
        }
    }

    /// The most probable label of each text, the first one of equals, as a run counts it.
    pub fn predict(&self, texts: &[&str]) -> Vec<LabelId> {
        let mut labels = Vec::with_capacity(texts.len());
        self.probabilities(texts, |probabilities| labels.push(largest(probabilities)));
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::super::classifier::tests::small;
    use super::*;

    #[test]
    fn a_file_predicts_as_what_was_written_there() {
        let classifier = small();
        let model = TunedModel::from_file(&classifier.to_bytes(), None).unwrap();
        assert_eq!(model.labels(), classifier.labels());
        let texts = ["where is my card", "", "天气"];
        let mut scratch = Scratch::default();
        let mut rows = Vec::new();
        model.probabilities(&texts, |row| rows.push(row.to_vec()));
        for (row, text) in rows.iter().zip(texts) {
            assert_eq!(row, classifier.predict(text, &mut scratch));
        }
        let best: Vec<LabelId> = rows.iter().map(|row| largest(row)).collect();
        assert_eq!(model.predict(&texts), best);
    }

    #[test]
    fn models_are_found_by_name_and_never_by_path() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(TunedModel::names(folder.path()), Vec::<String>::new());
        let models = folder.path().join("models");
        std::fs::create_dir(&models).unwrap();
        for name in ["b.bin", "a.bin", "c.part"] {
            std::fs::write(models.join(name), name).unwrap();
        }
        assert_eq!(TunedModel::names(folder.path()), ["a", "b"]);
        assert_eq!(TunedModel::file(folder.path(), "a").unwrap(), b"a.bin");
        for name in ["c", "../models/a", ""] {
            assert!(TunedModel::file(folder.path(), name).is_err(), "{name}");
        }
    }
}
