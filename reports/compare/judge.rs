//! The verdicts on the comparisons of a report: made together, since several of them share one chance of error.

use super::{ALPHA, Comparison, IfRead, Verdict};
use crate::scenarios::Scenarios;
use crate::{Interval, holm, holm_levels};

/// The levels at which a comparison is decided: two-sided of a difference, one-sided of a margin.
#[derive(Debug, Clone, Copy)]
struct Levels {
    difference: f64,
    margin: f64,
}

impl Comparison {
    /// Adjusts the p-values of all comparisons of a report for their number, and judges anew.
    ///
    /// Comparisons that could not be made ask nothing and are not counted.
    pub fn adjust(comparisons: &mut [Self]) {
        let differences: Vec<_> = comparisons.iter().filter_map(|comparison| comparison.p).collect();
        let mut decided = holm(&differences).into_iter().zip(holm_levels(&differences, ALPHA));
        let margins: Vec<_> = comparisons.iter().filter_map(|c| Some(c.non_inferiority?.p)).collect();
        let mut margins = holm(&margins).into_iter().zip(holm_levels(&margins, ALPHA / 2.0));
        for comparison in comparisons.iter_mut().filter(|comparison| comparison.p.is_some()) {
            let Some(scenarios) = comparison.scenarios.clone() else { continue };
            let Some((holm_p, difference)) = decided.next() else { continue };
            let mut levels = Levels { difference, margin: ALPHA / 2.0 };
            comparison.holm_p = Some(holm_p);
            comparison.confidence = Some(1.0 - difference);
            let gain = scenarios.interval(1.0 - difference);
            comparison.difference_interval = gain.map(|interval| comparison.turned(interval));
            let metric = &comparison.metric;
            if let Some(test) = &mut comparison.non_inferiority
                && let Some((p, level)) = margins.next()
            {
                levels.margin = level;
                let bound = scenarios.interval(1.0 - 2.0 * level).map_or(-1.0, |interval| interval.low);
                let bound = metric.gain(bound);
                (test.holm_p, test.bound, test.proven) = (p, bound, p <= ALPHA / 2.0);
            }
            comparison.judge(&scenarios, levels);
        }
    }

    fn judge(&mut self, scenarios: &Scenarios, levels: Levels) {
        let margin = self.non_inferiority.map(|test| test.margin);
        self.verdict = scenarios.verdict(margin, levels.difference, levels.margin);
        let answered = scenarios.answered_only();
        let of_answered = answered.verdict(margin, levels.difference, levels.margin);
        self.withheld = Some(of_answered).filter(|verdict| *verdict != self.verdict);
        // Of a worse model it is withheld that it is no worse.
        if let Some(test) = self.non_inferiority.filter(|test| !test.proven)
            && answered.non_inferiority_p(test.margin) <= levels.margin
        {
            self.withheld = self.withheld.or(Some(Verdict::NoWorse));
        }
        let worse = usize::from(self.difference.is_some_and(|difference| self.metric.gain(difference) < 0.0));
        self.if_read = scenarios.if_read(worse).and_then(|read| {
            let verdict = read.verdict(margin, levels.difference, levels.margin);
            let if_read = IfRead { tuned: worse == 1, answers: self.unread[worse], verdict };
            (verdict != self.verdict).then_some(if_read)
        });
        let rows_to_decide = self.rows_to_decide(scenarios, levels);
        if let Some(power) = &mut self.power {
            power.rows_to_decide = rows_to_decide;
        }
    }

    fn rows_to_decide(&self, scenarios: &Scenarios, levels: Levels) -> Option<u64> {
        let margin = self.non_inferiority.map(|test| test.margin);
        let rows = |margin: f64, alpha| scenarios.answered.rows_to_decide(margin, alpha);
        match self.verdict {
            Verdict::NotProven => {
                let within = margin.and_then(|margin| rows(margin, levels.margin));
                [rows(0.0, levels.difference / 2.0), within].into_iter().flatten().min()
            }
            _ => self.undecided_margin().and_then(|margin| rows(margin, levels.margin)),
        }
    }

    /// The margin of which it is open whether the loss of a worse model is within it.
    pub fn undecided_margin(&self) -> Option<f64> {
        let test = self.non_inferiority.filter(|test| !test.proven)?;
        (self.verdict == Verdict::Worse && !self.loses_margin()?).then_some(test.margin)
    }

    /// Whether a loss of more than the margin is proven; none where no margin is set, or without an interval.
    pub fn loses_margin(&self) -> Option<bool> {
        let (test, interval) = (self.non_inferiority?, self.difference_interval?);
        Some(self.turned(interval).high < -test.margin)
    }

    /// From an interval of gains to one of the figure's differences, or back.
    pub(crate) fn turned(&self, Interval { low, high }: Interval) -> Interval {
        let [one, other] = [low, high].map(|end| self.metric.gain(end));
        Interval { low: one.min(other), high: one.max(other) }
    }
}
