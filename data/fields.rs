//! The columns of a row besides its text and label: kept where somebody asks for them, and free where nobody does.

use std::sync::Arc;

/// Which of a file's columns its rows carry with them, besides text, label and group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Columns {
    /// None: nothing is allocated for them.
    #[default]
    None,
    /// These, in this order; a file or a row that lacks one is an error.
    Named(Vec<String>),
    /// Every one that is not the text or the label, in the order of the file.
    All,
}

/// Some cells of a row, with the names of their columns.
///
/// The names are shared by all rows of a file that have the same ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Option<Box<Cells>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cells {
    names: Arc<[String]>,
    values: Box<[String]>,
}

impl Fields {
    /// Cells from pairs of a name and a value, for rows that are from no file.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let (names, values): (Vec<String>, Vec<String>) =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).unzip();
        Self::new(names.into(), values)
    }

    /// One value for each name; nothing is kept where there is none.
    pub(crate) fn new(names: Arc<[String]>, values: Vec<String>) -> Self {
        debug_assert_eq!(names.len(), values.len());
        Self((!values.is_empty()).then(|| Box::new(Cells { names, values: values.into() })))
    }

    /// The value in the column of this name. A value of JSON that is no string is given as it is spelt, `null` as
    /// nothing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(column, _)| *column == name).map(|(_, value)| value)
    }

    /// All names with their values, in the order of the file, or of [`Columns::Named`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter().flat_map(|cells| cells.names.iter().zip(&cells.values));
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// Names that rows share: made anew only for a row that has others than the row before.
#[derive(Debug, Default)]
pub(crate) struct SharedNames(Arc<[String]>);

impl SharedNames {
    pub(crate) fn fields<'a>(&mut self, pairs: impl Iterator<Item = (&'a str, String)>) -> Fields {
        let (names, values): (Vec<&str>, Vec<String>) = pairs.unzip();
        if !self.0.iter().map(String::as_str).eq(names.iter().copied()) {
            self.0 = names.into_iter().map(str::to_owned).collect();
        }
        Fields::new(Arc::clone(&self.0), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_the_same_columns_share_their_names() {
        let mut names = SharedNames::default();
        let mut row = |pairs: [(&'static str, &str); 2]| {
            names.fields(pairs.into_iter().map(|(name, value)| (name, value.to_owned())))
        };
        let (one, two) = (row([("id", "1"), ("subject", "a")]), row([("id", "2"), ("subject", "")]));
        let other = row([("id", "3"), ("topic", "b")]);
        let shared =
            |a: &Fields, b: &Fields| Arc::ptr_eq(&a.0.as_ref().unwrap().names, &b.0.as_ref().unwrap().names);
        assert!(shared(&one, &two) && !shared(&one, &other));
        assert_eq!((two.get("subject"), two.get("topic"), other.get("topic")), (Some(""), None, Some("b")));
        assert_eq!(one.iter().collect::<Vec<_>>(), [("id", "1"), ("subject", "a")]);
    }

    #[test]
    fn no_columns_cost_no_memory() {
        assert!(Fields::of::<&str, &str>([]).is_empty());
        assert_eq!(size_of::<Fields>(), size_of::<usize>());
    }
}
