//! What the files of an encoder's folder say of it: `config.json`, and beside it what sentence-transformers writes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::EncoderError;
use super::pooling::Pooling;

/// Configuration files longer than this are none: 64 MB, for vocabularies of some hundred languages.
const MAX_JSON: u64 = 64 << 20;

/// The sizes of an encoder, and how it is used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    /// Size of the vocabulary.
    pub(super) vocabulary: usize,
    /// Numbers for each token, from block to block.
    pub(super) width: usize,
    pub(super) blocks: usize,
    pub(super) heads: usize,
    /// Width inside of the feed-forward networks.
    pub(super) inner: usize,
    /// The most tokens of a text that there are positions for.
    pub(super) positions: usize,
    /// What layer normalisation adds to the variance.
    pub(super) epsilon: f32,
    /// The most tokens of a text that are read, both marks included.
    pub(super) longest: usize,
    pub(super) pooling: Pooling,
    /// What goes before each text, as in "query: ".
    pub(super) prefix: String,
}

/// `config.json`.
#[derive(Deserialize)]
struct Model {
    model_type: Option<String>,
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    intermediate_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    layer_norm_eps: Option<f32>,
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
}

/// `1_Pooling/config.json`.
#[derive(Deserialize)]
struct PoolingFile {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

/// `sentence_bert_config.json`.
#[derive(Deserialize)]
struct SentenceFile {
    max_seq_length: Option<usize>,
}

/// `config_sentence_transformers.json`.
#[derive(Deserialize)]
struct PromptsFile {
    #[serde(default)]
    prompts: std::collections::BTreeMap<String, String>,
}

impl Config {
    pub(super) fn read(folder: &Path) -> Result<Self, EncoderError> {
        let path = folder.join("config.json");
        let model: Model = json(&path)?;
        let unsupported = |what: String| EncoderError::Unsupported { file: path.clone(), what };
        match model.model_type.as_deref() {
            Some("bert") => {}
            Some(other) => return Err(unsupported(format!("its model_type is `{other}`"))),
            None => return Err(unsupported("it names no model_type".to_owned())),
        }
        if let Some(other) = model.hidden_act.filter(|activation| activation != "gelu") {
            return Err(unsupported(format!("its hidden_act is `{other}`, and only `gelu` is computed")));
        }
        if let Some(other) = model.position_embedding_type.filter(|kind| kind != "absolute") {
            return Err(unsupported(format!("its position_embedding_type is `{other}`, not `absolute`")));
        }
        // The bounds are far beyond any encoder, and keep products of sizes far from overflowing.
        let size = |name: &'static str, value: Option<usize>, most: usize| match value {
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(value) => Err(damaged(&path, format!("{name} is {value}, not from 1 to {most}"))),
            None => Err(damaged(&path, format!("it has no {name}"))),
        };
        let width = size("hidden_size", model.hidden_size, 1 << 14)?;
        let heads = size("num_attention_heads", model.num_attention_heads, 1 << 10)?;
        if width % heads != 0 {
            return Err(damaged(&path, format!("{width} numbers can't be split among {heads} heads")));
        }
        let positions = size("max_position_embeddings", model.max_position_embeddings, 1 << 16)?;
        let sentence: Option<SentenceFile> = optional_json(&folder.join("sentence_bert_config.json"))?;
        let longest = sentence.and_then(|file| file.max_seq_length).unwrap_or(positions);
        let prompts: Option<PromptsFile> = optional_json(&folder.join("config_sentence_transformers.json"))?;
        let prefix = prompts.and_then(|mut file| {
            let mut prompts = ["classification", "query"].into_iter();
            prompts.find_map(|name| file.prompts.remove(name))
        });
        let epsilon = model.layer_norm_eps.unwrap_or(1e-12);
        if !(0.0..=1.0).contains(&epsilon) {
            return Err(damaged(&path, format!("layer_norm_eps is {epsilon}")));
        }
        Ok(Self {
            vocabulary: size("vocab_size", model.vocab_size, 1 << 22)?,
            width,
            blocks: size("num_hidden_layers", model.num_hidden_layers, 1 << 10)?,
            heads,
            inner: size("intermediate_size", model.intermediate_size, 1 << 16)?,
            positions,
            epsilon,
            longest: longest.clamp(3, positions.max(3)),
            pooling: pooling(folder)?,
            prefix: prefix.unwrap_or_default(),
        })
    }
}

/// Without a word about it, the mean of all tokens.
fn pooling(folder: &Path) -> Result<Pooling, EncoderError> {
    let path = folder.join("1_Pooling").join("config.json");
    match optional_json(&path)? {
        None | Some(PoolingFile { pooling_mode_mean_tokens: true, pooling_mode_cls_token: false }) => {
            Ok(Pooling::Mean)
        }
        Some(PoolingFile { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }) => {
            Ok(Pooling::First)
        }
        Some(_) => Err(EncoderError::Unsupported {
            file: path,
            what: "it wants another pooling than the mean of all tokens or the first token".to_owned(),
        }),
    }
}

pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<T, EncoderError> {
    let unreadable = |error| EncoderError::Unreadable { file: path.to_owned(), error };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_JSON).read_to_end(&mut bytes)).map_err(unreadable)?;
    serde_json::from_slice(&bytes).map_err(|error| damaged(path, error.to_string()))
}

pub(super) fn optional_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EncoderError> {
    match json(path) {
        Ok(value) => Ok(Some(value)),
        Err(EncoderError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn damaged(file: &Path, what: String) -> EncoderError {
    EncoderError::Damaged { file: file.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Config, EncoderError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        Config::read(folder.path())
    }

    const BERT: &str = r#"{"model_type": "bert", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32}"#;

    #[test]
    fn pooling_prefix_and_length_come_from_the_folder() {
        let config = read(&[("config.json", BERT)]).unwrap();
        assert_eq!((config.pooling, config.longest, config.prefix.as_str()), (Pooling::Mean, 32, ""));
        let config = read(&[
            ("config.json", BERT),
            ("1_Pooling/config.json", r#"{"pooling_mode_cls_token": true}"#),
            ("sentence_bert_config.json", r#"{"max_seq_length": 16}"#),
            ("config_sentence_transformers.json", r#"{"prompts": {"query": "query: "}}"#),
        ]);
        let config = config.unwrap();
        assert_eq!((config.pooling, config.longest, config.prefix.as_str()), (Pooling::First, 16, "query: "));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let says = |files: &[(&str, &str)]| read(files).unwrap_err().to_string();
        assert!(says(&[("config.json", r#"{"model_type": "xlm-roberta"}"#)]).contains("`xlm-roberta`"));
        let relu = BERT.replace("\"bert\",", "\"bert\", \"hidden_act\": \"relu\",");
        assert!(says(&[("config.json", &relu)]).contains("`relu`"));
        let max = [("config.json", BERT), ("1_Pooling/config.json", r#"{"pooling_mode_max_tokens": true}"#)];
        assert!(says(&max).contains("pooling"));
        assert!(says(&[]).contains("config.json"));
        for (wrong, what) in [
            (BERT.replace("\"hidden_size\": 8", "\"hidden_size\": 7"), "heads"),
            (BERT.replace("\"vocab_size\": 9", "\"vocab_size\": 99999999"), "vocab_size"),
            (BERT.replace("\"intermediate_size\": 16", "\"intermediate_size\": 0"), "intermediate_size"),
            ("{".to_owned(), "config.json"),
        ] {
            assert!(says(&[("config.json", &wrong)]).contains(what), "{wrong}");
        }
    }
}
