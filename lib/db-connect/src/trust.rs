//! Whom to believe about a server's certificate, as libpq's `sslmode` has it.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use settings::PostgresTarget;
use settings::target::{RootCert, SslNegotiation, TlsVersion, Verification};

use crate::ConnectError;

/// The TLS settings of a target. Files are read here, once per connect.
pub(crate) fn client_config(target: &PostgresTarget) -> Result<Arc<ClientConfig>, ConnectError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[_] = match target.tls_min {
        TlsVersion::V12 => rustls::DEFAULT_VERSIONS,
        TlsVersion::V13 => &[&rustls::version::TLS13],
    };
    let verifier = Verifier::of(target, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(ConnectError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &target.client_cert {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = certificates(&files.cert)?;
            let key = PrivateKeyDer::from_pem_file(&files.key)
                .map_err(|source| ConnectError::pem("the client key", &files.key, source))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| ConnectError::ClientCertificate {
                    path: files.cert.clone(),
                    source,
                })?
        }
    };
    if target.sslnegotiation == SslNegotiation::Direct {
        // The server asks for it where TLS comes first, and some proxies balk at it elsewhere.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(Arc::new(config))
}

/// Verifies what `sslmode` asks for, and always that the server has its certificate's key: channel
/// binding proves nothing otherwise.
#[derive(Debug)]
struct Verifier {
    verification: Verification,
    /// None where nothing of the certificate is verified.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates of the target's own file.
    roots: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn of(
        target: &PostgresTarget,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Verifier, ConnectError> {
        let algorithms = provider.signature_verification_algorithms;
        let verification = target.verification();
        if verification == Verification::None {
            return Ok(Verifier {
                verification,
                authorities: None,
                roots: Vec::new(),
                algorithms,
            });
        }
        let mut store = RootCertStore::empty();
        let roots = match &target.sslrootcert {
            Some(RootCert::File(path)) => {
                let roots = certificates(path)?;
                for root in &roots {
                    store
                        .add(root.clone())
                        .map_err(|source| ConnectError::RootCertificate {
                            path: path.clone(),
                            source,
                        })?;
                }
                roots
            }
            Some(RootCert::System) | None => {
                let found = rustls_native_certs::load_native_certs();
                store.add_parsable_certificates(found.certs);
                Vec::new()
            }
        };
        let authorities =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
                .build()
                .map_err(|_| ConnectError::NoRootCertificates)?;
        Ok(Verifier {
            verification,
            authorities: Some(authorities),
            roots,
            algorithms,
        })
    }

    /// A certificate that stands in the root file itself is trusted as it is. Self-signed ones
    /// usually call themselves an authority, which a server's certificate must not be, so the
    /// library does not look further.
    fn verify_pinned(
        &self,
        certificate: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let bad = |problem| Err(Error::InvalidCertificate(problem));
        let now = std::time::Duration::from_secs(now.as_secs());
        let fields = crate::x509::fields(certificate);
        match fields.and_then(|fields| fields.validity_at(now)) {
            Some(Ordering::Equal) => {}
            Some(Ordering::Less) => return bad(CertificateError::NotValidYet),
            Some(Ordering::Greater) => return bad(CertificateError::Expired),
            None => return bad(CertificateError::BadEncoding),
        }
        if self.verification == Verification::Full {
            let certificate = ParsedCertificate::try_from(certificate)?;
            rustls::client::verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        if self.roots.contains(end_entity) {
            return self.verify_pinned(end_entity, server_name, now);
        }
        let verified = authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The name is looked at last, so everything else is in order.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.verification == Verification::Ca => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // Where the certificate itself does not count, it may also be of X.509's first version,
        // which PostgreSQL's manual makes and which the library does not read.
        if self.authorities.is_none()
            && let Some(fields) = crate::x509::fields(certificate)
        {
            let key = SubjectPublicKeyInfoDer::from(fields.spki);
            return rustls::crypto::verify_tls13_signature_with_raw_key(
                message,
                &key,
                signature,
                &self.algorithms,
            );
        }
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let failed = |source| ConnectError::pem("the certificates", path, source);
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect();
    match certificates.map_err(failed)? {
        certificates if certificates.is_empty() => {
            Err(failed(rustls::pki_types::pem::Error::NoItemsFound))
        }
        certificates => Ok(certificates),
    }
}
