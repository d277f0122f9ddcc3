//! Files that are written whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that takes its place, and that of an old one, only when it is finished.
pub(crate) struct NewFile {
    path: PathBuf,
    out: BufWriter<NamedTempFile>,
}

impl NewFile {
    /// Begins a file, and makes its folder if there is none.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs_err::create_dir_all(folder)?;
        let file = NamedTempFile::new_in(folder)?;
        #[cfg(unix)]
        {
            // Temporary files are private; these are not.
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file) })
    }

    /// Puts the file in its place.
    pub(crate) fn finish(self) -> io::Result<()> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.persist(&self.path).map(|_| ()).map_err(|error| error.error)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether two paths lead to the same place, though there may be nothing yet.
pub(crate) fn same_place(a: &Path, b: &Path) -> bool {
    let with_name = |path: &Path| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    let real = |path: &Path| path.canonicalize().ok();
    // Also where one is a link to the other.
    let (a, b) = (std::path::absolute(a).unwrap_or(a.into()), std::path::absolute(b).unwrap_or(b.into()));
    let places = |path: &Path| [with_name(path), real(path)].into_iter().flatten().collect::<Vec<_>>();
    let others = places(&b);
    a == b || places(&a).iter().any(|place| others.contains(place))
}
