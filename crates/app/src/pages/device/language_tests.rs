//! The two tables of sentences agree with each other and with what the pages ask for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::pages::i18n::Lang;

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn templates() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&home().join("templates"), &mut found);
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("text"))).collect()
}

/// What may ask for a sentence: the templates, and the pages without their tests.
fn askers() -> String {
    let here = Path::new(file!()).parent().and_then(Path::parent).expect("the pages");
    // `file!` is relative to the workspace for a crate of one, absolute elsewhere.
    let roots = [here.to_path_buf(), home().join("src/pages"), home().join("../..").join(here)];
    let root = roots.iter().find(|root| root.is_dir()).expect("the pages");
    let mut found = Vec::new();
    files(root, &mut found);
    let test = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.contains("test") || name == "fakes.rs"
    };
    let pages = found.iter().filter(|path| !test(path));
    let mut text: String = pages.map(|path| fs::read_to_string(path).expect("text")).collect();
    text.extend(templates().into_iter().map(|(_, template)| template));
    text
}

/// Every `"section.name"` literal whose section is one of ours.
fn asked(sections: &BTreeSet<&str>) -> BTreeSet<String> {
    let text = askers();
    let literals = text.split('"').filter(|literal| {
        let Some((section, name)) = literal.split_once('.') else { return false };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        sections.contains(section) && !name.is_empty() && name.chars().all(plain)
    });
    literals.map(str::to_owned).collect()
}

fn placeholders(sentence: &str) -> BTreeSet<&str> {
    sentence.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

fn is_chinese(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{303F}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF00}'..='\u{FFEF}')
}

#[test]
fn no_sentence_is_missing_and_none_is_idle() {
    let zh = Lang::Zh.sentences();
    let sections = zh.keys().filter_map(|key| Some(key.split_once('.')?.0)).collect();
    let known: BTreeSet<String> = zh.keys().cloned().collect();
    let asked = asked(&sections);
    assert!(known.len() > 150, "the tables were not read");
    assert_eq!(asked.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "missing");
    assert_eq!(known.difference(&asked).collect::<Vec<_>>(), Vec::<&String>::new(), "idle");
}

#[test]
fn both_languages_say_the_same_things_with_the_same_placeholders() {
    let (zh, en) = (Lang::Zh.sentences(), Lang::En.sentences());
    for (key, sentence) in zh {
        let other = en.get(key).unwrap_or_else(|| panic!("{key} has no English"));
        assert_eq!(placeholders(sentence), placeholders(other), "{key}");
        assert!(!sentence.trim().is_empty() && !other.trim().is_empty(), "{key} says nothing");
        let own_name = key == "shell.other_lang" || key == "shell.other_lang_spoken";
        assert!(own_name || !other.chars().any(is_chinese), "{key} is not English");
    }
    assert_eq!(zh.len(), en.len());
}

#[test]
fn templates_hold_no_sentence_of_their_own() {
    for (path, template) in templates() {
        let line = template.lines().find(|line| line.chars().any(is_chinese));
        assert_eq!(line, None, "{}", path.display());
    }
}

#[test]
fn sentences_use_no_decorative_dots() {
    for (key, sentence) in Lang::Zh.sentences() {
        assert!(!sentence.contains('·'), "{key}: middots are full width in Chinese fonts");
    }
}
