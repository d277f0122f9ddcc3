//! The project with which to find the successor of what retires.

use std::collections::BTreeSet;
use std::fmt::Write;

use tunebench_providers::catalog::Catalog;

use super::{Hit, base_of};

/// A `tunebench.toml` that measures these models beside what could replace them; `None` if there are none.
pub fn project(hits: &[&Hit], catalog: &Catalog) -> Option<String> {
    let mut entries = Vec::new();
    let mut successors = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for hit in hits {
        let name = format!("{}/{}", hit.host, hit.id);
        if !seen.insert(name.clone()) {
            continue;
        }
        let day = hit.known(catalog).and_then(|known| known.retires);
        let until = day.map_or_else(String::new, |day| format!(", until {day}"));
        match base_of(&hit.id) {
            Some(base) => entries.push((
                name,
                format!(
                    "# {}{until}\n[[model]]\nbase = {:?}\ntuned = {:?}\n",
                    hit.place(),
                    format!("{}/{base}", hit.host),
                    hit.id
                ),
            )),
            None => {
                entries
                    .push((name.clone(), format!("# {}{until}\n[[model]]\nbase = {name:?}\n", hit.place())));
            }
        }
        let named = hit.known(catalog).and_then(|known| known.replacement.clone());
        successors.extend(named.map(|model| format!("{}/{model}", hit.host)));
    }
    let (against, _) = entries.first()?;
    let mut text = format!(
        "# Finds the successor of models that retire. Name files with your labels: `tunebench init DATA` shows how, and\n\
         # `tunebench plan` what it will cost. Take out what you do not want to be measured.\n\n\
         [data]\ntrain = \"train.csv\"\ntest = \"test.csv\"\n\n\
         [evaluation]\nagainst = {against:?}    # what the others are compared with\nmargin = 0.02           # the loss of accuracy that a replacement may have\n"
    );
    for (_, entry) in &entries {
        let _ = write!(text, "\n{entry}");
    }
    for successor in successors.iter().filter(|name| !seen.contains(*name)) {
        let _ = write!(text, "\n# named as a replacement\n[[model]]\nbase = {successor:?}\n");
    }
    let _ = write!(
        text,
        "\n# what costs nothing, tuned on your labels\n[[model]]\nbase = \"local/lexical\"\ntune = {{}}\n"
    );
    Some(text)
}
