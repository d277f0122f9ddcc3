//! The files and batches of the server: a batch is answered when it is ordered, and the time that this takes is the provider's own.

use std::cell::{Cell, RefCell};
use std::time::Instant;

/// What an account has.
#[derive(Default)]
pub(crate) struct Batches {
    files: RefCell<Vec<Vec<u8>>>,
    /// Rows and the number of the file of answers, for each batch.
    made: RefCell<Vec<(usize, usize)>>,
    /// Microseconds spent on answers.
    pub(crate) own: Cell<u128>,
}

impl Batches {
    /// Answers a request about files or batches; none for other requests.
    pub(crate) fn answer(
        &self,
        line: &[u8],
        body: &[u8],
        answer: impl Fn(&[u8]) -> String,
    ) -> Option<Vec<u8>> {
        let line = std::str::from_utf8(line.split(|&byte| byte == b'\r').next()?).ok()?;
        let mut words = line.split(' ');
        let (method, path) = (words.next()?, words.next()?.split('?').next()?.strip_prefix("/v1/")?);
        let path: Vec<_> = path.split('/').collect();
        let text = match (method, path.as_slice()) {
            ("POST", ["files"]) => self.upload(body)?,
            ("POST", ["batches"]) => self.order(body, answer)?,
            ("GET", ["files" | "batches"]) => r#"{"object":"list","data":[],"has_more":false}"#.to_owned(),
            ("GET", ["batches", id]) => self.batch(number(id)?)?,
            ("GET", ["files", id, "content"]) => return self.files.borrow().get(number(id)?).cloned(),
            ("DELETE", ["files", id]) => {
                self.files.borrow_mut().get_mut(number(id)?)?.clear();
                r#"{"deleted":true}"#.to_owned()
            }
            _ => return None,
        };
        Some(text.into_bytes())
    }

    /// Keeps the last part of a form, which is the file.
    fn upload(&self, body: &[u8]) -> Option<String> {
        let boundary = body.split(|&byte| byte == b'\r').next()?;
        let find = |what: &[u8], from: usize| {
            body[from..].windows(what.len()).position(|window| window == what).map(|at| from + at)
        };
        let start = find(b"\r\n\r\n", find(b"name=\"file\"", 0)?)? + 4;
        let end = body.len().checked_sub(boundary.len() + 6)?;
        let mut files = self.files.borrow_mut();
        files.push(body.get(start..end)?.to_vec());
        Some(format!(r#"{{"id":"file-{}","object":"file"}}"#, files.len() - 1))
    }

    fn order(&self, body: &[u8], answer: impl Fn(&[u8]) -> String) -> Option<String> {
        let begun = Instant::now();
        let order: serde_json::Value = serde_json::from_slice(body).ok()?;
        let input = number(order["input_file_id"].as_str()?)?;
        let (mut results, mut rows) = (Vec::new(), 0);
        for line in
            self.files.borrow().get(input)?.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
        {
            let key = line.strip_prefix(br#"{"custom_id":""#)?;
            let key = std::str::from_utf8(&key[..key.iter().position(|&byte| byte == b'"')?]).ok()?;
            let said = answer(line);
            let line = format!(
                r#"{{"id":"r","custom_id":"{key}","response":{{"status_code":200,"request_id":"r","body":{said}}},"error":null}}"#
            );
            results.extend_from_slice(line.as_bytes());
            results.push(b'\n');
            rows += 1;
        }
        let mut files = self.files.borrow_mut();
        files.push(results);
        self.made.borrow_mut().push((rows, files.len() - 1));
        self.own.set(self.own.get() + begun.elapsed().as_micros());
        self.batch(self.made.borrow().len() - 1)
    }

    fn batch(&self, number: usize) -> Option<String> {
        let (rows, output) = *self.made.borrow().get(number)?;
        Some(format!(
            r#"{{"id":"batch-{number}","object":"batch","status":"completed","created_at":1795845600,"output_file_id":"file-{output}","error_file_id":null,"request_counts":{{"total":{rows},"completed":{rows},"failed":0}}}}"#
        ))
    }
}

fn number(id: &str) -> Option<usize> {
    id.rsplit('-').next()?.parse().ok()
}
