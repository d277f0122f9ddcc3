//! What the report needs to know of the test rows beside their answers.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tunebench_data::doctor::main_script;
use tunebench_data::{Columns, ExampleId, TestSet};
use tunebench_reports::{Clustering, Clusters, Slices, Slicing, length_of};

use crate::doctor::LabelDoubts;
use crate::evaluate::EvaluateError;
use crate::project::Project;

/// Facts about the rows of a test file.
#[derive(Default)]
pub(super) struct RowFacts {
    /// Which rows belong together; none where each is a cluster of its own.
    pub(super) clusters: Option<Arc<Clusters>>,
    /// Which rows are alike in a column, in length or in script.
    pub(super) slices: Option<Arc<Slices>>,
    /// The rows whose gold label the doctor doubts, where it was asked.
    pub(super) doubted: Vec<ExampleId>,
}

impl RowFacts {
    /// Begins to find them out, on a thread of its own. Which labels are in doubt matters only to a verdict.
    pub(super) fn find_out(project: &Project, has_verdict: bool) -> PendingRowFacts {
        let columns = project.config.data.slices.clone();
        let test = match columns.as_slice() {
            [] => project.test.clone(),
            named => project.test.carrying(Columns::Named(named.to_vec())),
        };
        let doubts = has_verdict.then(|| LabelDoubts::of(project));
        let work = tokio::task::spawn_blocking(move || Self::of(&test, &columns, doubts.as_ref()));
        PendingRowFacts { work: Some(work), found: Self::default() }
    }

    fn of(test: &TestSet, columns: &[String], doubts: Option<&LabelDoubts>) -> Result<Self, EvaluateError> {
        let lines = doubts.map(LabelDoubts::test_lines).unwrap_or_default();
        let mut clustering = Clustering::new(test.source().group.is_some()).reserve(test.len());
        let mut slicing = Slicing::new(columns.iter().map(String::as_str).chain(["length", "script"]));
        let mut doubted = Vec::new();
        for row in test.examples()? {
            let row = row?;
            clustering.push(row.group.as_deref(), &row.text);
            doubted.extend(lines.contains(&row.line).then_some(row.id));
            let known = [length_of(&row.text), main_script(&row.text).unwrap_or("none")];
            let own = columns.iter().map(|name| row.fields.get(name).unwrap_or_default());
            slicing.push(own.chain(known));
        }
        let (clusters, slices) = (clustering.finish().map(Arc::new), slicing.finish().map(Arc::new));
        Ok(Self { clusters, slices, doubted })
    }
}

/// Facts that are being found out.
pub(super) struct PendingRowFacts {
    work: Option<JoinHandle<Result<RowFacts, EvaluateError>>>,
    found: RowFacts,
}

impl PendingRowFacts {
    /// The facts, once they are known.
    pub(super) async fn get(&mut self) -> Result<&RowFacts, EvaluateError> {
        if let Some(work) = self.work.take() {
            match work.await {
                Ok(found) => self.found = found?,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        Ok(&self.found)
    }
}
