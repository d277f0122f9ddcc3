//! Serves the fake OpenAI until it is stopped, and prints its base URL.
//!
//! `cargo run -p tunebench-providers --features test-kit --example fake_openai -- --port 0 --latency-ms 20 --rpm 500
//! --tpm 30000 --window-ms 60000 --key sk-test --no-record --plain-results`

use std::time::Duration;

use tunebench_providers::test_kit::openai::FakeOpenAi;

type Problem = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "the address is what this program is for")]
fn main() -> Result<(), Problem> {
    let mut builder = FakeOpenAi::builder();
    let (mut requests, mut tokens) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        builder = match argument.as_str() {
            "--port" => builder.port(value()?.parse()?),
            "--key" => builder.key(value()?),
            "--latency-ms" => builder.latency(Duration::from_millis(value()?.parse()?)),
            "--window-ms" => builder.window(Duration::from_millis(value()?.parse()?)),
            "--rpm" => {
                requests = Some(value()?.parse()?);
                builder
            }
            "--tpm" => {
                tokens = Some(value()?.parse()?);
                builder
            }
            "--no-record" => builder.record(false),
            "--plain-results" => builder.packed_results(false),
            _ => return Err(format!("there is no option {argument}").into()),
        };
    }
    let fake = builder.limits(requests, tokens).start()?;
    println!("{}", fake.base_url());
    loop {
        std::thread::park();
    }
}
