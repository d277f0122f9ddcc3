//! How the run was made, so that it can be checked and repeated.

use serde_json::Value;

use super::super::amounts::dollars;
use super::super::{UNDEFINED, percent, thousands, units};
use super::markup::{Markup, name, text};
use crate::{CONFIDENCE, Manifest, ModelRecord};

/// The bytes of markup that a prompt may take.
const LONGEST: usize = 20_000;

/// Data, settings, prompt and models.
pub(super) fn section(manifest: &Manifest) -> Markup {
    let mut html = Markup::of("<dl class=\"facts\">", &[]);
    let mut fact = |term: &str, value: &str| {
        html.add("<div><dt>{}</dt><dd>{}</dd></div>", &[&term, &name(value)]);
    };
    fact("tunebench", &manifest.tool_version);
    fact("Started", &manifest.started);
    fact("Finished", manifest.finished.as_deref().unwrap_or("not"));
    if let Some(cause) = &manifest.ended_by {
        fact("Ended early", cause);
    }
    fact("Seed", &manifest.seed.to_string());
    fact("Least coverage for a score", &percent(manifest.min_coverage));
    let metric = manifest.metric();
    fact("Figure that decides", &metric.words());
    let margin = manifest.margin.map(|margin| units::margin(&metric, margin));
    fact("Margin of no worse", &margin.unwrap_or_else(|| "none set".to_owned()));
    fact(
        "Intervals",
        &format!("{}, of averages over labels by the jackknife", percent(CONFIDENCE).replace(".0", "")),
    );
    if let Some(against) = &manifest.against {
        fact("All compared with", against);
    }
    if let Some(overlap) = manifest.overlap {
        fact("Test rows whose text is in the training data", &thousands(overlap));
    }
    html.add("</dl>{}{}", &[&data(manifest), &models(manifest)]);
    if !manifest.rendered_prompts.is_empty() {
        html.add("{}", &[&prompts(manifest)]);
    } else if !manifest.prompt.is_null() {
        html.add("<h3>Prompt</h3><pre tabindex=\"0\">{}</pre>", &[&text(&json(&manifest.prompt), LONGEST)]);
    }
    html
}

fn data(manifest: &Manifest) -> Markup {
    let mut html = Markup::of(
        "<h3 id=\"data\">Data</h3><div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"data\"><table><thead><tr><th scope=\"col\">File</th><th scope=\"col\">Used for</th>\
         <th scope=\"col\" class=\"num\">Rows</th><th scope=\"col\">SHA-256</th></tr></thead><tbody>",
        &[],
    );
    html.each(&manifest.data, |html, file| {
        html.add(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"num\">{}</td><td><code>{}</code></td></tr>",
            &[&name(&file.path), &name(&file.role), &thousands(file.rows), &name(&file.sha256)],
        );
    });
    html.add("</tbody></table></div>", &[]);
    html
}

/// What the models were sent, each prompt once.
fn prompts(manifest: &Manifest) -> Markup {
    let mut html = Markup::of(
        "<h3>Prompt</h3><p>As it was sent; <code>{}</code> stands for the text of the row.</p>",
        &[&"{text}"],
    );
    for (fingerprint, messages) in &manifest.rendered_prompts {
        let asked = |record: &&ModelRecord| record.prompt_sha256.as_ref() == Some(fingerprint);
        if manifest.rendered_prompts.len() > 1 {
            html.add("<p>To", &[]);
            html.each(manifest.models.iter().filter(asked), |html, record| {
                html.add(" {}", &[&name(&record.model)]);
            });
            html.add("</p>", &[]);
        }
        html.each(messages, |html, message| {
            html.add(
                "<p class=\"note\">{}</p><pre tabindex=\"0\">{}</pre>",
                &[&message.role, &text(&message.content, LONGEST)],
            );
        });
    }
    html
}

fn models(manifest: &Manifest) -> Markup {
    let mut html = Markup::of(
        "<h3 id=\"made\">Models</h3><div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"made\"><table><thead><tr><th scope=\"col\">Model</th><th scope=\"col\">Answered by</th>\
         <th scope=\"col\" class=\"num\">Tokens in, out</th><th scope=\"col\" class=\"num\">Cost</th><th scope=\"col\">Tuned from, by job</th><th scope=\"col\">Hyperparameters</th></tr></thead><tbody>",
        &[],
    );
    html.each(&manifest.models, model);
    html.add("</tbody></table></div>", &[]);
    html
}

fn model(html: &mut Markup, record: &ModelRecord) {
    html.add("<tr><th scope=\"row\">{}", &[&name(&record.model)]);
    if let Some(first) = &record.repeat_of {
        html.add("<small>asked again: {}</small>", &[&name(first)]);
    }
    html.add("</th><td>", &[]);
    html.each(&record.answered_by, |html, (version, answers)| {
        html.add("<div>{} <small>{}</small></div>", &[&name(version), &thousands(*answers)]);
    });
    html.add("</td>", &[]);
    // Where there is an answer there are tokens, if anybody counted them.
    match record.usage.filter(|usage| usage.input_tokens + usage.output_tokens > 0) {
        Some(usage) => html.add(
            "<td class=\"num\">{}, {}</td>",
            &[&thousands(usage.input_tokens), &thousands(usage.output_tokens)],
        ),
        None => html.add("<td class=\"num\">{}</td>", &[&UNDEFINED]),
    };
    let cost = record.usage.map(|usage| usage.cost_usd.map_or_else(|| "unknown".to_owned(), dollars));
    html.add("<td class=\"num\">{}", &[&cost.as_deref().unwrap_or(UNDEFINED)]);
    // Answers of earlier runs are in the cost, but were not paid for again.
    if let Some(paid) =
        record.paid_usd.filter(|paid| record.usage.and_then(|usage| usage.cost_usd) != Some(*paid))
    {
        html.add("<small>{} of it by this run</small>", &[&dollars(paid)]);
    }
    html.add("</td>", &[]);
    html.add("<td>", &[]);
    if let Some(base) = &record.tuned_from {
        html.add("{}", &[&name(base)]);
    }
    if let Some(job) = &record.job_id {
        html.add("<small>{}</small>", &[&name(job)]);
    }
    html.add("</td><td>", &[]);
    if !record.hyperparameters.is_null() {
        html.add("<code>{}</code>", &[&name(&record.hyperparameters.to_string())]);
    }
    html.add("</td></tr>", &[]);
}

/// The text itself where it is one, else JSON.
fn json(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // Only a map with keys that are no strings could make this fail; there is none.
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}
