//! What the hub says of a revision: its commit, and the files with length and hash
//! (<https://huggingface.co/docs/hub/api>: `/api/models/{repository}/revision/{revision}?blobs=true`).

use serde::Deserialize;

use super::cache::is_plain;

/// The files that an encoder is read from. The weights come last: whether they are of any use is known by the others.
pub(super) const FILES: [&str; 7] = [
    "config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "tokenizer.json",
    "vocab.txt",
    WEIGHTS,
];

/// The weights, of which the listing has a SHA-256.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// A revision.
#[derive(Debug, PartialEq)]
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<Listed>,
}

/// A file of a revision.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    /// Its path.
    pub(super) name: &'static str,
    /// Its length in bytes.
    pub(super) size: u64,
    /// What the cache calls its content: the SHA-256 of large files, and what Git calls small ones.
    pub(super) blob: String,
    /// Its SHA-256, where the hub lists it.
    pub(super) sha256: Option<String>,
}

#[derive(Deserialize)]
struct Revision {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: Option<u64>,
}

impl Listing {
    /// Reads what the hub answered. Names and hashes become parts of paths, and are trusted in nothing.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        let Revision { sha, siblings } = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if !is_plain(&sha) {
            return Err("its commit is not a hash".to_owned());
        }
        let mut files = Vec::new();
        for name in FILES {
            let Some(sibling) = siblings.iter().find(|sibling| sibling.rfilename == name) else { continue };
            let sha256 = sibling.lfs.as_ref().map(|lfs| lfs.sha256.to_ascii_lowercase());
            let blob = sha256.clone().or_else(|| sibling.blob_id.clone()).filter(|blob| is_hash(blob));
            let size = sibling.lfs.as_ref().and_then(|lfs| lfs.size).or(sibling.size);
            let (Some(blob), Some(size)) = (blob, size) else {
                return Err(format!("it has no length or no hash of `{name}`"));
            };
            files.push(Listed { name, size, blob, sha256 });
        }
        Ok(Self { commit: sha, files })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
    }
}

fn is_hash(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMIT: &str = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41";

    #[test]
    fn length_and_hash_of_large_files_are_those_of_their_content() {
        let sha256 = "ab".repeat(32);
        let json = format!(
            r#"{{"sha": "{COMMIT}", "new": 1, "siblings": [
                {{"rfilename": "model.safetensors", "size": 134, "blobId": "00", "lfs": {{"sha256": "{sha256}", "size": 90868376}}}},
                {{"rfilename": "config.json", "size": 612, "blobId": "72b987fd805cfa2b58c4c8c952b274a11bfd5a00"}},
                {{"rfilename": "README.md"}}]}}"#
        );
        let listing = Listing::read(json.as_bytes()).unwrap();
        let names: Vec<_> = listing.files.iter().map(|file| (file.name, file.size)).collect();
        assert_eq!(names, [("config.json", 612), (WEIGHTS, 90_868_376)]);
        assert_eq!(listing.files[1].sha256, Some(sha256));
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused() {
        for json in [
            r#"{"sha": "../../x"}"#,
            r#"{"sha": "abc", "siblings": [{"rfilename": "config.json", "size": 1, "blobId": "../../../etc/passwd"}]}"#,
            r#"{"sha": "abc", "siblings": [{"rfilename": "config.json"}]}"#,
            "<html>",
        ] {
            assert!(Listing::read(json.as_bytes()).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes in any::<Vec<u8>>(), sha in any::<String>(), blob in any::<String>()) {
            let _ = Listing::read(&bytes);
            let siblings = serde_json::json!([{"rfilename": "vocab.txt", "size": 1, "blobId": blob}]);
            let json = serde_json::json!({"sha": sha, "siblings": siblings}).to_string();
            if let Ok(listing) = Listing::read(json.as_bytes()) {
                prop_assert!(is_plain(&listing.commit) && listing.files.iter().all(|file| is_plain(&file.blob)));
            }
        }
    }
}
