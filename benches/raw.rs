//! The yardstick: rows streamed from a TSV file, so many requests in flight, answers read as JSON. No ledger, no
//! limits, no repeats, no reports.
//!
//! `raw BASE_URL TSV IN_FLIGHT`

use std::fs::File;
use std::io::{BufRead, BufReader};

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tunebench_data::{LabelSet, Prompt, PromptTemplate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [base_url, path, in_flight]: [String; 3] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "raw BASE_URL TSV IN_FLIGHT")?;
    let labels = include_str!("labels.txt").lines().map(str::to_owned).collect();
    let prompt = Prompt::new(PromptTemplate::default(), LabelSet::new(labels)?)?;
    let url = reqwest::Url::parse(&format!("{base_url}/chat/completions"))?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let rows = BufReader::new(File::open(path)?).lines().skip(1).map_while(Result::ok);
    let ask = |row: String| {
        let (text, label) = row.split_once('\t').unwrap_or((&row, ""));
        let body = json!({
            "model": "gpt-4.1-mini-2025-04-14", "messages": prompt.render(text), "max_tokens": 128, "stop": ["</output>"],
            "temperature": 0.0, "logprobs": true,
        });
        let request = client.post(url.clone()).json(&body);
        let label = format!("<output>{label}");
        async move {
            let answer: Value = request.send().await?.error_for_status()?.json().await?;
            Ok::<_, reqwest::Error>(answer["choices"][0]["message"]["content"] == label)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut answers = stream::iter(rows).map(ask).buffer_unordered(in_flight.parse()?);
        let mut correct = 0;
        while let Some(answer) = answers.next().await {
            correct += u64::from(answer?);
        }
        assert!(correct > 0, "the fake answers some rows right");
        Ok(())
    })
}
