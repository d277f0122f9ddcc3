//! How many of the near duplicates are found.

use super::*;

/// Words that do not repeat, from a number.
fn word(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d;
    let mut letters = String::new();
    for _ in 0..5 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        letters.push(char::from(b'a' + ((state >> 33) % 26) as u8));
    }
    letters
}

fn text(row: u64, words: u64) -> String {
    (0..words).map(|i| word(row * 1000 + i)).collect::<Vec<_>>().join(" ")
}

/// Each second text is the one before it with a letter changed: of some hundred pairs, all but a handful are found, and no
/// others.
#[test]
fn planted_near_duplicates_are_found() {
    let mut texts = Vec::new();
    for row in 0..600 {
        let text = text(row, 8 + row % 10);
        let mut changed = text.clone();
        let at = (row as usize * 7) % (text.len() - 1);
        changed.replace_range(at..=at, "Q");
        texts.extend([text, changed]);
    }
    let index = Index::new((0..).zip(&texts));
    let mut sets = DisjointSets::new(texts.len());
    let links = index.links(&mut sets, |row| &texts[row as usize]);
    assert!(links.iter().all(|&(a, b)| a == b + 1 && b % 2 == 0), "unrelated texts were joined");
    let near = texts.chunks(2).filter(|pair| similarity(&pair[0], &pair[1]) >= THRESHOLD).count();
    assert!(near > 450, "{near} of the pairs are near duplicates at all");
    let recall = links.len() as f64 / near as f64;
    assert!(recall >= 0.995, "{} of {near} pairs were found", links.len());
}

#[test]
fn a_further_text_finds_the_one_that_is_most_like_it() {
    let texts: Vec<String> = (0..500).map(|row| text(row, 12)).collect();
    let index = Index::new((0..).zip(&texts));
    let at = |row: u32| texts[row as usize].as_str();
    for (row, text) in texts.iter().enumerate() {
        assert_eq!(index.nearest(&normal_form(&format!("{text}!?")), at), Some((row as u32, 1.0)));
    }
    assert_eq!(index.nearest(&text(9999, 12), at), None);
}

/// Texts of one template: more pairs than could be compared, and still one set.
#[test]
fn many_that_are_alike_hang_together() {
    let texts: Vec<String> = (0..3000)
        .map(|i| format!("your order number {i} has been sent and will arrive in three days"))
        .collect();
    let index = Index::new((0..).zip(&texts));
    let mut sets = DisjointSets::new(texts.len());
    let links = index.links(&mut sets, |row| &texts[row as usize]);
    assert_eq!(links.len(), texts.len() - 1);
    assert!((0..3000).all(|row| sets.find(row) == 0));
}
