//! Where the folder of an encoder is: a path, or a name in the cache of what was fetched from the hub.

use std::path::{Path, PathBuf};

use super::error::EncoderError;
use crate::hub::Cache;

/// The folder of an encoder by its path, or by `ORG/NAME` with or without `@REVISION`.
pub(in super::super) fn folder(name: &str, cache: &Cache) -> Result<PathBuf, EncoderError> {
    let path = Path::new(name);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    let in_cache = name.parse().ok().and_then(|name| cache.snapshot(&name));
    let unknown = || EncoderError::Unknown { name: name.to_owned(), cache: cache.path().to_owned() };
    in_cache.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_before_a_name_in_the_cache() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::by(|name| (name == "HF_HUB_CACHE").then(|| home.path().display().to_string()));
        let snapshot = home.path().join("models--acme--mini/snapshots/c0ffee");
        std::fs::create_dir_all(&snapshot).unwrap();
        assert_eq!(folder("acme/mini@c0ffee", &cache).unwrap(), snapshot);
        assert_eq!(folder(home.path().to_str().unwrap(), &cache).unwrap(), home.path());
        for name in ["acme/other", "../mini", ""] {
            assert!(folder(name, &cache).is_err(), "{name}");
        }
    }
}
