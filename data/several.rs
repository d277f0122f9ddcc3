//! Labels that are made of other labels: several of them in one cell.

/// What annotation tools put between two labels.
const SEPARATORS: [char; 4] = ['|', ';', ',', '#'];

/// The labels that a label is made of, where each part of it is a label of its own.
pub(crate) fn parts(label: &str, is_label: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    SEPARATORS.into_iter().find_map(|separator| {
        let parts: Vec<&str> = label.split(separator).map(str::trim).collect();
        let several = parts.len() > 1 && parts.iter().all(|part| is_label(part));
        several.then(|| parts.into_iter().map(str::to_owned).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labels_make_a_combination() {
        let known = |part: &str| ["billing", "other"].contains(&part);
        assert_eq!(parts("billing| other", known), Some(vec!["billing".to_owned(), "other".to_owned()]));
        for single in ["billing", "refund, billing", "billing|", "a|b", "|"] {
            assert_eq!(parts(single, known), None, "{single}");
        }
    }
}
