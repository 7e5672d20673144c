//! TLS by the operator's own files: spoken, reloaded, and not waited for.

use crate::common::World;
use crate::common::server::{Place, Server};
use crate::support::house;
use crate::{Listening, PATIENCE, listen};
use dossier::api::tls::Tls;
use dossier::api::{Patience, ServeOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// Certificate and key in a folder, and what a client must trust.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    root: CertificateDer<'static>,
}

/// Puts a new pair into the folder, each file at once.
fn pair(dir: &Path) -> Pair {
    let made = generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let CertifiedKey { cert, signing_key } = made;
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    put(&certificate, &cert.pem());
    put(&key, &signing_key.serialize_pem());
    Pair { certificate, key, root: cert.der().clone() }
}

fn put(path: &Path, text: &str) {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, text).expect("a file");
    std::fs::rename(&fresh, path).expect("a name");
}

/// The answer to a request of somebody who trusts only `root`.
async fn get(
    address: SocketAddr,
    root: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(address).await?;
    let name = "localhost".try_into().expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let asked = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(asked).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8(answer).expect("text"))
}

async fn served(dir: &Path, patience: Patience) -> (Listening, Arc<Tls>, Pair) {
    let world = house().await;
    let pair = pair(dir);
    let tls = Arc::new(Tls::read(&pair.certificate, &pair.key).expect("a sound pair"));
    let tls_of_server = Some(Arc::clone(&tls));
    let options = ServeOptions { tls: tls_of_server, patience, ..ServeOptions::default() };
    let server = listen(&world, options).await;
    (server, tls, pair)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_spoken_and_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let (server, _, pair) = served(dir.path(), Patience::default()).await;
    for version in [&TLS12, &TLS13] {
        let answer = get(server.address, &pair.root, version).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
        assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
    }
    // Who does not speak it is not answered in the clear.
    let plain = server.answer("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_pair_is_served_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let (server, tls, old) = served(dir.path(), Patience::default()).await;
    assert!(!tls.refresh().expect("unchanged"));
    let new = pair(dir.path());
    get(server.address, &old.root, &TLS13).await.expect("nobody has looked yet");
    assert!(tls.refresh().expect("a sound pair"));
    assert!(get(server.address, &old.root, &TLS13).await.is_err());
    get(server.address, &new.root, &TLS13).await.expect("the new one");
    // A certificate whose key has not come yet, and no certificate at all: the last pair stays.
    let other = tempfile::tempdir().expect("a folder");
    let stranger = std::fs::read_to_string(pair(other.path()).certificate).expect("a certificate");
    for broken in [stranger.as_str(), "", "-----BEGIN CERTIFICATE-----\nAAAA"] {
        put(&new.certificate, broken);
        assert!(tls.refresh().is_err(), "{broken}");
        assert!(!tls.refresh().expect("told once"));
        get(server.address, &new.root, &TLS13).await.expect("the last good one");
    }
    std::fs::remove_file(&new.certificate).expect("a file");
    assert!(tls.refresh().is_err());
    get(server.address, &new.root, &TLS13).await.expect("the last good one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let handshake = Duration::from_millis(100);
    let patience = Patience { handshake, ..Patience::default() };
    let (server, _, _) = served(dir.path(), patience).await;
    // Nothing, and the beginning of a hello.
    for said in ["", "\u{16}\u{3}\u{1}"] {
        assert_eq!(server.answer(said).await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_makes_a_process_look_at_its_files() {
    let world = World::sqlite().await;
    let pair_1 = pair(world.scratch.path());
    let place = Place::new(&world.target, world.scratch.path());
    let (certificate, key) = (pair_1.certificate.display(), pair_1.key.display());
    let (certificate, key) = (certificate.to_string(), key.to_string());
    let command = place.command(&["serve", "--tls-cert", &certificate, "--tls-key", &key]);
    let server = Server::logging(command, Stdio::null());
    get(server.address, &pair_1.root, &TLS13).await.expect("the first pair");
    let pair_2 = pair(world.scratch.path());
    let hangup = Command::new("kill").args(["-HUP", &server.id().to_string()]).status();
    assert!(hangup.expect("kill runs").success());
    let looking = async { while get(server.address, &pair_2.root, &TLS13).await.is_err() {} };
    tokio::time::timeout(PATIENCE, looking).await.expect("the second pair");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let world = World::sqlite().await;
    let pair = pair(world.scratch.path());
    let place = Place::new(&world.target, world.scratch.path());
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    let (certificate, key) = (certificate.to_string(), key.to_string());
    for (args, code, named) in [
        (vec!["--tls-cert", "/no/such.pem", "--tls-key", &key], 1, "/no/such.pem"),
        (vec!["--tls-cert", &certificate, "--tls-key", &certificate], 1, &certificate),
        (vec!["--tls-cert", &certificate], 2, "--tls-key"),
    ] {
        let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
        let output = command.args(&args).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(named), "{said}");
    }
}
