//! What docs/cli.md tells a newcomer to type, typed letter by letter.

use dossier::files::Kind;
use std::path::Path;
use std::process::Command;

const DOCUMENT: &str = include_str!("../../../../docs/cli.md");

/// The shell blocks, in their order.
fn blocks() -> Vec<&'static str> {
    let parts = DOCUMENT.split("```sh\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn the_first_steps_run_with_the_samples() {
    let blocks = blocks();
    let samples = blocks.iter().find(|block| block.starts_with("cat > parties.csv"));
    let samples = samples.expect("samples of every file");
    // A server that goes on serving is tried elsewhere, and with it what is fetched from it.
    let serves = |line: &&str| line.starts_with("dossier serve") || line.starts_with("curl");
    let steps: Vec<_> = blocks[0].lines().filter(|line| !serves(line)).collect();
    let steps = steps.join("\n").replace(" --key log.key", "");
    let folder = tempfile::tempdir().expect("a folder");
    let program = Path::new(env!("CARGO_BIN_EXE_dossier")).parent().expect("its folder");
    let mut shell = Command::new("sh");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOSSIER_")) {
        shell.env_remove(name);
    }
    shell.args(["-e", "-c", &format!("PATH=\"$1:$PATH\"\n{samples}\n{steps}"), "sh"]).arg(program);
    let done = shell.current_dir(folder.path()).output().expect("a shell");
    let (said, why) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}\n{why}");
    assert_eq!(said.matches("refused 0").count(), Kind::ALL.len(), "{said}\n{why}");
}

#[test]
fn the_columns_of_every_file_are_told() {
    for kind in Kind::ALL {
        let row = DOCUMENT.lines().find(|line| line.starts_with(&format!("| `{kind}` | ")));
        let row = row.unwrap_or_else(|| panic!("{kind} has no row"));
        let must: Vec<_> = kind.required().collect();
        for column in kind.columns() {
            let bold = format!("**`{}`**", column.name);
            assert!(row.contains(&format!("`{}`", column.name)), "{kind}: {}", column.name);
            assert_eq!(row.contains(&bold), must.contains(&column.name), "{kind}: {bold}");
        }
    }
}
