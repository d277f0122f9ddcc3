//! Where the folder of an encoder is: a path, or a name in the cache that tools for models of the Hugging Face hub share.
//!
//! The cache's layout (<https://huggingface.co/docs/huggingface_hub/guides/manage-cache>):
//! `models--ORG--NAME/snapshots/COMMIT/` has the files, `models--ORG--NAME/refs/REVISION` the commit of a branch or tag.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::EncoderError;

/// The revision of a name that has none.
const DEFAULT_REVISION: &str = "main";

/// The folder that encoders are kept in.
#[derive(Debug, Clone)]
pub(in super::super) struct Cache(PathBuf);

impl Cache {
    /// By the variables that all such tools obey; `variable` reads one.
    pub(in super::super) fn by(variable: impl Fn(&str) -> Option<String>) -> Self {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let home = || path("HF_HOME").or_else(|| Some(path("XDG_CACHE_HOME")?.join("huggingface")));
        let usual =
            || path("HOME").or_else(|| path("USERPROFILE")).map(|home| home.join(".cache/huggingface"));
        let hub = path("HF_HUB_CACHE").or_else(|| home().or_else(usual).map(|home| home.join("hub")));
        Self(hub.unwrap_or_else(|| PathBuf::from("huggingface/hub")))
    }

    /// The folder of an encoder by its path, or by `ORG/NAME` with or without `@REVISION`.
    pub(in super::super) fn folder(&self, name: &str) -> Result<PathBuf, EncoderError> {
        let path = Path::new(name);
        if path.is_dir() {
            return Ok(path.to_owned());
        }
        let unknown = || EncoderError::Unknown { name: name.to_owned(), cache: self.0.clone() };
        let (repository, revision) = name.split_once('@').unwrap_or((name, DEFAULT_REVISION));
        let safe = |part: &str| {
            !part.is_empty()
                && !part.contains("..")
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if !repository.split('/').all(safe) || !revision.split('/').all(safe) {
            return Err(unknown());
        }
        let repository = self.0.join(format!("models--{}", repository.replace('/', "--")));
        let commit = fs::read_to_string(repository.join("refs").join(revision));
        let commit = commit.map_or_else(|_| revision.to_owned(), |commit| commit.trim().to_owned());
        let folder = repository.join("snapshots").join(&commit);
        if safe(&commit) && folder.is_dir() { Ok(folder) } else { Err(unknown()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_before_a_name_in_the_cache() {
        let home = tempfile::tempdir().unwrap();
        let variable = |name: &str| (name == "HF_HOME").then(|| home.path().display().to_string());
        let cache = Cache::by(variable);
        let repository = home.path().join("hub/models--acme--mini");
        fs::create_dir_all(repository.join("snapshots/c0ffee")).unwrap();
        fs::create_dir_all(repository.join("refs")).unwrap();
        fs::write(repository.join("refs/main"), "c0ffee\n").unwrap();
        let snapshot = repository.join("snapshots/c0ffee");
        for name in ["acme/mini", "acme/mini@main", "acme/mini@c0ffee"] {
            assert_eq!(cache.folder(name).unwrap(), snapshot, "{name}");
        }
        assert_eq!(cache.folder(home.path().to_str().unwrap()).unwrap(), home.path());
        for name in ["acme/other", "acme/mini@v2", "../mini", "acme/mini@../../x", "", "@"] {
            assert!(cache.folder(name).is_err(), "{name}");
        }
    }
}
