//! Parts of the rows by what is known of them beside their label: a column of the data, the length of the text, its script.
//!
//! [`Slices`] says which row is in which part; what each model makes of the parts is in [`SliceFigures`].

mod figures;

use std::collections::HashMap;

use crate::Evaluation;
use crate::codes::Codes;

pub use figures::{SliceComparison, SliceFigures, SliceModel, SliceVerdict};

/// The most values of one property that are told apart: the rows of all others are together.
const MOST_VALUES: usize = 40;

/// What the rest is called.
const OTHER: &str = "(other)";

/// What is called a value that is empty.
const EMPTY: &str = "(empty)";

/// The value that each row has of some properties: mostly a byte a row for each, or none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slices(Vec<Property>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Property {
    name: String,
    /// The values, in the order of their first rows.
    values: Vec<String>,
    /// Of each row which of the values it has.
    rows: Codes,
}

impl Slices {
    /// The names of the properties.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|property| property.name.as_str())
    }

    /// The values of a row, in the order of the names; empty where the row has none.
    pub fn of(&self, row: usize) -> impl Iterator<Item = &str> {
        self.0.iter().map(move |property| {
            property.rows.get(row).map_or("", |value| property.values[value as usize].as_str())
        })
    }

    /// The rows that have this value of a property; none for a property that there is not.
    pub fn rows(&self, name: &str, value: &str) -> Option<Vec<usize>> {
        let property = self.0.iter().find(|property| property.name == name)?;
        let Some(value) = property.values.iter().position(|known| shown(known) == value) else {
            return Some(Vec::new());
        };
        let rows = property.rows.iter().enumerate().filter(|(_, row)| *row as usize == value);
        Some(rows.map(|(at, _)| at).collect())
    }

    /// The properties that part the rows into few enough parts to choose from: the name, the values, and of each row which of these.
    pub(crate) fn choices(&self) -> impl Iterator<Item = (&str, Vec<&str>, &Codes)> {
        let few = self.0.iter().filter(|property| (2..=MOST_VALUES).contains(&property.values.len()));
        few.map(|property| {
            let values = property.values.iter().map(|value| shown(value)).collect();
            (property.name.as_str(), values, &property.rows)
        })
    }

    /// Each value of each property, the most frequent first, with its rows; a property of one value parts nothing.
    fn each(&self) -> impl Iterator<Item = Slice<'_>> {
        self.0.iter().filter(|property| property.values.len() > 1).flat_map(|property| {
            let mut counts = vec![0; property.values.len()];
            property.rows.iter().for_each(|value| counts[value as usize] += 1);
            let values = property.values.iter().map(|value| shown(value)).zip(counts).zip(0u32..);
            let mut slices: Vec<_> = values
                .map(|((value, count), number)| Slice { property, value, numbers: vec![number], count })
                .collect();
            slices.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(b.value)));
            if slices.len() > MOST_VALUES {
                let rest = slices.split_off(MOST_VALUES - 1);
                let count = rest.iter().map(|slice| slice.count).sum();
                let mut numbers: Vec<_> = rest.into_iter().flat_map(|slice| slice.numbers).collect();
                numbers.sort_unstable();
                slices.push(Slice { property, value: OTHER, numbers, count });
            }
            slices
        })
    }
}

/// The rows that have one of some values of a property; they are looked up when they are wanted.
struct Slice<'a> {
    property: &'a Property,
    value: &'a str,
    /// The numbers of these values, in their order.
    numbers: Vec<u32>,
    count: usize,
}

impl Slice<'_> {
    /// The places of the rows, in rising order.
    fn rows(&self) -> impl Iterator<Item = usize> + Clone {
        let rows = self.property.rows.iter().enumerate();
        rows.filter(|(_, value)| self.numbers.binary_search(value).is_ok()).map(|(at, _)| at)
    }
}

fn shown(value: &str) -> &str {
    if value.trim().is_empty() { EMPTY } else { value }
}

/// Slices on their way: rows are added at the end.
#[derive(Debug, Default)]
pub struct Slicing {
    properties: Vec<(Property, HashMap<String, u32>)>,
}

impl Slicing {
    /// For properties of these names.
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let property = |name: N| (Property { name: name.into(), ..Property::default() }, HashMap::new());
        Self { properties: names.into_iter().map(property).collect() }
    }

    /// A row with these values, one for each property.
    pub fn push<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) {
        for ((property, known), value) in self.properties.iter_mut().zip(values) {
            let next = property.values.len() as u32;
            let number = match known.get(value) {
                Some(number) => *number,
                None => {
                    property.values.push(value.to_owned());
                    *known.entry(value.to_owned()).or_insert(next)
                }
            };
            property.rows.push(number);
        }
    }

    /// The slices; none without properties.
    pub fn finish(self) -> Option<Slices> {
        let properties: Vec<_> = self.properties.into_iter().map(|(property, _)| property).collect();
        (!properties.is_empty()).then_some(Slices(properties))
    }
}

/// In which part a text is by its length, in characters. The limits are fixed, so that runs on other rows have the same parts.
pub fn length_of(text: &str) -> &'static str {
    match text.chars().take(801).count() {
        0..=50 => "1 to 50 characters",
        51..=200 => "51 to 200 characters",
        201..=800 => "201 to 800 characters",
        _ => "more than 800 characters",
    }
}

impl Evaluation {
    /// Some of the rows, by their places in rising order.
    pub fn only(&self, rows: &[usize]) -> Self {
        let predictions = rows.iter().map(|row| self.predictions.row(*row)).collect();
        let clusters = self.clusters.as_deref().and_then(|clusters| clusters.only(rows.iter().copied()));
        let clusters = clusters.map(std::sync::Arc::new);
        Self {
            model: self.model.clone(),
            tuned_from: self.tuned_from.clone(),
            predictions,
            clusters,
            slices: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_told_apart_the_most_frequent_first() {
        let mut slicing = Slicing::new(["channel", "one"]);
        for value in ["web", "phone", "web", ""] {
            slicing.push([value, "same"]);
        }
        let slices = slicing.finish().unwrap();
        let each: Vec<_> = slices.each().collect();
        let web = &each[0];
        assert_eq!((web.property.name.as_str(), web.value, web.count), ("channel", "web", 2));
        assert_eq!(web.rows().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(each.iter().map(|slice| slice.value).collect::<Vec<_>>(), ["web", EMPTY, "phone"]);
        assert_eq!(slices.rows("channel", "phone"), Some(vec![1]));
        assert_eq!((slices.rows("channel", "fax"), slices.rows("colour", "red")), (Some(vec![]), None));
        assert_eq!(slices.of(3).collect::<Vec<_>>(), ["", "same"]);
        assert!(Slicing::new::<&str>([]).finish().is_none());
    }

    #[test]
    fn lengths_are_in_characters() {
        for (text, part) in
            [("é".repeat(50), "1 to 50"), ("é".repeat(51), "51"), ("x".repeat(9000), "more than 800")]
        {
            assert!(length_of(&text).starts_with(part), "{}", length_of(&text));
        }
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_slice_of_each_property(rows in prop::collection::vec((0u16..90, 0u8..3), 1..200)) {
            let mut slicing = Slicing::new(["a", "b"]);
            rows.iter().for_each(|(a, b)| slicing.push([a.to_string().as_str(), b.to_string().as_str()]));
            let slices = slicing.finish().unwrap();
            for name in ["a", "b"] {
                let of_name = || slices.each().filter(|slice| slice.property.name == name);
                let mut all = of_name().fold(Vec::new(), |mut all, slice| {
                    all.extend(slice.rows());
                    all
                });
                prop_assert_eq!(all.len(), of_name().map(|slice| slice.count).sum::<usize>());
                all.sort_unstable();
                prop_assert!(all.is_empty() || all == (0..rows.len()).collect::<Vec<_>>());
            }
            prop_assert!(slices.each().count() <= 2 * MOST_VALUES);
        }
    }
}
