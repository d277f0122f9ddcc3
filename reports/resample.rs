//! Drawing rows anew, as counts of cells: a draw costs about as much as there are cells, not as there are rows.
//!
//! Drawing `n` rows with replacement gives the cells multinomial counts. Independent Poisson counts, given their sum, are
//! multinomial as well. So each cell first gets a Poisson count, with rates that fall short of `n` together by three standard
//! deviations; the few hundred rows that are then missing are drawn one by one, and in the rare case of a sum beyond `n`
//! all is thrown away. That is exact, and each count costs one random number and one look into a table.

use std::collections::HashMap;

use crate::random::{Alias, Random};

/// How many standard deviations the Poisson counts fall short of the rows.
const SHORT: f64 = 3.0;

/// Cells of which so many rows are drawn as they have together.
#[derive(Debug)]
pub(crate) struct Stratum {
    rows: u32,
    /// The cells, by their rows.
    cells: Alias,
    /// Where that is quicker than drawing every row: the table of each cell.
    poisson: Option<Poisson>,
}

#[derive(Debug)]
struct Poisson {
    tables: Vec<Table>,
    of_cell: Vec<u32>,
}

/// A Poisson distribution without the ends that no draw ever meets.
#[derive(Debug)]
struct Table {
    first: u32,
    counts: Alias,
}

impl Stratum {
    /// From the rows of each cell: at least one cell, and at least one row in each.
    pub(crate) fn new(cells: &[u32]) -> Self {
        let rows: u32 = cells.iter().sum();
        let n = f64::from(rows);
        let missing = SHORT * n.sqrt();
        let poisson = (cells.len() as f64 + missing < n).then(|| Poisson::new(cells, 1.0 - missing / n));
        let weights: Vec<_> = cells.iter().map(|&rows| f64::from(rows)).collect();
        Self { rows, cells: Alias::new(&weights), poisson }
    }

    /// Writes the counts of one draw, as many as there are cells.
    pub(crate) fn draw(&self, random: &mut Random, counts: &mut [u32]) {
        let drawn = match &self.poisson {
            Some(poisson) => loop {
                let sum = poisson.draw(random, counts);
                if sum <= u64::from(self.rows) {
                    break sum as u32;
                }
            },
            None => {
                counts.fill(0);
                0
            }
        };
        for _ in drawn..self.rows {
            counts[self.cells.pick(random.next()) as usize] += 1;
        }
    }
}

impl Poisson {
    /// With a rate of `share` for each row of a cell. Cells of equal size share a table.
    fn new(cells: &[u32], share: f64) -> Self {
        let (mut tables, mut known) = (Vec::new(), HashMap::new());
        let of_cell = cells
            .iter()
            .map(|&rows| {
                *known.entry(rows).or_insert_with(|| {
                    tables.push(Table::new(share * f64::from(rows)));
                    tables.len() as u32 - 1
                })
            })
            .collect();
        Self { tables, of_cell }
    }

    fn draw(&self, random: &mut Random, counts: &mut [u32]) -> u64 {
        let mut sum = 0;
        for (count, &table) in counts.iter_mut().zip(&self.of_cell) {
            let table = &self.tables[table as usize];
            *count = table.first + table.counts.pick(random.next());
            sum += u64::from(*count);
        }
        sum
    }
}

impl Table {
    fn new(rate: f64) -> Self {
        /// The weight, against that of the most frequent count, below which no count is ever drawn.
        const NEVER: f64 = 1e-20;
        let mode = rate.floor();
        let mut below = Vec::new();
        let (mut count, mut weight) = (mode, 1.0);
        while count > 0.0 {
            weight *= count / rate;
            if weight < NEVER {
                break;
            }
            below.push(weight);
            count -= 1.0;
        }
        let first = mode as u32 - below.len() as u32;
        let mut weights: Vec<_> = below.into_iter().rev().chain([1.0]).collect();
        (count, weight) = (mode, 1.0);
        loop {
            count += 1.0;
            weight *= rate / count;
            if weight < NEVER {
                return Self { first, counts: Alias::new(&weights) };
            }
            weights.push(weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The means of the cells, and the products of the deviations of each two, over many draws.
    fn moments(cells: &[u32], draws: u64) -> (Vec<f64>, Vec<Vec<f64>>) {
        let stratum = Stratum::new(cells);
        let (mut random, mut counts) = (Random::new(5, 0), vec![0; cells.len()]);
        let mut means = vec![0.0; cells.len()];
        let mut products = vec![vec![0.0; cells.len()]; cells.len()];
        for _ in 0..draws {
            stratum.draw(&mut random, &mut counts);
            assert_eq!(counts.iter().sum::<u32>(), cells.iter().sum::<u32>());
            let off: Vec<_> = counts.iter().zip(cells).map(|(&c, &e)| f64::from(c) - f64::from(e)).collect();
            for (i, a) in off.iter().enumerate() {
                means[i] += a / draws as f64;
                off.iter().enumerate().for_each(|(j, b)| products[i][j] += a * b / draws as f64);
            }
        }
        (means, products)
    }

    #[test]
    fn counts_are_multinomial_with_and_without_tables() {
        for cells in [&[300, 1, 80, 1, 1, 17, 200][..], &[3, 1, 2]] {
            assert_eq!(Stratum::new(cells).poisson.is_some(), cells.len() > 3);
            let draws = 20_000;
            let n = f64::from(cells.iter().sum::<u32>());
            let (means, products) = moments(cells, draws);
            for (i, &a) in cells.iter().enumerate() {
                let a = f64::from(a);
                let variance = a * (1.0 - a / n);
                // Five standard errors of a mean, and of a variance of nearly Poisson counts.
                assert!(
                    means[i].abs() < 5.0 * (variance / draws as f64).sqrt(),
                    "mean of cell {i}: {means:?}"
                );
                for (j, &b) in cells.iter().enumerate() {
                    let b = f64::from(b);
                    let expected = if i == j { variance } else { -a * b / n };
                    let error = ((2.0 * a * b + a.min(b)) / draws as f64).sqrt();
                    assert!((products[i][j] - expected).abs() < 5.0 * error, "{i} {j}: {}", products[i][j]);
                }
            }
        }
    }

    #[test]
    fn a_cell_alone_keeps_all_rows() {
        for rows in [1, 2, 1000, 3_000_000] {
            let mut counts = [0];
            Stratum::new(&[rows]).draw(&mut Random::new(1, 1), &mut counts);
            assert_eq!(counts, [rows]);
        }
    }
}
