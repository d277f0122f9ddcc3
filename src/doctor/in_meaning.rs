//! The look at the data through an encoder: it is only taken where one is named, as it takes a while.

use std::collections::HashMap;
use std::ops::ControlFlow;

use tunebench_data::doctor::{Diagnosis, Finding, RowsInMeaning};
use tunebench_providers::hub::Cache;
use tunebench_providers::local::{Encoder, nearest_in_meaning};

use super::DataCheck;
use super::label_errors::{LabelErrors, cross_validated_by};
use crate::error::Error;
use crate::providers::environment;

/// An encoder that looks at data.
pub struct Reader(Encoder);

impl DataCheck {
    /// The encoder of a folder, or of a name in the cache of what was fetched.
    pub fn reader(&self, name: &str) -> Result<Reader, Error> {
        let environment = environment(&self.document)?;
        let cache = Cache::by(|name| environment.variable(name));
        let encoder = Encoder::named(name, &cache).map_err(|error| Error::Output {
            message: error.to_string(),
            hint: "name the folder of an encoder, or fetch one with `tunebench models pull`".to_owned(),
        })?;
        Ok(Reader(encoder))
    }

    /// Rows that say the same in other words, and likely label errors by what texts mean. Nothing is sent. `on_texts` is told
    /// how many texts of how many went through the encoder.
    pub fn in_meaning(
        &self,
        reader: &Reader,
        diagnosis: &mut Diagnosis,
        on_texts: &mut dyn FnMut(usize, usize),
    ) -> Result<LabelErrors, Error> {
        let encoder = &reader.0;
        let rows = RowsInMeaning::read(&self.files()).map_err(|error| self.failed(error))?;
        let texts = rows.texts();
        on_texts(0, texts.len());
        let vectors = encoder.embed_watched(&texts, &mut |done| {
            on_texts(done, texts.len());
            ControlFlow::Continue(())
        });
        let vectors = vectors.unwrap_or_default();
        let nearest = nearest_in_meaning(&vectors, encoder.width(), |row| rows.held_against(row));
        let findings: Vec<Finding> = rows.findings(&nearest);
        diagnosis.add(findings);
        let known: HashMap<&str, &[f32]> =
            texts.iter().copied().zip(vectors.chunks_exact(encoder.width())).collect();
        // Files that change meanwhile have texts that are not known.
        let vector_of =
            |text: &&str| known.get(text).map_or_else(|| encoder.embed(&[text]), |known| known.to_vec());
        let vectors_of = |texts: &[&str]| texts.iter().flat_map(vector_of).collect();
        cross_validated_by(&self.files(), Some(&vectors_of)).map_err(|error| self.failed(error))
    }
}
