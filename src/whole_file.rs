//! A file that is there whole or not at all: what was there before stays until the new content is complete.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file on its way, opened before the content is known so that a bad path is found out early.
#[derive(Debug)]
pub(crate) enum WholeFile {
    /// A new file beside the place where it will be.
    New { file: NamedTempFile, path: PathBuf },
    /// What is no file, such as a pipe or `/dev/null`, is written to as it is.
    Device(File),
}

impl WholeFile {
    /// Opens the place. Its folder must be there.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // A link stays a link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match path.metadata() {
            Ok(found) if found.is_dir() => return Err(io::Error::other("it is a folder")),
            Ok(found) if !found.is_file() => {
                return Ok(Self::Device(OpenOptions::new().write(true).open(path)?));
            }
            _ => {}
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        match NamedTempFile::new_in(folder) {
            Ok(file) => Ok(Self::New { file, path }),
            // The error names the new file, of which nobody knows.
            Err(error) => Err(io::Error::new(
                error.kind(),
                match error.kind() {
                    io::ErrorKind::NotFound => format!("there is no folder `{}`", folder.display()),
                    kind => format!("{kind} in the folder `{}`", folder.display()),
                },
            )),
        }
    }

    /// Writes the content and puts it in its place.
    pub(crate) fn write(mut self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut out = io::BufWriter::new(self.file());
        content(&mut out)?;
        out.flush()?;
        drop(out);
        self.finish()
    }

    /// Where content that comes bit by bit is written, until [`finish`](Self::finish).
    pub(crate) fn file(&mut self) -> &mut File {
        match self {
            Self::New { file, .. } => file.as_file_mut(),
            Self::Device(file) => file,
        }
    }

    /// Puts what was written in its place.
    pub(crate) fn finish(self) -> io::Result<()> {
        let Self::New { file, path } = self else { return Ok(()) };
        #[cfg(unix)]
        {
            // Temporary files are private; results are not.
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_content_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.md");
        std::fs::write(&path, "old").unwrap();
        let failed = WholeFile::create(&path).unwrap().write(|out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        WholeFile::create(&path).unwrap().write(|out| out.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_bad_place_is_found_out_before_there_is_content() {
        let folder = tempfile::tempdir().unwrap();
        assert!(WholeFile::create(folder.path()).is_err());
        let missing = folder.path().join("missing");
        let error = WholeFile::create(&missing.join("report.md")).unwrap_err();
        assert_eq!(error.to_string(), format!("there is no folder `{}`", missing.display()));
    }
}
