//! The look at the data through an encoder: it is only taken where one is named, as it takes a while.

use tunebench_data::doctor::{Diagnosis, Finding, RowsInMeaning};
use tunebench_providers::hub::Cache;
use tunebench_providers::local::{Encoder, nearest_in_meaning};

use super::DataCheck;
use super::label_errors::{LabelErrors, cross_validated_by};
use crate::error::Error;

/// An encoder that looks at data.
pub struct Reader(Encoder);

impl Reader {
    /// The encoder of a folder, or of a name in the cache of what was fetched.
    pub fn open(name: &str) -> Result<Self, Error> {
        let cache = Cache::by(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let encoder = Encoder::named(name, &cache).map_err(|error| Error::Output {
            message: error.to_string(),
            hint: "name the folder of an encoder, or fetch one with `tunebench models pull`".to_owned(),
        })?;
        Ok(Self(encoder))
    }
}

impl DataCheck {
    /// Rows that say the same in other words, and likely label errors by what texts mean. Nothing is sent.
    pub fn in_meaning(&self, reader: &Reader, diagnosis: &mut Diagnosis) -> Result<LabelErrors, Error> {
        let encoder = &reader.0;
        let rows = RowsInMeaning::read(&self.files()).map_err(|error| self.failed(error))?;
        let vectors = encoder.embed(&rows.texts());
        let nearest = nearest_in_meaning(&vectors, encoder.width(), |row| rows.held_against(row));
        let findings: Vec<Finding> = rows.findings(&nearest);
        diagnosis.add(findings);
        cross_validated_by(&self.files(), Some(encoder)).map_err(|error| self.failed(error))
    }
}
