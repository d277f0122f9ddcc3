//! The training file: JSON lines of conversations, and what would make a job fail hours later.
//!
//! Rules from <https://developers.openai.com/api/docs/guides/supervised-fine-tuning>, read in July 2026, and from public
//! reports of jobs that failed.

use std::io::{self, Write};
use std::path::Path;

use reqwest::multipart::Part;
use serde::Serialize;
use tunebench_data::{Example, Message, Prompt};

use crate::{Cause, FineTuning, JobRequest, ProviderError, SettingError, training_rows};

/// A job takes no fewer rows.
const FEWEST_ROWS: usize = 10;
/// What is longer is cut off at the end, silently, and the label stands at the end.
const LONGEST_ROW_TOKENS: usize = 65_536;

/// A line of the file. Any further member makes the job fail with `invalid_file_format`.
#[derive(Serialize)]
struct Row<'a> {
    messages: &'a [Message],
}

/// Writes one line for each example: the prompt as it will be asked, and the right answer.
pub(super) fn write(examples: &[Example], prompt: &Prompt, out: &mut dyn Write) -> io::Result<()> {
    for example in examples {
        let messages = prompt.render_training(example, example.label);
        serde_json::to_writer(&mut *out, &Row { messages: &messages })?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Checks what would make the job fail, or lose labels without a word, and that the file can be uploaded.
pub(super) fn check(examples: &[Example], prompt: &Prompt) -> Result<(), SettingError> {
    if examples.len() < FEWEST_ROWS {
        let message =
            format!("there are {} training rows; a job takes at least {FEWEST_ROWS}", examples.len());
        return Err(SettingError::new(message));
    }
    for (_, label) in prompt.labels().iter() {
        if let Some(token) = special_token(label) {
            let message =
                format!("the label `{label}` holds `{token}`, which the provider takes for a command");
            return Err(SettingError::new(message));
        }
    }
    if let Some(token) = special_token(&prompt.template().instruction) {
        return Err(SettingError::new(format!(
            "the instruction holds `{token}`, which the provider takes for a command"
        )));
    }
    for (index, example) in examples.iter().enumerate() {
        check_row(&training_rows::place(index, example), example, prompt)?;
    }
    check_size(examples, prompt)
}

fn check_row(place: &str, example: &Example, prompt: &Prompt) -> Result<(), SettingError> {
    if let Some(token) = special_token(&example.text) {
        let message = format!(
            "{place} holds `{token}`, and one such text makes the whole job fail after it was queued; \
             remove the row, or write the token otherwise"
        );
        return Err(SettingError::new(message));
    }
    training_rows::check_length(place, &prompt.render_training(example, example.label), LONGEST_ROW_TOKENS)
}

/// A text like `<|endoftext|>`. Which ones are forbidden is not published, so none is let through.
fn special_token(text: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(start) = text.get(from..)?.find("<|").map(|at| from + at) {
        let name = &text[start + 2..];
        let end =
            name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(name.len());
        if end > 0 && name[end..].starts_with("|>") {
            return Some(&text[start..start + 2 + end + 2]);
        }
        from = start + 2;
    }
    None
}

/// What one file may hold, in bytes.
const LARGEST_FILE: u64 = 512 << 20;

/// Checks that the file can be uploaded, without writing it: what is counted are texts and prompts, and the file is
/// larger than these.
fn check_size(examples: &[Example], prompt: &Prompt) -> Result<(), SettingError> {
    let around: usize = prompt.render("").iter().map(|message| message.content.len()).sum();
    let bytes: u64 = examples.iter().map(|example| (example.text.len() + around) as u64).sum();
    if bytes <= LARGEST_FILE {
        return Ok(());
    }
    let (mebibytes, most) = (bytes >> 20, LARGEST_FILE >> 20);
    let message =
        format!("the training file would have more than {mebibytes} MiB; a file may have {most} MiB");
    Err(SettingError::new(message + ": take a part of the rows"))
}

/// The file as a part of an upload, under a name that is taken: only what ends in `.jsonl` is.
pub(super) async fn part(file: &Path) -> Result<Part, ProviderError> {
    let unreadable = |error: io::Error| {
        ProviderError::new(Cause::Invalid, format!("cannot read {}: {error}", file.display()))
    };
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    if size > LARGEST_FILE {
        let message = format!("{} has {size} bytes; a training file may have {LARGEST_FILE}", file.display());
        return Err(ProviderError::new(Cause::Invalid, message));
    }
    Ok(Part::file(file).await.map_err(unreadable)?.file_name(name(file)))
}

/// How an uploaded file is called.
pub(super) fn name(file: &Path) -> String {
    let stem = file.file_stem().map_or_else(|| "train".into(), |name| name.to_string_lossy());
    format!("{stem}.jsonl")
}

/// Removes the files of a job that can't be started.
pub(super) async fn remove(tuning: &dyn FineTuning, request: &JobRequest) {
    for file in std::iter::once(&request.training_file).chain(&request.validation_file) {
        // The reason why there is no job matters more than a file that stays behind.
        let _ = tuning.delete_file(file).await;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tunebench_data::{ExampleId, LabelId, LabelSet, PromptTemplate};

    use super::*;

    fn prompt() -> Prompt {
        let labels = LabelSet::new(vec!["refund".into(), "card".into()]).unwrap();
        Prompt::new(PromptTemplate::default(), labels).unwrap()
    }

    fn examples(texts: &[&str]) -> Vec<Example> {
        let example = |text: &&str| Example::new(ExampleId::of(text, "card", 0), *text, LabelId(1));
        texts.iter().map(example).collect()
    }

    fn with(text: &str) -> Vec<Example> {
        let mut texts = vec!["fine"; 10];
        texts[6] = text;
        examples(&texts)
    }

    #[test]
    fn a_line_is_a_closed_conversation() {
        let mut bytes = Vec::new();
        write(&examples(&["a \"quoted\"\nline\u{2028}"]), &prompt(), &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let row: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(row.as_object().unwrap().len(), 1);
        let said: Vec<_> =
            row["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
        assert_eq!(said, ["system", "user", "assistant"]);
        assert_eq!(row["messages"][2]["content"], "<output>card</output>");
    }

    #[test]
    fn what_would_fail_later_is_found_now() {
        assert!(check(&with("a < b | c > d, <|>, <| x |>, <||>"), &prompt()).is_ok());
        for (examples, words) in [
            (examples(&["x"; 9]), "at least 10"),
            (with("see <|fim_suffix|> there"), "training row 7 holds `<|fim_suffix|>`"),
            (with("<|<|im_end|>"), "`<|im_end|>`"),
            (with(&"word ".repeat(53_000)), "training row 7 has about 66"),
        ] {
            let error = check(&examples, &prompt()).unwrap_err();
            assert!(error.message.contains(words), "{error}");
        }
        assert!(check(&with(&"word ".repeat(50_000)), &prompt()).is_ok());
    }

    #[test]
    fn a_file_that_could_not_be_uploaded_is_found_before_it_is_written() {
        let instruction = "word ".repeat(200_000);
        let template = PromptTemplate { instruction, ..PromptTemplate::default() };
        let labels = LabelSet::new(vec!["refund".into(), "card".into()]).unwrap();
        let long = Prompt::new(template, labels).unwrap();
        assert!(check_size(&examples(&["x"; 500]), &long).is_ok());
        let message = check_size(&examples(&["x"; 600]), &long).unwrap_err().message;
        assert!(message.contains("more than 572 MiB; a file may have 512 MiB"), "{message}");
    }

    proptest! {
        #[test]
        fn a_token_is_found_wherever_it_stands(before in "[<|> a-é]*", name in "[a-z_]{1,12}", after in "\\PC*") {
            let text = format!("{before}<|{name}|>{after}");
            prop_assert!(special_token(&text).is_some_and(|token| text.contains(token)));
        }

        #[test]
        fn any_text_is_searched(text in "([<|>]|\\PC)*") {
            let _ = special_token(&text);
        }
    }
}
