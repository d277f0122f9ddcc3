//! The question before money is spent: the same for every command that spends.

use std::io::{self, IsTerminal};

use super::output::Printer;
use super::plan::{brief, sum_of};
use crate::budget::{Caps, Cost};
use crate::error::Error;
use crate::plan::{Bill, Plan};

/// How a command comes by the user's agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consent {
    /// There is nothing to agree to, or it is given.
    Given,
    /// The user is there and has to be asked.
    Ask,
    /// Nobody is there, and nobody has agreed.
    Missing,
}

/// On what terms a command spends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// What the command is capped at.
    pub(super) caps: Caps,
    /// The user's agreement in advance.
    pub(super) yes: bool,
    /// What may be spent without a question.
    pub(super) unasked: Cost,
}

impl Terms {
    /// What a bill takes; `terminal` tells whether somebody can be asked.
    fn consent(&self, bill: &Bill, terminal: bool) -> Consent {
        let most = self.caps.max_cost.map_or(bill.cost.high, |cap| bill.cost.high.min(cap));
        let small = bill.unpriced == 0 && most <= self.unasked;
        match (bill.is_free() || self.yes || small, terminal) {
            (true, _) => Consent::Given,
            (false, true) => Consent::Ask,
            (false, false) => Consent::Missing,
        }
    }
}

/// Shows what a command will spend, and goes on only if the user agrees to that. What
/// only asks models that are computed here says nothing.
pub(super) fn ask(plan: &Plan, terms: &Terms, printer: Printer) -> Result<(), Error> {
    plan.check(&terms.caps)?;
    let bill = plan.bill();
    if plan.may_cost() {
        brief(plan, &terms.caps).iter().for_each(|line| printer.note(line));
    }
    match terms.consent(&bill, somebody_is_there()) {
        Consent::Given => Ok(()),
        Consent::Ask => agreed(&format!("Spend {}?", sum_of(&bill)), printer),
        Consent::Missing => Err(Error::Unasked(format!("this would spend {}", sum_of(&bill)))),
    }
}

/// Asks before something is deleted, which `yes` agrees to in advance.
pub(super) fn to_delete(what: &str, yes: bool, printer: Printer) -> Result<(), Error> {
    match (yes, somebody_is_there()) {
        (true, _) => Ok(()),
        (false, true) => agreed(&format!("Delete {what}?"), printer),
        (false, false) => Err(Error::Undeleted(what.to_owned())),
    }
}

fn agreed(question: &str, printer: Printer) -> Result<(), Error> {
    match printer.ask(&format!("{question} [y/N] "))? {
        true => Ok(()),
        false => Err(Error::Declined),
    }
}

/// Whether a question would be read and answered. A terminal in CI has nobody before it.
fn somebody_is_there() -> bool {
    let ci = std::env::var("CI").is_ok_and(|value| !["", "0", "false"].contains(&value.trim()));
    !ci && io::stdin().is_terminal() && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Range;

    #[test]
    fn only_what_costs_money_is_asked_about_and_only_where_somebody_is() {
        let free = Bill::default();
        let costs = Bill { cost: Range::exactly(Cost::from_nanos(2)), unpriced: 0 };
        let unpriced = Bill { unpriced: 1, ..free };
        let terms = Terms { caps: Caps::default(), yes: false, unasked: Cost::from_nanos(1) };
        let agreed = Terms { yes: true, ..terms };
        for terminal in [true, false] {
            assert_eq!(terms.consent(&free, terminal), Consent::Given);
            for bill in [costs, unpriced] {
                assert_eq!(agreed.consent(&bill, terminal), Consent::Given);
                let expected = if terminal { Consent::Ask } else { Consent::Missing };
                assert_eq!(terms.consent(&bill, terminal), expected);
            }
        }
    }

    #[test]
    fn what_is_at_most_small_is_only_announced() {
        let bill = Bill { cost: Range::exactly(Cost::from_nanos(2)), unpriced: 0 };
        let terms = |unasked, cap: Option<u64>| Terms {
            caps: Caps { max_cost: cap.map(Cost::from_nanos), max_requests: None },
            yes: false,
            unasked: Cost::from_nanos(unasked),
        };
        assert_eq!(terms(2, None).consent(&bill, false), Consent::Given);
        assert_eq!(terms(1, None).consent(&bill, false), Consent::Missing);
        assert_eq!(terms(1, Some(1)).consent(&bill, false), Consent::Given);
        let unknown = Bill { unpriced: 1, ..Bill::default() };
        assert_eq!(terms(9, Some(1)).consent(&unknown, false), Consent::Missing);
    }
}
