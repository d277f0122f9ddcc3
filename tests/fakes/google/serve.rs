//! Serves the fake Google until it is stopped, and prints its address.
//!
//! `cargo run -p tunebench-fakes --example fake_google -- --port 0 --latency-ms 20 --rpm 500
//! --tpm 30000 --window-ms 60000 --api-key AIza-test --token ya29.test --daily 20 --cold-calls 2 --no-record`
//!
//! The first line is the address, the second the file of a user's credentials; the documentation of `tunebench_fakes::google` says
//! what clients are to be given.

use tunebench_fakes::google::FakeGoogle;

#[expect(clippy::print_stdout, reason = "the address is what this program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = FakeGoogle::builder().arguments(std::env::args().skip(1), |builder, name, values| {
        Some(match name {
            "--api-key" => builder.api_key(values.next()?),
            "--token" => builder.token(values.next()?),
            "--daily" => builder.daily_requests(values.next()?.parse().ok()?),
            "--cold-calls" => builder.cold_calls(values.next()?.parse().ok()?),
            "--chunk-kept" => builder.chunk_kept(values.next()?.parse().ok()?),
            _ => return None,
        })
    })?;
    let fake = builder.start()?;
    println!("{}", fake.storage_url());
    println!("{}", fake.authorized_user());
    loop {
        std::thread::park();
    }
}
