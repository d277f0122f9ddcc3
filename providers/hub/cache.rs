//! Where encoders that were fetched from the hub lie.
//!
//! The layout is that of the hub's own library (<https://huggingface.co/docs/huggingface_hub/guides/manage-cache>):
//! `models--ORG--NAME/blobs/HASH` has the files, `models--ORG--NAME/snapshots/COMMIT/` links to them by name, and
//! `models--ORG--NAME/refs/REVISION` has the commit of a branch or tag.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The revision of a name that has none.
const DEFAULT_REVISION: &str = "main";

/// A repository of the hub, `ORG/NAME` or `ORG/NAME@REVISION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubName {
    pub(super) repository: String,
    pub(super) revision: String,
}

impl FromStr for HubName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let (repository, revision) = name.split_once('@').unwrap_or((name, DEFAULT_REVISION));
        let parts: Vec<&str> = repository.split('/').collect();
        if !(1..=2).contains(&parts.len()) || !parts.iter().all(|part| is_plain(part)) {
            return Err(format!("`{name}` is not a name of the hub; expected ORG/NAME or ORG/NAME@REVISION"));
        }
        if !revision.split('/').all(is_plain) {
            return Err(format!("`{revision}` is not a revision; expected a branch, a tag or a commit"));
        }
        Ok(Self { repository: repository.to_owned(), revision: revision.to_owned() })
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.revision)
    }
}

/// Whether a text can be a part of a path that leads nowhere else.
pub(super) fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && !part.contains("..")
        && part != "."
        && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The folder that encoders are kept in.
#[derive(Debug, Clone)]
pub struct Cache(PathBuf);

impl Cache {
    /// By the variables that all such tools obey; `variable` reads one.
    pub fn by(variable: impl Fn(&str) -> Option<String>) -> Self {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let home = || path("HF_HOME").or_else(|| Some(path("XDG_CACHE_HOME")?.join("huggingface")));
        let usual =
            || path("HOME").or_else(|| path("USERPROFILE")).map(|home| home.join(".cache/huggingface"));
        let hub = path("HF_HUB_CACHE").or_else(|| home().or_else(usual).map(|home| home.join("hub")));
        Self(hub.unwrap_or_else(|| PathBuf::from("huggingface/hub")))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn repository(&self, name: &HubName) -> PathBuf {
        self.0.join(format!("models--{}", name.repository.replace('/', "--")))
    }

    /// The folder with the files of a revision, where it was fetched.
    pub fn snapshot(&self, name: &HubName) -> Option<PathBuf> {
        let repository = self.repository(name);
        let commit = fs::read_to_string(repository.join("refs").join(&name.revision));
        let commit = commit.map_or_else(|_| name.revision.clone(), |commit| commit.trim().to_owned());
        let folder = repository.join("snapshots").join(&commit);
        (is_plain(&commit) && folder.is_dir()).then_some(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_found_by_branch_and_by_commit() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::by(|name| (name == "HF_HOME").then(|| home.path().display().to_string()));
        let repository = home.path().join("hub/models--acme--mini");
        fs::create_dir_all(repository.join("snapshots/c0ffee")).unwrap();
        fs::create_dir_all(repository.join("refs")).unwrap();
        fs::write(repository.join("refs/main"), "c0ffee\n").unwrap();
        let snapshot = repository.join("snapshots/c0ffee");
        for name in ["acme/mini", "acme/mini@main", "acme/mini@c0ffee"] {
            assert_eq!(cache.snapshot(&name.parse().unwrap()).as_ref(), Some(&snapshot), "{name}");
        }
        for name in ["acme/other", "acme/mini@v2"] {
            assert_eq!(cache.snapshot(&name.parse().unwrap()), None, "{name}");
        }
        fs::write(repository.join("refs/main"), "../../..\n").unwrap();
        assert_eq!(cache.snapshot(&"acme/mini".parse().unwrap()), None);
    }

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for name in ["../mini", "acme/mini@../../x", "", "@", "a/b/c", "a/b@", "/etc", "a b", "./x", "a/.."] {
            assert!(name.parse::<HubName>().is_err(), "{name}");
        }
    }
}
