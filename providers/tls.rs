//! What is wrong with a server's certificate, in words, and the cure.

use std::error::Error;
use std::io;

use rustls::{CertificateError, Error as TlsError};

/// What a failed handshake means, and what the user can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsProblem {
    /// A fragment that follows the name of the host.
    pub(crate) what: String,
    /// The cure.
    pub(crate) cure: String,
}

/// The problem behind an error of a connection, if TLS is what failed.
pub(crate) fn tls_problem(error: &(dyn Error + 'static)) -> Option<TlsProblem> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(problem) = error.downcast_ref::<TlsError>().and_then(in_words) {
            return Some(problem);
        }
        // What an I/O error wraps is not among its sources.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn in_words(error: &TlsError) -> Option<TlsProblem> {
    let problem = |what: &str, cure: &str| Some(TlsProblem { what: what.to_owned(), cure: cure.to_owned() });
    let error = match error {
        TlsError::InvalidCertificate(error) => error,
        TlsError::InvalidMessage(_) => {
            return problem(
                "does not speak TLS at this port",
                "check host and port of `base_url`; a server of your own may want http://",
            );
        }
        _ => return None,
    };
    match error {
        CertificateError::UnknownIssuer => problem(
            "has a certificate from an issuer that this machine does not trust",
            "install the system's CA certificates (package `ca-certificates`); for a company's proxy or a server of your \
             own, name a PEM file with its CA in SSL_CERT_FILE",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => problem(
            "has a certificate that has expired",
            "check this machine's clock; if it is right, the server's certificate must be renewed",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            problem("has a certificate that is not valid yet", "check this machine's clock: it may be behind")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => problem(
            "has a certificate for another name",
            "write the name that the certificate is for in `base_url`; a proxy in between may also answer in the server's \
             place",
        ),
        CertificateError::Revoked => problem(
            "has a certificate that was revoked",
            "do not send anything there until the server has a new certificate",
        ),
        other => Some(TlsProblem {
            what: format!("has a certificate that can't be used ({other})"),
            cure: "the server's certificate must be replaced, or a proxy in between put right".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_found_however_deep_it_lies() {
        let issuer = || TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, issuer()));
        let found = tls_problem(&wrapped).unwrap();
        assert!(found.what.contains("does not trust") && found.cure.contains("SSL_CERT_FILE"), "{found:?}");
        assert_eq!(tls_problem(&issuer()), Some(found));
        assert_eq!(tls_problem(&io::Error::other("refused")), None);
    }
}
