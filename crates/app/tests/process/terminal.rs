//! The command line where a person sits: what a terminal shows, words for people, and what is said
//! of a store that is damaged.

use crate::common::server::Server;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use testkit::Postgres;

/// What befalls a file.
type Damage<'a> = &'a dyn Fn(&Path) -> std::io::Result<()>;

const IMEI: &str = "860837783533742";
const GTIN: &str = "6929141700010";
const FILES: [(&str, &str); 4] = [
    (
        "parties",
        "code,kind,name,parent_code,region\nBRAND,brand,澄野电子,,440305\n\
         FAC,factory,深圳工厂,BRAND,440307\nT1-53,tier1,云南总代,BRAND,530102\n",
    ),
    (
        "products",
        "gtin,name_zh,name_en,category,model\n\
         6929141700010,澄野 N3 Pro,Chengye N3 Pro,phone,CY-N3P\n",
    ),
    // The serial number of the second is the IMEI of the first.
    (
        "production",
        "sn,gtin,produced_at,site_code,imei1,inspection\n\
         CY0001,6929141700010,2026-05-20 08:00,FAC,860837783533742,pass\n\
         860837783533742,6929141700010,2026-05-20 08:01,FAC,,pass\n",
    ),
    (
        "shipments",
        "shipment_no,from_code,to_code,happened_at,subject,reason\n\
         SO-1,FAC,T1-53,2026-05-22 08:00,CY0001,a sample\n",
    ),
];

/// A folder with the records of a small brand in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        for (kind, text) in FILES {
            std::fs::write(desk.at(kind), text).expect("a file");
            let done = desk.run(&["import", kind, &desk.at(kind)]);
            assert_eq!(code(&done), 0, "{kind}: {}", err(&done));
        }
        desk
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a name").to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(args);
        command.args(["--data", &self.at("data")]).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }
}

/// The binary without any variable that could steer it.
pub(super) fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dossier"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOSSIER_")) {
        command.env_remove(name);
    }
    command.env_remove("NO_COLOR").args(args);
    command
}

pub(super) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub(super) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub(super) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// A terminal: the side of the person, and that of the program.
fn terminal() -> (File, OwnedFd) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&person).expect("it is ours");
    unlockpt(&person).expect("it opens");
    let name = ptsname(&person, Vec::new()).expect("its name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let program = rustix::fs::open(name, flags, Mode::empty()).expect("its other side");
    (File::from(person), program)
}

/// Runs a command on a terminal and types each answer at its prompt. What the terminal showed, and
/// how the command ended.
fn typed(mut command: Command, answers: &[(&str, &str)]) -> (String, i32) {
    let (mut person, program) = terminal();
    let side = || Stdio::from(program.try_clone().expect("another handle"));
    let mut child =
        command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("the binary runs");
    // Once the child has gone nobody has its side any more, and reading ends.
    drop((command, program));
    let (mut shown, mut bytes) = (String::new(), [0; 4096]);
    let mut answers = answers.iter();
    let mut next = answers.next();
    while let Ok(count @ 1..) = person.read(&mut bytes) {
        shown += &String::from_utf8_lossy(&bytes[..count]);
        if let Some((prompt, answer)) = next
            && shown.ends_with(prompt)
        {
            person.write_all(format!("{answer}\n").as_bytes()).expect("it is typed");
            next = answers.next();
        }
    }
    let ended = child.wait().expect("it ends");
    (shown, ended.code().unwrap_or(-1))
}

#[test]
fn a_passphrase_is_typed_unseen_and_a_new_one_twice() {
    let desk = Desk::new();
    let (copy, fresh) = (desk.at("copy"), desk.at("fresh"));
    let words = "correct horse battery";
    let backup = || desk.command(&["backup", &copy]);
    let slip = [("new passphrase: ", words), ("once more: ", "correct hores battery")];
    let (shown, ended) = typed(backup(), &slip);
    assert_eq!(ended, 1, "{shown}");
    assert!(shown.contains("not the same") && !shown.contains("battery"), "{shown}");
    assert!(!Path::new(&copy).exists());
    let twice = [("new passphrase: ", words), ("once more: ", words)];
    let (shown, ended) = typed(backup(), &twice);
    assert_eq!(ended, 0, "{shown}");
    assert!(shown.contains("written to") && !shown.contains("battery"), "{shown}");
    let restore = bare(&["restore", &copy, "--data", &fresh]);
    let (shown, ended) = typed(restore, &[("passphrase: ", words)]);
    assert_eq!(ended, 0, "{shown}");
    assert!(shown.contains("agree") && !shown.contains("battery"), "{shown}");
}

#[test]
fn without_a_passphrase_the_ways_to_give_one_are_named() {
    let desk = Desk::new();
    let (another, empty) = (desk.at("another"), desk.at("empty"));
    let refused = desk.run(&["backup", &another]);
    assert_eq!(code(&refused), 1);
    let told = err(&refused);
    assert!(told.contains("--passphrase-file FILE") && told.contains("standard input"), "{told}");
    std::fs::write(&empty, "\n").expect("a file");
    let refused = desk.run(&["backup", &another, "--passphrase-file", &empty]);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("first line is empty"), "{}", err(&refused));
    assert!(!Path::new(&another).exists());
}

#[test]
fn a_dumb_terminal_gets_no_colours() {
    let desk = Desk::new();
    for (kind, coloured) in [("xterm", true), ("dumb", false)] {
        let mut command = desk.command(&["batch", "list"]);
        command.env("TERM", kind);
        let (shown, ended) = typed(command, &[]);
        assert_eq!(ended, 0, "{shown}");
        assert_eq!(shown.contains('\u{1b}'), coloured, "{kind}: {shown:?}");
    }
}

#[test]
fn long_work_shows_how_far_it_is_where_a_terminal_watches() {
    let desk = Desk::new();
    for (args, shows) in [
        (&["rebuild", "--check"][..], " events  "),
        (&["doctor", "--all-events"][..], " events  "),
        (&["purge", "--older-than-clock", "--dry-run"][..], " units  "),
    ] {
        let mut command = desk.command(args);
        command.env("TERM", "xterm");
        let (shown, ended) = typed(command, &[]);
        assert!(shown.contains(shows), "{args:?}: {shown:?}");
        let unwatched = desk.run(args);
        assert_eq!((code(&unwatched), err(&unwatched).as_str()), (ended, ""), "{args:?}");
        assert!(!out(&unwatched).contains(shows), "{args:?}: {}", out(&unwatched));
    }
}

#[test]
fn a_store_that_fails_under_a_backup_is_no_refusal() {
    let desk = Desk::new();
    let (copy, words) = (desk.at("copy"), desk.at("words"));
    std::fs::write(&words, "correct horse battery\n").expect("a file");
    let backup = desk.command(&["backup", &copy, "--passphrase-file", &words]);
    // Room for what a reader writes, and for no copy.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 100 && exec \"$0\" \"$@\""]);
    limited.arg(backup.get_program()).args(backup.get_args()).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOSSIER_")) {
        limited.env_remove(name);
    }
    let failed = limited.output().expect("it runs");
    assert_eq!(code(&failed), 5, "{}", err(&failed));
    assert!(err(&failed).contains("cannot back up to"), "{}", err(&failed));
    assert!(!Path::new(&copy).exists());
}

#[test]
fn damage_is_a_finding_and_says_what_to_do() {
    let garbage = |path: &Path| std::fs::write(path, vec![b'x'; 8_192]);
    let cut = |path: &Path| {
        let file = File::options().write(true).open(path)?;
        let half = file.metadata()?.len() / 8_192 * 4_096;
        file.set_len(half)
    };
    let empty = |path: &Path| std::fs::write(path, "");
    let ways: [(&str, Damage<'_>); 3] =
        [("overwritten", &garbage), ("cut", &cut), ("emptied", &empty)];
    for (what, damage) in ways {
        let desk = Desk::new();
        let data = desk.at("data");
        let file = Path::new(&data).join("dossier.db");
        damage(&file).expect("it is damaged");
        let seen = desk.run(&["doctor"]);
        assert_eq!(code(&seen), 4, "{what}: {}{}", out(&seen), err(&seen));
        assert_eq!(err(&seen), "", "{what}: the finding says it");
        let ill = out(&seen).lines().any(|l| l.starts_with('✗') && l.contains("restore"));
        assert!(ill, "{what}: {}", out(&seen));
        if what == "emptied" {
            assert_eq!(std::fs::metadata(&file).expect("it is there").len(), 0);
            continue;
        }
        let list = desk.run(&["batch", "list"]);
        if what == "overwritten" {
            assert_eq!(code(&list), 5);
            assert!(err(&list).contains("dossier doctor"), "{}", err(&list));
        }
        assert!(err(&list).lines().count() <= 1, "{what}: {}", err(&list));
    }
}

#[test]
fn an_error_file_that_was_mended_says_what_was_meant() {
    let desk = Desk::new();
    let rows = "code,kind,name,region,address\nS-1,shop,=分店,999999,-\n\
                S-2,shop,'+1 店,999999,@路 1 号\n";
    let (file, errors) = (desk.at("shops"), desk.at("errors"));
    std::fs::write(&file, rows).expect("a file");
    assert_eq!(code(&desk.run(&["import", "parties", &file, "--errors", &errors])), 3);
    let written = std::fs::read_to_string(&errors).expect("the errors");
    for cell in [",'=分店,", ",-\n", ",''+1 店,", ",'@路 1 号\n"] {
        assert!(written.contains(cell), "{cell} is missing in\n{written}");
    }
    std::fs::write(&errors, written.replace("999999", "530102")).expect("it is mended");
    let mended = desk.run(&["import", "parties", &errors]);
    assert_eq!((code(&mended), out(&mended).trim()), (0, "taken 2, unchanged 0, refused 0"));
    // The file itself, mended likewise, says the same.
    std::fs::write(&file, rows.replace("999999", "530102")).expect("it is mended");
    let again = desk.run(&["import", "parties", &file]);
    assert_eq!((code(&again), out(&again).trim()), (0, "taken 0, unchanged 2, refused 0"));
}

#[test]
fn a_number_of_two_units_says_so() {
    let desk = Desk::new();
    let both = desk.run(&["verify", IMEI]);
    assert_eq!(code(&both), 4);
    let text = out(&both);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains(" imei ") && lines[1].contains(" sn "), "{text}");
    assert!(err(&both).contains("say which with --scheme imei or sn"), "{}", err(&both));
    let json = out(&desk.run(&["verify", IMEI, "--json"]));
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    let schemes: Vec<_> = json.lines().map(|line| read(line)["scheme"].clone()).collect();
    assert_eq!(schemes, ["imei", "sn"]);
    let one = desk.run(&["verify", IMEI, "--scheme", "sn"]);
    assert_eq!((code(&one), err(&one).as_str()), (0, ""));
}

#[test]
fn people_are_told_words_not_codes() {
    let desk = Desk::new();
    let english = |args: &[&str]| {
        let done = desk.run(&[args, &["--lang", "en"]].concat());
        assert!(matches!(code(&done), 0 | 4), "{}", err(&done));
        out(&done)
    };
    let chinese = out(&desk.run(&["verify", "CY0001"]));
    assert!(chinese.contains("等待首次激活") && !chinese.contains('_'), "{chinese}");
    // The second is still with its maker.
    let seller = english(&["verify", IMEI, "--scheme", "sn", "--seller", "T1-53"]);
    assert!(seller.contains("the goods are in other hands"), "{seller}");
    assert!(seller.contains("awaiting its first start") && !seller.contains('_'), "{seller}");
    let report = ["activate", "--scheme", "sn", "--value", "CY0001"];
    let first = ["--at", "2026-06-01 09:00", "--fingerprint", "f1"];
    english(&[&report[..], &first].concat());
    let again = english(&[&report[..], &["--at", "2026-06-02 09:00"]].concat());
    for text in [again, english(&["show", "CY0001"])] {
        assert!(text.contains("no fingerprint to compare"), "{text}");
        assert!(!text.contains("fingerprint_missing") && !text.contains("[none]"), "{text}");
    }
}

#[test]
fn a_voided_shipment_is_in_no_hands() {
    let desk = Desk::new();
    let made = out(&desk.run(&["key", "new", "--party", "BRAND", "--scopes", "all"]));
    let key = made.split_whitespace().last().expect("a key");
    let server = Server::logging(desk.command(&["serve", "--limits", "off"]), Stdio::null());
    let body = serde_json::json!({ "from": "FAC" });
    let done = server.client(key).post("/api/v1/shipments/SO-1/void", &body, "");
    assert_eq!(done.status, 200, "{}", done.text);
    server.kill();
    let text = out(&desk.run(&["show", "CY0001", "--lang", "en"]));
    let (_, rest) = text.split_once("Custody\n").expect("hands");
    let (hands, timeline) = rest.split_once("Timeline\n").expect("a timeline");
    assert!(hands.contains("FAC") && !hands.contains("SO-1"), "{text}");
    assert!(!hands.contains("presumed"), "{text}");
    assert_eq!(timeline.matches("SO-1").count(), 2, "{text}");
}

#[test]
fn a_start_is_told_as_the_api_tells_it() {
    let desk = Desk::new();
    let start = ["activate", "--scheme", "sn", "--value", "CY0001", "--json"];
    let done = desk.run(&[&start[..], &["--at", "2026-06-01T03:00:00+02:00"]].concat());
    assert_eq!(code(&done), 0, "{}", err(&done));
    let told: serde_json::Value = serde_json::from_str(&out(&done)).expect("JSON");
    let made = out(&desk.run(&["key", "new", "--party", "BRAND", "--scopes", "all"]));
    let key = made.split_whitespace().last().expect("a key");
    let server = Server::logging(desk.command(&["serve", "--limits", "off"]), Stdio::null());
    let again = server.client(key).activate("CY0001", "f1").json();
    server.kill();
    // In the brand's time, whoever sent it in which.
    assert_eq!(told["activated_at"], "2026-06-01T09:00:00+08:00");
    assert_eq!(again["activated_at"], told["activated_at"], "{again}");
}

#[test]
fn links_without_a_host_are_warned_of_and_scratch_codes_are_asked_for() {
    let desk = Desk::new();
    let mint = ["mint", "--product", GTIN, "--count", "2"];
    let warned = "the links say localhost: give --host NAME before printing labels\n";
    let last = || {
        let list = out(&desk.run(&["batch", "list"]));
        let rows = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut printed = rows.filter(|row| row.get(1) == Some(&"printed"));
        printed.next_back().expect("a batch")[0].to_owned()
    };
    let minted = desk.run(&mint);
    assert_eq!((code(&minted), err(&minted).as_str()), (0, warned));
    assert!(out(&minted).starts_with("code,url\n"), "{}", out(&minted));
    let plain = last();
    let again = desk.run(&["codes", &plain]);
    assert_eq!((err(&again).as_str(), out(&again)), (warned, out(&minted)));
    let host = ["--host", "id.example.com"];
    let named = desk.run(&[&["codes", plain.as_str()][..], &host].concat());
    assert_eq!(err(&named), "");
    let without = desk.run(&[&["codes", plain.as_str(), "--scratch"][..], &host].concat());
    assert_eq!((code(&without), out(&without).as_str()), (1, ""));
    assert!(err(&without).contains("without scratch codes"), "{}", err(&without));
    desk.run(&[&mint[..], &["--scratch"], &host].concat());
    let scratch = last();
    for (option, header) in [("--scratch", "code,url,scratch\n"), ("--no-scratch", "code,url\n")] {
        let written = desk.run(&["codes", &scratch, option]);
        assert!(out(&written).starts_with(header), "{option}: {}", out(&written));
    }
}

#[test]
fn a_check_leaves_no_folder_behind() {
    let desk = Desk::new();
    let (made, kept) = (desk.at("made/inside"), desk.at("kept"));
    std::fs::create_dir(&kept).expect("a folder");
    for dir in [&made, &kept] {
        let done = desk.run(&["rebuild", "--check", "--scratch", dir]);
        assert_eq!(code(&done), 0, "{}", err(&done));
    }
    assert!(!Path::new(&desk.at("made")).exists());
    assert!(Path::new(&kept).exists());
}

#[test]
fn a_demo_keeps_out_of_a_store_that_a_variable_names() {
    let desk = Desk::new();
    let home = tempfile::tempdir().expect("a folder");
    let mut command = bare(&["demo", "--no-serve", "--units", "500"]);
    command.env("DOSSIER_DATA", desk.at("data")).current_dir(home.path());
    let done = command.output().expect("the binary runs");
    assert_eq!(code(&done), 0, "{}", err(&done));
    let text = out(&done);
    let (_, further) = text.split_once("dossier --data dossier-data/demo show ").expect("a hint");
    let first = further.lines().next().expect("a code");
    let args = ["--data", "dossier-data/demo", "show", first];
    let shown = bare(&args).current_dir(home.path()).output().expect("the binary runs");
    assert_eq!(code(&shown), 0, "{}", err(&shown));
    assert_eq!(code(&desk.run(&["show", "CY0001"])), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_is_made_in_an_empty_database_and_in_no_other() {
    let url = Postgres::shared().fresh_database().await;
    let home = tempfile::tempdir().expect("a folder");
    let key = home.path().join("master.key");
    std::fs::write(&key, "5a".repeat(32)).expect("a file");
    let place = ["--database", &url, "--master-key", key.to_str().expect("a name")];
    let run = |args: &[&str]| {
        let done = bare(args).args(place).current_dir(home.path()).output();
        done.expect("the binary runs")
    };
    let demo = ["demo", "--no-serve", "--units", "500"];
    let done = run(&demo);
    assert_eq!(code(&done), 0, "{}", err(&done));
    let text = out(&done);
    assert!(!text.contains(&url), "it may hold a password: {text}");
    let hint = "dossier --database URL --master-key FILE show ";
    let (_, further) = text.split_once(hint).expect("a hint");
    let shown = run(&["show", further.lines().next().expect("a code")]);
    assert_eq!(code(&shown), 0, "{}", err(&shown));
    let again = run(&demo);
    assert_eq!(code(&again), 1, "{}", out(&again));
    assert!(err(&again).contains("needs an empty database"), "{}", err(&again));
    assert_eq!(std::fs::read_dir(home.path()).expect("our folder").count(), 1, "the key alone");
}

#[test]
fn of_several_brands_one_is_chosen() {
    let desk = Desk::new();
    let parties = desk.at("other");
    let text = "code,kind,name,parent_code,region\nOTHER,brand,别家,,440305\n\
                FAC,factory,别家工厂,OTHER,440307\n";
    std::fs::write(&parties, text).expect("a file");
    let founded = desk.run(&["import", "parties", &parties, "--brand", "OTHER"]);
    assert_eq!(code(&founded), 0, "{}", err(&founded));
    let list = |brand: Option<&str>, variable: Option<&str>| {
        let said = brand.map(|brand| ["--brand", brand]);
        let said = said.as_ref().map_or(&[][..], |said| &said[..]);
        let args = [&["party", "list"][..], said].concat();
        let mut command = desk.command(&args);
        command.envs(variable.map(|brand| ("DOSSIER_BRAND", brand)));
        command.output().expect("the binary runs")
    };
    let unsaid = list(None, None);
    assert_eq!(code(&unsaid), 1);
    assert!(err(&unsaid).contains("say --brand CODE"), "{}", err(&unsaid));
    // A word counts more than a variable.
    for (word, variable, shown, hidden) in [
        (Some("BRAND"), None, "深圳工厂", "别家工厂"),
        (Some("OTHER"), None, "别家工厂", "深圳工厂"),
        (None, Some("OTHER"), "别家工厂", "深圳工厂"),
        (Some("BRAND"), Some("OTHER"), "深圳工厂", "别家工厂"),
    ] {
        let listed = list(word, variable);
        assert_eq!(code(&listed), 0, "{}", err(&listed));
        let text = out(&listed);
        assert!(text.contains(shown) && !text.contains(hidden), "{word:?} {variable:?}: {text}");
    }
    let unknown = list(Some("NOBODY"), None);
    assert_eq!(code(&unknown), 1);
    let told = "--brand NOBODY: no such brand; there is BRAND, OTHER";
    assert!(err(&unknown).contains(told), "{}", err(&unknown));
}
