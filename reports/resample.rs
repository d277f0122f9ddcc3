//! Drawing rows anew, as counts of cells: a draw costs about as much as there are cells, not as there are rows.
//!
//! Drawing `n` rows with replacement gives the cells multinomial counts. Independent Poisson counts, given their sum, are
//! multinomial as well. So each cell first gets a Poisson count, with rates that fall short of `n` together by three standard
//! deviations; the few hundred rows that are then missing are drawn one by one, and in the rare case of a sum beyond `n`
//! all is thrown away. That is exact, and each count costs half a random number and one look into a table.

use std::collections::HashMap;

use crate::random::{Alias, Random, Slot, pick};

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
    /// The tables, one behind the other.
    slots: Vec<Slot>,
    of_cells: Vec<Table>,
}

/// A Poisson distribution without the ends that no draw ever meets.
#[derive(Debug, Clone, Copy)]
struct Table {
    start: u32,
    end: u32,
    /// The lowest count.
    first: u32,
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
        let (mut slots, mut known) = (Vec::new(), HashMap::new());
        let of_cells = cells
            .iter()
            .map(|&rows| {
                *known.entry(rows).or_insert_with(|| {
                    let (first, weights) = weights(share * f64::from(rows));
                    let start = slots.len() as u32;
                    slots.extend(Alias::new(&weights).slots());
                    Table { start, end: slots.len() as u32, first }
                })
            })
            .collect();
        Self { slots, of_cells }
    }

    /// Writes the counts and returns their sum.
    fn draw(&self, random: &mut Random, counts: &mut [u32]) -> u64 {
        let count = |table: &Table, bits: u32| {
            table.first + pick(&self.slots[table.start as usize..table.end as usize], bits)
        };
        let mut sum = 0;
        for (counts, tables) in counts.chunks_mut(2).zip(self.of_cells.chunks(2)) {
            let mut bits = random.next();
            for (into, table) in counts.iter_mut().zip(tables) {
                *into = count(table, (bits >> 32) as u32);
                sum += u64::from(*into);
                bits <<= 32;
            }
        }
        sum
    }
}

/// The lowest count that is ever drawn at this rate, and the weights of the counts from there on.
fn weights(rate: f64) -> (u32, Vec<f64>) {
    /// The weight, against that of the most frequent count, below which no count is ever drawn.
    const NEVER: f64 = 1e-20;
    let mode = rate.floor();
    let mut weights = Vec::new();
    let (mut count, mut weight) = (mode, 1.0);
    while weight >= NEVER && count >= 0.0 {
        weights.push(weight);
        weight *= count / rate;
        count -= 1.0;
    }
    let first = mode as u32 + 1 - weights.len() as u32;
    weights.reverse();
    (count, weight) = (mode + 1.0, rate / (mode + 1.0));
    while weight >= NEVER {
        weights.push(weight);
        count += 1.0;
        weight *= rate / count;
    }
    (first, weights)
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
