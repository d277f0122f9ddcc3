//! Files of requests at Together: uploaded to an address that it gives, and the only place of our mark, which is their name.
//!
//! Its Python package 3.1.1 of November 2026. A job keeps nothing of ours, but names the file of its requests.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use reqwest::Url;
use reqwest::multipart::Form;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::OpenAiProvider;
use super::super::errors::About;
use super::jobs;
use crate::http::Answer;
use crate::{BatchJob, BatchMark, Cause, FileId, ProviderError};

const PURPOSE: &str = "batch-api";

impl OpenAiProvider {
    /// Asks for an address, sends the file there, and says that it is there.
    pub(super) async fn upload_to_together(
        &self,
        file: &Path,
        mark: &BatchMark,
    ) -> Result<FileId, ProviderError> {
        let checksum = checksum(file).map_err(|error| {
            ProviderError::new(Cause::Invalid, format!("cannot read {}: {error}", file.display()))
        })?;
        let fields = [
            ("purpose", PURPOSE.to_owned()),
            ("file_name", format!("{mark}.jsonl")),
            ("file_type", "jsonl".to_owned()),
            ("checksum", checksum),
        ];
        let form = fields.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, value));
        let answer = self.connection.form(&["files"], form).await?;
        match answer.status {
            302 => {}
            // The same file is there.
            409 => return known(&answer).ok_or_else(|| self.connection.error(&answer, About::default())),
            _ => return Err(self.connection.error(&answer, About::default())),
        }
        let address = answer.header("location").and_then(|url| url.parse::<Url>().ok());
        let id = answer.header("x-together-file-id").filter(|id| is_plain(id));
        let (Some(address), Some(id)) = (address, id) else {
            return Err(answer.broken("the upload got no address or no id".to_owned()));
        };
        self.connection.put_elsewhere(address, file).await?;
        self.connection.post(&["files", id, "preprocess"], None).await?;
        Ok(FileId(id.to_owned()))
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

/// The id of a file that is there already.
fn known(answer: &Answer) -> Option<FileId> {
    let said: Value = answer.json().ok()?;
    let id = ["/file_id", "/error/file_id"].iter().find_map(|at| said.pointer(at)?.as_str())?;
    is_plain(id).then(|| FileId(id.to_owned()))
}

/// Whether an id can be a part of an address.
fn is_plain(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn checksum(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut piece) = (File::open(path)?, Sha256::new(), vec![0; 64 << 10]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
    }
    Ok(tunebench_data::hex(&hash.finalize()[..]))
}
