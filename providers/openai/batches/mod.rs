//! Files of requests: uploaded, answered as one job, and read line by line.
//!
//! A line asks what a live request would ask, and its answer is read by the same functions.

mod jobs;
mod rows;
mod together;

use std::path::Path;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::Value;

use self::rows::{Line, Said};
use super::declared::Api;
use super::errors::About;
use super::hosts::{BatchHost, BatchJobs};
use super::{Failure, OpenAiProvider};
use crate::http::Answer;
use crate::lines::Lines;
use crate::{
    Batch, BatchId, BatchJob, BatchLimits, BatchMark, BatchOrder, BatchResults, Cause, CompletionRequest,
    FileId, FinishReason, ProviderError, ResultsPosition, Retry, RowOutcome, RowResult, Scope, async_trait,
};

/// What files of requests are uploaded for.
const PURPOSE: &str = "batch";

impl OpenAiProvider {
    fn batch_host(&self) -> BatchHost {
        self.connection.settings.takes_batches().unwrap_or(BatchHost::OPENAI)
    }

    /// The path of the list of batches.
    fn batches_path(&self) -> &'static [&'static str] {
        if self.batch_host().jobs == BatchJobs::Mistral { &["batch", "jobs"] } else { &["batches"] }
    }

    /// The address that answers a model, as a batch names it.
    fn endpoint(&self, model: &str) -> &'static str {
        match self.route(model).0 {
            Api::Chat => "/v1/chat/completions",
            Api::Responses => "/v1/responses",
            Api::Decisions => "/v1/decisions",
        }
    }

    async fn batch_call(&self, id: &BatchId, command: Option<&str>) -> Result<BatchJob, ProviderError> {
        let path: Vec<&str> =
            self.batches_path().iter().copied().chain([id.0.as_str()]).chain(command).collect();
        let answer = match command {
            None => self.connection.get(&path, &[], About::default()).await?,
            Some(_) => self.connection.post(&path, None).await?,
        };
        jobs::job(&answer.json::<Value>()?)
            .ok_or_else(|| answer.broken(format!("the answer is not about batch {}", id.0)))
    }

    /// What the line of a row comes to: the same as its answer would, had it been asked live.
    fn row(&self, line: Result<Vec<u8>, String>, request: &CompletionRequest) -> RowResult {
        let line = match line {
            Ok(line) => line,
            Err(problem) => return RowResult::new(None, RowOutcome::Unreadable(problem)),
        };
        let read = match Line::read(&line) {
            Ok(read) => read,
            Err(problem) => return RowResult::new(None, RowOutcome::Unreadable(problem)),
        };
        let outcome = match read.said() {
            Said::Nothing => RowOutcome::Unreadable("a line without answer and error".to_owned()),
            Said::NotRun(why) => RowOutcome::NotRun(why),
            Said::Failed(body) => RowOutcome::Failed(self.connection.redacted(super::errors::of_body(
                400,
                &body,
                About::default(),
            ))),
            Said::Answer(status, body) => {
                let body = body.get().as_bytes().to_vec();
                let answer = Answer { status, headers: Default::default(), body };
                self.outcome(&answer, request)
            }
        };
        RowResult::new(read.custom_id, outcome)
    }

    fn outcome(&self, answer: &Answer, request: &CompletionRequest) -> RowOutcome {
        let (api, _) = self.route(&request.model);
        match self.of_answer(api, answer, &[], request) {
            Ok(completion)
                if completion.finish == FinishReason::Stop
                    && request.prompt.ends_in_reasoning(&completion.text) =>
            {
                // Live, it would be asked for once more, without the stop sequence that ended it.
                let message = "the stop sequence ended the answer within the model's reasoning";
                RowOutcome::Failed(ProviderError::new(Cause::Server, message))
            }
            Ok(completion) => RowOutcome::Answered(Box::new(completion)),
            Err(Failure::Error(error)) => RowOutcome::Failed(error),
            Err(Failure::Refused(refused)) => RowOutcome::Failed(refused.2),
        }
    }
}

#[async_trait]
impl Batch for OpenAiProvider {
    fn limits(&self, model: &str) -> Option<BatchLimits> {
        let host = self.connection.settings.takes_batches()?;
        match self.route(model).0 {
            Api::Chat => {}
            Api::Responses if host.responses => {}
            Api::Responses | Api::Decisions => return None,
        }
        let poll_interval = Duration::from_secs(host.poll_seconds);
        Some(BatchLimits::new(host.rows, host.bytes).poll_interval(poll_interval))
    }

    fn write_row(
        &self,
        key: &str,
        request: &CompletionRequest,
        out: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        let body = self.body(self.route(&request.model).0, request)?;
        let own_address = self.batch_host().jobs == BatchJobs::OpenAi;
        let endpoint = own_address.then(|| self.endpoint(&request.model));
        out.extend_from_slice(rows::head(key, endpoint).as_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    async fn find_file(&self, mark: &BatchMark) -> Result<Option<FileId>, ProviderError> {
        if self.batch_host().jobs == BatchJobs::Together {
            return self.find_at_together(mark).await;
        }
        let ours = |item: &Value| {
            let name = item.get("filename").and_then(Value::as_str)?;
            (BatchMark::read(name).as_ref() == Some(mark))
                .then(|| item.get("id")?.as_str().map(str::to_owned))?
        };
        let filter = Some(("purpose", PURPOSE));
        let files = self.connection.list(&["files"], filter, |item| ours(item).is_some()).await?;
        Ok(files.iter().find_map(ours).map(FileId))
    }

    async fn upload(&self, file: &Path, mark: &BatchMark) -> Result<FileId, ProviderError> {
        if self.batch_host().jobs == BatchJobs::Together {
            return self.upload_to_together(file, mark).await;
        }
        let part = Part::file(file).await.map_err(|error| {
            ProviderError::new(Cause::Invalid, format!("cannot read {}: {error}", file.display()))
        })?;
        let part = part.file_name(format!("{mark}.jsonl"));
        let form = Form::new().text("purpose", PURPOSE).part("file", part);
        let answer = self.connection.upload(&["files"], form).await?;
        let uploaded: Value = answer.json()?;
        let id = uploaded.get("id").and_then(Value::as_str);
        id.map(|id| FileId(id.to_owned()))
            .ok_or_else(|| answer.broken("the uploaded file got no id".to_owned()))
    }

    async fn create(&self, order: &BatchOrder) -> Result<BatchJob, ProviderError> {
        let endpoint = self.endpoint(&order.model);
        let body = match self.batch_host().jobs {
            BatchJobs::OpenAi => jobs::order(order, endpoint),
            BatchJobs::Mistral => jobs::mistral_order(order, endpoint),
            BatchJobs::Together => jobs::together_order(order, endpoint),
        };
        let answer = self.connection.ask(self.batches_path(), body.to_string().as_bytes()).await;
        let answer = answer.map_err(|error| self.connection.redacted(error))?;
        if (200..300).contains(&answer.status) {
            // Whatever it says, there is a batch now.
            let unread = |error: ProviderError| error.may_be_billed(true);
            let created: Value = answer.json().map_err(unread)?;
            return jobs::job(&created)
                .ok_or_else(|| unread(answer.broken("the batch got no id".to_owned())));
        }
        let error = self.connection.error(&answer, About::default());
        let message = error.message.to_lowercase();
        let file_is_new = matches!(answer.status, 400 | 404)
            && message.contains("file")
            && ["not found", "not exist", "no such", "cannot be found", "not ready"]
                .iter()
                .any(|words| message.contains(words));
        if file_is_new {
            // A file that was uploaded a moment ago may not be found yet.
            return Err(error
                .scope(Scope::Request)
                .retry(Retry::Later { after: Some(Duration::from_secs(2)) }));
        }
        Err(error)
    }

    async fn list(&self, since: i64) -> Result<Vec<BatchJob>, ProviderError> {
        let old =
            |item: &Value| jobs::job(item).and_then(|job| job.created).is_some_and(|created| created < since);
        let items = match self.batch_host().jobs {
            BatchJobs::OpenAi => self.connection.list(self.batches_path(), None, old).await?,
            BatchJobs::Mistral => self.mistral_jobs(old).await?,
            BatchJobs::Together => return self.together_jobs(since).await,
        };
        let ours = items.iter().filter(|item| !old(item)).filter_map(jobs::job);
        Ok(ours.filter(|job| job.mark.is_some()).collect())
    }

    async fn batch(&self, id: &BatchId) -> Result<BatchJob, ProviderError> {
        self.batch_call(id, None).await
    }

    async fn results<'a>(
        &'a self,
        job: &BatchJob,
        request: &'a CompletionRequest,
        from: ResultsPosition,
    ) -> Result<Box<dyn BatchResults + 'a>, ProviderError> {
        let files = job.results.clone();
        Ok(Box::new(Results { provider: self, request, files, position: from, lines: None }))
    }

    async fn cancel(&self, id: &BatchId) -> Result<(), ProviderError> {
        self.batch_call(id, Some("cancel")).await.map(drop)
    }

    async fn clean_up(&self, job: &BatchJob) -> Result<(), ProviderError> {
        for file in job.input.iter().chain(&job.results) {
            match self.connection.delete(&["files", &file.0], About::default()).await {
                Err(error) if error.cause != Cause::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl OpenAiProvider {
    /// Mistral numbers the pages of its list.
    async fn mistral_jobs(&self, enough: impl Fn(&Value) -> bool) -> Result<Vec<Value>, ProviderError> {
        let mut jobs = Vec::new();
        for page in 0.. {
            let number = page.to_string();
            let query = [("page", number.as_str()), ("page_size", "100"), ("order_by", "-created")];
            let answer = self.connection.get(self.batches_path(), &query, About::default()).await?;
            let said: Value = answer.json()?;
            let data = said.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
            let last = data.len() < 100 || data.iter().any(&enough);
            jobs.extend(data);
            if last {
                break;
            }
        }
        Ok(jobs)
    }
}

/// The lines of the output file, then those of the error file.
struct Results<'a> {
    provider: &'a OpenAiProvider,
    request: &'a CompletionRequest,
    files: Vec<FileId>,
    position: ResultsPosition,
    lines: Option<Lines>,
}

#[async_trait]
impl BatchResults for Results<'_> {
    async fn next(&mut self) -> Result<Option<RowResult>, ProviderError> {
        loop {
            let Some(file) = self.files.get(self.position.file) else { return Ok(None) };
            let lines = match &mut self.lines {
                Some(lines) => lines,
                None => {
                    let path = ["files", file.0.as_str(), "content"];
                    let connection = &self.provider.connection;
                    let opened = connection.lines(&path, self.position.offset, About::default()).await?;
                    self.lines.insert(opened)
                }
            };
            let line = lines.next().await.map_err(|error| self.provider.connection.redacted(error))?;
            self.position.offset = lines.offset();
            if let Some(line) = line {
                return Ok(Some(self.provider.row(line, self.request)));
            }
            self.position = ResultsPosition { file: self.position.file + 1, offset: 0 };
            self.lines = None;
        }
    }

    fn position(&self) -> ResultsPosition {
        self.position
    }
}
