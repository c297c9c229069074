//! Certificates made for a test, and TLS in front of servers that have none.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tokio::net::{TcpListener, TcpStream};
use tokio_native_tls::{TlsAcceptor, native_tls};

use crate::watchdog::TempDir;

/// A certificate authority and another one, and what they have signed. Gone with the value.
pub struct Certificates {
    folder: TempDir,
}

/// A certificate with its key, PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// Its key's file.
    pub key: PathBuf,
}

impl Certificates {
    /// Two authorities, `ca` and `stranger`.
    pub fn new() -> Result<Self> {
        let made = Self { folder: TempDir::new("certificates")? };
        for name in ["ca", "stranger"] {
            let subject = format!("/CN={name} of a test");
            let (key, file) = (made.path(name, "key"), made.path(name, "pem"));
            made.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                &subject,
                "-keyout",
                &key,
                "-out",
                &file,
            ])?;
        }
        Ok(made)
    }

    /// The file of an authority's certificate.
    pub fn authority(&self, name: &str) -> String {
        self.path(name, "pem")
    }

    /// A server's certificate of the authority `ca`, for one host name, that ends in so many days; with a
    /// negative number it has ended.
    pub fn server(&self, name: &str, host: &str, days: i32) -> Result<Identity> {
        let (key, request, file) = (self.path(name, "key"), self.path(name, "csr"), self.path(name, "pem"));
        let subject = format!("/CN={host}");
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let outputs = ["-nodes", "-subj", &subject, "-keyout", &key, "-out", &request];
        self.openssl(&[&["req", "-new"], &curve[..], &outputs[..]].concat())?;
        let extensions = self.path(name, "ext");
        std::fs::write(&extensions, format!("subjectAltName=DNS:{host}\n"))?;
        let (ca, ca_key, days) = (self.path("ca", "pem"), self.path("ca", "key"), days.to_string());
        let signed_by = ["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", &days];
        let files = ["-in", &request, "-extfile", &extensions, "-out", &file];
        self.openssl(&[&["x509", "-req"], &signed_by[..], &files[..]].concat())?;
        Ok(Identity { certificate: file.into(), key: key.into() })
    }

    fn path(&self, name: &str, end: &str) -> String {
        self.folder.path().join(format!("{name}.{end}")).display().to_string()
    }

    fn openssl(&self, arguments: &[&str]) -> Result<()> {
        let done = Command::new("openssl").args(arguments).current_dir(self.folder.path()).output();
        let done = done.context("running openssl")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "openssl {arguments:?}: {said}");
        Ok(())
    }
}

/// A port that speaks TLS and hands on to one that does not. Serves on the calling runtime, until that ends.
#[derive(Debug)]
pub struct TlsProxy {
    /// Its port on loopback.
    pub port: u16,
}

impl TlsProxy {
    /// In front of a loopback port.
    pub async fn start(identity: &Identity, target: u16) -> Result<Self> {
        Self::start_at(0, identity, target).await
    }

    /// The same on a given port.
    pub async fn start_at(port: u16, identity: &Identity, target: u16) -> Result<Self> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
        let identity =
            native_tls::Identity::from_pkcs8(&read(&identity.certificate)?, &read(&identity.key)?)?;
        let acceptor = TlsAcceptor::from(native_tls::TlsAcceptor::new(identity)?);
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                // Whoever does not like the certificate, or speaks no TLS, is let go.
                tokio::spawn(async move {
                    let mut client = acceptor.accept(stream).await.ok()?;
                    let mut server = TcpStream::connect(("127.0.0.1", target)).await.ok()?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()
                });
            }
        });
        Ok(Self { port })
    }
}
