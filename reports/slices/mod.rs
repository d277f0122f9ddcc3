//! Parts of the rows by what is known of them beside their label: a column of the data, the length of the text, its script.
//!
//! [`Slices`] says which row is in which part; what each model makes of the parts is in [`SliceFigures`].

mod figures;

use std::collections::HashMap;

use crate::Evaluation;

pub use figures::{SliceComparison, SliceFigures, SliceModel, SliceVerdict};

/// The most values of one property that are told apart: the rows of all others are together.
const MOST_VALUES: usize = 40;

/// What the rest is called.
const OTHER: &str = "(other)";

/// What is called a value that is empty.
const EMPTY: &str = "(empty)";

/// The value that each row has of some properties: four bytes a row for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slices(Vec<Property>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Property {
    name: String,
    /// The values, in the order of their first rows.
    values: Vec<String>,
    rows: Vec<u32>,
}

impl Slices {
    /// The names of the properties.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|property| property.name.as_str())
    }

    /// The values of a row, in the order of the names; empty where the row has none.
    pub fn of(&self, row: usize) -> impl Iterator<Item = &str> {
        self.0.iter().map(move |property| {
            property.rows.get(row).map_or("", |value| property.values[*value as usize].as_str())
        })
    }

    /// The rows that have this value of a property; none for a property that there is not.
    pub fn rows(&self, name: &str, value: &str) -> Option<Vec<usize>> {
        let property = self.0.iter().find(|property| property.name == name)?;
        let Some(value) = property.values.iter().position(|known| shown(known) == value) else {
            return Some(Vec::new());
        };
        let rows = property.rows.iter().enumerate().filter(|(_, row)| **row as usize == value);
        Some(rows.map(|(at, _)| at).collect())
    }

    /// The properties that part the rows into few enough parts to choose from: the name, the values, and of each row which of these.
    pub(crate) fn choices(&self) -> impl Iterator<Item = (&str, Vec<&str>, &[u32])> {
        let few = self.0.iter().filter(|property| (2..=MOST_VALUES).contains(&property.values.len()));
        few.map(|property| {
            let values = property.values.iter().map(|value| shown(value)).collect();
            (property.name.as_str(), values, property.rows.as_slice())
        })
    }

    /// Each value of each property, the most frequent first, with its rows; a property of one value parts nothing.
    fn each(&self) -> impl Iterator<Item = (&str, String, Vec<usize>)> {
        self.0.iter().filter(|property| property.values.len() > 1).flat_map(|property| {
            let mut rows = vec![Vec::new(); property.values.len()];
            property.rows.iter().enumerate().for_each(|(at, value)| rows[*value as usize].push(at));
            let mut values: Vec<_> =
                property.values.iter().map(|value| shown(value).to_owned()).zip(rows).collect();
            values.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
            if values.len() > MOST_VALUES {
                let rest = values.split_off(MOST_VALUES - 1).into_iter().flat_map(|(_, rows)| rows);
                let mut rest: Vec<_> = rest.collect();
                rest.sort_unstable();
                values.push((OTHER.to_owned(), rest));
            }
            values.into_iter().map(|(value, rows)| (property.name.as_str(), value, rows))
        })
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
        let predictions = rows.iter().map(|row| self.predictions[*row]).collect();
        let clusters =
            self.clusters.as_deref().and_then(|clusters| clusters.only(rows)).map(std::sync::Arc::new);
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
        let web = ("channel", "web".to_owned(), vec![0, 2]);
        assert_eq!(each[0], web);
        assert_eq!(
            each.iter().map(|(_, value, _)| value.as_str()).collect::<Vec<_>>(),
            ["web", EMPTY, "phone"]
        );
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
                let mut all: Vec<usize> =
                    slices.each().filter(|(property, ..)| *property == name).flat_map(|(.., rows)| rows).collect();
                all.sort_unstable();
                prop_assert!(all.is_empty() || all == (0..rows.len()).collect::<Vec<_>>());
            }
            prop_assert!(slices.each().count() <= 2 * MOST_VALUES);
        }
    }
}
