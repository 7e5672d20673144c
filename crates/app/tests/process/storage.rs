//! The storage fails under a real serving process: a file at its size limit, a file system that the
//! kernel turns read-only, a PostgreSQL server that takes no more writes. Commands are refused with
//! a clear problem, reading goes on, nothing acknowledged is lost, and once there is room commands
//! are taken again. That the engine says so of a full database is in `faults.rs`.

use crate::common::server::{Client, Place, Reply, Server};
use crate::common::{World, sns};
use dossier::clock::Clock;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use store::engine::{SqliteOptions, Target};
use tempfile::TempDir;
use testkit::Postgres;

/// More than the storage has room for, or than are sent before a server has heard of a setting.
const UNITS: u32 = 400;

/// A brand with units, and nobody at work in it.
struct Scene {
    place: Place,
    token: String,
    sns: Vec<String>,
    _scratch: TempDir,
}

impl Scene {
    async fn at(target: Target, scratch: TempDir) -> Self {
        let world = World::at(target, Clock::System, scratch).await;
        let sns = sns(0..UNITS);
        world.make(&sns).await;
        world.house.store.close().await;
        let World { house, target, scratch, .. } = world;
        drop(house);
        let place = Place::new(&target, scratch.path());
        let token = place.key();
        Self { place, token, sns, _scratch: scratch }
    }

    fn serve(&self) -> (Server, Client) {
        let server = Server::start(&self.place);
        let client = server.client(&self.token);
        (server, client)
    }

    /// Starts units from the `from`th on until one is refused: which, and how.
    fn start_until_refused(&self, client: &Client, from: usize) -> (usize, Reply) {
        for (i, sn) in self.sns.iter().enumerate().skip(from) {
            let reply = client.activate(sn, sn);
            if reply.status != 201 {
                return (i, reply);
            }
        }
        panic!("nothing was refused");
    }

    /// Exactly the units before `count` are started, as anybody can read.
    fn started(&self, client: &Client, count: usize) {
        for (i, sn) in self.sns.iter().take(count + 1).enumerate() {
            let reply = client.get(&format!("/api/v1/verify/{sn}?scheme=sn"));
            assert_eq!(reply.status, 200, "{reply:?}");
            let fresh = reply.json()["verdict"] == "not_activated";
            assert_eq!(fresh, i >= count, "{sn}: {}", reply.text);
        }
    }
}

fn refused(reply: &Reply, status: u16, code: &str, words: &str) {
    let problem = reply.json();
    assert_eq!((reply.status, &problem["code"]), (status, &code.into()), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains(words)), "{problem}");
}

/// What `ulimit -f` sets, under the running process.
#[cfg(target_os = "linux")]
fn limit_files(server: &Server, bytes: Option<u64>) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let pid = Pid::from_raw(server.id() as i32);
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(pid, Resource::Fsize, limit).expect("the limit of a child of ours can be set");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_at_their_size_limit_refuse_and_keep() {
    let scratch = TempDir::new().expect("a temporary folder");
    let dir = scratch.path().join("data");
    let target = Target::Sqlite { dir: dir.clone(), options: SqliteOptions::default() };
    let scene = Scene::at(target, scratch).await;
    let (server, client) = scene.serve();
    assert_eq!(client.activate(&scene.sns[0], "a").status, 201);
    let size = |name: &str| std::fs::metadata(dir.join(name)).map_or(0, |found| found.len());
    let most = size("dossier.db").max(size("dossier.db-wal"));
    limit_files(&server, Some(most + (256 << 10)));
    let (count, reply) = scene.start_until_refused(&client, 1);
    assert!(count > 1, "there was room for some");
    refused(&reply, 507, "store_full", "no room");
    refused(&client.activate(&scene.sns[count], "b"), 507, "store_full", "no room");
    scene.started(&client, count);
    scene.place.agrees();

    limit_files(&server, None);
    assert_eq!(client.activate(&scene.sns[count], "c").status, 201, "there is room again");
    scene.started(&client, count + 1);
    server.kill();
    let (_server, client) = scene.serve();
    scene.started(&client, count + 1);
    scene.place.agrees();
}

/// A small file system of our own on a loop device.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Disk {
    /// None where it cannot be had: it takes root and loop devices, which a container lacks.
    fn new(scratch: &Path) -> Option<Self> {
        let disk = Self { image: scratch.join("image"), mount: scratch.join("mount") };
        std::fs::create_dir(&disk.mount).expect("a folder");
        let image = std::fs::File::create(&disk.image).expect("a file");
        image.set_len(64 << 20).expect("room");
        let made = succeeds("mkfs.ext4", &["-q", "-F", disk.image.to_str()?]) && disk.attach();
        made.then_some(disk)
    }

    fn attach(&self) -> bool {
        let (Some(image), Some(mount)) = (self.image.to_str(), self.mount.to_str()) else {
            return false;
        };
        succeeds("mount", &["-o", "loop", image, mount])
    }

    fn detach(&self) -> bool {
        self.mount.to_str().is_some_and(|mount| succeeds("umount", &[mount]))
    }

    /// What the kernel does by itself when it finds the file system damaged: open files stay open,
    /// and nothing can be written any more.
    fn turn_read_only(&self) -> bool {
        self.mount.to_str().is_some_and(|m| succeeds("mount", &["-o", "remount,abort", m]))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The test may have failed while a file on it was open.
        let _ = self.mount.to_str().map(|mount| succeeds("umount", &["--lazy", mount]));
    }
}

/// Runs where a file system can be mounted. Everywhere else the same answers are tested in
/// `faults.rs` with a hook of the engine: no file that is open for writing can be turned read-only
/// by anybody but the kernel, and a container may not ask it to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_turned_read_only_refuses_and_reads_on() {
    let scratch = TempDir::new().expect("a temporary folder");
    let below = TempDir::new().expect("a temporary folder");
    let Some(disk) = Disk::new(below.path()) else {
        eprintln!("no file system can be mounted here: only the engine's hook was tested");
        return;
    };
    let dir = disk.mount.join("data");
    let target = Target::Sqlite { dir, options: SqliteOptions::default() };
    let scene = Scene::at(target, scratch).await;
    let (server, client) = scene.serve();
    assert_eq!(client.activate(&scene.sns[0], "a").status, 201);
    assert!(disk.turn_read_only());
    for _ in 0..3 {
        let reply = client.activate(&scene.sns[1], "a");
        refused(&reply, 503, "store_unavailable", "read-only");
    }
    scene.started(&client, 1);
    server.kill();

    assert!(disk.detach() && disk.attach(), "it is mended and mounted again");
    let (server, client) = scene.serve();
    scene.started(&client, 1);
    assert_eq!(client.activate(&scene.sns[1], "a").status, 201);
    scene.place.agrees();
    server.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_turned_read_only_refuses_and_reads_on() {
    let server = Postgres::start_own();
    let target = Target::Postgres { url: server.fresh_database().await };
    let scene = Scene::at(target, TempDir::new().expect("a temporary folder")).await;
    let (node, client) = scene.serve();
    assert_eq!(client.activate(&scene.sns[0], "a").status, 201);
    let set = async |value: &str| {
        let url = server.url();
        let setting = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        testkit::execute(url, &setting).await;
        testkit::execute(url, "SELECT pg_reload_conf()").await;
    };
    // The server's processes hear of a setting one by one, between two commands.
    set("on").await;
    let (count, reply) = scene.start_until_refused(&client, 1);
    refused(&reply, 503, "store_unavailable", "read-only");
    scene.started(&client, count);

    set("off").await;
    let mut tries = (0..1_000).map(|_| client.activate(&scene.sns[count], "a"));
    let taken = tries.find(|reply| reply.status != 503).expect("it is taken again");
    assert_eq!(taken.status, 201, "{taken:?}");
    scene.started(&client, count + 1);
    node.kill();
    scene.place.agrees();
}
