//! A folder with an encoder so small that tests can read, ask and train it in no time. It has learned nothing: its
//! weights are drawn by seed.

use std::io;
use std::path::Path;

use serde_json::{Map, json};

const WIDTH: usize = 16;
const INNER: usize = 32;
const BLOCKS: usize = 2;
const POSITIONS: usize = 32;

/// Writes the files of an encoder whose vocabulary is these words. Equal words and seeds give equal files.
pub fn write_encoder(folder: &Path, words: &[&str], seed: u64) -> io::Result<()> {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
    let vocabulary: Vec<&str> = special.iter().chain(words).copied().collect();
    let config = json!({
        "model_type": "bert", "vocab_size": vocabulary.len(), "hidden_size": WIDTH, "num_hidden_layers": BLOCKS,
        "num_attention_heads": 2, "intermediate_size": INNER, "max_position_embeddings": POSITIONS,
    });
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("config.json"), config.to_string())?;
    std::fs::write(folder.join("vocab.txt"), vocabulary.join("\n"))?;
    std::fs::write(folder.join("model.safetensors"), weights(vocabulary.len(), seed))
}

fn weights(vocabulary: usize, seed: u64) -> Vec<u8> {
    let mut tensors = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![vocabulary, WIDTH]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![POSITIONS, WIDTH]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, WIDTH]),
    ];
    let vector = |name: String| (name, vec![WIDTH]);
    tensors.extend(["weight", "bias"].map(|part| vector(format!("embeddings.LayerNorm.{part}"))));
    for block in 0..BLOCKS {
        let at = |name: &str| format!("encoder.layer.{block}.{name}");
        for (name, outputs, inputs) in [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ] {
            tensors.push((at(&format!("{name}.weight")), vec![outputs, inputs]));
            tensors.push((at(&format!("{name}.bias")), vec![outputs]));
        }
        for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
            tensors.extend(["weight", "bias"].map(|part| vector(at(&format!("{name}.{part}")))));
        }
    }
    let (mut header, mut numbers, mut random) = (Map::new(), Vec::<u8>::new(), seed);
    for (name, shape) in tensors {
        let begin = numbers.len();
        for _ in 0..shape.iter().product() {
            // A linear congruential generator will do (Knuth's constants).
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (random >> 40) as f32 / (1 << 24) as f32 - 0.5;
            let is_scale = name.ends_with("LayerNorm.weight");
            numbers.extend((if is_scale { 1.0 } else { number }).to_le_bytes());
        }
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, numbers.len()]});
        header.insert(name, entry);
    }
    let header = serde_json::Value::from(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &numbers].concat()
}
