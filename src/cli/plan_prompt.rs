//! The prompts of a plan: what models would be sent, each prompt once.

use tunebench_reports::PromptMessage;
use tunebench_reports::render::clean;

use crate::plan::Plan;

/// How many lines of a message are shown: labels may be many.
const LINES: usize = 24;

/// Each prompt with the models that would be sent it; nothing for models that are computed here.
pub(super) fn prompts(plan: &Plan) -> Vec<String> {
    let mut shown: Vec<(&[PromptMessage], Vec<&str>)> = Vec::new();
    for step in &plan.steps {
        let Some(prompt) = step.prompt.as_deref() else { continue };
        match shown.iter_mut().find(|(known, _)| *known == prompt) {
            Some((_, models)) if models.contains(&step.name.as_str()) => {}
            Some((_, models)) => models.push(&step.name),
            None => shown.push((prompt, vec![&step.name])),
        }
    }
    let text = |(prompt, models): &(&[PromptMessage], Vec<&str>)| {
        let messages: Vec<_> = prompt.iter().map(message).collect();
        format!("prompt for {}\n{}", clean(&models.join(", ")), messages.join("\n"))
    };
    shown.iter().map(text).collect()
}

fn message(message: &PromptMessage) -> String {
    let lines: Vec<_> = message.content.split('\n').collect();
    let left_out = lines.len().saturating_sub(LINES);
    // The end says how to answer.
    let (head, tail) = if left_out > 1 { (LINES - 6, 6) } else { (lines.len(), 0) };
    let quoted = |line: &&str| format!("  │ {}", clean(&line.replace('\t', "    ")));
    let mut text: Vec<String> = lines[..head].iter().map(quoted).collect();
    if tail > 0 {
        text.push(format!("  … {} more lines; --json has them all", lines.len() - head - tail));
        text.extend(lines[lines.len() - tail..].iter().map(quoted));
    }
    format!("  [{}]\n{}", message.role, text.join("\n"))
}
