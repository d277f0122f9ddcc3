//! How a file is written: what the settings say, else what its first bytes and its name tell.

use std::path::Path;

/// The format of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Values with a header (RFC 4180), separated by commas, or by what [`Source::delimiter`](crate::Source::delimiter) or
    /// the header itself tells.
    Csv,
    /// The same, separated by tabs.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// One JSON array of objects, or objects one after the other, over any number of lines.
    Json,
    /// fastText's lines: `__label__x text`.
    FastText,
    /// One text a line, without a header.
    Lines,
    /// An Apache Parquet file; read where the feature `parquet` is built in.
    Parquet,
    /// The first sheet of an Excel workbook; read where the feature `xlsx` is built in.
    Xlsx,
}

/// What a line of fastText begins with.
pub(crate) const FASTTEXT_LABEL: &str = "__label__";

impl Format {
    /// The format that a name tells, by its extension; that of a compressed file by the one before.
    pub fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            "txt" => Some(Self::Lines),
            "parquet" => Some(Self::Parquet),
            "xlsx" => Some(Self::Xlsx),
            "gz" | "zst" => Self::of_name(Path::new(path.file_stem()?)),
            _ => None,
        }
    }

    /// What stands between two fields where nothing else is said; nothing where rows have no fields.
    pub(crate) fn delimiter(self) -> Option<u8> {
        match self {
            Self::Csv => Some(b','),
            Self::Tsv => Some(b'\t'),
            _ => None,
        }
    }

    /// The extension of a copy that is written as text.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::FastText | Self::Lines => "txt",
            Self::Jsonl | Self::Parquet | Self::Xlsx => "jsonl",
        }
    }

    /// The format of a text that begins with `head`. `stated` is what a setting says, `named` what the name does.
    ///
    /// JSON and fastText's lines can't be mistaken for anything else, so they go before a name; before a setting only an
    /// array goes, which no other reader could read a single row of.
    pub(crate) fn recognise(head: &[u8], stated: Option<Self>, named: Option<Self>) -> Option<Self> {
        let start = head.trim_ascii_start();
        match stated {
            Some(Self::Jsonl) if start.starts_with(b"[") => return Some(Self::Json),
            Some(stated) => return Some(stated),
            None => {}
        }
        if is_array(start) {
            Some(Self::Json)
        } else if start.starts_with(b"{") && named != Some(Self::Jsonl) {
            let line = start.split(|byte| *byte == b'\n').next().unwrap_or(start);
            match serde_json::from_slice::<serde::de::IgnoredAny>(line) {
                Ok(_) => Some(Self::Jsonl),
                // What is cut off, or goes on in the next line.
                Err(error) if error.is_eof() => Some(Self::Json),
                Err(_) => named.or(Some(Self::Jsonl)),
            }
        } else if start.starts_with(FASTTEXT_LABEL.as_bytes()) {
            Some(Self::FastText)
        } else {
            named
        }
    }
}

/// Whether this is the beginning of an array of objects.
fn is_array(start: &[u8]) -> bool {
    start.strip_prefix(b"[").is_some_and(|rest| matches!(rest.trim_ascii_start().first(), Some(b'{' | b']')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_goes_before_the_name() {
        let of = |head: &str, name: &str| {
            Format::recognise(head.as_bytes(), None, Format::of_name(Path::new(name)))
        };
        assert_eq!(of("[\n {\"text\"", "a.jsonl"), Some(Format::Json));
        assert_eq!(of("{\"text\":\"x\"}\n{", "a.csv"), Some(Format::Jsonl));
        assert_eq!(of("{\n\"text\":\"x\"\n}", "a.json"), Some(Format::Json));
        assert_eq!(of("{\"text\":\"x\"}", "a.json.gz"), Some(Format::Jsonl));
        assert_eq!(of("__label__a b", "a.txt"), Some(Format::FastText));
        assert_eq!(of("[x],label\n", "a.csv"), Some(Format::Csv));
        assert_eq!(of("{name},label\n", "a.csv"), Some(Format::Csv));
        assert_eq!(of("text,label", "a"), None);
        assert_eq!(Format::recognise(b"[{", Some(Format::Jsonl), None), Some(Format::Json));
    }
}
