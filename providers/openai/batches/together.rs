//! Files of requests at Together: uploaded to an address that it gives, and the only place of our mark, which is their name.
//!
//! Its Python package 3.1.1 of November 2026. A job keeps nothing of ours, but names the file of its requests.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::super::OpenAiProvider;
use super::super::errors::About;
use super::super::together::upload::hand_over;
use super::jobs;
use crate::{BatchJob, BatchMark, FileId, ProviderError};

const PURPOSE: &str = "batch-api";

impl OpenAiProvider {
    /// Hands a file over under the name that is our mark.
    pub(super) async fn upload_to_together(
        &self,
        file: &Path,
        mark: &BatchMark,
    ) -> Result<FileId, ProviderError> {
        hand_over(&self.connection, &["files"], file, (PURPOSE, format!("{mark}.jsonl"))).await
    }

    /// The names of files, by their ids.
    async fn together_files(&self) -> Result<HashMap<String, String>, ProviderError> {
        let answer = self.connection.get(&["files"], &[], About::default()).await?;
        let said: Value = answer.json()?;
        let files = said.get("data").unwrap_or(&said).as_array().into_iter().flatten();
        let named = files.filter_map(|file| {
            let text = |name: &str| file.get(name).and_then(Value::as_str).map(str::to_owned);
            Some((text("id")?, text("filename")?))
        });
        Ok(named.collect())
    }

    pub(super) async fn find_at_together(&self, mark: &BatchMark) -> Result<Option<FileId>, ProviderError> {
        let files = self.together_files().await?;
        let ours = files.into_iter().find(|(_, name)| BatchMark::read(name).as_ref() == Some(mark));
        Ok(ours.map(|(id, _)| FileId(id)))
    }

    /// The batches whose requests are files of ours, the newest first.
    pub(super) async fn together_jobs(&self, since: i64) -> Result<Vec<BatchJob>, ProviderError> {
        let answer = self.connection.get(&["batches"], &[], About::default()).await?;
        let said: Value = answer.json()?;
        let listed = said.as_array().or_else(|| said.get("data")?.as_array());
        let files = self.together_files().await?;
        let ours = listed.into_iter().flatten().filter_map(|item| {
            let mut job = jobs::job(item)?;
            job.mark = job.input.as_ref().and_then(|file| BatchMark::read(files.get(&file.0)?));
            (job.mark.is_some() && job.created.is_none_or(|created| created >= since)).then_some(job)
        });
        let mut ours: Vec<_> = ours.collect();
        ours.sort_by_key(|job| std::cmp::Reverse(job.created));
        Ok(ours)
    }
}
