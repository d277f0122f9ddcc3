//! Two models that were measured, wherever that was: found, held against one another row by row, and refused where the rows
//! are not the same.

mod operand;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tunebench_data::ExampleId;
use tunebench_reports::{
    Cause, ComparisonSide, Manifest, Metric, MetricError, OtherGold, Overlap, Run, join,
};

use crate::doctor::doubted;
use crate::suggest::metric_hint;
use crate::texts;

pub use operand::{Finder, Measured, OperandError, Source, read_foreign};

/// Why two models are not compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// One of them was not found.
    #[error(transparent)]
    Operand(#[from] OperandError),
    /// Both are one and the same.
    #[error("`{0}` would be compared with itself")]
    Same(String),
    /// Rows have different gold labels, so that being right does not mean the same for both.
    #[error(
        "the gold labels of {rows} of {common} rows differ: row {} is `{}` in {first}, and `{}` in {second}",
        .row.id, .row.base, .row.tuned
    )]
    Gold {
        /// How many rows.
        rows: usize,
        /// Of how many.
        common: u64,
        /// One of them.
        row: Box<OtherGold>,
        /// The first model.
        first: String,
        /// The second model.
        second: String,
    },
    /// The figure to compare by is none.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// No test of the figure allows for many looks.
    #[error("there is no anytime-valid test of {0} (`any_time`)")]
    Looks(String),
    /// No loss of a share can reach the margin.
    #[error("the margin is {0}, not a share above 0 and below 1")]
    Margin(f64),
    /// The models were not asked about the same rows.
    #[error(
        "{first} and {second} were not measured on the same rows: {common} are common, {only_first} only in the first, \
         {only_second} only in the second; most probably, {cause}"
    )]
    Rows {
        /// The first model.
        first: String,
        /// The second model.
        second: String,
        /// Rows that both have.
        common: u64,
        /// Rows that only the first has.
        only_first: usize,
        /// Rows that only the second has.
        only_second: usize,
        /// What is behind it.
        cause: Box<Cause>,
    },
}

impl CompareError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Operand(error) => error.hint(),
            Self::Rows { common: 1.., .. } => Some("compare on the common rows with `--common`".to_owned()),
            Self::Metric(MetricError::NoCosts) => Some(
                "evaluate with `[evaluation.cost]` in `tunebench.toml`; the results then hold the costs"
                    .to_owned(),
            ),
            Self::Margin(margin) => Some(format!("{margin} % is {}", margin / 100.0)),
            Self::Looks(_) => {
                Some("leave `--any-time` out, or decide by accuracy or by the recall of a label".to_owned())
            }
            Self::Metric(error) => metric_hint(error, []),
            Self::Same(_) | Self::Gold { .. } | Self::Rows { .. } => None,
        }
    }
}

/// Two models on the same rows.
#[derive(Debug)]
pub struct JoinedRun {
    /// A run of just these two, the first one as the base.
    pub run: Run,
    /// How many rows of either were left out because the other does not have them.
    pub not_common: [u64; 2],
}

/// What to compare.
#[derive(Debug)]
pub struct CompareRequest<'a> {
    /// The two, by the names that the user gave, with what these stand for.
    pub models: [(&'a str, &'a Measured); 2],
    /// The loss within which the second counts as no worse.
    pub margin: Option<f64>,
    /// The name of the figure that decides, where it is not the one that the first was measured for.
    pub primary: Option<String>,
    /// Whether the verdict is to hold however often one looks while rows are added.
    pub any_time: bool,
    /// Whether rows that only one has are left out; otherwise they are an error.
    pub common: bool,
    /// The configuration, if there is one: it tells how to read test files.
    pub config: &'a Path,
}

impl CompareRequest<'_> {
    /// Brings the two together, or says why that makes no sense.
    pub fn join(&self) -> Result<JoinedRun, CompareError> {
        let [(a_named, a), (b_named, b)] = self.models;
        if std::ptr::eq(a.evaluation(), b.evaluation()) {
            return Err(CompareError::Same(a_named.to_owned()));
        }
        // One model in two places goes by the places.
        let same = a.evaluation().model == b.evaluation().model;
        let side = |named, measured: &'_ Measured| -> String {
            if same { named } else { measured.evaluation().model.as_str() }.to_owned()
        };
        let names = [side(a_named, a), side(b_named, b)];
        if names[0] == names[1] {
            return Err(CompareError::Same(a_named.to_owned()));
        }
        let (base, tuned) = (a.side(&names[0]), b.side(&names[1]));
        let overlap = Overlap::of(&base, &tuned);
        self.check(&overlap, &base, &tuned)?;
        let not_common = [overlap.only_base.len() as u64, overlap.only_tuned.len() as u64];
        let mut run = join(&base, &tuned, self.margin);
        self.set_metric(&mut run.manifest)?;
        run.manifest.doubted = doubted([&a.source.run, &b.source.run], self.config);
        Ok(JoinedRun { run, not_common })
    }

    /// Sets the figure that decides. Costs are those that the first was measured with.
    fn set_metric(&self, manifest: &mut Manifest) -> Result<(), CompareError> {
        if let Some(name) = self.primary.as_ref().or(manifest.primary.as_ref()) {
            let metric = Metric::named(name, manifest.costs.as_ref(), &manifest.labels)?;
            if let Some(margin) = self.margin.filter(|margin| metric.is_share() && *margin >= 1.0) {
                return Err(CompareError::Margin(margin));
            }
            manifest.primary = Some(metric.name());
            manifest.any_time &= metric.has_looks();
            if self.any_time && !metric.has_looks() {
                return Err(CompareError::Looks(metric.words()));
            }
        } else if let Some(margin) = self.margin.filter(|margin| *margin >= 1.0) {
            return Err(CompareError::Margin(margin));
        }
        manifest.any_time |= self.any_time;
        Ok(())
    }

    fn check(
        &self,
        overlap: &Overlap,
        base: &ComparisonSide,
        tuned: &ComparisonSide,
    ) -> Result<(), CompareError> {
        let (first, second) = (base.name.to_owned(), tuned.name.to_owned());
        let common = overlap.common;
        if let Some(row) = overlap.other_gold.first() {
            let (rows, row) = (overlap.other_gold.len(), Box::new(row.clone()));
            return Err(CompareError::Gold { rows, common, row, first, second });
        }
        if overlap.is_whole() || (self.common && common > 0) {
            return Ok(());
        }
        let [(_, a), (_, b)] = self.models;
        let texts = |measured: &Measured, ids: &[ExampleId]| {
            let wanted = ids.iter().copied().collect();
            let known = measured.source.known_texts(&wanted);
            texts::of(&measured.source.run, &known, self.config, &wanted).0
        };
        let (a, b) = (texts(a, &overlap.only_base), texts(b, &overlap.only_tuned));
        let cause = Box::new(overlap.cause(base, tuned, [&a, &b]));
        let (only_first, only_second) = (overlap.only_base.len(), overlap.only_tuned.len());
        Err(CompareError::Rows { first, second, common, only_first, only_second, cause })
    }

    /// The texts of rows, from wherever they are at hand; where some are missing, also why.
    pub fn texts(&self, wanted: &BTreeSet<ExampleId>) -> (BTreeMap<ExampleId, String>, Option<String>) {
        let [(_, a), (_, b)] = self.models;
        let (mut found, reason) =
            texts::of(&a.source.run, &a.source.known_texts(wanted), self.config, wanted);
        let missing: BTreeSet<_> = wanted.iter().filter(|id| !found.contains_key(id)).copied().collect();
        if missing.is_empty() {
            return (found, None);
        }
        found.extend(texts::of(&b.source.run, &b.source.known_texts(&missing), self.config, &missing).0);
        let reason = reason.filter(|_| wanted.iter().any(|id| !found.contains_key(id)));
        (found, reason)
    }
}
