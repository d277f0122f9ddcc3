//! What is wrong with the data, found before any money moves.
//!
//! Each check has a file of its own. Those that look at one row after the other implement `RowCheck` and see every
//! row of every file; those about labels work on a `Census`; those that look for a row elsewhere share `Known`.
//! Training and validation rows are kept in memory, test rows stream through.

mod bad_rows;
mod census;
mod characters;
mod confident_joint;
mod duplicates;
mod finding;
mod fix;
mod groups;
mod in_meaning;
mod judged;
mod known;
pub mod label_errors;
mod labels;
mod leaks;
mod lengths;
mod patterns;
mod personal;
mod scripts;
mod several_labels;
mod sorted_by_label;
mod tokens;

use serde::Serialize;

pub use finding::{Check, Finding, Place, Role, Rows, Severity};
pub use fix::{Action, Change, FixOptions};
pub use in_meaning::RowsInMeaning;
pub use judged::{JudgedRow, JudgedRows, LabelledRows};
pub use scripts::main_script;

use crate::similar::normal_form;
use crate::{DataError, LabelSet, PromptTemplate, Row, RowError, Source};
use census::Census;
use duplicates::Duplicates;
use known::Known;
use leaks::Leaks;

/// The files to look at, and what they are for.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// What models are tuned on.
    pub train: Option<&'a Source>,
    /// What a provider may measure the loss on.
    pub validation: Option<&'a Source>,
    /// What models are measured on.
    pub test: Option<&'a Source>,
    /// The labels, where they are not discovered in the training data.
    pub labels: Option<&'a LabelSet>,
    /// The prompt that the texts will stand in.
    pub template: &'a PromptTemplate,
}

impl<'a> Files<'a> {
    /// The file in a role.
    pub fn get(&self, role: Role) -> Option<&'a Source> {
        match role {
            Role::Train => self.train,
            Role::Validation => self.validation,
            Role::Test => self.test,
        }
    }
}

/// A file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examined {
    /// What it is for.
    pub file: Role,
    /// Rows that could be read.
    pub rows: u64,
    /// Labels in them.
    pub labels: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The files, in the order in which they were read.
    pub files: Vec<Examined>,
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// Adds what was found elsewhere.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings.sort_by_key(|finding| (finding.severity, finding.check));
    }

    /// How many findings are so bad.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Looks at all rows of all files. An error means that a file can't be read at all.
pub fn examine(files: &Files<'_>) -> Result<Diagnosis, DataError> {
    let mut checks = row_checks(files.template);
    let (mut census, mut duplicates, mut leaks) =
        (Census::default(), Duplicates::default(), Leaks::default());
    let (mut examined, mut empty, mut near, mut left_out) = (Vec::new(), Vec::new(), None, Vec::new());
    for role in Role::ALL {
        let Some(source) = files.get(role) else { continue };
        let mut kept = Vec::new();
        let rejected = source.each_row(|row| match row {
            Ok(row) => {
                let normal = normal_form(&row.text);
                checks.iter_mut().for_each(|check| check.row(role, &row));
                census.add(role, &row);
                duplicates.row(role, &row, &normal);
                leaks.row(role, &row, &normal);
                if role != Role::Test {
                    kept.push(row);
                }
            }
            Err(fault) => checks.iter_mut().for_each(|check| check.fault(role, &fault)),
        })?;
        if role != Role::Test {
            let known = Known::new(role, kept);
            if role == Role::Train {
                near = duplicates::near(&known);
            }
            leaks.know(known);
        }
        if census.rows(role) == 0 {
            empty.push(bad_rows::empty(role));
        }
        left_out.push((role, rejected));
        let labels = census.labels(role).count() as u64;
        examined.push(Examined { file: role, rows: census.rows(role), labels });
    }
    let mut diagnosis = Diagnosis { files: examined, findings: Vec::new() };
    diagnosis.add(empty.into_iter().chain(bad_rows::rejected(&left_out)));
    diagnosis.add(several_labels::combined(&census, files.labels));
    diagnosis.add(checks.into_iter().flat_map(RowCheck::findings));
    diagnosis.add(labels::check(&census, files.labels));
    diagnosis.add(duplicates.findings().into_iter().chain(near).chain(leaks.findings()));
    Ok(diagnosis)
}

/// A check that looks at one row after the other: training, validation, test.
trait RowCheck {
    /// Looks at a row.
    fn row(&mut self, role: Role, row: &Row) {
        let _ = (role, row);
    }

    /// Is told of a row that can't be read.
    fn fault(&mut self, role: Role, fault: &RowError) {
        let _ = (role, fault);
    }

    /// What was found.
    fn findings(self: Box<Self>) -> Vec<Finding>;
}

fn row_checks(template: &PromptTemplate) -> Vec<Box<dyn RowCheck>> {
    vec![
        Box::<bad_rows::BadRows>::default(),
        Box::<several_labels::SeveralLabels>::default(),
        Box::<lengths::Lengths>::default(),
        Box::<characters::Characters>::default(),
        Box::new(tokens::Tokens::new(template)),
        Box::<personal::Personal>::default(),
        Box::<groups::Groups>::default(),
        Box::<scripts::Scripts>::default(),
        Box::<sorted_by_label::SortedByLabel>::default(),
    ]
}

#[cfg(test)]
mod tests;
