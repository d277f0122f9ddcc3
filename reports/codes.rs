//! A column of small whole numbers, such as the numbers of labels or of values: mostly there are few, and a byte a row will do.

/// Whole numbers, in as few bytes each as the largest of them needs; none while all are the same.
#[derive(Debug, Clone)]
pub(crate) enum Codes {
    Same { code: u32, rows: usize },
    Bytes(Vec<u8>),
    Pairs(Vec<u16>),
    Words(Vec<u32>),
}

impl Codes {
    /// So many zeros.
    pub(crate) fn zeros(rows: usize) -> Self {
        Self::Same { code: 0, rows }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Same { rows, .. } => *rows,
            Self::Bytes(codes) => codes.len(),
            Self::Pairs(codes) => codes.len(),
            Self::Words(codes) => codes.len(),
        }
    }

    /// The number at this place; none behind the last.
    pub(crate) fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Same { code, rows } => (at < *rows).then_some(*code),
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
    pub(crate) fn push(&mut self, new: u32) {
        if self.len() == 0 {
            *self = Self::Same { code: new, rows: 0 };
        }
        self.widen(new);
        match self {
            Self::Same { rows, .. } => *rows += 1,
            Self::Bytes(codes) => codes.push(new as u8),
            Self::Pairs(codes) => codes.push(new as u16),
            Self::Words(codes) => codes.push(new),
        }
    }

    /// Puts another number at this place; nothing happens behind the last.
    pub(crate) fn set(&mut self, at: usize, new: u32) {
        if at >= self.len() {
            return;
        }
        self.widen(new);
        match self {
            Self::Same { .. } => {}
            Self::Bytes(codes) => codes[at] = new as u8,
            Self::Pairs(codes) => codes[at] = new as u16,
            Self::Words(codes) => codes[at] = new,
        }
    }

    /// Makes room for this number in each place.
    fn widen(&mut self, new: u32) {
        *self = match self {
            Self::Same { code, .. } if *code == new => return,
            Self::Same { code, rows } => match new.max(*code) {
                // The system holds no memory for zeros that are yet to be something else.
                0..=0xff => Self::Bytes(vec![*code as u8; *rows]),
                0x100..=0xffff => Self::Pairs(vec![*code as u16; *rows]),
                _ => Self::Words(vec![*code; *rows]),
            },
            Self::Bytes(codes) if new > 0xffff => {
                Self::Words(codes.iter().map(|code| (*code).into()).collect())
            }
            Self::Bytes(codes) if new > 0xff => {
                Self::Pairs(codes.iter().map(|code| (*code).into()).collect())
            }
            Self::Pairs(codes) if new > 0xffff => {
                Self::Words(codes.iter().map(|code| (*code).into()).collect())
            }
            _ => return,
        };
    }
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
        Self::zeros(0)
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
            let mut codes = Codes::default();
            codes.push(1);
            codes.push(last);
            codes
        };
        assert!(matches!(of(1), Codes::Same { code: 1, rows: 2 }));
        assert!(matches!(of(255), Codes::Bytes(_)) && matches!(of(256), Codes::Pairs(_)));
        assert!(matches!(of(65_535), Codes::Pairs(_)) && matches!(of(65_536), Codes::Words(_)));
        assert_ne!(of(255), of(256));
        let wide = Codes::Words(vec![1, 255]);
        assert_eq!(wide, of(255));
    }
}
