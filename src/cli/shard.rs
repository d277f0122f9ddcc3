//! Which part of the rows this machine takes: as the user names it, or as the scheduler does that started it.
//!
//! A machine that finds no part of its own must not take all rows: every machine would, and the pipeline would be
//! green. So `auto` without an index or a total is an error, and what was taken is said.

use std::str::FromStr;

use tunebench_data::Shard;

use crate::error::Error;

/// What `--shard` may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShardArg {
    /// This part.
    Given(Shard),
    /// The part that the scheduler's variables name; of so many where the scheduler gives no total.
    Auto { total: Option<u32> },
}

/// A text that is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected PART/OF such as 2/8, `auto`, or `auto/8` where the scheduler gives no total")]
pub(super) struct BadShardArg;

impl FromStr for ShardArg {
    type Err = BadShardArg;

    fn from_str(text: &str) -> Result<Self, BadShardArg> {
        match text.strip_prefix("auto") {
            Some("") => Ok(Self::Auto { total: None }),
            Some(rest) => {
                let total = rest.strip_prefix('/').and_then(|total| total.parse().ok());
                let total = total.filter(|&total| Shard::new(1, total).is_some()).ok_or(BadShardArg)?;
                Ok(Self::Auto { total: Some(total) })
            }
            None => text.parse().map(Self::Given).map_err(|_| BadShardArg),
        }
    }
}

/// How a scheduler tells a machine its part.
struct Scheduler {
    name: &'static str,
    index: &'static str,
    /// The number of the first machine.
    base: u32,
    total: Option<&'static str>,
    /// Variables for the number of the first machine and for the distance between two, where both are free to choose.
    range: Option<[&'static str; 2]>,
}

const fn scheduler(
    name: &'static str,
    index: &'static str,
    base: u32,
    total: Option<&'static str>,
) -> Scheduler {
    Scheduler { name, index, base, total, range: None }
}

/// Set by hand; goes before all others. GitHub's matrix tells its numbers to the workflow alone, which passes them on.
const OWN: Scheduler = scheduler("tunebench", "TUNEBENCH_SHARD_INDEX", 0, Some("TUNEBENCH_SHARD_TOTAL"));

/// The variables of schedulers, from their documentation as of November 2026.
const SCHEDULERS: [Scheduler; 7] = [
    scheduler("GitLab", "CI_NODE_INDEX", 1, Some("CI_NODE_TOTAL")),
    scheduler("Kubernetes", "JOB_COMPLETION_INDEX", 0, None),
    scheduler("Cloud Run", "CLOUD_RUN_TASK_INDEX", 0, Some("CLOUD_RUN_TASK_COUNT")),
    scheduler("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", 0, None),
    Scheduler {
        range: Some(["SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"]),
        ..scheduler("Slurm", "SLURM_ARRAY_TASK_ID", 0, Some("SLURM_ARRAY_TASK_COUNT"))
    },
    scheduler("CircleCI", "CIRCLE_NODE_INDEX", 0, Some("CIRCLE_NODE_TOTAL")),
    scheduler("Buildkite", "BUILDKITE_PARALLEL_JOB", 0, Some("BUILDKITE_PARALLEL_JOB_COUNT")),
];

impl ShardArg {
    /// The part, and where it was found unless it was given.
    pub(super) fn resolve(
        self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(Shard, Option<String>), Error> {
        let total = match self {
            Self::Given(shard) => return Ok((shard, None)),
            Self::Auto { total } => total,
        };
        let is_set = |scheduler: &&Scheduler| variable(scheduler.index).is_some();
        let found: Vec<_> = match is_set(&&OWN) {
            true => vec![&OWN],
            false => SCHEDULERS.iter().filter(is_set).collect(),
        };
        match found[..] {
            [scheduler] => scheduler.part(total, variable).map(|(shard, said)| (shard, Some(said))),
            [] => Err(refused("no scheduler has given this machine its number".to_owned())),
            [first, second, ..] => {
                let (a, b) = (first.index, second.index);
                Err(refused(format!("{a} ({}) and {b} ({}) are both set", first.name, second.name)))
            }
        }
    }
}

impl Scheduler {
    fn part(
        &self,
        total: Option<u32>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(Shard, String), Error> {
        let mut used = Vec::new();
        let mut number = |name: &str| -> Result<Option<u32>, Error> {
            let Some(text) = variable(name) else { return Ok(None) };
            let number = text.trim().parse().map_err(|_| {
                refused(format!("{name} must be a whole number, not `{}`", text.escape_debug()))
            })?;
            used.push(format!("{name}={number}"));
            Ok(Some(number))
        };
        let index = number(self.index)?.unwrap_or_default();
        let [first, step] = match self.range {
            None => [self.base, 1],
            Some([first, step]) => [number(first)?.unwrap_or(self.base), number(step)?.unwrap_or(1).max(1)],
        };
        let told = self.total.map(&mut number).transpose()?.flatten();
        let total = match (total, told) {
            (Some(given), Some(told)) if given != told => {
                return Err(refused(format!("`auto/{given}` contradicts {}", used.join(", "))));
            }
            (Some(total), _) | (None, Some(total)) => total,
            (None, None) => {
                let missing = match self.total {
                    Some(name) => format!("{} is set, but {name} is not", self.index),
                    None => format!("{} sets {}, but no variable for the total", self.name, self.index),
                };
                return Err(refused(format!("{missing}; name it, as in `--shard auto/8`")));
            }
        };
        let part = index.checked_sub(first).map(|index| index / step).and_then(|index| index.checked_add(1));
        let shard = part.and_then(|part| Shard::new(part, total));
        let used = used.join(", ");
        let shard =
            shard.ok_or_else(|| refused(format!("{used} give a number that is not within {total}")))?;
        Ok((shard, format!("shard {shard}, from {used} ({})", self.name)))
    }
}

fn refused(message: String) -> Error {
    Error::Shard(message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolve(arg: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable =
            |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        let arg: ShardArg = arg.parse().map_err(|error: BadShardArg| error.to_string())?;
        arg.resolve(variable).map(|(shard, _)| shard.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_scheduler_is_understood() {
        for (variables, arg, shard) in [
            (&[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "4")][..], "auto", "1/4"),
            (&[("JOB_COMPLETION_INDEX", "0")], "auto/4", "1/4"),
            (&[("CLOUD_RUN_TASK_INDEX", "3"), ("CLOUD_RUN_TASK_COUNT", "4")], "auto", "4/4"),
            (&[("AWS_BATCH_JOB_ARRAY_INDEX", "2")], "auto/4", "3/4"),
            (
                &[
                    ("SLURM_ARRAY_TASK_ID", "14"),
                    ("SLURM_ARRAY_TASK_MIN", "10"),
                    ("SLURM_ARRAY_TASK_STEP", "2"),
                    ("SLURM_ARRAY_TASK_COUNT", "4"),
                ],
                "auto",
                "3/4",
            ),
            (&[("CIRCLE_NODE_INDEX", "0"), ("CIRCLE_NODE_TOTAL", "1")], "auto", "1/1"),
            (&[("BUILDKITE_PARALLEL_JOB", "1"), ("BUILDKITE_PARALLEL_JOB_COUNT", "2")], "auto", "2/2"),
            // What is set by hand goes before what a scheduler sets.
            (
                &[
                    ("TUNEBENCH_SHARD_INDEX", "1"),
                    ("TUNEBENCH_SHARD_TOTAL", "3"),
                    ("CI_NODE_INDEX", "1"),
                    ("CI_NODE_TOTAL", "1"),
                ],
                "auto",
                "2/3",
            ),
        ] {
            assert_eq!(resolve(arg, variables).as_deref(), Ok(shard), "{variables:?}");
        }
    }

    #[test]
    fn without_a_part_of_its_own_no_machine_takes_all_rows() {
        for (variables, arg, message) in [
            (&[][..], "auto", "no scheduler has given this machine its number"),
            (&[("CI_NODE_INDEX", "1")], "auto", "CI_NODE_TOTAL is not"),
            (&[("JOB_COMPLETION_INDEX", "1")], "auto", "no variable for the total"),
            (&[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "2")], "auto", "give a number that is not within 2"),
            (&[("CI_NODE_INDEX", "3"), ("CI_NODE_TOTAL", "2")], "auto", "give a number that is not within 2"),
            (&[("CI_NODE_INDEX", "x"), ("CI_NODE_TOTAL", "2")], "auto", "must be a whole number"),
            (&[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "2")], "auto/3", "contradicts"),
            (&[("CI_NODE_INDEX", "1"), ("JOB_COMPLETION_INDEX", "0")], "auto", "are both set"),
        ] {
            let error = resolve(arg, variables).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        assert_eq!(resolve("2/8", &[]).as_deref(), Ok("2/8"));
        for bad in ["", "automatic", "auto/", "auto/0", "auto/-1", "auto/1001", "0/8"] {
            assert!(bad.parse::<ShardArg>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_machines_of_an_array_have_each_a_part(total in 1u32..40, first in 0u32..5, step in 1u32..4) {
            let mut parts: Vec<String> = (0..total).map(|machine| {
                let id = (first + machine * step).to_string();
                resolve("auto", &[
                    ("SLURM_ARRAY_TASK_ID", &id),
                    ("SLURM_ARRAY_TASK_MIN", &first.to_string()),
                    ("SLURM_ARRAY_TASK_STEP", &step.to_string()),
                    ("SLURM_ARRAY_TASK_COUNT", &total.to_string()),
                ]).unwrap()
            }).collect();
            parts.sort();
            parts.dedup();
            prop_assert_eq!(parts.len(), total as usize);
        }

        #[test]
        fn hostile_values_are_errors(index in "\\PC{0,12}", total in "\\PC{0,12}") {
            let _ = resolve("auto", &[("CI_NODE_INDEX", &index), ("CI_NODE_TOTAL", &total)]);
        }
    }
}
