//! Few-shot prompts: solved examples from the training data, the same for all texts or the nearest to each.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
#[cfg(feature = "local")]
use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use tunebench_data::{Dataset, Example, Fields, Item, LabelId, stratified};
use tunebench_providers::Setup;
#[cfg(feature = "local")]
use tunebench_providers::{
    hub::Cache,
    local::{Encoder, Nearest, NearestInMeaning, NearestScratch},
};

/// Which examples a prompt is to show.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ShotsSpec {
    /// How many.
    pub k: NonZeroUsize,
    /// By which rule.
    #[serde(default)]
    pub select: Select,
    /// The encoder by which the nearest ones are found, as after `local/encoder:`; without it they are found by their words.
    pub encoder: Option<String>,
}

/// How examples are chosen. They are always taken from the training data, never from the test data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// The same for every text: drawn by seed, each label with its share.
    #[default]
    Stratified,
    /// For each text those that are most like it, by the n-grams of the `local` provider or by an encoder; the nearest
    /// one last, next to the text.
    Nearest,
}

impl fmt::Display for ShotsSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.select {
            Select::Stratified => write!(f, "{}-shot", self.k),
            Select::Nearest if self.encoder.is_some() => write!(f, "{}-nearest-in-meaning", self.k),
            Select::Nearest => write!(f, "{}-nearest", self.k),
        }
    }
}

impl ShotsSpec {
    /// For a report.
    pub fn in_words(&self) -> String {
        match self.select {
            Select::Stratified => format!("{} solved examples", self.k),
            Select::Nearest => match &self.encoder {
                Some(encoder) => format!("the {} nearest solved examples by the encoder {encoder}", self.k),
                None => format!("the {} nearest solved examples", self.k),
            },
        }
    }
}

/// Solved examples, with what of their rows a prompt may show.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    pairs: Arc<[(String, LabelId)]>,
    fields: Arc<[Fields]>,
}

impl Examples {
    fn of<'a>(examples: impl Iterator<Item = &'a Example> + Clone) -> Self {
        Self {
            pairs: examples.clone().map(|example| (example.text.clone(), example.label)).collect(),
            fields: examples.map(|example| example.fields.clone()).collect(),
        }
    }

    /// Texts with their labels.
    pub fn pairs(&self) -> &Arc<[(String, LabelId)]> {
        &self.pairs
    }

    /// What a prompt renders.
    pub fn items(&self) -> impl Iterator<Item = (Item<'_>, LabelId)> {
        self.pairs
            .iter()
            .zip(&*self.fields)
            .map(|((text, label), fields)| (Item { text, fields: Some(fields) }, *label))
    }
}

/// Chooses the examples for each text.
#[derive(Debug, Clone, Default)]
pub enum Shots {
    /// No examples.
    #[default]
    None,
    /// The same for every text.
    Same(Examples),
    /// The nearest ones.
    #[cfg(feature = "local")]
    Nearest(Arc<Neighbours>),
}

/// Training examples that can be searched.
#[cfg(feature = "local")]
#[derive(Debug)]
pub struct Neighbours {
    index: Index,
    examples: Vec<Example>,
    k: usize,
    /// What was found, by a hash of the text: a text is asked about more than once, for its key and for its request.
    found: Mutex<HashMap<u64, Vec<usize>>>,
}

#[cfg(feature = "local")]
impl Neighbours {
    /// The positions of the nearest examples, the nearest first.
    fn find(&self, text: &str) -> Vec<usize> {
        let mut hash = DefaultHasher::new();
        text.hash(&mut hash);
        let hash = hash.finish();
        let known = self.found().get(&hash).cloned();
        known.unwrap_or_else(|| {
            let rows = self.index.find(text, self.k);
            let mut found = self.found();
            if found.len() >= self.index.kept() {
                found.clear();
            }
            found.insert(hash, rows.clone());
            rows
        })
    }

    fn found(&self) -> MutexGuard<'_, HashMap<u64, Vec<usize>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "local")]
thread_local! {
    /// What a search needs, kept to save the allocations.
    static SCRATCH: RefCell<NearestScratch> = RefCell::default();
}

/// How many texts that were searched for by their words are remembered: more than are under way at once.
#[cfg(feature = "local")]
const RECENT: usize = 16_384;

/// By what examples are near.
#[cfg(feature = "local")]
#[derive(Debug)]
enum Index {
    Words(Nearest),
    Meaning(Box<NearestInMeaning>),
}

#[cfg(feature = "local")]
impl Index {
    fn new(texts: &[&str], encoder: Option<&str>, environment: &Setup) -> Result<Self, String> {
        let Some(name) = encoder else { return Ok(Self::Words(Nearest::new(texts))) };
        let cache = Cache::by(|name| environment.variable(name));
        let encoder = Encoder::named(name, &cache).map_err(|error| error.to_string())?;
        let nearest = NearestInMeaning::new(Arc::new(encoder), texts);
        Ok(Self::Meaning(Box::new(nearest)))
    }

    /// For how many texts it is remembered what was found: going through an encoder takes milliseconds.
    fn kept(&self) -> usize {
        match self {
            Self::Words(_) => RECENT,
            Self::Meaning(_) => usize::MAX,
        }
    }

    fn find(&self, text: &str, k: usize) -> Vec<usize> {
        match self {
            Self::Words(nearest) => SCRATCH.with_borrow_mut(|scratch| nearest.find(text, k, scratch)),
            Self::Meaning(nearest) => nearest.find(text, k),
        }
    }
}

impl Shots {
    /// Chooses, or gets ready to choose, from the training data. By `environment` the cache of fetched encoders is found.
    ///
    /// An error says what this build lacks, or why there is no encoder.
    #[cfg_attr(
        not(feature = "local"),
        expect(unused_variables, reason = "without encoders there is no cache of them")
    )]
    pub fn new(spec: &ShotsSpec, train: &Dataset, seed: u64, environment: &Setup) -> Result<Self, String> {
        match spec.select {
            Select::Stratified if spec.encoder.is_some() => {
                Err("`encoder` is for `select = \"nearest\"`".to_owned())
            }
            Select::Stratified => {
                let rows: Vec<_> = train.examples.iter().map(|example| (example.id, example.label)).collect();
                let chosen = stratified(&rows, spec.k.get(), seed);
                let mut shots: Vec<_> = train.examples.iter().filter(|e| chosen.contains(&e.id)).collect();
                // By content, so that the order of the file does not matter.
                shots.sort_by_key(|example| example.id);
                Ok(Self::Same(Examples::of(shots.into_iter())))
            }
            #[cfg(feature = "local")]
            Select::Nearest => {
                let texts: Vec<&str> = train.examples.iter().map(|example| example.text.as_str()).collect();
                Ok(Self::Nearest(Arc::new(Neighbours {
                    index: Index::new(&texts, spec.encoder.as_deref(), environment)?,
                    examples: train.examples.clone(),
                    k: spec.k.get(),
                    found: Mutex::default(),
                })))
            }
            #[cfg(not(feature = "local"))]
            Select::Nearest => {
                let message =
                    "this program was built without the local provider, which finds the nearest examples";
                Err(message.to_owned())
            }
        }
    }

    /// The examples to show before a text.
    #[cfg_attr(
        not(feature = "local"),
        expect(unused_variables, reason = "only the nearest examples depend on the text")
    )]
    pub fn before(&self, text: &str) -> Examples {
        match self {
            Self::None => Examples::default(),
            Self::Same(examples) => examples.clone(),
            #[cfg(feature = "local")]
            Self::Nearest(neighbours) => {
                let mut found = neighbours.find(text);
                found.reverse();
                Examples::of(found.into_iter().map(|row| &neighbours.examples[row]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tunebench_data::{ExampleId, LabelSet};

    use super::*;

    fn train() -> Dataset {
        let rows = [("my card is late", 0), ("card not here", 0), ("exchange rate", 1), ("rate of euros", 1)];
        let names = ["card", "rate"];
        let examples = rows.map(|(text, label)| {
            Example::new(ExampleId::of(text, names[label as usize], 0), text, LabelId(label))
        });
        let labels = LabelSet::new(names.map(str::to_owned).to_vec()).unwrap();
        Dataset::new(examples.to_vec(), labels)
    }

    fn spec(k: usize, select: Select) -> ShotsSpec {
        ShotsSpec { k: NonZeroUsize::new(k).unwrap(), select, encoder: None }
    }

    #[test]
    fn stratified_shots_have_all_labels_and_do_not_follow_the_file() {
        let shots = |train: &Dataset| {
            Shots::new(&spec(2, Select::Stratified), train, 1, &Setup::default()).unwrap().before("any").pairs
        };
        let chosen = shots(&train());
        let mut labels: Vec<_> = chosen.iter().map(|(_, label)| label.0).collect();
        labels.sort();
        assert_eq!(labels, [0, 1]);
        let mut moved = train();
        moved.examples.reverse();
        assert_eq!(shots(&moved), chosen);
    }

    #[cfg(feature = "local")]
    #[test]
    fn the_nearest_shot_stands_next_to_the_text() {
        let shots = Shots::new(&spec(2, Select::Nearest), &train(), 1, &Setup::default()).unwrap();
        let texts: Vec<String> =
            shots.before("the rate of euros?").pairs.iter().map(|(text, _)| text.clone()).collect();
        assert_eq!(texts, ["exchange rate", "rate of euros"]);
    }

    #[cfg(feature = "local")]
    #[test]
    fn a_text_is_searched_for_once() {
        let Shots::Nearest(neighbours) =
            Shots::new(&spec(2, Select::Nearest), &train(), 1, &Setup::default()).unwrap()
        else {
            panic!("they are the nearest")
        };
        let first = neighbours.find("the rate of euros?");
        neighbours.found().values_mut().for_each(|rows| rows.reverse());
        let again = neighbours.find("the rate of euros?");
        assert_eq!(again, first.into_iter().rev().collect::<Vec<_>>());
        assert_eq!(neighbours.found().len(), 1);
    }
}
