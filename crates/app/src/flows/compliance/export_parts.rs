//! An export as files: parts of so many rows and a manifest that names each with its count and
//! hash. The manifest is replaced whole after each part, so an export that was cut off at any
//! moment goes on from its last whole part; what stands in the folder without being in the
//! manifest, or is not what the manifest says, is made again.

use crate::flows::caller::Caller;
use crate::flows::compliance::export::{
    Cursor, Format, Part, SCHEMA, as_of_now, csv_header, schema,
};
use crate::flows::house::House;
use crate::flows::outcome::FlowError;
use crate::flows::reference::Reference;
use domain::refusal::Refused;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::canonical::hex;

/// The name of the manifest in the folder.
pub const MANIFEST: &str = "manifest.json";
/// The name of the schema of a row in the folder.
pub const SCHEMA_FILE: &str = "schema.json";

/// What the folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Which columns.
    pub schema: String,
    /// Whose units: the brand's code.
    pub brand: String,
    /// Who wrote it out: the party's code.
    pub party: String,
    /// `csv` or `ndjson`.
    pub format: String,
    /// Rows of each part but the last.
    pub part_rows: usize,
    /// As of when.
    pub as_of: String,
    /// The parts, in order.
    pub parts: Vec<PartLine>,
    /// Rows in all parts.
    pub total_count: u64,
    /// Whether nothing is missing at the end.
    pub complete: bool,
}

/// A part in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartLine {
    /// Its file.
    pub file: String,
    /// Rows.
    pub count: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Where the next part begins; nothing behind the last.
    pub next: Option<String>,
}

/// Why an export to files stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Refused, or the store does not answer.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The folder cannot be used.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    File(PathBuf, io::Error),
    /// The folder holds something else.
    #[error("{0}")]
    Other(String),
}

impl From<Refused> for ExportError {
    fn from(refused: Refused) -> Self {
        Self::Flow(refused.into())
    }
}

/// How an export is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// The form.
    pub format: Format,
    /// Rows of a part.
    pub part_rows: usize,
    /// Parts to write before stopping; all when nothing.
    pub parts_max: Option<usize>,
}

/// Writes an export into a folder, or goes on with one. `on_part` is told of each new part.
///
/// # Errors
/// The caller may not; the folder holds another export or cannot be written.
pub async fn write(
    house: &Arc<House>,
    caller: &Caller,
    dir: &Path,
    cut: Cut,
    on_part: &mut (dyn FnMut(&PartLine) + Send),
) -> Result<Manifest, ExportError> {
    store::engine::private_folder(dir).map_err(|e| ExportError::File(dir.to_owned(), e))?;
    let reference = house.reference_now().await.map_err(ExportError::Flow)?;
    crate::flows::compliance::oversight::admit_export(&reference, caller)?;
    let fresh = fresh(house, &reference, caller, cut);
    let mut manifest = match read(dir)? {
        Some(found) => resumed(dir, found, &fresh)?,
        None => fresh,
    };
    put(dir, SCHEMA_FILE, &(pretty(&schema())? + "\n"))?;
    let mut written = 0;
    while !manifest.complete && cut.parts_max.is_none_or(|most| written < most) {
        let after = match manifest.parts.last() {
            Some(last) => last.next.as_deref().map(Cursor::parse).transpose()?,
            None => Some(Cursor { as_of: instant(&manifest.as_of)?, beyond: 0 }),
        };
        let name = format!("part-{:06}.{}", manifest.parts.len() + 1, cut.format.as_str());
        let part = Part::begin(house, caller, cut.format, after, cut.part_rows).await?;
        let line = write_part(dir, name, cut.format, part).await?;
        manifest.complete = line.next.is_none();
        manifest.total_count += line.count;
        on_part(&line);
        manifest.parts.push(line);
        put(dir, MANIFEST, &(pretty(&manifest)? + "\n"))?;
        written += 1;
    }
    Ok(manifest)
}

fn fresh(house: &House, reference: &Reference, caller: &Caller, cut: Cut) -> Manifest {
    let brand = reference.brands.get(&caller.brand).map(|brand| brand.code.clone());
    let party = reference.tree.get(caller.party).map(|party| party.code.clone());
    Manifest {
        schema: SCHEMA.to_owned(),
        brand: brand.unwrap_or_default(),
        party: party.unwrap_or_default(),
        format: cut.format.as_str().to_owned(),
        part_rows: cut.part_rows,
        as_of: as_of_now(house).to_string(),
        parts: Vec::new(),
        total_count: 0,
        complete: false,
    }
}

fn instant(text: &str) -> Result<jiff::Timestamp, ExportError> {
    text.parse().map_err(|_| ExportError::Other(format!("{MANIFEST}: {text:?} is no instant")))
}

/// An export that was begun, with its whole parts; the same question must be asked again.
fn resumed(dir: &Path, found: Manifest, fresh: &Manifest) -> Result<Manifest, ExportError> {
    let asked = |m: &Manifest| {
        (m.schema.clone(), m.brand.clone(), m.party.clone(), m.format.clone(), m.part_rows)
    };
    if asked(&found) != asked(fresh) {
        let why = "holds an export of another brand, party, form or part size; take another folder";
        return Err(ExportError::Other(format!("{} {why}", dir.display())));
    }
    let mut kept = Vec::new();
    for line in found.parts {
        if !is_whole(dir, &line)? {
            break;
        }
        kept.push(line);
    }
    let ended = |last: &PartLine| last.next.is_none();
    Ok(Manifest {
        total_count: kept.iter().map(|line| line.count).sum(),
        complete: kept.last().is_some_and(ended),
        parts: kept,
        as_of: found.as_of,
        ..fresh.clone()
    })
}

fn is_whole(dir: &Path, line: &PartLine) -> Result<bool, ExportError> {
    Ok(hashed(&path_in(dir, &line.file)?)?.is_some_and(|(sha256, _)| sha256 == line.sha256))
}

/// A file of the manifest; one that names another folder is none of ours.
fn path_in(dir: &Path, name: &str) -> Result<PathBuf, ExportError> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    match plain && name.starts_with("part-") {
        true => Ok(dir.join(name)),
        false => Err(ExportError::Other(format!("{MANIFEST}: {name:?} is no part"))),
    }
}

/// Hash of a file and its lines; nothing when there is none.
fn hashed(path: &Path) -> Result<Option<(String, u64)>, ExportError> {
    let failed = |error| ExportError::File(path.to_owned(), error);
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let (mut digest, mut lines) = (Sha256::new(), 0);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut piece).map_err(failed)?;
        if count == 0 {
            return Ok(Some((hex(&digest.finalize()), lines)));
        }
        digest.update(&piece[..count]);
        lines += piece[..count].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}

async fn write_part(
    dir: &Path,
    name: String,
    format: Format,
    mut part: Part,
) -> Result<PartLine, ExportError> {
    let path = dir.join(&name);
    let half = dir.join(format!("{name}.half"));
    let failed = |error| ExportError::File(half.clone(), error);
    let mut file = File::create(&half).map_err(failed)?;
    let mut digest = Sha256::new();
    if format == Format::Csv {
        let header = csv_header();
        digest.update(header.as_bytes());
        file.write_all(header.as_bytes()).map_err(failed)?;
    }
    while let Some(rows) = part.next_rows().await? {
        digest.update(rows.as_bytes());
        file.write_all(rows.as_bytes()).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    drop(file);
    std::fs::rename(&half, &path).map_err(failed)?;
    let tail = part.tail();
    let next = tail.next.map(|cursor| cursor.text());
    Ok(PartLine { file: name, count: tail.count, sha256: hex(&digest.finalize()), next })
}

/// The manifest of a folder; nothing when there is none.
///
/// # Errors
/// It cannot be read.
pub fn read(dir: &Path) -> Result<Option<Manifest>, ExportError> {
    let path = dir.join(MANIFEST);
    match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ExportError::File(path, error)),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| ExportError::Other(format!("{}: {error}", path.display()))),
    }
}

/// Replaces a small file durably.
fn put(dir: &Path, name: &str, text: &str) -> Result<(), ExportError> {
    let half = dir.join(format!("{name}.half"));
    let failed = |error| ExportError::File(dir.join(name), error);
    let mut file = File::create(&half).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    drop(file);
    std::fs::rename(&half, dir.join(name)).map_err(failed)?;
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn pretty(value: &impl Serialize) -> Result<String, ExportError> {
    serde_json::to_string_pretty(value).map_err(|error| ExportError::Other(error.to_string()))
}

/// Checks a folder against its manifest: every problem, in words.
///
/// # Errors
/// There is no manifest, or a file cannot be read.
pub fn verify(dir: &Path) -> Result<(Manifest, Vec<String>), ExportError> {
    let manifest = read(dir)?
        .ok_or_else(|| ExportError::Other(format!("{} holds no {MANIFEST}", dir.display())))?;
    let mut problems = Vec::new();
    if manifest.schema != SCHEMA {
        problems.push(format!("its rows are {}, not {SCHEMA}", manifest.schema));
    }
    if !manifest.complete {
        problems.push("it was not finished: run the export again".to_owned());
    }
    let header = u64::from(manifest.format == Format::Csv.as_str());
    for line in &manifest.parts {
        match hashed(&path_in(dir, &line.file)?)? {
            None => problems.push(format!("{} is missing", line.file)),
            Some((sha256, _)) if sha256 != line.sha256 => {
                problems.push(format!("{} is not what was written", line.file));
            }
            Some((_, lines)) if lines != line.count + header => {
                let rows = lines.saturating_sub(header);
                problems.push(format!("{} holds {rows} rows, not {}", line.file, line.count));
            }
            Some(_) => {}
        }
    }
    let total: u64 = manifest.parts.iter().map(|line| line.count).sum();
    if total != manifest.total_count {
        problems.push(format!("its parts hold {total} rows, not {}", manifest.total_count));
    }
    Ok((manifest, problems))
}
