//! A PostgreSQL server for tests: found, started on a free loopback port, and gone with the tests.
//!
//! The server is looked for in `DOSSIER_TEST_POSTGRES` (the URL of a running server whose user may
//! create databases), then among the installed programs. If there is none, the test fails and says
//! how to get one: a contract that is silently not checked is not a contract.
//!
//! Nothing is left behind: a small shell waits for the end of a pipe that only the test process
//! holds, so it notices a panic, an interrupt and even SIGKILL, then stops the server and removes
//! its folder.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio_postgres::NoTls;

const URL_VARIABLE: &str = "DOSSIER_TEST_POSTGRES";
const HOW_TO_INSTALL: &str = "these tests need PostgreSQL 14 or newer: install it \
    (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql), \
    or set DOSSIER_TEST_POSTGRES=postgres://user:password@host/database \
    to a server whose user may create databases";
/// A server that has not answered for so long will not.
const START_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Databases that an earlier run left on somebody else's server are dropped after so long.
const LEFTOVER_SECONDS: u64 = 3600;
const DATABASE_PREFIX: &str = "dossier_test_";

/// Waits for the end of its input, then stops the server and removes the folder `$1`. The process
/// is the server only if it works in that folder: the number may have been given to another.
const WATCHER: &str = r#"
cat > /dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2> /dev/null)
alive() { [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; }
[ -d /proc/self ] || alive() { [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null; }
alive "$1" && kill -QUIT "$pid"
for _ in 1 2 3 4 5 6 7 8 9 10; do alive "$1" && sleep 0.2; done
alive "$1" && kill -KILL "$pid"
rm -rf "$1"
"#;

/// A server. One of our own is stopped when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    own: Option<Own>,
}

/// What we started.
#[derive(Debug)]
struct Own {
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    watcher: Child,
    /// Kept so that it can be waited for: a dead child that nobody waits for passes for alive.
    server: Mutex<Option<Child>>,
}

impl Postgres {
    /// The server that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var(URL_VARIABLE) {
            Ok(url) => Self { url, own: None },
            Err(_) => Self::start_own(),
        })
    }

    /// A server for one test alone, which may kill it.
    pub fn start_own() -> Self {
        let bin = find_programs();
        let dir = new_folder();
        let watcher = Command::new("sh")
            .args(["-c", WATCHER, "watcher"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in our group: an interrupt from the keyboard must not reach it.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| {
                let _ = std::fs::remove_dir(&dir);
                panic!("a shell is needed to watch the server: {error}")
            });
        let port = free_port();
        // From here on, whatever fails, dropping it tidies up.
        let own = Own { bin, dir, port, watcher, server: Mutex::default() };
        let init = as_server_user(&own.bin.join("initdb"))
            .args(["--no-sync", "--username=postgres", "--auth=trust"])
            .args(["--encoding=UTF8", "--locale=C", "--pgdata"])
            .arg(own.dir.join("data"))
            .current_dir(&own.dir)
            .output()
            .expect("initdb was found and must run");
        assert!(init.status.success(), "initdb: {}", String::from_utf8_lossy(&init.stderr));
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let server = Self { url, own: Some(own) };
        server.start();
        server
    }

    /// The URL of the server's own database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Creates an empty database and returns its URL.
    pub async fn fresh_database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls)
            .await
            .unwrap_or_else(|error| panic!("cannot connect to the test server: {error:?}"));
        let connection = tokio::spawn(connection);
        if self.own.is_none() {
            drop_leftovers(&client).await;
        }
        let (now, pid) = (unix_seconds(), std::process::id());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{DATABASE_PREFIX}{now}_{pid}_{count}");
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
        client.batch_execute(&create).await.expect("the user may create databases");
        drop(client);
        let _ = connection.await;
        with_database(&self.url, &name)
    }

    /// Kills the server as a power cut would: SIGKILL, no farewell. Returns when it is gone.
    pub fn kill(&self) {
        let own = self.own.as_ref().expect("only a server of our own is killed");
        let server = own.server.lock().expect("no test panicked here").take();
        let mut server = server.expect("the server is running");
        server.kill().and_then(|()| server.wait()).expect("our child can be killed");
        let deadline = Instant::now() + START_PATIENCE;
        while own.answers() {
            assert!(Instant::now() < deadline, "the killed server still answers");
            sleep(POLL);
        }
    }

    /// Starts the killed server again, on the same port. Returns when it answers.
    pub fn start(&self) {
        let own = self.own.as_ref().expect("only a server of our own is started");
        let deadline = Instant::now() + START_PATIENCE;
        let mut server = own.spawn();
        while !own.answers() {
            assert!(Instant::now() < deadline, "the server does not answer: {}", own.log());
            if server.try_wait().is_ok_and(|ended| ended.is_some()) {
                // After a kill, the last of its processes may hold the shared memory for a moment.
                sleep(POLL);
                server = own.spawn();
            }
            sleep(POLL);
        }
        *own.server.lock().expect("no test panicked here") = Some(server);
    }
}

/// Every row of every table as the server writes it: for tests that look for what must not be
/// there.
pub async fn rows_text(url: &str) -> String {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let tables = client.query(tables, &[]).await.expect("the tables");
    let mut text = String::new();
    for table in tables {
        let table: String = table.get(0);
        let sql = format!("SELECT CAST(t AS TEXT) FROM \"{table}\" t");
        for row in client.query(&sql, &[]).await.expect("its rows") {
            text.push_str(row.get::<_, &str>(0));
            text.push('\n');
        }
    }
    text
}

/// Runs statements on a database, outside every engine: for preparing what a test starts from.
pub async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("cannot connect to the test server: {error:?}"));
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?} of: {sql}"));
    drop(client);
    let _ = connection.await;
}

/// An empty schema of a database that several tests share, as the one of a cluster that was given:
/// everything a connection by its URL makes, it makes there.
#[derive(Debug)]
pub struct FreshSchema {
    /// Where to connect to.
    pub url: String,
    name: String,
    database: String,
}

impl FreshSchema {
    /// Creates it.
    pub async fn create(database: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (now, pid) = (unix_seconds(), std::process::id());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{DATABASE_PREFIX}{now}_{pid}_{count}");
        execute(database, &format!("CREATE SCHEMA {name}")).await;
        let joint = if database.contains('?') { '&' } else { '?' };
        // What comes first on the path is where tables are made and found.
        let url = format!("{database}{joint}options=-c%20search_path%3D{name},public");
        Self { url, name, database: database.to_owned() }
    }

    /// Removes it with everything in it.
    pub async fn remove(self) {
        execute(&self.database, &format!("DROP SCHEMA {} CASCADE", self.name)).await;
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The end of its input is what the watcher waits for.
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
        let server = self.server.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = server {
            let _ = server.wait();
        }
    }
}

impl Own {
    fn spawn(&self) -> Child {
        let log = || File::options().append(true).create(true).open(self.dir.join("log"));
        let (out, err) = (log().expect("a log file"), log().expect("a log file"));
        let settings = [
            "listen_addresses=127.0.0.1",
            "max_connections=200",
            "shared_buffers=64MB",
            "max_wal_size=256MB",
            "fsync=on",
        ];
        let mut command = as_server_user(&self.bin.join("postgres"));
        command.arg("-D").arg(self.dir.join("data")).arg("-k").arg(&self.dir);
        command.args(["-p", &self.port.to_string()]);
        command.args(settings.iter().flat_map(|setting| ["-c", setting]));
        command.stdin(Stdio::null()).stdout(out).stderr(err).current_dir(&self.dir);
        command.process_group(0).spawn().expect("the server program was found and must run")
    }

    /// Whether the server is ready for connections.
    fn answers(&self) -> bool {
        Command::new(self.bin.join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string()])
            .status()
            .is_ok_and(|status| status.success())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

/// The folder that holds `initdb` and `postgres`: from PATH, or the newest that Debian installed.
fn find_programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort_by_key(|bin| std::cmp::Reverse(major_version(bin)));
    std::env::split_paths(&path)
        .chain(debian)
        .find(|bin| ["initdb", "postgres", "pg_isready"].iter().all(|p| bin.join(p).is_file()))
        .unwrap_or_else(|| panic!("{HOW_TO_INSTALL}"))
}

/// `15` of `/usr/lib/postgresql/15/bin`.
fn major_version(bin: &Path) -> u32 {
    let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// The program, to be run by somebody other than root: PostgreSQL refuses root.
fn as_server_user(program: &Path) -> Command {
    let Some(user) = server_user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", &group_of(user), "--clear-groups"]);
    command.arg(program);
    command
}

/// Whom the server runs as when we are root.
fn server_user() -> Option<&'static str> {
    let is_root = id(&["-u"]).is_some_and(|uid| uid == "0");
    let user = if id(&["-u", "postgres"]).is_some() { "postgres" } else { "nobody" };
    is_root.then_some(user)
}

fn group_of(user: &str) -> String {
    id(&["-g", user]).expect("the user exists, and every user has a group")
}

fn id(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// A folder of the server user's own. The name is short: a socket's path has at most 107 bytes.
fn new_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("dossier-pg-{}-{count}-{}", std::process::id(), unix_seconds());
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir(&dir).expect("a new temporary folder");
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&dir, private).expect("the folder is ours");
    if let Some(user) = server_user() {
        let given = Command::new("chown").arg(user).arg(&dir).status();
        assert!(given.is_ok_and(|status| status.success()), "chown {user}");
    }
    std::fs::canonicalize(dir).expect("the folder was just made")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// The same server's URL with another database.
fn with_database(url: &str, name: &str) -> String {
    let (base, options) = match url.split_once('?') {
        Some((base, options)) => (base, format!("?{options}")),
        None => (url, String::new()),
    };
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    format!("{}/{name}{options}", &base[..end])
}

/// On somebody else's server nobody removes our databases: those of old runs are dropped.
async fn drop_leftovers(client: &tokio_postgres::Client) {
    let sql = "SELECT datname::text FROM pg_database WHERE datname LIKE 'dossier_test_%'";
    for row in client.query(sql, &[]).await.unwrap_or_default() {
        let name: String = row.get(0);
        let born = name.strip_prefix(DATABASE_PREFIX).and_then(|rest| rest.split('_').next());
        let born = born.and_then(|seconds| seconds.parse::<u64>().ok());
        if born.is_some_and(|born| born + LEFTOVER_SECONDS < unix_seconds()) {
            let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await;
        }
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_the_database_in_a_url() {
        for (given, expected) in [
            ("postgres://u@h:1/postgres", "postgres://u@h:1/x"),
            ("postgres://u@h:1", "postgres://u@h:1/x"),
            ("postgres://u:p@h/db?sslmode=disable", "postgres://u:p@h/x?sslmode=disable"),
        ] {
            assert_eq!(with_database(given, "x"), expected);
        }
    }

    #[tokio::test]
    async fn a_killed_server_comes_back_and_leaves_nothing_behind() {
        let server = Postgres::start_own();
        server.kill();
        server.start();
        let url = server.fresh_database().await;
        assert!(tokio_postgres::connect(&url, NoTls).await.is_ok());
        let dir = server.own.as_ref().expect("our own").dir.clone();
        drop(server);
        assert!(!dir.exists());
    }
}
