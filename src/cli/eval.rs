//! `tunebench run` and `tunebench eval`.

use tunebench_providers::ModelRef;
use tunebench_reports::{Report, Run};

use super::args::OutputArgs;
use super::batches;
use super::consent::{self, Terms};
use super::output::Printer;
use super::report::{Target, conclude, filled};
use crate::error::Error;
use crate::evaluate::{Keep, KeptRows};
use crate::results::Results;
use crate::run::{ModelVariant, Session};

/// Tunes what is to be tuned, then evaluates everything.
pub(super) async fn run(session: &Session<'_>, output: &OutputArgs, printer: Printer) -> Result<u8, Error> {
    let (results, target) = (Results::create(&output.results)?, output.format.open(printer)?);
    session.tune().await?;
    let (subjects, _) = session.subjects().await?;
    evaluate(session, &subjects, &results, target, printer).await
}

/// Evaluates the given models, or else those of the configuration as far as they have been tuned.
pub(super) async fn eval(
    session: &Session<'_>,
    models: Vec<ModelRef>,
    terms: &Terms,
    output: &OutputArgs,
    printer: Printer,
) -> Result<u8, Error> {
    let (results, target) = (Results::create(&output.results)?, output.format.open(printer)?);
    let subjects = if models.is_empty() {
        let (subjects, untuned) = session.subjects().await?;
        for base in untuned {
            printer.warn(&format!(
                "{base} has not been tuned on this data with these settings; only the base is evaluated"
            ));
            printer.hint("tune it with `tunebench tune`");
        }
        subjects
    } else {
        session.named(models).await?
    };
    for model in session.without_batches(&subjects)? {
        printer.warn(&format!("{model} can't be asked in batches, and is asked live"));
    }
    let plan = session.plan_of(&subjects)?;
    consent::ask(&plan, terms, printer)?;
    session.check_ready(&plan).await?;
    evaluate(session, &subjects, &results, target, printer).await
}

async fn evaluate(
    session: &Session<'_>,
    subjects: &[ModelVariant],
    results: &Results,
    target: Target,
    printer: Printer,
) -> Result<u8, Error> {
    // Figures are made once, at the end; what an accident leaves, `tunebench report` completes.
    let keep = Keep { folder: results.folder().to_owned(), texts: session.project().config.evaluation.texts };
    let save = |run: &Run, mut kept: KeptRows| Ok(results.keep(run, run.evaluations.len() - 1, &mut kept)?);
    let batched = session.ask_in_batches(subjects).await?;
    if let Some(code) = batches::left_running(&batched, session, "the same command", printer) {
        return Ok(code);
    }
    let run = session.evaluate(subjects, &keep, &batched, save).await?;
    for record in &run.manifest.models {
        if let Some(losses) = session.losses(&record.model, subjects) {
            results.add_losses(&record.file, &losses)?;
        }
    }
    results.keep_texts(&run, session.texts()?)?;
    let report = filled(Report::new(&run), results)?;
    conclude(&report, results, target, printer)
}
