//! `dossier demo` beside one that runs, beside a store, and beside files that are not its own.

use crate::common::server::Server;
use crate::terminal::{bare, code, err, out};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A demo is made in a few seconds; nothing waits so long.
const LOOKS: u32 = 600;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A folder in which demos are made where they are unless said: in `dossier-data/demo`.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn demo(&self) -> PathBuf {
        self.0.path().join("dossier-data/demo")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(args);
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    /// A small demo, with what else is said of it.
    fn make(&self, args: &[&str]) -> Output {
        self.run(&[&["demo", "--units", "500"][..], args].concat())
    }

    /// Puts a file into the demo's folder.
    fn put(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.demo()).expect("a folder");
        std::fs::write(self.demo().join(name), text).expect("a file");
    }

    /// What lies in the demo's folder; none where there is no such folder.
    fn files(&self) -> Option<BTreeMap<String, Vec<u8>>> {
        let entries = std::fs::read_dir(self.demo()).ok()?;
        let of = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().expect("a plain name");
            (name, std::fs::read(entry.path()).unwrap_or_default())
        };
        Some(entries.map(|entry| of(entry.expect("an entry"))).collect())
    }
}

/// A demo that is served, and its links.
struct Served {
    child: Child,
    links: Value,
}

impl Served {
    fn start(home: &Home) -> Self {
        let links = home.0.path().join("links.json");
        let mut command = home.command(&["demo", "--units", "500", "--listen", "127.0.0.1:0"]);
        command.args(["--limits", "off", "--links-json"]).arg(&links);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("it starts");
        for _ in 0..LOOKS {
            if let Ok(text) = std::fs::read_to_string(&links) {
                let links = serde_json::from_str(&text).expect("JSON");
                return Self { child, links };
            }
            assert!(child.try_wait().expect("our child").is_none(), "the demo ended");
            std::thread::sleep(LOOK_EVERY);
        }
        panic!("the demo does not start");
    }

    fn address(&self) -> &str {
        let base = self.links["base"].as_str().expect("a base");
        base.split_once("://").expect("a scheme").1
    }

    /// Whether the page of the genuine unit comes.
    fn answers(&self) -> bool {
        let path = self.links["links"]["genuine"].as_str().expect("a link");
        let mut stream = TcpStream::connect(self.address()).expect("it listens");
        let request = format!("GET {path} HTTP/1.0\r\nhost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer.lines().next().is_some_and(|line| line.contains(" 200 "))
    }

    fn code(&self) -> String {
        let path = self.links["links"]["genuine"].as_str().expect("a link");
        path.rsplit('/').next().expect("a code").to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing was made or removed, and one sentence says why.
#[track_caller]
fn refused(done: &Output, why: &str) {
    assert_eq!((code(done), out(done).as_str()), (1, ""), "{}", err(done));
    let told = err(done);
    assert!(told.contains(why) && told.lines().count() == 1, "{told}");
}

const IN_USE: &str = "another process uses dossier-data/demo and nothing in it was changed";

#[test]
fn a_demo_that_runs_is_left_alone_and_one_that_ended_is_replaced() {
    let home = Home::new();
    let served = Served::start(&home);
    home.put("notes.txt", "mine");
    let address = served.address().to_owned();
    refused(&home.make(&["--listen", &address]), "cannot listen on");
    refused(&home.make(&["--listen", "127.0.0.1:0"]), IN_USE);
    refused(&home.make(&["--no-serve"]), IN_USE);
    assert!(served.answers());
    let earlier = served.code();
    let show = |code: &str| home.run(&["--data", "dossier-data/demo", "show", code]);
    assert_eq!(code(&show(&earlier)), 0, "beside the demo that serves");
    drop(served);
    // Whoever serves it: it is in use.
    let serve = ["serve", "--data", "dossier-data/demo", "--limits", "off"];
    let server = Server::logging(home.command(&serve), Stdio::null());
    refused(&home.make(&["--no-serve"]), IN_USE);
    server.kill();
    let again = home.make(&["--no-serve"]);
    assert_eq!(code(&again), 0, "{}", err(&again));
    assert!(err(&again).contains("the earlier demo in dossier-data/demo is replaced"));
    let files = home.files().expect("the folder");
    assert_eq!(files.get("notes.txt").map(Vec::as_slice), Some(b"mine".as_slice()));
    assert!(!files.contains_key("demo-unfinished"), "{:?}", files.keys());
    assert_ne!(code(&show(&earlier)), 0, "the units of before are gone");
    what_is_printed_shows_the_units(&home, &out(&again));
}

/// Of the unit that was started outside its territory, the finding is seen by the printed command.
fn what_is_printed_shows_the_units(home: &Home, text: &str) {
    let told = |title: &str| {
        let line = text.lines().find(|line| line.contains(title) && line.contains(" show "));
        let line = line.unwrap_or_else(|| panic!("{title} in {text}"));
        let (_, args) = line.split_once("  dossier ").expect("a command");
        let args: Vec<_> = args.split(' ').chain(["--lang", "en"]).collect();
        let shown = home.run(&args);
        assert_eq!(code(&shown), 0, "{}", err(&shown));
        out(&shown)
    };
    let (genuine, outside) = (told("genuine, in use"), told("activated outside its territory"));
    assert!(outside.contains("outside territory"), "{outside}");
    assert!(!genuine.contains("outside territory"), "{genuine}");
}

#[test]
fn what_cannot_be_served_is_not_begun() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let home = Home::new();
    refused(&home.make(&["--listen", &address]), "cannot listen on");
    assert_eq!(home.files(), None, "nothing was made");
    for name in ["demo-links.txt", "dossier.db", "master.key", "notes.txt"] {
        home.put(name, name);
    }
    let before = home.files();
    refused(&home.make(&["--listen", &address]), "cannot listen on");
    assert_eq!(home.files(), before, "nothing was removed");
}

#[test]
fn only_what_is_a_demos_own_is_removed() {
    let home = Home::new();
    for name in ["dossier.db", "master.key", "notes.txt"] {
        home.put(name, name);
    }
    let before = home.files();
    refused(&home.make(&["--no-serve"]), "is not empty and holds no demo");
    assert_eq!(home.files(), before, "it is no demo's");
    // Half of one, cut off; another makes one there just now.
    home.put("demo-unfinished", "");
    let before = home.files();
    let folder = File::open(home.demo()).expect("the folder");
    folder.lock().expect("it is locked");
    refused(&home.make(&["--no-serve"]), IN_USE);
    assert_eq!(home.files(), before);
    folder.unlock().expect("it is ours");
    std::fs::create_dir(home.demo().join("kept")).expect("a folder");
    let done = home.make(&["--no-serve"]);
    assert_eq!(code(&done), 0, "{}", err(&done));
    let files = home.files().expect("the folder");
    let names = files.keys().map(String::as_str).filter(|name| !name.starts_with("dossier.db-"));
    let names: Vec<_> = names.collect();
    assert_eq!(names, ["demo-links.txt", "dossier.db", "kept", "master.key", "notes.txt"]);
    assert_eq!(files["notes.txt"], b"notes.txt");
    assert!(is_a_database(&home.demo().join("dossier.db")));
}

fn is_a_database(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"))
}
