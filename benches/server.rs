//! A chat endpoint that answers after a fixed time and does as little as it can: what is measured is who asks. It takes batches
//! as well.
//!
//! `server [--latency-ms N]` prints its base URL. Beside the API it serves `GET /stats` (connections and requests
//! since the last reset, and when the first one came) and `POST /reset/N` (the same with another latency).
#![expect(clippy::print_stdout, reason = "the address is the output")]

mod batches;

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What all connections share; there is one thread only.
#[derive(Default)]
struct Counts {
    latency: Cell<Duration>,
    connections: Cell<u64>,
    requests: Cell<u64>,
    /// When the first request came, in microseconds since 1970.
    first: Cell<u128>,
    batches: batches::Batches,
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--latency-ms");
    let latency = arguments.nth(1).map_or(0, |millis| millis.parse().expect("milliseconds"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counts = Rc::new(Counts::default());
    counts.latency.set(Duration::from_millis(latency));
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}/v1", listener.local_addr()?);
        std::io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(serve(stream, counts.clone()));
        }
    })
}

/// Answers the requests of one connection until it is closed or says something else than HTTP.
async fn serve(mut stream: TcpStream, counts: Rc<Counts>) {
    let mut buffer = Vec::with_capacity(8 * 1024);
    let (mut asked, mut out) = (false, Vec::with_capacity(2 * 1024));
    loop {
        let Some((head, length)) = parse(&buffer) else {
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        while buffer.len() < head + length {
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        let (line, body) = (&buffer[..head], &buffer[head..head + length]);
        let content = if line.starts_with(b"POST /v1/chat/completions") {
            counts.requests.set(counts.requests.get() + 1);
            counts.connections.set(counts.connections.get() + u64::from(!asked));
            asked = true;
            if counts.first.get() == 0 {
                counts
                    .first
                    .set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros());
            }
            let content = answer(body);
            if !counts.latency.get().is_zero() {
                tokio::time::sleep(counts.latency.get()).await;
            }
            content.into_bytes()
        } else if let Some(millis) = line.strip_prefix(b"POST /reset/") {
            let digits = millis.iter().take_while(|byte| byte.is_ascii_digit());
            let millis = digits.fold(0, |value, digit| 10 * value + u64::from(digit - b'0'));
            counts.latency.set(Duration::from_millis(millis));
            counts.connections.set(0);
            counts.requests.set(0);
            counts.first.set(0);
            counts.batches.own.set(0);
            b"{}".to_vec()
        } else if line.starts_with(b"GET /stats") {
            let Counts { connections, requests, first, batches, .. } = &*counts;
            let (connections, requests, first) = (connections.get(), requests.get(), first.get());
            let own = batches.own.get();
            format!(r#"{{"connections":{connections},"requests":{requests},"first":{first},"own":{own}}}"#)
                .into_bytes()
        } else if let Some(content) = counts.batches.answer(line, body, answer) {
            content
        } else {
            br#"{"id":"gpt-4.1-mini-2025-04-14","object":"model","created":1744316542,"owned_by":"system"}"#
                .to_vec()
        };
        out.clear();
        let _ = write!(
            out,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_0123456789\r\ncontent-length: {}\r\n\r\n",
            content.len()
        );
        out.extend_from_slice(&content);
        buffer.drain(..head + length);
        if stream.write_all(&out).await.is_err() {
            return;
        }
    }
}

/// Where the head of the first request ends, and how long its body is.
fn parse(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let lines = buffer[..head].split(|&byte| byte == b'\n');
    let mut length = lines.filter_map(|line| {
        let name = line.get(..15)?;
        name.eq_ignore_ascii_case(b"content-length:")
            .then(|| std::str::from_utf8(&line[15..]).ok()?.trim().parse().ok())?
    });
    Some((head, length.next_back().unwrap_or(0)))
}

/// An answer of the size and shape that OpenAI gives, log-probabilities included.
fn answer(body: &[u8]) -> String {
    const LABELS: [&str; 4] = ["card_arrival", "exchange_rate", "request_refund", "transfer_timing"];
    let label = LABELS[body.len() % LABELS.len()];
    let token =
        |text: &str| format!(r#"{{"token":"{text}","logprob":-0.0123,"bytes":null,"top_logprobs":[]}}"#);
    let tokens = [token("<output"), token(">"), token(label)].join(",");
    format!(
        r#"{{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-4.1-mini-2025-04-14","choices":[{{"index":0,"message":{{"role":"assistant","content":"<output>{label}","refusal":null,"annotations":[]}},"logprobs":{{"content":[{tokens}],"refusal":null}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":119,"completion_tokens":4,"total_tokens":123,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}},"service_tier":"default","system_fingerprint":"fp_38647f5e19"}}"#
    )
}
