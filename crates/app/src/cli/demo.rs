//! `demo`: makes a believable brand, serves it, and prints links that are ready to open.

use super::serve::{self, Limits};
use super::{Exit, Fault, open, term};
use crate::api::ServeOptions;
use crate::clock::{Clock, Stopwatch};
use crate::config::{DATA_DIR, Global, MASTER_KEY_FILE};
use crate::flows::House;
use crate::flows::house::Settings;
use crate::flows::people::set_up;
use crate::geo::{Geo, GeoPaths};
use crate::secrets::MasterKey;
use crate::world::{self, UNITS_MAX, UNITS_MIN, World, WorldOptions, demo_links_text};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::StoreError;
use store::engine::{Engine, FILE_NAME, SqliteOptions, Target, is_open_elsewhere, private_folder};

/// What the demo's folder is called when none is given.
const FOLDER: &str = "demo";
/// Written last: a folder with it holds a whole brand and can be shown again.
const LINKS_FILE: &str = "demo-links.txt";
/// Written first: what is in the folder is a demo, whole or not, and may be replaced.
const UNFINISHED_FILE: &str = "demo-unfinished";
/// Said of a database that somebody has used.
const NOT_EMPTY: &str = "there is a store in it already; a demonstration needs an empty database";

/// What `demo` takes. Where it is kept is said in words of its own in place of those of every
/// command: variables that name a real store must not have a whole brand written into it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the demo, an earlier one in it is replaced unless it is in use; no variable names
    /// it, so that none gets into a real store [default: dossier-data/demo]
    #[arg(long, value_name = "DIR", help_heading = "Where the records are")]
    data: Option<PathBuf>,
    /// An empty PostgreSQL database instead: postgres://user:password@host/name; no variable
    /// names it
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    #[arg(help_heading = "Where the records are")]
    database: Option<String>,
    /// How many units the brand has made
    #[arg(
        long,
        default_value_t = 50_000,
        value_parser = clap::value_parser!(u32).range(UNITS_MIN as i64..=UNITS_MAX as i64)
    )]
    units: u32,
    /// Another seed makes another brand of the same kind
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Rate limits
    #[arg(long, value_enum, default_value_t = Limits::On)]
    limits: Limits,
    /// Write base address and links as JSON once they can be opened
    #[arg(long, value_name = "FILE")]
    links_json: Option<PathBuf>,
    /// Make the brand and stop
    #[arg(long)]
    no_serve: bool,
}

impl Args {
    /// Whether it goes on as a server.
    pub(super) fn serves(&self) -> bool {
        !self.no_serve
    }

    /// Where it is kept, unless in a database.
    pub(super) fn folder(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| Path::new(DATA_DIR).join(FOLDER))
    }
}

/// Makes the brand in a fresh folder (an earlier demo there is replaced, unless somebody uses it),
/// or in an empty database, and serves it.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    // Before anything is removed or made: what cannot be served need not be.
    let listener = match args.serves() {
        true => Some(serve::bind(&args.listen).await?),
        false => None,
    };
    let place = Place::of(global, &args).await?;
    let geo = Arc::new(Geo::load(&GeoPaths::default())?);
    let watch = Stopwatch::start();
    let world = make(&place, &geo, &args).await?;
    let seconds = watch.elapsed().as_secs_f64();
    eprintln!(
        "{} units, {} activations, {} parties in {seconds:.1} s, kept in {}",
        world.unit_count,
        world.activated_count,
        world.party_count,
        place.name()
    );
    let Some(listener) = listener else {
        // Nothing listens there until somebody serves it.
        let serve = format!("dossier {} serve", place.options());
        let text = demo_links_text(&world, "http://127.0.0.1:8080")
            + &format!("\n先启动服务，链接才能打开  the links open while it is served: {serve}\n")
            + &place.further(&world);
        place.finish(&text)?;
        if let Some(path) = &args.links_json {
            write_json(path, &world, ("http://127.0.0.1:8080", ""))?;
        }
        term::print(&text)?;
        return Ok(Exit::Done);
    };
    let house = place.open(&geo, Clock::System, true).await?;
    let sign_in = format!("/sign-in/{}", set_up::demo_link(&house).await?);
    let ready = |base: &str| {
        let mut text = demo_links_text(&world, base);
        text.push_str(&format!(
            "\n登录（一天内，只能用一次）  sign in, once, within a day: {base}{sign_in}\n"
        ));
        text.push_str(&place.further(&world));
        place.finish(&text)?;
        if let Some(path) = &args.links_json {
            write_json(path, &world, (base, &sign_in))?;
        }
        term::print(&text).map_err(Fault::from)
    };
    let options = ServeOptions { limits: args.limits == Limits::On, ..ServeOptions::default() };
    serve::serve(Arc::new(house), serve::Door { listener, options }, ready).await
}

/// Where a demonstration is kept.
enum Place<'a> {
    Folder(Room),
    Database(&'a Global),
}

impl<'a> Place<'a> {
    async fn of(global: &'a Global, args: &Args) -> Result<Self, Fault> {
        if args.database.is_none() {
            return Ok(Self::Folder(Room::take(args.folder())?));
        }
        // Opened, a store of an older version would be brought up to this one.
        if let Target::Postgres { url } = global.target()?
            && Engine::postgres_holds_store(&url).await.map_err(StoreError::from)?
        {
            return Err(Fault::failed(NOT_EMPTY));
        }
        Ok(Self::Database(global))
    }

    fn name(&self) -> String {
        match self {
            Self::Folder(room) => room.dir.display().to_string(),
            Self::Database(_) => "the database".to_owned(),
        }
    }

    /// How other commands are told where it is: without a word they would look elsewhere.
    fn options(&self) -> String {
        match self {
            // What a shell would take apart is quoted.
            Self::Folder(room) => match room.dir.display().to_string() {
                plain if plain.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c)) => {
                    format!("--data {plain}")
                }
                other => format!("--data '{}'", other.replace('\'', "'\\''")),
            },
            // The URL holds a password.
            Self::Database(_) => "--database URL --master-key FILE".to_owned(),
        }
    }

    /// How other commands look at it. That a unit was started outside its territory is told there
    /// and on no page.
    fn further(&self, world: &World) -> String {
        let place = self.options();
        let states = [world::State::Genuine, world::State::OutsideTerritory];
        let links: Vec<_> = states.into_iter().filter_map(|state| world.link(state)).collect();
        let widest = |pick: fn(&'static str, &'static str) -> &'static str| {
            let titles = links.iter().map(|link| link.state.titles());
            titles.map(|(zh, en)| term::width(pick(zh, en))).max().unwrap_or(0)
        };
        let (wide_zh, wide_en) = (widest(|zh, _| zh), widest(|_, en| en));
        let mut text = "\n其他命令  other commands\n".to_owned();
        for link in links {
            let (zh, en) = link.state.titles();
            let (zh, en) = (term::pad(zh, wide_zh), term::pad(en, wide_en));
            text += &format!("  {zh}  {en}  dossier {place} show {}\n", link.code);
        }
        text
    }

    /// Notes in the folder that it holds a whole brand.
    fn finish(&self, links: &str) -> Result<(), Fault> {
        let Self::Folder(Room { dir, .. }) = self else { return Ok(()) };
        std::fs::write(dir.join(LINKS_FILE), links).map_err(|e| Fault::file(dir, &e))?;
        match std::fs::remove_file(dir.join(UNFINISHED_FILE)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Fault::file(dir, &e)),
            _ => Ok(()),
        }
    }

    /// Opens it, while the brand is being made or when it is whole.
    async fn open(&self, geo: &Arc<Geo>, clock: Clock, whole: bool) -> Result<House, Fault> {
        let (target, master) = match self {
            Self::Folder(Room { dir, .. }) => {
                // Half a demo is begun anew, so no commit waits for the disk; closed, all is on it.
                // And a map of the file would be made anew at each of so many commits.
                let making =
                    SqliteOptions { durable: false, map_bytes: 0, ..SqliteOptions::default() };
                let options = if whole { SqliteOptions::default() } else { making };
                let target = Target::Sqlite { dir: dir.clone(), options };
                (target, MasterKey::from_file_or_new(&dir.join(MASTER_KEY_FILE))?)
            }
            Self::Database(global) => {
                let target = global.target()?;
                let key = open::read_key(&global.key_source(&target)?)?;
                (target, key)
            }
        };
        let settings = Settings { hotline: "400-000-0000".to_owned(), ..Settings::default() };
        Ok(House::open(&target, master, clock, Arc::clone(geo), settings).await?)
    }
}

/// The folder of a demo, in which no other makes or serves one while this lasts.
struct Room {
    dir: PathBuf,
    /// Locked; the lock ends with the process, however that ends.
    _folder: File,
}

impl Room {
    /// An empty folder, or one that holds an earlier demo, also half of one, whose own files are
    /// then removed. Whatever is refused leaves all as it is.
    fn take(dir: PathBuf) -> Result<Self, Fault> {
        let failed = |e: std::io::Error| Fault::file(&dir, &e);
        private_folder(&dir).map_err(failed)?;
        let folder = File::open(&dir).map_err(failed)?;
        let is_used = match folder.try_lock() {
            // Served by `serve`, or looked at.
            Ok(()) => is_open_elsewhere(&dir).map_err(failed)?,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        };
        let name = dir.display();
        if is_used {
            return Err(Fault::failed(format!(
                "{name} 正被另一个进程使用，未作任何改动；请先停止该进程，或用 --data 指定别的文件夹  \
                 another process uses {name} and nothing in it was changed; stop that process, \
                 or give another --data"
            )));
        }
        let is_demo = [LINKS_FILE, UNFINISHED_FILE].iter().any(|sign| dir.join(sign).exists());
        if !is_demo && std::fs::read_dir(&dir).map_err(failed)?.next().is_some() {
            return Err(Fault::failed(format!(
                "{name} is not empty and holds no demo; give another --data, or remove it"
            )));
        }
        // First: what is cut off from here on may be begun anew.
        std::fs::write(dir.join(UNFINISHED_FILE), "").map_err(failed)?;
        for own in own_files() {
            match std::fs::remove_file(dir.join(own)) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(e)),
                _ => {}
            }
        }
        if is_demo {
            eprintln!("已替换 {name} 中先前的演示  the earlier demo in {name} is replaced");
        }
        Ok(Self { dir, _folder: folder })
    }
}

/// What a demo consists of but for the sign that it is unfinished: all that another removes.
fn own_files() -> impl Iterator<Item = String> {
    let database = ["", "-journal", "-shm", "-wal"].map(|end| format!("{FILE_NAME}{end}"));
    let others = [MASTER_KEY_FILE, open::NEXT_KEY_FILE, LINKS_FILE].map(str::to_owned);
    database.into_iter().chain(others)
}

async fn make(place: &Place<'_>, geo: &Arc<Geo>, args: &Args) -> Result<World, Fault> {
    let now = Clock::System.now();
    let clock = Clock::simulated(now);
    let house = Arc::new(place.open(geo, clock.clone(), false).await?);
    if !house.reference().await?.brands.is_empty() {
        return Err(Fault::failed(NOT_EMPTY));
    }
    let options = WorldOptions { seed: args.seed, unit_count: args.units, now };
    let bar = term::bar(0, "steps");
    let mut progress = |stage: world::Stage, done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(stage.as_str());
    };
    let world = world::build(&house, &clock, options, &mut progress).await;
    bar.finish_and_clear();
    house.store.close().await;
    Ok(world?)
}

fn write_json(path: &Path, world: &World, (base, sign_in): (&str, &str)) -> Result<(), Fault> {
    let mut links = serde_json::Map::new();
    for link in &world.links {
        links.insert(link.state.key().to_owned(), link.path().into());
    }
    if let Some(genuine) = world.link(world::State::Genuine) {
        for page in ["register", "report", "centres"] {
            links.insert(page.to_owned(), format!("{}/{page}", genuine.path()).into());
        }
    }
    links.insert("home".to_owned(), "/".into());
    links.insert("privacy".to_owned(), "/privacy".into());
    links.insert("history".to_owned(), "/log".into());
    if !sign_in.is_empty() {
        links.insert("sign_in".to_owned(), sign_in.into());
    }
    links.insert("not_found".to_owned(), "/no-such-page".into());
    let text = serde_json::json!({ "base": base, "links": links }).to_string();
    // Renamed into place, so whoever waits for it never reads half of it.
    let half = path.with_extension("half");
    std::fs::write(&half, text)
        .and_then(|()| std::fs::rename(&half, path))
        .map_err(|e| Fault::file(path, &e))
}
