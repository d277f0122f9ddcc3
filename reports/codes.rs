//! A column of small whole numbers, such as the numbers of labels or of values: mostly there are few, and a byte a row will do.

/// Whole numbers, in as few bytes each as the largest of them needs.
#[derive(Debug, Clone)]
pub(crate) enum Codes {
    Bytes(Vec<u8>),
    Pairs(Vec<u16>),
    Words(Vec<u32>),
}

impl Codes {
    /// Room for so many.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self::Bytes(Vec::with_capacity(rows))
    }

    /// So many zeros, which take no memory before they are something else.
    pub(crate) fn zeros(rows: usize) -> Self {
        Self::Bytes(vec![0; rows])
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(codes) => codes.len(),
            Self::Pairs(codes) => codes.len(),
            Self::Words(codes) => codes.len(),
        }
    }

    /// The number at this place; none behind the last.
    pub(crate) fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Bytes(codes) => codes.get(at).map(|code| u32::from(*code)),
            Self::Pairs(codes) => codes.get(at).map(|code| u32::from(*code)),
            Self::Words(codes) => codes.get(at).copied(),
        }
    }

    /// All of them in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + Clone {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// One more at the end.
    pub(crate) fn push(&mut self, code: u32) {
        self.widen(code);
        match self {
            Self::Bytes(codes) => codes.push(code as u8),
            Self::Pairs(codes) => codes.push(code as u16),
            Self::Words(codes) => codes.push(code),
        }
    }

    /// Puts another number at this place; nothing happens behind the last.
    pub(crate) fn set(&mut self, at: usize, code: u32) {
        self.widen(code);
        match self {
            Self::Bytes(codes) => codes.get_mut(at).into_iter().for_each(|place| *place = code as u8),
            Self::Pairs(codes) => codes.get_mut(at).into_iter().for_each(|place| *place = code as u16),
            Self::Words(codes) => codes.get_mut(at).into_iter().for_each(|place| *place = code),
        }
    }

    /// Makes room for a number of this size in each place.
    fn widen(&mut self, code: u32) {
        match self {
            Self::Bytes(codes) if code > u8::MAX.into() => {
                let wide = codes.iter().map(|code| u16::from(*code));
                *self = Self::Pairs(grown(codes.capacity(), wide));
                self.widen(code);
            }
            Self::Pairs(codes) if code > u16::MAX.into() => {
                let wide = codes.iter().map(|code| u32::from(*code));
                *self = Self::Words(grown(codes.capacity(), wide));
            }
            _ => {}
        }
    }
}

/// The numbers with as much room as there was before.
fn grown<T>(capacity: usize, codes: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::with_capacity(capacity);
    all.extend(codes);
    all
}

impl PartialEq for Codes {
    /// By their values, however wide they are.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Codes {}

impl Default for Codes {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_put_in_comes_back_whatever_its_size(
            numbers in prop::collection::vec(prop_oneof![0u32..300, 60_000u32..70_000, any::<u32>()], 0..60),
        ) {
            let mut codes = Codes::default();
            numbers.iter().for_each(|number| codes.push(*number));
            prop_assert_eq!(codes.iter().collect::<Vec<_>>(), numbers.clone());
            prop_assert_eq!((codes.len(), codes.get(numbers.len())), (numbers.len(), None));
            let mut set = Codes::zeros(numbers.len());
            numbers.iter().enumerate().rev().for_each(|(at, number)| set.set(at, *number));
            set.set(numbers.len(), u32::MAX);
            prop_assert_eq!(set, codes);
        }
    }

    #[test]
    fn a_number_takes_as_many_bytes_as_the_largest_needs() {
        let of = |last: u32| {
            let mut codes = Codes::with_capacity(2);
            codes.push(1);
            codes.push(last);
            codes
        };
        assert!(matches!(of(255), Codes::Bytes(_)) && matches!(of(256), Codes::Pairs(_)));
        assert!(matches!(of(65_535), Codes::Pairs(_)) && matches!(of(65_536), Codes::Words(_)));
        assert_ne!(of(255), of(256));
        let wide = Codes::Words(vec![1, 255]);
        assert_eq!(wide, of(255));
    }
}
