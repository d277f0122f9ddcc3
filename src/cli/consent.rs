//! The question before money is spent.

use std::io::{self, IsTerminal};

use super::output::Printer;
use super::plan::{brief, sum_of};
use crate::budget::Caps;
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

/// What a bill takes: `yes` is the user's agreement in advance, `terminal` tells whether somebody can be asked.
fn consent(bill: &Bill, yes: bool, terminal: bool) -> Consent {
    match (bill.is_free() || yes, terminal) {
        (true, _) => Consent::Given,
        (false, true) => Consent::Ask,
        (false, false) => Consent::Missing,
    }
}

/// Shows what a run will cost, and goes on only if the user agrees to that.
pub(super) fn before_run(plan: &Plan, caps: &Caps, yes: bool, printer: Printer) -> Result<(), Error> {
    plan.check(caps)?;
    brief(plan, caps).iter().for_each(|line| printer.note(line));
    let bill = plan.bill();
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    match consent(&bill, yes, terminal) {
        Consent::Given => Ok(()),
        Consent::Ask => match printer.ask(&format!("Spend {}? [y/N] ", sum_of(&bill)))? {
            true => Ok(()),
            false => Err(Error::Declined),
        },
        Consent::Missing => Err(Error::Unasked(format!("this would spend {}", sum_of(&bill)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Cost;
    use crate::plan::Range;

    #[test]
    fn only_what_costs_money_is_asked_about_and_only_where_somebody_is() {
        let free = Bill::default();
        let costs = Bill { cost: Range::exactly(Cost::from_nanos(1)), unpriced: 0 };
        let unpriced = Bill { unpriced: 1, ..free };
        for terminal in [true, false] {
            assert_eq!(consent(&free, false, terminal), Consent::Given);
            for bill in [costs, unpriced] {
                assert_eq!(consent(&bill, true, terminal), Consent::Given);
                let expected = if terminal { Consent::Ask } else { Consent::Missing };
                assert_eq!(consent(&bill, false, terminal), expected);
            }
        }
    }
}
