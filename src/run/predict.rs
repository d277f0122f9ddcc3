//! Labels for new texts, by a model of the project.

use futures::stream::{Stream, StreamExt};
use tunebench_providers::{BadModelRef, ModelRef};

use super::{Batched, ModelVariant, Session};
use crate::budget::Cost;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::evaluate::{AbortReason, AnswerCache, Deployed, LABELLING, Labeller, PredictedLabel};
use crate::plan::Plan;
use crate::rendered::shows_texts_only;
use crate::suggest::did_you_mean;

/// How many texts at most are written at once.
const CHUNK: usize = 256;

/// How the labelling ended.
#[derive(Debug, Default)]
pub struct Labelling {
    /// Whether it ended before the last text.
    pub cut_short: bool,
    /// What ended it, if not the user.
    pub aborted_by: Option<AbortReason>,
    /// What it cost.
    pub spent: Cost,
}

impl Session<'_> {
    /// The model that the user means: one of the configuration, by the name that reports give it, or any other that a
    /// provider of the project has. With `tuned`, the model that was tuned from it.
    pub async fn chosen(&self, name: &str, tuned: bool) -> Result<ModelVariant, Error> {
        if tuned {
            return self.tuned_from(name).await;
        }
        let differs = |variant: &ModelVariant| variant.prompt.is_some() || variant.shots.is_some();
        let mut configured = self.project.known_variants().filter(differs);
        if let Some(variant) = configured.find(|variant| variant.name(0) == name) {
            return Ok(variant);
        }
        let model: ModelRef = name.parse().map_err(|error: BadModelRef| Error::Model {
            message: error.to_string(),
            hint: Some("name a model as the report of `tunebench run` does".to_owned()),
        })?;
        let chosen = self.named(vec![model]).await?;
        Ok(chosen.into_iter().next().expect("one was asked for"))
    }

    async fn tuned_from(&self, base: &str) -> Result<ModelVariant, Error> {
        let (subjects, _) = self.subjects().await?;
        let tuned = |subject: &ModelVariant| {
            subject.shots.is_none()
                && subject.tuned_from.as_ref().is_some_and(|from| {
                    from.to_string() == base || subject.base_name().as_deref() == Some(base)
                })
        };
        let mut tuned: Vec<_> = subjects.into_iter().filter(tuned).collect();
        match (tuned.pop(), tuned.as_slice()) {
            (Some(only), []) => Ok(only),
            (Some(last), others) => {
                let names: Vec<_> = others.iter().chain([&last]).map(|subject| subject.name(0)).collect();
                let message = format!("{} models were tuned from `{base}`", names.len());
                Err(Error::Model { message, hint: Some(format!("name one of them: {}", names.join(", "))) })
            }
            (None, _) if !self.project.models.iter().any(|entry| entry.base.to_string() == base) => {
                let models: Vec<_> = self.project.models.iter().map(|entry| entry.base.to_string()).collect();
                Err(Error::Model {
                    message: format!("`{base}` is not a base model of this project"),
                    hint: did_you_mean(base, models.iter().map(String::as_str))
                        .or_else(|| Some(format!("name one of them: {}", models.join(", ")))),
                })
            }
            (None, _) => Err(Error::Model {
                message: format!("no model of this project has been tuned from `{base}`"),
                hint: Some(
                    "tune it with `tunebench tune`, or leave out `--tuned` to ask the base".to_owned(),
                ),
            }),
        }
    }

    /// What the labelling of these texts would ask and cost.
    pub fn plan_of_texts(
        &self,
        subject: &ModelVariant,
        texts: impl Iterator<Item = Result<String, Error>>,
    ) -> Result<Plan, Error> {
        Plan::of_texts(self.project, &self.spending, self.known_answers()?, subject, texts)
    }

    /// Whether what a model answers has to be paid for, at a price that nobody knows.
    pub fn is_unpriced(&self, subject: &ModelVariant) -> Result<bool, Error> {
        let candidate = subject.candidate(self.project)?;
        Ok(!candidate.in_process() && candidate.price.is_none())
    }

    /// Labels texts in their order, and gives them to `see` as their answers come.
    ///
    /// When the end is asked for, or no further text could be answered, what is under way is finished and kept in the
    /// ledger. What `see` has been given then is the beginning of the texts, without a gap. Unless it `asks`, all answers are in
    /// the ledger, and no model need be deployed for them.
    pub async fn label<T: Send + 'static>(
        &self,
        subject: &ModelVariant,
        chunks: impl Stream<Item = Vec<T>> + 'static,
        text: fn(&T) -> &str,
        batched: &Batched,
        asks: bool,
        mut see: impl FnMut(Vec<(T, PredictedLabel)>, Cost) -> Result<(), Error>,
    ) -> Result<Labelling, Error> {
        let (_, mut candidate) = self.candidates(std::slice::from_ref(subject))?.remove(0);
        shows_texts_only(&candidate)?;
        let recorder = match candidate.in_process() {
            true => None,
            false => Some(self.ledger()?.begin(LABELLING, env!("CARGO_PKG_VERSION"))?),
        };
        let cache = match &recorder {
            Some(recorder) => {
                recorder.found_in_doubt().iter().for_each(|doubt| self.listener.in_doubt(doubt));
                let name = subject.name(0);
                Some(
                    AnswerCache::open(&name, self.ledger()?, recorder, &candidate, LABELLING, 0, false)
                        .await?,
                )
            }
            None => None,
        };
        let mut context = self.context(&candidate, cache);
        context.asked_in_batches = batched.not_answered(&subject.name(0));
        let mut up = None;
        if let Some(recorder) = recorder.as_ref().filter(|_| asks && candidate.must_be_deployed()) {
            candidate.deployed = match self.put_up(&candidate, &subject.name(0), recorder).await? {
                Ok(standing) => up.insert(standing).deployed(),
                Err(abort) => Deployed::Not(abort),
            };
        }
        let until = match candidate.deployed {
            Deployed::As { until, .. } => Some(until),
            Deployed::NotNeeded | Deployed::Not(_) => None,
        };
        let labeller = Labeller::new(candidate, context.clone());

        let (cancel, end) = (self.cancel.clone(), Cancel::default());
        let ended = {
            let end = end.clone();
            async move {
                let over = async {
                    match until {
                        Some(until) => tokio::time::sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! { () = cancel.wait() => {}, () = end.wait() => {}, () = over => {} }
            }
        };
        let chunks = chunks.take_until(Box::pin(ended));
        let mut batches = labeller.label(chunks, text).ready_chunks(CHUNK);
        let (mut cut_short, mut failed) = (false, None);
        while let Some(batch) = self.saying_why_it_waits(&context, batches.next()).await {
            let mut done = Vec::with_capacity(batch.len());
            for labelled in batch {
                match labelled {
                    Ok((_, guess)) if guess.is_missing() => cut_short = true,
                    Ok(labelled) if !cut_short => done.push(labelled),
                    // Behind a gap: it is in the ledger, and is told when the gap has been filled.
                    Ok(_) => {}
                    Err(error) => failed = failed.or(Some(error.into())),
                }
            }
            if failed.is_none() && !done.is_empty() {
                failed = see(done, self.budget.so_far().cost).err();
            }
            if failed.is_some() {
                // What is under way is paid for, and has to reach the ledger.
                cut_short = true;
                self.cancel.request();
            }
            if cut_short {
                end.request();
            }
        }
        drop(batches);
        let over = until.is_some_and(|until| tokio::time::Instant::now() >= until);
        let taken = match up {
            Some(up) => up.take_down().await.map(drop),
            None => Ok(()),
        };
        if let Some(recorder) = recorder {
            recorder.finish().await?;
        }
        taken?;
        let aborted_by = labeller.aborted().cloned();
        let cut_short = cut_short || over || self.cancel.requested();
        let aborted_by = aborted_by.or_else(|| over.then(|| self.stood_long_enough()));
        let aborted_by = aborted_by.or_else(|| batched.aborts().next().map(|(_, abort)| abort.clone()));
        let spent = self.budget.so_far().cost;
        failed.map_or(Ok(Labelling { cut_short, aborted_by, spent }), Err)
    }
}
