//! What is read is never written over.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// Refuses targets that are one of the files that are read, under whatever name.
pub(crate) fn refuse_overwrite<'a>(
    read: impl Iterator<Item = &'a Path> + Clone,
    targets: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<(), Error> {
    match targets.into_iter().find(|target| read.clone().any(|path| same_place(path, target))) {
        Some(taken) => Err(Error::Overwrite(taken.clone())),
        None => Ok(()),
    }
}

/// Whether two paths lead to the same place, though there may be nothing yet.
fn same_place(a: &Path, b: &Path) -> bool {
    // The name itself may be a link, and so may be what leads to it.
    let places = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        let named = folder.and_then(|folder| Some(folder.join(path.file_name()?)));
        let real = path.canonicalize().ok();
        [Some(path), named, real].into_iter().flatten().collect::<Vec<_>>()
    };
    let others = places(b);
    places(a).iter().any(|place| others.contains(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_of_a_file_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("sub")).unwrap();
        std::fs::write(path("data.csv"), "x").unwrap();
        let refused = |target: PathBuf| {
            refuse_overwrite([path("data.csv")].iter().map(PathBuf::as_path), [&target]).is_err()
        };
        assert!(refused(path("data.csv")) && refused(path("sub/../data.csv")));
        assert!(!refused(path("sub/data.csv")) && !refused(path("other.csv")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("data.csv"), path("link.csv")).unwrap();
            std::os::unix::fs::symlink(folder.path(), path("here")).unwrap();
            assert!(refused(path("link.csv")) && refused(path("here/data.csv")));
        }
    }
}
