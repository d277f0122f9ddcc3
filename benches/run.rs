//! Measures tunebench against the raw loop, both on the same fake server, and prints one table beside the bars.
//!
//! `cargo run --release -p tunebench-benches` takes some minutes; `-- --long` adds a million rows. `-- CASE…` runs the
//! cases whose names begin so. Nothing is judged but by the reader: figures depend on the machine and on what else
//! it does, which is why the load stands above them.
//!
//! `run --measure COMMAND…` runs a command and prints what the system says of it.
#![expect(clippy::print_stdout, reason = "the table is the output")]

mod statistics;

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

const MODEL: &str = "openai/gpt-4.1-mini-2025-04-14";
const LABELS: &str = include_str!("labels.txt");

type Any<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Any<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == "--measure") {
        return measure(&arguments[1..]);
    }
    let long = arguments.iter().any(|argument| argument == "--long");
    let wanted: Vec<_> = arguments.into_iter().filter(|argument| !argument.starts_with("--")).collect();
    println!("load before: {}", load());
    println!("{:<12} {:<46} {:>12} {:>12}", "case", "", "figure", "bar");
    if wants(&wanted, "statistics") {
        statistics::cases();
        // All other cases need the program and a server.
        if wanted == ["statistics"] {
            return Ok(());
        }
    }
    let mut bench = Bench::new(long, wanted)?;
    bench.start()?;
    bench.waiting()?;
    bench.saturated()?;
    bench.batches()?;
    if long {
        bench.million()?;
    }
    println!("load after: {}", load());
    Ok(())
}

/// What a command took.
#[derive(Debug, Clone, Copy, Default)]
struct Took {
    wall: f64,
    /// User and system time.
    cpu: f64,
    /// Peak memory in MiB.
    memory: f64,
    connections: u64,
    requests: u64,
    /// From the start to the first request.
    first: f64,
    /// What the server spent on the answers of batches.
    own: f64,
}

struct Bench {
    folder: tempfile::TempDir,
    server: Server,
    long: bool,
    wanted: Vec<String>,
    tunebench: PathBuf,
    states: u32,
}

impl Bench {
    fn new(long: bool, wanted: Vec<String>) -> Any<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let packages = ["build", "--release", "-p", "tunebench", "-p", "tunebench-benches", "--bins"];
        if !Command::new(cargo).args(packages).current_dir(root).status()?.success() {
            return Err("the build failed".into());
        }
        let server = Server::start()?;
        let bench = Self {
            folder: tempfile::tempdir()?,
            server,
            long,
            wanted,
            tunebench: beside("tunebench")?,
            states: 0,
        };
        let labels = LABELS.lines().map(|label| format!("{label:?}")).collect::<Vec<_>>().join(", ");
        let config = format!(
            "[data]\ntest = \"unset.tsv\"\nlabels = [{labels}]\n[providers.openai]\nbase_url = \"{}\"\napi_key_env = \"none\"\nbatch = true\n[batch]\npoll_seconds = 0.1\n[[model]]\nbase = \"{MODEL}\"\n",
            bench.server.base_url
        );
        std::fs::write(bench.folder.path().join("tunebench.toml"), config)?;
        Ok(bench)
    }

    fn wants(&self, case: &str) -> bool {
        wants(&self.wanted, case)
    }

    /// A file of so many rows; those before 0 are new ones in front of it.
    fn rows(&self, rows: std::ops::Range<i64>) -> Any<PathBuf> {
        let path = self.folder.path().join(format!("{}to{}.tsv", rows.start, rows.end));
        if !path.exists() {
            let labels: Vec<_> = LABELS.lines().collect();
            let mut out = BufWriter::new(std::fs::File::create(&path)?);
            writeln!(out, "text\tlabel")?;
            for row in rows {
                let label = labels[row.rem_euclid(10) as usize];
                let more = "quite ".repeat(row.rem_euclid(4) as usize);
                writeln!(
                    out,
                    "Where is the card that I ordered {row} days ago, I am {more}sure that it left\t{label}"
                )?;
            }
            out.flush()?;
        }
        Ok(path)
    }

    fn new_state(&mut self) -> PathBuf {
        self.states += 1;
        self.folder.path().join(format!("state{}", self.states))
    }

    fn run(&self, latency: u64, command: &mut Command) -> Any<Took> {
        self.server.reset(latency)?;
        let started = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let mut took = measured(command)?;
        let stats = self.server.stats()?;
        let count = |name: &str| stats[name].as_u64().unwrap_or_default();
        (took.connections, took.requests) = (count("connections"), count("requests"));
        took.own = count("own") as f64 / 1e6;
        took.first = count("first").saturating_sub(u64::try_from(started)?) as f64 / 1e6;
        Ok(took)
    }

    fn raw(&self, rows: i64, latency: u64, in_flight: usize) -> Any<Took> {
        let path = self.rows(0..rows)?;
        self.run(
            latency,
            Command::new(beside("raw")?).arg(&self.server.base_url).arg(path).arg(in_flight.to_string()),
        )
    }

    fn eval(&self, path: &Path, state: &Path, latency: u64, in_flight: usize) -> Any<Took> {
        self.run(latency, &mut self.eval_command(path, state, in_flight))
    }

    fn eval_command(&self, path: &Path, state: &Path, in_flight: usize) -> Command {
        let folder = self.folder.path();
        let mut command = Command::new(&self.tunebench);
        command.arg("--config").arg(folder.join("tunebench.toml")).arg("--state").arg(state);
        command.arg("eval").arg("--test").arg(path).arg("--results").arg(folder.join("results"));
        command.arg("--concurrency").arg(in_flight.to_string()).arg("--yes");
        command
    }

    fn fresh(&mut self, rows: i64, latency: u64, in_flight: usize) -> Any<Took> {
        let (path, state) = (self.rows(0..rows)?, self.new_state());
        let took = self.eval(&path, &state, latency, in_flight)?;
        if took.requests != rows as u64 {
            return Err(format!("{} requests for {rows} rows", took.requests).into());
        }
        Ok(took)
    }

    fn start(&mut self) -> Any<()> {
        if !self.wants("start") {
            return Ok(());
        }
        let version =
            median(9, || self.run(0, Command::new(&self.tunebench).arg("--version")), |took| took.wall)?;
        line("start", "--version, ms", version.wall * 1e3, "≤ 5");
        let one = median(9, || self.fresh(1, 0, 64), |took| took.wall)?;
        line("", "one row from start to exit, ms", one.wall * 1e3, "≤ 20");
        line("", "its peak memory, MiB", one.memory, "");
        Ok(())
    }

    /// The usual case: most of the time is spent waiting.
    fn waiting(&mut self) -> Any<()> {
        for (case, latency, in_flight, times) in
            [("50ms", 50, 64, 5), ("200ms", 200, 64, 1), ("200ms-wide", 200, 256, 3)]
        {
            if !self.wants(case) {
                continue;
            }
            let raw = median(times, || self.raw(2000, latency, in_flight), |took| took.wall)?;
            let ours = median(times, || self.fresh(2000, latency, in_flight), |took| took.wall)?;
            let wide = in_flight > 64;
            line(
                case,
                &format!("2,000 rows, {in_flight} at once: wall over raw"),
                ours.wall / raw.wall,
                if wide { "≤ 1.1" } else { "≤ 1.03" },
            );
            line("", "wall, s", ours.wall, "");
            line("", "connections opened", ours.connections as f64, if wide { "≤ 256" } else { "≤ 64" });
            line(
                "",
                "CPU per request, µs",
                ours.cpu / 2000.0 * 1e6,
                if latency == 50 { "≤ 100" } else { "" },
            );
            line("", "CPU per request of raw, µs", raw.cpu / 2000.0 * 1e6, "");
            line("", "CPU over raw", ours.cpu / raw.cpu, if latency == 50 { "≤ 2" } else { "" });
            line("", "peak memory, MiB", ours.memory, if latency == 50 { "≤ 20" } else { "" });
        }
        if self.wants("cached") {
            let (path, state) = (self.rows(0..2000)?, self.new_state());
            self.eval(&path, &state, 0, 64)?;
            let known = median(9, || self.eval(&path, &state, 0, 64), |took| took.wall)?;
            line("cached", "2,000 rows that are in the ledger, s", known.wall, "≤ 0.2");
            line("", "requests", known.requests as f64, "0");
        }
        Ok(())
    }

    /// An endpoint that answers at once: what the tool itself can do.
    fn saturated(&mut self) -> Any<()> {
        if !self.wants("0ms") && !self.wants("million") {
            return Ok(());
        }
        let raw = median(3, || self.raw(50_000, 0, 64), |took| took.wall)?;
        let few = median(9, || self.fresh(2000, 0, 64), |took| took.cpu)?;
        let many = median(3, || self.fresh(50_000, 0, 64), |took| took.wall)?;
        line("0ms", "50,000 rows: requests a second", 50_000.0 / many.wall, "");
        line("", "requests a second of raw", 50_000.0 / raw.wall, "");
        line("", "requests a second over raw", raw.wall / many.wall, "≥ 0.4");
        line("", "CPU per request, µs", many.cpu / 50_000.0 * 1e6, "");
        line("", "CPU per request of raw, µs", raw.cpu / 50_000.0 * 1e6, "");
        line("", "CPU per request at 2,000 rows, µs", few.cpu / 2000.0 * 1e6, "");
        line("", "CPU per request at 50,000 over 2,000", many.cpu / few.cpu / 25.0, "≤ 1.1");
        line("", "connections opened", many.connections as f64, "≤ 64");
        line("", "peak memory, MiB", many.memory, "");
        if self.long && self.wants("million") {
            let raw = self.raw(1_000_000, 0, 64)?;
            let (path, state) = (self.rows(0..1_000_000)?, self.folder.path().join("million"));
            let million = self.eval(&path, &state, 0, 64)?;
            line("million", "requests a second", 1e6 / million.wall, "");
            // A million requests: seconds are microseconds for each.
            line("", "CPU per request, µs", million.cpu, "");
            line("", "CPU per request over 2,000 rows", million.cpu * 1e-6 / (few.cpu / 2000.0), "≤ 1.1");
            line("", "peak memory, MiB", million.memory, "≤ 56");
            line("", "peak memory of raw, MiB", raw.memory, "");
        }
        Ok(())
    }

    /// Rows in batches of 10,000, at a provider that answers a batch as soon as it is ordered.
    fn batches(&mut self) -> Any<()> {
        if !self.wants("batch") {
            return Ok(());
        }
        for rows in [20_000, 100_000] {
            let (path, state) = (self.rows(0..rows)?, self.new_state());
            let mut command = self.eval_command(&path, &state, 64);
            let took = self.run(0, command.arg("--batch"))?;
            if took.requests != 1 {
                return Err(format!("{} rows were asked live", took.requests).into());
            }
            let case = if rows == 20_000 { "batch" } else { "" };
            let what = format!("{rows} rows: outside the provider's own time, s");
            line(case, &what, took.wall - took.own, if rows == 100_000 { "≤ 60" } else { "" });
            line("", "CPU, s", took.cpu, "");
            line("", "peak memory, MiB", took.memory, "≤ 64");
        }
        Ok(())
    }

    /// Going on with a million rows in the ledger.
    fn million(&mut self) -> Any<()> {
        if !self.wants("million") {
            return Ok(());
        }
        let state = self.folder.path().join("million");
        for (what, rows) in [("the first row is new", -1..1_000_000), ("the last row is new", 0..1_000_001)] {
            let path = self.rows(rows)?;
            let took = self.eval(&path, &state, 0, 64)?;
            line("", &format!("{what}: to the first request, s"), took.first, "≤ 2");
            line("", "to the end, s", took.wall, "");
            line("", "requests", took.requests as f64, "1");
            line("", "peak memory, MiB", took.memory, "≤ 64");
        }
        Ok(())
    }
}

fn wants(wanted: &[String], case: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| case.starts_with(wanted.as_str()))
}

fn line(case: &str, what: &str, figure: f64, bar: &str) {
    let decimals = if figure.fract() == 0.0 {
        0
    } else if figure < 10.0 {
        3
    } else {
        1
    };
    println!("{case:<12} {what:<46} {figure:>12.decimals$} {bar:>12}");
}

/// The run in the middle by `key`.
fn median(times: usize, mut run: impl FnMut() -> Any<Took>, key: impl Fn(&Took) -> f64) -> Any<Took> {
    let mut runs = (0..times).map(|_| run()).collect::<Any<Vec<_>>>()?;
    runs.sort_by(|a, b| key(a).total_cmp(&key(b)));
    Ok(runs[times / 2])
}

/// A program of the same build.
fn beside(name: &str) -> Any<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name).with_extension(std::env::consts::EXE_EXTENSION))
}

/// Runs a command under a process of its own, whose only child it is: the system's sums are then about it alone.
fn measured(command: &Command) -> Any<Took> {
    // By its name: the build may have put a new file in the place of the one that is running.
    let mut outer = Command::new(beside("run")?);
    outer.arg("--measure").arg(command.get_program()).args(command.get_args());
    let output = outer.stderr(Stdio::inherit()).output()?;
    let took: Value =
        serde_json::from_slice(&output.stdout).map_err(|_| format!("{:?} failed", command.get_program()))?;
    let figure = |name: &str| took[name].as_f64().unwrap_or_default();
    Ok(Took { wall: figure("wall"), cpu: figure("cpu"), memory: figure("memory"), ..Took::default() })
}

fn measure(command: &[String]) -> Any<()> {
    let errors = tempfile::NamedTempFile::new()?;
    let start = Instant::now();
    let status = Command::new(&command[0])
        .args(&command[1..])
        .stdout(Stdio::null())
        .stderr(errors.reopen()?)
        .status()?;
    let wall = start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("{status}: {}", std::fs::read_to_string(errors.path())?).into());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6);
    // In KiB on Linux, in bytes on macOS.
    let unit = if cfg!(target_os = "macos") { 1024.0 * 1024.0 } else { 1024.0 };
    let memory = usage.max_rss() as f64 / unit;
    println!("{}", json!({"wall": wall, "cpu": cpu[0] + cpu[1], "memory": memory}));
    Ok(())
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".into()).trim().to_owned()
}

/// The fake, in a process of its own so that its time is not ours.
struct Server {
    child: Child,
    base_url: String,
}

impl Server {
    fn start() -> Any<Self> {
        let mut child = Command::new(beside("server")?).stdout(Stdio::piped()).spawn()?;
        let mut base_url = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut base_url)?;
        Ok(Self { child, base_url: base_url.trim().to_owned() })
    }

    fn reset(&self, latency: u64) -> Any<()> {
        self.call(&format!("POST /reset/{latency}")).map(drop)
    }

    fn stats(&self) -> Any<Value> {
        self.call("GET /stats")
    }

    fn call(&self, what: &str) -> Any<Value> {
        let address = self.base_url.trim_start_matches("http://").trim_end_matches("/v1");
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "{what} HTTP/1.1\r\ncontent-length: 0\r\n\r\n")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(serde_json::from_str(answer.split("\r\n\r\n").nth(1).ok_or("no answer")?)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
