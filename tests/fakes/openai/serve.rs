//! Serves the fake OpenAI until it is stopped, and prints its base URL.
//!
//! `cargo run -p tunebench-fakes --example fake_openai -- --port 0 --latency-ms 20 --rpm 500
//! --tpm 30000 --window-ms 60000 --key sk-test --no-record --plain-results --model qwen3-14b`

use tunebench_fakes::openai::FakeOpenAi;

#[expect(clippy::print_stdout, reason = "the address is what this program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder =
        FakeOpenAi::builder().arguments(std::env::args().skip(1), |builder, name, values| match name {
            "--key" => Some(builder.key(values.next()?)),
            "--model" => Some(builder.model(values.next()?, None)),
            "--plain-results" => Some(builder.packed_results(false)),
            _ => None,
        })?;
    let fake = builder.start()?;
    println!("{}", fake.base_url());
    loop {
        std::thread::park();
    }
}
