//! What someone who wrote a wrong name probably meant.

use tunebench_reports::MetricError;

/// How alike two names must be, by Jaro and Winkler, for one to be taken for the other.
const ALIKE: f64 = 0.75;

/// The candidate that someone who wrote `wrong` probably meant.
fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|name| (strsim::jaro_winkler(wrong, name), name));
    scored.filter(|(score, _)| *score > ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// The hint for someone who wrote `wrong`, if one of the candidates is like it.
pub(crate) fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, candidates).map(question)
}

fn question(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// What to do about a name that is not one of a figure, or names a label that is none of `labels`.
pub(crate) fn metric_hint<'a>(
    error: &MetricError,
    labels: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    match error {
        MetricError::Unknown(wrong) => figure(wrong).as_deref().map(question),
        MetricError::Label(wrong) | MetricError::CostLabel(wrong) => did_you_mean(wrong, labels),
        _ => None,
    }
}

fn figure(wrong: &str) -> Option<String> {
    match wrong.split_once(':') {
        Some((kind, label)) => nearest(kind, ["recall", "precision"]).map(|kind| format!("{kind}:{label}")),
        None => nearest(wrong, ["accuracy", "macro_f1", "cost"]).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_known_by_its_beginning() {
        let hint = |wrong: &str| metric_hint(&MetricError::Unknown(wrong.to_owned()), []);
        for (wrong, meant) in [
            ("recal:card", "recall:card"),
            ("Precision:a:b", "precision:a:b"),
            ("acuracy", "accuracy"),
            ("macro-f1", "macro_f1"),
        ] {
            assert_eq!(hint(wrong), Some(format!("did you mean `{meant}`?")), "{wrong}");
        }
        assert_eq!((hint("x"), hint("x:card")), (None, None));
    }

    #[test]
    fn a_label_is_known_by_the_labels() {
        let hint =
            |wrong: &str| metric_hint(&MetricError::Label(wrong.to_owned()), ["card_arrival", "refund"]);
        assert_eq!(hint("card_arival"), Some("did you mean `card_arrival`?".to_owned()));
        assert_eq!(hint("weather"), None);
    }
}
