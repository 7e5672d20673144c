//! PostgreSQL copies itself better than we could: its own `pg_dump` and `pg_restore` are run, found
//! by name like any program. A dump is of one instant, while work goes on. The password is handed
//! over beside the command line, which every user of the machine can read.

use super::BackupError;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// Characters of what a program says of its failure that are told.
const SAID_CHARS_MAX: usize = 500;

/// Writes a dump into a file.
///
/// # Errors
/// The program is not there, or says why not.
pub(super) async fn dump(url: &str, file: &Path) -> Result<(), BackupError> {
    let form = ["--format=custom", "--no-owner", "--no-privileges", "--file"];
    run("pg_dump", url, |command| command.args(form).arg(file)).await
}

/// Fills a database that holds no store from a dump, whole or not at all.
///
/// # Errors
/// As [`dump`]; there is a store already.
pub(super) async fn load(url: &str, file: &Path) -> Result<(), BackupError> {
    let form = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"];
    run("pg_restore", url, |command| command.args(form).arg(file)).await
}

async fn run(
    program: &'static str,
    url: &str,
    with: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<(), BackupError> {
    let (plain, password) = apart(url)?;
    let mut command = Command::new(program);
    with(command.arg("--dbname").arg(plain)).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    let told = |said: String| BackupError::Program { program, said };
    let done = command.output().await.map_err(|e| match e.kind() {
        ErrorKind::NotFound => told("not found; install the client programs of PostgreSQL".into()),
        _ => told(e.to_string()),
    })?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(told(said.trim().chars().take(SAID_CHARS_MAX).collect()))
}

/// The URL without its password, and the password.
fn apart(url: &str) -> Result<(String, Option<String>), BackupError> {
    let unreadable = || BackupError::Program {
        program: "pg_dump",
        said: "the password stands before the host: postgres://user:password@host/name".to_owned(),
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(unreadable)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if path.split(['?', '&']).any(|pair| pair.starts_with("password=")) {
        return Err(unreadable());
    }
    let named = authority.rsplit_once('@');
    let Some(((user, password), host)) =
        named.and_then(|(who, host)| Some((who.split_once(':')?, host)))
    else {
        return Ok((url.to_owned(), None));
    };
    let password = decoded(password).ok_or_else(unreadable)?;
    Ok((format!("{scheme}://{user}@{host}{path}"), Some(password)))
}

/// A text with `%` and two hexadecimal digits for a byte.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, behind @ ..] = more else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_stands_on_a_command_line() {
        for (url, plain, password) in [
            ("postgres://u:p%40s%2Fs@h:5432/n", "postgres://u@h:5432/n", Some("p@s/s")),
            (
                "postgresql://u:p:q@[::1]/n?sslmode=off",
                "postgresql://u@[::1]/n?sslmode=off",
                Some("p:q"),
            ),
            ("postgres://u@h/n", "postgres://u@h/n", None),
            ("postgres:///n?host=/run", "postgres:///n?host=/run", None),
            ("postgres://u:%E5%AF%86@h", "postgres://u@h", Some("密")),
        ] {
            let (shown, secret) = apart(url).unwrap();
            assert_eq!((shown.as_str(), secret.as_deref()), (plain, password));
        }
        for url in [
            "postgres://h/n?password=x",
            "postgres://h/n?a=b&password=x",
            "h/n",
            "postgres://u:%4@h",
            "postgres://u:%zz@h",
        ] {
            assert!(apart(url).is_err(), "{url}");
        }
    }
}
