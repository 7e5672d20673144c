//! The command line: one file per command, each a thin layer over the flows.
//!
//! What a command prints to standard output is its answer and nothing else; progress, hints and
//! the one line of an error go to standard error. Exit codes are in [`fault`].

mod activate;
mod audit;
mod backup;
mod batch;
mod bench;
mod brand;
mod case;
mod codes;
mod compliance;
mod demo;
mod export;
mod fault;
mod geo;
mod import;
mod key;
mod keys;
mod kills;
mod mint;
mod open;
mod party;
mod people;
mod person;
mod prove;
mod rebuild;
mod recall;
mod retention;
mod search;
mod serve;
mod show;
mod term;
mod verify;
mod webhook;
mod words;

use crate::config::{self, Global};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

pub use fault::{Exit, Fault};

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 refused, or a file or setting cannot be used; 2 wrong usage; \
3 import: some rows refused; 4 the answer is no (not genuine, not found, not equal, not well); \
5 the store did not answer.";

/// Work on threads of its own, an import's say, may still take this long when the command is over:
/// what was acknowledged is durable, and the rest ends as if the machine had died.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

/// Dossier (一机一档): from factory to hand, every device has a dossier.
#[derive(Debug, Parser)]
#[command(name = "dossier", version, after_help = AFTER_HELP, max_term_width = 100)]
#[command(arg_required_else_help = true, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer over HTTP: pages for the public, the API for systems
    Serve(serve::Args),
    /// Mint codes and write them as CSV (code,url) to standard output
    Mint(mint::Args),
    /// Write the codes of a batch again, or one code as a symbol (SVG)
    Codes(codes::Args),
    /// Take a file of products, parties, sites, territories, production, packs or shipments
    Import(import::Args),
    /// Show the whole dossier of a unit
    Show(show::Args),
    /// Verify codes or identifiers
    Verify(verify::Args),
    /// Write the provable history of a unit as a file that anyone can check
    Prove(prove::ProveArgs),
    /// Check such a file without any server (exit 0 proven, 4 not)
    VerifyProof(prove::VerifyProofArgs),
    /// Record an activation and print the decision
    Activate(activate::Args),
    /// Show the audit trail: who changed what, and who read what is sensitive
    Audit(audit::Args),
    /// Show, give out, erase or hold what is kept about a consumer
    Person(person::Args),
    /// Show how long what is beside the ledger is kept, and what was deleted
    Retention,
    /// Explain where an address is
    Geo(geo::Args),
    /// API keys
    #[command(subcommand)]
    Key(key::Command),
    /// Where messages about events go
    Webhook(webhook::Args),
    /// The code key ring
    #[command(subcommand)]
    Keys(keys::Command),
    /// Batches of codes
    #[command(subcommand)]
    Batch(batch::Command),
    /// Brands
    #[command(subcommand)]
    Brand(brand::Command),
    /// Recalls
    #[command(subcommand)]
    Recall(recall::Command),
    /// Cases: the work on alerts, with one party each
    #[command(subcommand)]
    Case(case::Command),
    /// Find whatever a text names (exit 4 when nothing does)
    Search(search::Args),
    /// How products stand with mandatory coding (exit 4 in breach)
    Compliance(compliance::Args),
    /// Write trace data of all units for an authority, or check such files
    Export(export::Args),
    /// Drop looks at units whose retention clock has run out
    Purge(export::PurgeArgs),
    /// Parties
    #[command(subcommand)]
    Party(party::Command),
    /// Invite somebody to work here; the link is the last word printed, and is never shown again
    Invite(people::InviteArgs),
    /// Who works here
    People,
    /// Make a believable brand, serve it, and print links to look at
    Demo(demo::Args),
    /// Measure every path that must be fast against a bare baseline
    Bench(bench::Args),
    /// Replay the whole ledger and compare (exit 0 equal, 4 different)
    Rebuild(rebuild::Args),
    /// Write a backup while work goes on, its keys sealed under a passphrase
    Backup(backup::BackupArgs),
    /// Bring a backup back into a folder or database without a store
    Restore(backup::RestoreArgs),
    /// Look at everything that can be wrong with a store
    Doctor(backup::DoctorArgs),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // Where help cannot be printed there is nobody to tell.
            let _ = error.print();
            return exit.into();
        }
    };
    log(&cli.command);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(dispatch(cli));
            // Dropped, it would wait for those threads without end.
            runtime.shutdown_timeout(LEFT_BEHIND);
            ended
        }
        Err(error) => Err(Fault::failed(format!("cannot start threads: {error}"))),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(Fault::NobodyReads) => Exit::Done.into(),
        Err(fault) => {
            eprintln!("dossier: {}", term::plain(&fault.to_string()));
            fault.exit().into()
        }
    }
}

/// Where a file may not grow further (`ulimit -f`), the system sends a signal that ends a process
/// which does not listen for it. The write then fails like any other on a full disk, is refused
/// with a sentence, and reading goes on.
fn outlive_the_file_size_limit() {
    let limit = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // The stream is not read: once made, it keeps the system from ending the process.
    if let Err(error) = signal(limit) {
        tracing::warn!(%error, "a file that reaches its size limit will end this process");
    }
}

async fn dispatch(cli: Cli) -> Result<Exit, Fault> {
    outlive_the_file_size_limit();
    let global = &cli.global;
    match cli.command {
        Command::Serve(args) => serve::run(global, args).await,
        Command::Mint(args) => mint::run(global, args).await,
        Command::Codes(args) => codes::run(global, args).await,
        Command::Prove(args) => prove::run(global, args).await,
        Command::VerifyProof(args) => prove::check(&args),
        Command::Import(args) => import::run(global, args).await,
        Command::Show(args) => show::run(global, args).await,
        Command::Verify(args) => verify::run(global, args).await,
        Command::Activate(args) => activate::run(global, args).await,
        Command::Audit(args) => audit::run(global, args).await,
        Command::Person(args) => person::run(global, args).await,
        Command::Retention => retention::run(global).await,
        Command::Geo(args) => geo::run(args),
        Command::Key(command) => key::run(global, command).await,
        Command::Webhook(args) => webhook::run(global, args).await,
        Command::Keys(command) => keys::run(global, command).await,
        Command::Batch(command) => batch::run(global, command).await,
        Command::Brand(command) => brand::run(global, command).await,
        Command::Recall(command) => recall::run(global, command).await,
        Command::Case(command) => case::run(global, command).await,
        Command::Search(args) => search::run(global, args).await,
        Command::Compliance(args) => compliance::run(global, args).await,
        Command::Export(args) => export::run(global, args).await,
        Command::Purge(args) => export::purge(global, args).await,
        Command::Party(command) => party::run(global, command).await,
        Command::Invite(args) => people::invite(global, args).await,
        Command::People => people::list(global).await,
        Command::Demo(args) => demo::run(global, args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Rebuild(args) => rebuild::run(global, args).await,
        Command::Backup(args) => backup::backup(global, args).await,
        Command::Restore(args) => backup::restore(global, args).await,
        Command::Doctor(args) => backup::doctor(global, args).await,
    }
}

/// Where the log goes, and how it looks. Only a server writes it in another form than text, and
/// only one that serves writes it unasked: the one line of an error says what the others have to.
fn log(command: &Command) {
    use serve::LogForm;
    use tracing_subscriber::EnvFilter;
    let (form, access, unasked) = match command {
        Command::Serve(args) => (args.log, args.access_log, "warn"),
        Command::Demo(args) if args.serves() => (LogForm::Text, false, "warn"),
        _ => (LogForm::Text, false, "off"),
    };
    let wanted = config::log_filter().unwrap_or_else(|| unasked.to_owned());
    let mut filter = EnvFilter::try_new(&wanted).unwrap_or_else(|_| EnvFilter::new("warn"));
    if let Ok(lines) = "access=info".parse()
        && access
    {
        filter = filter.add_directive(lines);
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match form {
        LogForm::Text => log.with_ansi(term::is_watched() && !config::no_color()).init(),
        LogForm::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// What the help of an option says.
    fn help_of(command: &str, option: &str) -> String {
        let mut all = Cli::command();
        all.build();
        let found = all.find_subcommand(command).expect("a command");
        let option = found.get_arguments().find(|a| a.get_id() == option).expect("an option");
        option.get_help().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn help_and_refusal_name_the_same_schemes() {
        for words in
            [&["show", "X"][..], &["verify", "X"], &["prove", "X"], &["activate", "--value", "X"]]
        {
            let line = [&["dossier"][..], words, &["--scheme", "foo"]].concat();
            let told = Cli::try_parse_from(line).expect_err("no such scheme").to_string();
            let (_, list) = told.split_once("one of ").expect("a list");
            let list = list.lines().next().unwrap_or_default();
            let help = help_of(words[0], "scheme");
            assert!(help.ends_with(&format!(": {list}")), "{help:?} beside {list:?}");
            assert_eq!(list.contains("sscc"), words[0] == "show", "{list}");
        }
    }

    #[test]
    fn a_demo_is_not_steered_by_variables() {
        for option in ["data", "database"] {
            assert!(help_of("mint", option).contains("[env: DOSSIER_DATA"));
            let help = help_of("demo", option);
            assert!(!help.contains("DOSSIER_") && !help.is_empty(), "{help}");
        }
        let before = Cli::try_parse_from(["dossier", "--data", "x", "demo"]).expect("it is said");
        let behind = Cli::try_parse_from(["dossier", "demo", "--data", "x"]).expect("it is said");
        for cli in [before, behind] {
            assert_eq!(cli.global.data.as_deref(), Some(std::path::Path::new("x")));
            let Command::Demo(args) = cli.command else { panic!("another command") };
            assert_eq!(args.folder(), std::path::Path::new("x"));
        }
    }

    #[test]
    fn what_contradicts_itself_or_names_nothing_is_wrong_usage() {
        let mint = ["dossier", "mint", "--product", "6929141700010", "--count", "1"];
        for wrong in [
            &[&mint[..], &["--no-codes", "--scratch"]].concat()[..],
            &["dossier", "codes", "1", "--scratch", "--no-scratch"],
            &["dossier", "bench", "--only", "nosuch"],
            &["dossier", "bench", "--units", "0"],
        ] {
            let refused = Cli::try_parse_from(wrong).expect_err("it is refused");
            assert!(refused.use_stderr(), "{wrong:?}");
        }
        let told = Cli::try_parse_from(["dossier", "bench", "--only", "nosuch"]);
        let told = told.expect_err("no such path").to_string();
        assert!(told.contains("codes, activation, import"), "{told}");
        assert!(Cli::try_parse_from(["dossier", "bench", "--only", "verify"]).is_ok());
        assert!(Cli::try_parse_from(["dossier", "bench"]).is_ok());
        let nobody = Cli::try_parse_from(["dossier", "person", "--reason", "abc"]);
        let told = nobody.expect_err("it names nobody").to_string();
        assert!(told.contains("--phone") && told.contains("--id"), "{told}");
    }
}
