//! WordPiece (Wu et al., 2016; as BERT uses it): a word becomes the longest piece of the vocabulary that it begins with,
//! then the longest that its rest begins with, and so on; one that can't be cut so becomes the unknown token.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::config::optional_json;
use super::error::EncoderError;
use super::normalizer::Normalizer;

/// Words of more characters are unknown, as BERT has it.
const LONGEST_WORD: usize = 100;

/// A text of more characters is cut: whatever they are, its tokens are more than any encoder reads.
const MAX_CHARACTERS_PER_TOKEN: usize = 100;

/// Text to numbers of tokens.
#[derive(Debug)]
pub(super) struct Tokenizer {
    normalizer: Normalizer,
    /// Pieces that begin a word.
    first: HashMap<Box<str>, u32>,
    /// Pieces inside of words, without the mark before them.
    inner: HashMap<Box<str>, u32>,
    unknown: u32,
    /// The marks before and after a text.
    start: u32,
    end: u32,
    size: usize,
}

/// What is read of `tokenizer.json`.
#[derive(Deserialize)]
struct TokenizerFile {
    model: ModelPart,
    normalizer: Option<NormalizerPart>,
}

#[derive(Deserialize)]
struct ModelPart {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    vocab: serde_json::Value,
}

#[derive(Deserialize)]
struct NormalizerPart {
    #[serde(rename = "type")]
    kind: String,
    clean_text: Option<bool>,
    handle_chinese_chars: Option<bool>,
    strip_accents: Option<bool>,
    lowercase: Option<bool>,
}

/// What is read of `tokenizer_config.json`.
#[derive(Default, Deserialize)]
struct SettingsFile {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
}

impl Tokenizer {
    /// From `tokenizer.json`, or else from `vocab.txt` with `tokenizer_config.json`.
    pub(super) fn read(folder: &Path) -> Result<Self, EncoderError> {
        let path = folder.join("tokenizer.json");
        if let Some(file) = optional_json::<TokenizerFile>(&path)? {
            return Self::of_json(&path, file);
        }
        let path = folder.join("vocab.txt");
        let lines = match fs::read_to_string(&path) {
            Ok(lines) => lines,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = "it has neither a tokenizer.json nor a vocab.txt".to_owned();
                return Err(EncoderError::Unsupported { file: folder.to_owned(), what });
            }
            Err(error) => return Err(EncoderError::Unreadable { file: path, error }),
        };
        let settings: SettingsFile =
            optional_json(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let lowercase = settings.do_lower_case.unwrap_or(true);
        let normalizer = Normalizer {
            clean: true,
            split_ideographs: settings.tokenize_chinese_chars.unwrap_or(true),
            strip_accents: settings.strip_accents.unwrap_or(lowercase),
            lowercase,
        };
        let pieces = lines.lines().enumerate().map(|(number, piece)| (piece.trim_end(), number as u32));
        Self::new(&path, pieces, normalizer)
    }

    fn of_json(path: &Path, file: TokenizerFile) -> Result<Self, EncoderError> {
        let unsupported = |what: String| EncoderError::Unsupported { file: path.to_owned(), what };
        // Files of the first versions name no type; a vocabulary of pairs is SentencePiece's.
        let word_piece = file.model.kind.as_deref().is_none_or(|kind| kind == "WordPiece");
        let Some(vocabulary) = file.model.vocab.as_object().filter(|_| word_piece) else {
            let kind = file.model.kind.unwrap_or_else(|| "unnamed".to_owned());
            return Err(unsupported(format!("its tokenizer is of type {kind}, not WordPiece")));
        };
        let normalizer = match file.normalizer {
            Some(part) if part.kind == "BertNormalizer" => {
                let lowercase = part.lowercase.unwrap_or(true);
                Normalizer {
                    clean: part.clean_text.unwrap_or(true),
                    split_ideographs: part.handle_chinese_chars.unwrap_or(true),
                    strip_accents: part.strip_accents.unwrap_or(lowercase),
                    lowercase,
                }
            }
            other => {
                let kind = other.map_or_else(|| "missing".to_owned(), |part| part.kind);
                return Err(unsupported(format!("its normalizer is {kind}, not BertNormalizer")));
            }
        };
        let pieces = vocabulary.iter().map(|(piece, number)| {
            (piece.as_str(), number.as_u64().map_or(u32::MAX, |number| number as u32))
        });
        Self::new(path, pieces, normalizer)
    }

    fn new<'a>(
        path: &Path,
        pieces: impl Iterator<Item = (&'a str, u32)>,
        normalizer: Normalizer,
    ) -> Result<Self, EncoderError> {
        let (mut first, mut inner, mut size) = (HashMap::new(), HashMap::new(), 0);
        for (piece, number) in pieces {
            size = size.max(number as usize + 1);
            match piece.strip_prefix("##") {
                Some(rest) if !rest.is_empty() => inner.insert(rest.into(), number),
                _ => first.insert(piece.into(), number),
            };
        }
        let special = |name: &str| {
            first.get(name).copied().ok_or_else(|| EncoderError::Damaged {
                file: path.to_owned(),
                what: format!("the vocabulary has no `{name}`"),
            })
        };
        let (unknown, start, end) = (special("[UNK]")?, special("[CLS]")?, special("[SEP]")?);
        Ok(Self { normalizer, first, inner, unknown, start, end, size })
    }

    /// One more than the highest number of a token.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The tokens of a text between the two marks: at most `longest`, which is at least 3. A mark that stands in the text
    /// is text.
    pub(super) fn encode(&self, text: &str, longest: usize) -> Vec<u32> {
        let mut tokens = vec![self.start];
        let room = longest - 1;
        let end = text.char_indices().nth(longest * MAX_CHARACTERS_PER_TOKEN).map_or(text.len(), |(i, _)| i);
        let mut piece = String::new();
        self.normalizer.words(&text[..end], |word| {
            if tokens.len() < room {
                self.encode_word(word, &mut piece, &mut tokens);
            }
        });
        tokens.truncate(room);
        tokens.push(self.end);
        tokens
    }

    fn encode_word(&self, word: &[char], piece: &mut String, tokens: &mut Vec<u32>) {
        let before = tokens.len();
        let mut rest = if word.len() > LONGEST_WORD { &[] } else { word };
        while !rest.is_empty() {
            let pieces = if tokens.len() == before { &self.first } else { &self.inner };
            piece.clear();
            piece.extend(rest);
            let mut taken = rest.len();
            let found = loop {
                match pieces.get(piece.as_str()) {
                    Some(&token) => break Some(token),
                    None if taken == 1 => break None,
                    None => _ = (piece.pop(), taken -= 1),
                }
            };
            let Some(token) = found else { break };
            tokens.push(token);
            rest = &rest[taken..];
        }
        if !rest.is_empty() || word.len() > LONGEST_WORD {
            tokens.truncate(before);
            tokens.push(self.unknown);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn small() -> Tokenizer {
        let pieces =
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "##ed", "un", "##a", "##un", ",", "天"];
        let normalizer =
            Normalizer { clean: true, split_ideographs: true, strip_accents: true, lowercase: true };
        let pieces = pieces.into_iter().zip(0..);
        Tokenizer::new(Path::new("vocab.txt"), pieces, normalizer).unwrap()
    }

    #[test]
    fn words_become_their_longest_pieces() {
        let encode = |text: &str| small().encode(text, 16);
        assert_eq!(encode("Playing, played"), [2, 4, 5, 10, 4, 6, 3]);
        assert_eq!(encode("una unb 天天"), [2, 7, 8, 1, 11, 11, 3]);
        assert_eq!(encode(""), [2, 3]);
        // A mark in a text is punctuation and a word.
        assert_eq!(encode("[SEP]"), [2, 1, 1, 1, 3]);
        assert_eq!(encode(&"a".repeat(10_000)), [2, 1, 3]);
    }

    #[test]
    fn a_long_text_is_cut_before_the_last_mark() {
        let tokens = small().encode(&"play ".repeat(1000), 8);
        assert_eq!(tokens, [2, 4, 4, 4, 4, 4, 4, 3]);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in any::<String>(), longest in 3_usize..40) {
            let tokenizer = small();
            let tokens = tokenizer.encode(&text, longest);
            prop_assert!(tokens.len() <= longest && tokens.len() >= 2);
            prop_assert!(tokens.iter().all(|&token| (token as usize) < tokenizer.size()));
        }
    }
}
