//! The command line as a person or a script meets it: the built binary, real files, exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PARTIES: &str = "code,kind,name,parent_code,region\n\
    BRAND,brand,澄野电子,,440305\n\
    SHOP-1,shop,昆明门店,T2-53,530102\n\
    T2-53,tier2,云南二级,T1-53,530102\n\
    FAC,factory,深圳工厂,BRAND,440307\n\
    T1-53,tier1,云南总代,BRAND,530102\n";
const PRODUCTS: &str = "gtin,name_zh,name_en,category,model\n\
    6929141700010,澄野 N3 Pro,Chengye N3 Pro,phone,CY-N3P\n\
    6929141700011,坏的,Broken,phone,X\n";
const TERRITORIES: &str = "party_code,gtin,regions,from_on\nT1-53,*,53,2026-01-01\n";
const PRODUCTION: &str = "sn,gtin,produced_at,site_code,imei1,line,inspection\n\
    CY0001,6929141700010,2026-05-20 08:00,FAC,860837783533742,L7,pass\n\
    CY0002,6929141700010,2026-05-20 08:01,FAC,,L7,pass\n";
const SHIPMENTS: &str = "shipment_no,from_code,to_code,happened_at,subject\n\
    SO-1,FAC,T1-53,2026-05-22 08:00,CY0001\n";

/// A folder of records and the files to import into it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(args);
        command.arg("--data").arg(self.path().join("data"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    fn import(&self, kind: &str, text: &str) -> Output {
        let file = self.path().join(format!("{kind}.csv"));
        std::fs::write(&file, text).expect("a file");
        self.run(&["import", kind, file.to_str().expect("a name")])
    }

    /// A brand with two units, one of them shipped.
    fn with_brand() -> Self {
        let desk = Self::new();
        assert_eq!(code(&desk.import("parties", PARTIES)), 0);
        assert_eq!(code(&desk.import("products", PRODUCTS)), 3);
        for (kind, text) in
            [("territories", TERRITORIES), ("production", PRODUCTION), ("shipments", SHIPMENTS)]
        {
            let done = desk.import(kind, text);
            assert_eq!(code(&done), 0, "{kind}: {}", err(&done));
        }
        desk
    }
}

/// The binary without any variable that could steer it.
fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dossier"));
    for name in ["DOSSIER_DATA", "DOSSIER_DATABASE", "DOSSIER_MASTER_KEY", "DOSSIER_BRAND"] {
        command.env_remove(name);
    }
    command.env_remove("DOSSIER_HOST").args(args);
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn parties_come_first_and_refusals_are_told_apart_by_exit_code() {
    let desk = Desk::new();
    let early = desk.import("production", PRODUCTION);
    assert_eq!(code(&early), 1);
    assert!(err(&early).contains("import parties first"), "{}", err(&early));

    let parties = desk.import("parties", PARTIES);
    assert_eq!((code(&parties), out(&parties).trim()), (0, "taken 5, unchanged 0, refused 0"));
    let again = desk.import("parties", PARTIES);
    assert_eq!((code(&again), out(&again).trim()), (0, "taken 0, unchanged 5, refused 0"));

    let products = desk.import("products", PRODUCTS);
    assert_eq!((code(&products), out(&products).trim()), (3, "taken 1, unchanged 0, refused 1"));
    assert!(err(&products).contains("row 3, gtin: invalid_field"), "{}", err(&products));

    let missing = desk.run(&["import", "packs", "/no/such/file.csv"]);
    assert_eq!(code(&missing), 1);
    assert_eq!(err(&missing).lines().count(), 1, "{}", err(&missing));
    let columns = desk.import("packs", "sscc,child\n");
    assert_eq!(code(&columns), 1);
    assert!(err(&columns).contains("packed_at"), "{}", err(&columns));
}

#[test]
fn refused_rows_are_written_to_be_corrected_and_sent_again() {
    let desk = Desk::new();
    desk.import("parties", PARTIES);
    let (file, errors) = (desk.path().join("p.csv"), desk.path().join("errors.csv"));
    std::fs::write(&file, PRODUCTS).expect("a file");
    let names = (file.to_str().expect("a name"), errors.to_str().expect("a name"));
    let nothing = desk.run(&["import", "products", names.0, "--all-or-nothing"]);
    assert_eq!(code(&nothing), 3);
    assert!(out(&nothing).starts_with("taken 0, unchanged 0, refused 1"), "{}", out(&nothing));
    assert_eq!(code(&desk.run(&["import", "products", names.0, "--errors", names.1])), 3);
    let written = std::fs::read_to_string(&errors).expect("the errors");
    let mut lines = written.lines();
    let header = lines.next().unwrap_or_default();
    assert!(header.starts_with("error_row,error_column,error_code,error_reason,gtin"), "{header}");
    let row = lines.next().unwrap_or_default();
    assert!(row.starts_with("3,gtin,invalid_field,"), "{row}");
    assert_eq!(lines.next(), None);
    let own = desk.run(&["import", "products", names.0, "--errors", names.0]);
    assert_eq!(code(&own), 1);
    assert_eq!(std::fs::read_to_string(&file).expect("untouched"), PRODUCTS);
}

#[test]
fn standard_input_is_a_file_too() {
    let desk = Desk::new();
    let mut child = desk
        .command(&["import", "parties", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(PARTIES.as_bytes()).expect("written");
    let done = child.wait_with_output().expect("it ends");
    assert_eq!((code(&done), out(&done).trim()), (0, "taken 5, unchanged 0, refused 0"));
}

#[test]
fn mint_writes_nothing_but_csv() {
    let desk = Desk::with_brand();
    let product = ["--product", "6929141700010", "--host", "id.example.com"];
    let minted = desk.run(&[&["mint", "--count", "10000"], &product[..]].concat());
    assert_eq!(code(&minted), 0, "{}", err(&minted));
    assert_eq!(err(&minted), "");
    let text = out(&minted);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("code,url"));
    let mut codes = std::collections::HashSet::new();
    for line in lines {
        let (code, url) = line.split_once(',').expect("two columns");
        assert_eq!(code.len(), 13);
        assert_eq!(url, format!("https://id.example.com/01/06929141700010/21/{code}"));
        codes.insert(code);
    }
    assert_eq!(codes.len(), 10_000);

    let list = out(&desk.run(&["batch", "list"]));
    let rows = list.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    let batch = rows.filter(|row| row[1] == "printed").map(|row| row[0]).next_back().expect("it");
    let again = desk.run(&["codes", batch, "--host", "id.example.com"]);
    assert!(out(&again) == text, "the same codes in the same order");
    let one = desk.run(&["codes", batch, "--format", "ndjson", "--from", "7", "--to", "7"]);
    let seventh = text.lines().nth(7).and_then(|l| l.split(',').next()).expect("a code");
    assert!(out(&one).starts_with(&format!("{{\"code\":\"{seventh}\",\"url\":\"https://")));
    assert_eq!(out(&one).lines().count(), 1);
    for symbology in ["qr", "datamatrix"] {
        let svg = desk.run(&["codes", seventh, "--svg", symbology]);
        assert!(out(&svg).starts_with("<svg "), "{}", err(&svg));
    }

    let scratch = desk.run(&[&["mint", "--count", "2", "--scratch"], &product[..]].concat());
    assert!(out(&scratch).starts_with("code,url,scratch\n"));
    let unknown = desk.run(&["mint", "--product", "6929141700027", "--count", "1"]);
    assert_eq!((code(&unknown), out(&unknown).as_str()), (1, ""));
}

#[test]
fn a_reader_that_goes_away_ends_minting_quietly() {
    let desk = Desk::with_brand();
    let mut child = desk
        .command(&["mint", "--product", "6929141700010", "--count", "200000", "--host", "x.cn"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!((code(&ended), err(&ended).as_str()), (0, ""));
}

#[test]
fn a_new_key_is_the_last_word() {
    let desk = Desk::with_brand();
    let made = desk.run(&["key", "new", "--party", "BRAND", "--scopes", "all"]);
    assert_eq!(code(&made), 0, "{}", err(&made));
    let text = out(&made);
    let key = text.split_whitespace().last().expect("a word");
    let (id, secret) = key.strip_prefix("dos_").and_then(|k| k.split_once('.')).expect("a key");
    assert_eq!((id.len(), secret.len()), (12, 48));
    let list = out(&desk.run(&["key", "list"]));
    assert!(list.contains(id) && !list.contains(secret));
    assert_eq!(code(&desk.run(&["key", "revoke", id])), 0);
    let unknown = desk.run(&["key", "new", "--party", "NOBODY", "--scopes", "verify,read"]);
    assert_eq!(code(&unknown), 1);
    assert_eq!(code(&desk.run(&["key", "new", "--party", "BRAND", "--scopes", "root"])), 2);
}

#[test]
fn a_key_is_bound_rotated_and_withdrawn() {
    let desk = Desk::with_brand();
    let new = ["key", "new", "--party", "T1-53", "--scopes", "ship,read", "--name", "仓库"];
    let bounds = ["--expires", "2190-12-31", "--from", "10.0.0.0/8", "2001:db8::1"];
    let made = desk.run(&[&new[..], &bounds].concat());
    assert_eq!(code(&made), 0, "{}", err(&made));
    let last = |told: &Output| out(told).split_whitespace().last().expect("a word").to_owned();
    let key = last(&made);
    let id = key.strip_prefix("dos_").and_then(|k| k.split('.').next()).expect("a key").to_owned();
    let line = || {
        let list = out(&desk.run(&["key", "list"]));
        let line = list.lines().find(|line| line.starts_with(&id)).expect("it is listed");
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let cells = line();
    let bound = "10.0.0.0/8,2001:db8::1/128";
    assert_eq!(cells[1..5], ["active", "T1-53", "read,ship", bound], "{cells:?}");
    assert_eq!(cells[5..7], ["2190-12-31", "-"], "{cells:?}");
    let rotated = desk.run(&["key", "rotate", &key, "--overlap", "7d"]);
    assert_eq!(code(&rotated), 0, "{}", err(&rotated));
    assert!(last(&rotated).starts_with(&format!("dos_{id}.")) && last(&rotated) != key);
    assert_eq!(line()[1], "rotating");
    assert_eq!(code(&desk.run(&["key", "rotate", &id])), 0);
    assert_eq!(line()[1], "active", "without an overlap the secret before ends at once");
    assert_eq!(code(&desk.run(&["key", "revoke", &id])), 0);
    assert_eq!(line()[1], "revoked");
    let over = desk.run(&["key", "rotate", &id]);
    assert_eq!(code(&over), 1);
    assert!(err(&over).contains("make a new one"), "{}", err(&over));
    assert_eq!(code(&desk.run(&["key", "revoke", "000000000000"])), 1);
    let past = desk.run(&[&new[..], &["--expires", "2020-01-01"]].concat());
    assert_eq!(code(&past), 2);
    assert_eq!(err(&past), "dossier: --expires 2020-01-01: must lie ahead\n");
    for wrong in [["--expires", "2026-02-30"], ["--expires", "soon"], ["--from", "10.0.0.0/33"]] {
        assert_eq!(code(&desk.run(&[&new[..], &wrong].concat())), 2, "{wrong:?}");
    }
    assert_eq!(code(&desk.run(&["key", "rotate", &id, "--overlap", "91d"])), 2);
}

#[test]
fn show_tells_the_whole_dossier() {
    let desk = Desk::with_brand();
    let shown = desk.run(&["show", "860837783533742"]);
    assert_eq!(code(&shown), 0, "{}", err(&shown));
    let text = out(&shown);
    for fact in [
        "正品，待激活",
        "澄野 N3 Pro (Chengye N3 Pro)",
        "6929141700010",
        "CY0001",
        "860837783533742",
        "2026-05-20 08:00  深圳工厂 FAC  L7",
        "合格",
        "深圳工厂 FAC → 云南总代 T1-53  SO-1",
        "云南总代 T1-53（在途）",
        "2026-08-20",
    ] {
        assert!(text.contains(fact), "{fact} is missing in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colour without a terminal");
    let english = out(&desk.run(&["show", "CY0001", "--lang", "en"]));
    assert!(english.contains("Not activated") && english.contains("in transit"), "{english}");
    let nothing = desk.run(&["show", "CY9999"]);
    assert_eq!(code(&nothing), 4);
    assert!(out(&nothing).contains("查无"), "{}", out(&nothing));
}

#[test]
fn show_tells_a_pack() {
    let desk = Desk::with_brand();
    let sscc = "106901234500000010";
    let packed = format!("sscc,child,packed_at\n{sscc},CY0002,2026-05-21 08:00\n");
    assert_eq!(code(&desk.import("packs", &packed)), 0);
    let paper = SHIPMENTS.replace("SO-1", "SO-2").replace("CY0001", sscc);
    assert_eq!(code(&desk.import("shipments", &paper)), 0);
    let shown = desk.run(&["show", sscc]);
    assert_eq!(code(&shown), 0, "{}", err(&shown));
    let text = out(&shown);
    for fact in [
        "包装",
        sscc,
        "6929141700010  澄野 N3 Pro",
        "云南总代 T1-53（在途）",
        "深圳工厂 FAC → 云南总代 T1-53  SO-2",
        "单据",
        "SO-2  发运  深圳工厂 FAC → 云南总代 T1-53  未签收",
        "装箱",
        "CY0002",
    ] {
        assert!(text.contains(fact), "{fact} is missing in\n{text}");
    }
    let english = out(&desk.run(&["show", sscc, "--scheme", "sscc", "--lang", "en"]));
    for fact in ["Pack", "Chengye N3 Pro", "in transit", "Papers", "no receipt", "Contents"] {
        assert!(english.contains(fact), "{fact} is missing in\n{english}");
    }
    let words = ["包装", "产品", "状态", "单据", "内含", "流转", "档案"];
    assert!(!words.iter().any(|word| english.contains(word)), "{english}");
    assert_eq!(code(&desk.run(&["show", sscc, "--scheme", "sn"])), 4);
    assert_eq!(code(&desk.run(&["show", "106901234500000027"])), 4);
}

#[test]
fn activating_and_verifying_agree() {
    let desk = Desk::with_brand();
    let report = ["activate", "--scheme", "sn", "--value", "CY0001", "--fingerprint", "f1"];
    let at = ["--at", "2026-06-01 09:00"];
    let done = desk.run(&[&report[..], &at, &["--ip", "222.172.200.1", "--json"]].concat());
    assert_eq!(code(&done), 0, "{}", err(&done));
    let decision: serde_json::Value = serde_json::from_str(&out(&done)).expect("JSON");
    assert_eq!(decision["first"], true);
    assert_eq!(decision["warranty"]["ends_on"], "2027-06-01");

    let good = desk.run(&["verify", "CY0001", "CY0002"]);
    assert_eq!(code(&good), 0, "{}", out(&good));
    let json = desk.run(&["verify", "CY0001", "22222222222AB", "--json"]);
    assert_eq!(code(&json), 4);
    let verdicts: Vec<serde_json::Value> =
        out(&json).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(verdicts[0]["verdict"], "genuine");
    assert_ne!(verdicts[1]["verdict"], "genuine");
    let seller = desk.run(&["verify", "CY0002", "--seller", "T1-53", "--json"]);
    assert!(out(&seller).contains("\"seller\":\"other_hands\""), "{}", out(&seller));
}

#[test]
fn a_database_needs_its_master_key() {
    let refused = bare(&["--database", "postgres://nobody@127.0.0.1:1/none", "batch", "list"])
        .output()
        .expect("the binary runs");
    assert_eq!(code(&refused), 1);
    let sentence = err(&refused);
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    assert!(sentence.contains("--master-key FILE or DOSSIER_MASTER_KEY"), "{sentence}");
}

#[test]
fn a_lost_master_key_is_not_replaced_by_a_fresh_one() {
    let desk = Desk::with_brand();
    let key = desk.path().join("data/master.key");
    let moved = desk.path().join("kept.key");
    std::fs::rename(&key, &moved).expect("moved");
    let refused = desk.run(&["batch", "list"]);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("master.key is missing"), "{}", err(&refused));
    assert!(!key.exists());
    let given = desk.run(&["batch", "list", "--master-key", moved.to_str().expect("a name")]);
    assert_eq!(code(&given), 0, "{}", err(&given));
}

#[test]
fn a_rewrap_cut_off_half_way_is_finished_by_the_next_command() {
    let desk = Desk::with_brand();
    let data = desk.path().join("data");
    let old = std::fs::read(data.join("master.key")).expect("the key");
    let file = desk.path().join("new.key");
    let name = file.to_str().expect("a name");
    let done = desk.run(&["keys", "rewrap", "--new-master-key", name]);
    assert_eq!(code(&done), 0, "{}", err(&done));
    let new = std::fs::read(&file).expect("the new key");
    assert_eq!(std::fs::read(data.join("master.key")).expect("the key"), new);
    // As if the machine had died after the commit and before the rename.
    std::fs::write(data.join("master.key.next"), &new).expect("written");
    std::fs::write(data.join("master.key"), &old).expect("written");
    let next = desk.run(&["keys", "status"]);
    assert_eq!(code(&next), 0, "{}", err(&next));
    assert_eq!(std::fs::read(data.join("master.key")).expect("the key"), new);
    assert!(!data.join("master.key.next").exists());
    // As if it had died before the commit: the old key still fits, the next file is ignored.
    std::fs::write(data.join("master.key.next"), &old).expect("written");
    assert_eq!(code(&desk.run(&["show", "CY0001"])), 0);
}

#[test]
fn wrong_usage_is_exit_2_and_help_is_exit_0() {
    for wrong in [&["frobnicate"][..], &["mint"], &["import", "widgets", "x.csv"], &[]] {
        assert_eq!(code(&bare(wrong).output().expect("it runs")), 2, "{wrong:?}");
    }
    let zero = ["mint", "--product", "6929141700010", "--count", "0"];
    assert_eq!(code(&bare(&zero).output().expect("it runs")), 2);
    for right in [&["--help"][..], &["--version"], &["import", "--help"]] {
        assert_eq!(code(&bare(right).output().expect("it runs")), 0, "{right:?}");
    }
}

#[test]
fn geo_needs_no_store() {
    let told = bare(&["geo", "123.123.123.123"]).output().expect("it runs");
    assert_eq!(code(&told), 0);
    assert!(out(&told).contains("北京"), "{}", out(&told));
}

#[test]
fn serve_says_where_and_ends_when_told() {
    use std::io::{BufRead, BufReader};
    let desk = Desk::with_brand();
    let mut child = desk
        .command(&["serve", "--listen", "127.0.0.1:0", "--limits", "off"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening on http://").expect("the address");
    assert!(std::net::TcpStream::connect(address).is_ok());
    let taken = desk.run(&["serve", "--listen", address]);
    assert_eq!(code(&taken), 1);
    assert!(err(&taken).contains("cannot listen on"), "{}", err(&taken));
    let kill = Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
    assert!(kill.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_backup_that_does_not_open_leaves_no_key_behind() {
    let desk = Desk::with_brand();
    let (words, wrong) = (desk.path().join("words"), desk.path().join("wrong"));
    std::fs::write(&words, "correct horse battery\n").expect("a file");
    std::fs::write(&wrong, "wrong horse battery\n").expect("a file");
    let (copy, keys) = (desk.path().join("copy"), desk.path().join("keys.json"));
    let text = |path: &Path| path.to_str().expect("a name").to_owned();
    let passphrase = |path: &Path| ["--passphrase-file".to_owned(), text(path)];
    let run = |words: &[String], data: &Path| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        bare(&words).arg("--data").arg(data).output().expect("the binary runs")
    };
    let data = desk.path().join("data");
    let backup = [&["backup".to_owned(), text(&copy)], &passphrase(&words)[..]].concat();
    assert_eq!(code(&run(&backup, &data)), 0);
    let alone = [&backup[..], &["--keys-only".to_owned()]].concat();
    let alone = alone.into_iter().map(|w| if w == text(&copy) { text(&keys) } else { w });
    assert_eq!(code(&run(&alone.collect::<Vec<_>>(), &data)), 0);

    let fresh = desk.path().join("fresh");
    let restore =
        |with: &Path| [&["restore".to_owned(), text(&copy)], &passphrase(with)[..]].concat();
    let refused = run(&restore(&wrong), &fresh);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("passphrase"), "{}", err(&refused));
    assert!(!fresh.join("master.key").exists());
    assert_eq!(code(&run(&restore(&words), &fresh)), 0);
    assert!(fresh.join("master.key").exists());

    std::fs::remove_file(data.join("master.key")).expect("it is lost");
    let only = |with: &Path| {
        let restore = ["restore".to_owned(), text(&keys), "--keys-only".to_owned()];
        [&restore[..], &passphrase(with)[..]].concat()
    };
    assert_eq!(code(&run(&only(&wrong), &data)), 1);
    assert!(!data.join("master.key").exists());
    assert_eq!(code(&run(&only(&words), &data)), 0);
    assert_eq!(code(&desk.run(&["show", "CY0001"])), 0);
}

/// The mode of a folder and of what stands in it, where it is looser than the owner's alone.
fn open_to_others(dir: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let inside = std::fs::read_dir(dir).expect("a folder").map(|e| e.expect("a file").path());
    let all = inside.chain([dir.to_owned()]).map(|path| {
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        (path, mode)
    });
    let loose = all.filter(|(path, mode)| mode & 0o077 != 0 && !path.ends_with("demo-links.txt"));
    loose.map(|(path, mode)| format!("{} {mode:o}", path.display())).collect()
}

#[test]
fn every_folder_that_we_make_is_closed_to_others() {
    let desk = Desk::with_brand();
    let at = |name: &str| desk.path().join(name).to_str().expect("a name").to_owned();
    std::fs::write(at("words"), "correct horse battery\n").expect("a file");
    let done = |args: &[&str]| {
        // Whatever the tests run under, this is what a machine has by default.
        let args = ["-c", "umask 022; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_dossier")]
            .into_iter()
            .chain(args.iter().copied());
        let seen = Command::new("sh").args(args).output().expect("the binary runs");
        assert_eq!(code(&seen), 0, "{}", err(&seen));
    };
    let (copy, words, data) = (at("copy"), at("words"), at("data"));
    let (fresh, demo, first) = (at("fresh"), at("demo"), at("first"));
    done(&["backup", &copy, "--passphrase-file", &words, "--data", &data]);
    // A backup that was carried about, its mode with it.
    let loose = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(Path::new(&copy).join("dossier.db"), loose).expect("our file");
    assert_eq!(open_to_others(Path::new(&copy)).len(), 1, "only what was just opened");
    done(&["restore", &copy, "--passphrase-file", &words, "--data", &fresh]);
    done(&["demo", "--no-serve", "--units", "500", "--data", &demo]);
    done(&["brand", "list", "--data", &first]);
    for dir in [fresh, demo, first] {
        assert_eq!(open_to_others(Path::new(&dir)), Vec::<String>::new());
    }
}

#[test]
fn nothing_is_not_found_in_order_and_not_backed_up() {
    let desk = Desk::new();
    let copy = desk.path().join("copy");
    let copy = copy.to_str().expect("a name");
    for args in [vec!["rebuild", "--check"], vec!["doctor"], vec!["backup", copy]] {
        let refused = desk.run(&args);
        assert_eq!((code(&refused), out(&refused)), (1, String::new()), "{args:?}");
        assert!(err(&refused).contains("there are no records in"), "{}", err(&refused));
    }
    let left: Vec<_> = std::fs::read_dir(desk.path()).expect("our folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_fresh_store_is_well_although_its_geodata_ages() {
    let desk = Desk::with_brand();
    let seen = desk.run(&["doctor"]);
    let geodata = out(&seen);
    let geodata = geodata.lines().find(|line| line.contains("geodata")).expect("it is looked at");
    assert!(!geodata.starts_with('✗'), "{geodata}");
    let ill: Vec<_> =
        out(&seen).lines().filter(|l| l.starts_with('✗')).map(str::to_owned).collect();
    // How much room the machine has is not ours to say.
    let ours = ill.iter().any(|line| !line.contains(" room "));
    assert!(!ours, "{ill:?}");
    assert_eq!(code(&seen), if ill.is_empty() { 0 } else { 4 });
}

#[test]
fn the_operator_vouches_for_a_brand() {
    let desk = Desk::with_brand();
    let listed = desk.run(&["brand", "list"]);
    assert!(out(&listed).contains("BRAND  yes      澄野电子"), "{}", out(&listed));
    for (args, said) in [
        (&["brand", "vouch", "BRAND"][..], "BRAND: was vouched for already\n"),
        (&["brand", "vouch", "BRAND", "--withdraw"], "BRAND: no longer vouched for\n"),
        (&["brand", "vouch", "BRAND"], "BRAND: vouched for\n"),
    ] {
        let done = desk.run(args);
        assert_eq!((code(&done), out(&done).as_str()), (0, said), "{}", err(&done));
    }
    let unknown = desk.run(&["brand", "vouch", "NOBODY"]);
    assert_eq!(code(&unknown), 1);
    assert!(err(&unknown).contains("brand: no such brand; there is BRAND"), "{}", err(&unknown));
}

#[test]
fn unprinted_codes_that_were_written_out_are_not_handed_out() {
    let desk = Desk::with_brand();
    let mint = ["mint", "--product", "6929141700010", "--count", "3", "--purpose", "unprinted"];
    let open = desk.run(&[&mint[..], &["--no-codes"]].concat());
    assert_eq!((code(&open), out(&open).as_str()), (0, ""));
    let written = desk.run(&mint);
    assert_eq!((code(&written), out(&written).lines().count()), (0, 4));
    let list = out(&desk.run(&["batch", "list"]));
    let states: Vec<_> = list
        .lines()
        .map(|l| l.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row[2] == "3")
        .map(|row| row[3])
        .collect();
    assert_eq!(states, ["issued", "exported"], "{list}");
}
