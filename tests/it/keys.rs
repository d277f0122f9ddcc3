//! Where keys go, and where they do not: other addresses, plain HTTP, messages, and servers with a wrong certificate.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use tunebench_fakes::openai::{Failing, FakeOpenAi, Fault};

use crate::support::{Place, repository};

const KEY: &str = "sk-test-5e3c9a7b1d";
const MODEL: &str = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n";

/// A project that reaches OpenAI where the environment or a `.env` says.
fn place() -> Place {
    Place::with_models(MODEL)
}

#[test]
fn a_file_of_the_project_cannot_send_a_key_of_the_environment_elsewhere() {
    let fake = FakeOpenAi::builder().key(KEY).start().unwrap();
    let place = place();
    place.write(".env", format!("OPENAI_BASE_URL={}\n", fake.base_url()));
    let redirected = place.outcome(place.command(&["eval"]).env("OPENAI_API_KEY", KEY));
    assert_eq!(redirected.code, Some(3), "{}", redirected.stderr);
    assert!(
        redirected.stderr.contains("OPENAI_BASE_URL of `.env` does not get OPENAI_API_KEY"),
        "{}",
        redirected.stderr
    );
    assert_eq!(fake.stats().total(), 0);
    let listed = place.outcome(place.command(&["providers"]).env("OPENAI_API_KEY", KEY));
    assert!(listed.stdout.contains("withheld: "), "{}", listed.stdout);

    // Whoever wrote both may send the one to the other; and so may the environment.
    place.write(".env", format!("OPENAI_BASE_URL={}\nOPENAI_API_KEY={KEY}\n", fake.base_url()));
    let own = place.outcome(place.command(&["eval"]).env("OPENAI_API_KEY", "sk-of-the-environment"));
    assert_eq!(own.code, Some(0), "{}", own.stderr);
    std::fs::remove_file(place.path(".env")).unwrap();
    let mut command = place.command(&["eval", "--fresh"]);
    let environment = command.env("OPENAI_API_KEY", KEY).env("OPENAI_BASE_URL", fake.base_url());
    assert_eq!(place.outcome(environment).code, Some(0));
}

#[test]
fn nothing_goes_over_a_network_in_the_clear_unless_that_is_wanted() {
    let place = place();
    let config = place.read("tunebench.toml");
    let lan = |more: &str| {
        let server = format!(
            "[providers.openai]\nbase_url = \"http://192.0.2.1:1/v1\"\napi_key_env = \"none\"\n{more}"
        );
        place.write("tunebench.toml", format!("{config}\n{server}"));
        place.tunebench(&["plan"])
    };
    let refused = lan("");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("allow_http = true"), "{}", refused.stderr);
    assert_eq!(lan("allow_http = true\n").code, Some(0));
}

#[test]
fn a_key_that_a_server_quotes_is_hidden_before_the_message_is_cut() {
    let fake = FakeOpenAi::builder().key(KEY).start().unwrap();
    let place = place();
    for (start, body) in [
        // The key would lie across the cut; and a text may turn the reading order.
        (288, |quoted: &str| json!({"error": {"message": quoted, "code": "invalid_api_key"}})),
        (290, |quoted: &str| json!({"detail": quoted})),
        (250, |quoted: &str| json!([quoted])),
    ] as [(usize, fn(&str) -> serde_json::Value); 3]
    {
        let quoted = format!("\u{202e}\u{1b}[31m{} {KEY} ends", "x".repeat(start));
        fake.fail(Failing::new(Fault::Answer(401, body(&quoted))).times(1));
        let mut command = place.command(&["eval", "--fresh"]);
        let failed =
            place.outcome(command.env("OPENAI_API_KEY", KEY).env("OPENAI_BASE_URL", fake.base_url()));
        assert_eq!(failed.code, Some(3), "{}", failed.stderr);
        assert!(failed.stderr.contains("xxx"), "{}", failed.stderr);
        assert!(!failed.stderr.contains("sk-t"), "{}", failed.stderr);
        assert!(!failed.stderr.contains(['\u{202e}', '\u{1b}']), "{:?}", failed.stderr);
    }
}

/// A server that answers every request with 401 over TLS, with a certificate that nobody has signed.
fn tls_server() -> u16 {
    let folder = repository().join("tests/it/tls");
    let certificate = CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream =
                StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream.unwrap());
            // A client that does not like the certificate hangs up.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(
                    b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                );
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

#[test]
fn a_certificate_that_is_not_trusted_is_named_with_its_cure() {
    let place = place();
    let address = |scheme: &str| format!("{scheme}://localhost:{}/v1", tls_server());
    let eval = |url: String, trusted: bool| {
        let mut command = place.command(&["eval"]);
        command.env("OPENAI_API_KEY", KEY).env("OPENAI_BASE_URL", url);
        if trusted {
            command.env("SSL_CERT_FILE", repository().join("tests/it/tls/certificate.pem"));
        }
        place.outcome(&mut command)
    };
    let unknown = eval(address("https"), false);
    assert_eq!(unknown.code, Some(3), "{}", unknown.stderr);
    let what = "localhost has a certificate from an issuer that this machine does not trust";
    assert!(unknown.stderr.contains(what) && unknown.stderr.contains("SSL_CERT_FILE"), "{}", unknown.stderr);

    // The cure cures.
    let trusted = eval(address("https"), true);
    assert!(trusted.stderr.contains("the key is refused"), "{}", trusted.stderr);

    // A server without TLS where TLS is asked for.
    let fake = FakeOpenAi::start().unwrap();
    let plain = eval(fake.base_url().replace("http://", "https://"), false);
    assert!(plain.stderr.contains("does not speak TLS at this port"), "{}", plain.stderr);
}
