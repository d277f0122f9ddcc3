//! The training file: JSON lines of conversations, and what would be cut off or refused.
//!
//! Limits of Google's page "About supervised fine-tuning" of 2026.

use std::io::{self, Write};

use tunebench_data::{Example, Prompt};

use super::completions::Conversation;
use crate::{SettingError, training_rows};

/// A file may hold so many rows of text.
const MOST_ROWS: usize = 10_000_000;
/// Prompt and answer together; what is longer is cut off.
const LONGEST_ROW_TOKENS: usize = 131_072;

/// Writes one line for each example: the prompt as it will be asked, and the right answer.
pub(super) fn write(examples: &[Example], prompt: &Prompt, out: &mut dyn Write) -> io::Result<()> {
    for example in examples {
        let messages = prompt.render_training(example, example.label);
        serde_json::to_writer(&mut *out, &Conversation::of(messages))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Checks what the service would find minutes later, or cut off without failing.
pub(super) fn check(examples: &[Example], prompt: &Prompt) -> Result<(), SettingError> {
    if examples.is_empty() || examples.len() > MOST_ROWS {
        let message = format!("there are {} training rows; a job takes 1 to {MOST_ROWS}", examples.len());
        return Err(SettingError::new(message));
    }
    for (index, example) in examples.iter().enumerate() {
        let messages = prompt.render_training(example, example.label);
        training_rows::check_length(&training_rows::place(index, example), &messages, LONGEST_ROW_TOKENS)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tunebench_data::{ExampleId, LabelId};

    use super::super::completions::tests::question;
    use super::*;
    use crate::AnswerMode;

    fn example(text: &str, line: u64) -> Example {
        let mut example = Example::new(ExampleId::of(text, "refund", 0), text, LabelId(0));
        example.line = line;
        example
    }

    #[test]
    fn a_line_is_a_closed_conversation() {
        let prompt = question(AnswerMode::Tag).prompt;
        let mut bytes = Vec::new();
        write(&[example("a \"quoted\"\nline\u{2028}", 0)], &prompt, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        // To the byte: the name of the file in the bucket, and with it the job's mark, hang on it.
        assert!(text.starts_with(r#"{"systemInstruction":{"parts":[{"text":"Classify"#), "{text}");
        let end = r#"{"role":"model","parts":[{"text":"<output>refund</output>"}]}]}"#;
        assert!(text.trim_end().ends_with(end), "{text}");
        let row: serde_json::Value = serde_json::from_str(&text).unwrap();
        let asked = serde_json::json!(Conversation::of(prompt.render("a \"quoted\"\nline\u{2028}")));
        assert_eq!(row["systemInstruction"], asked["systemInstruction"]);
        assert_eq!(row["contents"][0], asked["contents"][0], "trained as it is asked");
    }

    #[test]
    fn what_would_be_cut_off_is_found_now() {
        let prompt = question(AnswerMode::Tag).prompt;
        assert!(check(&[example(&"word ".repeat(100_000), 7)], &prompt).is_ok());
        let error = check(&[example(&"word ".repeat(110_000), 7)], &prompt).unwrap_err();
        assert!(error.message.starts_with("line 7 has about 137"), "{error}");
        assert!(check(&[], &prompt).is_err());
    }
}
