//! Files of lines that are too large for memory, read as they come, and on from where a reading broke off.

use reqwest::RequestBuilder;

use crate::ProviderError;
use crate::http::{self, Answer, Download, Opened};

/// What no line of a file reaches that holds one answer.
const LONGEST_LINE: usize = 8 << 20;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file, from a position on.
pub(crate) struct Lines {
    download: Option<Download>,
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    start: usize,
    /// Where in the file the next line begins.
    offset: u64,
    /// Whether the rest of an overlong line is being passed over.
    skipping: bool,
}

impl Lines {
    /// Begins to read; the other result is an answer that is no file.
    pub(crate) async fn open(
        request: RequestBuilder,
        offset: u64,
    ) -> Result<Result<Self, Answer>, ProviderError> {
        let download = match http::open(request, offset).await? {
            Opened::Refused(answer) => return Ok(Err(answer)),
            Opened::Download(download) => Some(download),
            Opened::AtTheEnd => None,
        };
        Ok(Ok(Self { download, buffer: Vec::new(), start: 0, offset, skipping: false }))
    }

    /// Behind the last line that was given.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line that is not blank, without its end; an inner error is a line that is longer than any may be.
    pub(crate) async fn next(&mut self) -> Result<Option<Result<Vec<u8>, String>>, ProviderError> {
        loop {
            if let Some(line) = self.buffered() {
                match line {
                    Ok(line) if line.trim_ascii().is_empty() => continue,
                    line => return Ok(Some(line)),
                }
            }
            let Some(download) = &mut self.download else { return Ok(self.last()) };
            match download.chunk().await? {
                Some(chunk) => {
                    self.buffer.drain(..self.start);
                    self.start = 0;
                    self.buffer.extend_from_slice(&chunk);
                }
                None => self.download = None,
            }
        }
    }

    fn buffered(&mut self) -> Option<Result<Vec<u8>, String>> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            if rest.len() > LONGEST_LINE {
                self.offset += rest.len() as u64;
                self.start = self.buffer.len();
                self.skipping = true;
            }
            return None;
        };
        let line = std::mem::take(&mut self.skipping).then(too_long);
        let line = line.map_or_else(|| Ok(self.without_bom(&rest[..length])), Err);
        self.start += length + 1;
        self.offset += length as u64 + 1;
        Some(line)
    }

    /// What stands behind the last line feed.
    fn last(&mut self) -> Option<Result<Vec<u8>, String>> {
        let rest = std::mem::take(&mut self.buffer).split_off(std::mem::take(&mut self.start));
        if std::mem::take(&mut self.skipping) {
            self.offset += rest.len() as u64;
            return Some(Err(too_long()));
        }
        let line = self.without_bom(&rest);
        self.offset += rest.len() as u64;
        (!line.trim_ascii().is_empty()).then_some(Ok(line))
    }

    fn without_bom(&self, line: &[u8]) -> Vec<u8> {
        let line = if self.offset == 0 { line.strip_prefix(BOM).unwrap_or(line) } else { line };
        line.to_vec()
    }
}

fn too_long() -> String {
    format!("a line of more than {} MiB", LONGEST_LINE >> 20)
}
