//! Serves the fake Anthropic until it is stopped, and prints its base URL.
//!
//! `cargo run -p tunebench-fakes --example fake_anthropic -- --port 0 --latency-ms 20 --rpm 50
//! --tpm 30000 --window-ms 60000 --key sk-ant-test --bearer-only --no-record`

use tunebench_fakes::anthropic::FakeAnthropic;

#[expect(clippy::print_stdout, reason = "the address is what this program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder =
        FakeAnthropic::builder().arguments(std::env::args().skip(1), |builder, name, values| match name {
            "--key" => Some(builder.key(values.next()?)),
            "--bearer-only" => Some(builder.bearer_only(true)),
            _ => None,
        })?;
    let fake = builder.start()?;
    println!("{}", fake.base_url());
    loop {
        std::thread::park();
    }
}
