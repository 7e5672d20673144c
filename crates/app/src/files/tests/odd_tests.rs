//! Files that seem to say more than they do: quotation marks left open, formulas, other formats.

use super::*;

const HEAD: &str = "sscc,child,packed_at,note\n";
const GOOD: &str = "069291417000000003,CY1,2026-05-21,";

/// Why a file is not read to its end, and the rows before.
fn cut(bytes: &[u8]) -> (usize, Option<String>) {
    let mut table = match open(Kind::Packs, bytes) {
        Ok(table) => table,
        Err(error) => return (0, Some(error.to_string())),
    };
    let rows: Vec<_> = table.rows().collect();
    let failed = rows.iter().find_map(|row| row.as_ref().err().map(ToString::to_string));
    (rows.iter().filter(|row| row.is_ok()).count(), failed)
}

#[test]
fn a_file_that_ends_inside_quotation_marks_says_where_they_open() {
    for (rest, rows, place) in [
        (format!("{GOOD}\"oops\n{GOOD}\n{GOOD}\n"), 0, "record 2, column note"),
        (format!("{GOOD}a\n\"069291417000000003,CY1\n"), 1, "record 3, column sscc"),
        (format!("{GOOD}a\n{GOOD}\"b\"\"\n"), 1, "record 3, column note"),
        (format!("{GOOD}a,\"b"), 0, "record 2, column 5"),
        (format!("{GOOD}a\n\""), 1, "record 3, column sscc"),
    ] {
        let (found, why) = cut(format!("{HEAD}{rest}").as_bytes());
        let why = why.expect("it is cut");
        assert!(found == rows && why.contains(place), "{rest}: {found} {why}");
    }
    let why = cut(b"\xef\xbb\xbf\"sscc\",child,\"packed_at\n").1.expect("it is cut");
    assert!(why.contains("record 1, column 3"), "{why}");
}

#[test]
fn quotation_marks_that_close_or_stand_inside_a_cell_cut_nothing() {
    let filler = "x".repeat(70_000);
    for rest in [
        format!("{GOOD}5\" wide\n{GOOD}a\"\n"),
        format!("{GOOD}\"a\nb,\"\"c\"\"\"\n{GOOD}\"\"\n"),
        format!("{GOOD}\"a\"\r\n{GOOD}\"b\""),
        format!("{GOOD}\"{filler}\n{filler}\"\n{GOOD}\"b\" c\"d\n"),
    ] {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}\"sscc\",child,packed_at,note\n{rest}");
            assert_eq!(cut(text.as_bytes()), (2, None), "{:.40}", rest);
        }
    }
}

#[test]
fn a_formula_that_nobody_computed_says_nothing_and_one_beside_the_table_is_passed_over() {
    let names = ["sscc", "child", "packed_at"].map(text);
    let names = names.each_ref().map(String::as_str);
    let (sscc, child, at) = (text("069291417000000003"), text("CY1"), text("2026-05-21"));
    let (uncomputed, blank) = ("<c><f>A1</f></c>", "<c t=\"str\"><f>A1</f><v></v></c>");
    let book = workbook(&[
        &names,
        &[&sscc, &child, uncomputed],
        &[&sscc, &child, &at, uncomputed, blank],
        &[uncomputed, uncomputed, uncomputed],
    ]);
    let rows = outcomes(Kind::Packs, &book);
    let fields = rows.iter().map(|(record, row)| {
        let problems = row.as_ref().err().into_iter().flatten();
        (*record, problems.map(|problem| problem.field.to_string()).collect::<Vec<_>>())
    });
    let expected = [(2, vec!["packed_at"]), (3, vec![]), (4, vec!["sscc", "child", "packed_at"])];
    let expected = expected.map(|(record, fields)| {
        (record, fields.into_iter().map(str::to_owned).collect::<Vec<_>>())
    });
    assert_eq!(fields.collect::<Vec<_>>(), expected);
}

#[test]
fn a_formula_is_no_identifier() {
    let names = ["sscc", "child", "packed_at"].map(text);
    let names = names.each_ref().map(String::as_str);
    let (sscc, at) = (text("069291417000000003"), text("2026-05-21"));
    let computed = |value: &str| format!("<c t=\"str\"><f>A1</f><v>{value}</v></c>");
    // As Excel writes what was drawn down from a cell above.
    let shared = "<c t=\"str\"><f t=\"shared\" si=\"0\"/><v>CY2</v></c>";
    let (child, day, blank) = (computed("CY1"), computed("2026-05-21"), computed(""));
    let uncounted = "<c><f>A1</f></c>";
    let book = workbook(&[
        &names,
        &[&sscc, &child, &at],
        &[&sscc, &text("CY1"), &day],
        &[&sscc, shared, &at],
        &[&sscc, uncounted, &at],
        // Formulas drawn down below the last row.
        &[&blank, &blank, &blank],
    ]);
    let rows = outcomes(Kind::Packs, &book);
    let refused: Vec<_> = rows.iter().filter(|(_, row)| row.is_err()).collect();
    let records: Vec<_> = refused.iter().map(|(record, _)| *record).collect();
    assert_eq!((rows.len(), records), (4, vec![2, 4, 5]));
    for (_, row) in refused {
        let problems = row.as_ref().unwrap_err();
        assert_eq!((problems.len(), &*problems[0].field), (1, "child"));
        assert!(problems[0].reason.contains("formula"), "{}", problems[0].reason);
    }
}

#[test]
fn what_is_said_to_be_a_workbook_must_be_one() {
    for bytes in [PACKS.as_bytes(), b"", b"{}", b"\x89PNG\r\n"] {
        let input = Box::new(Cursor::new(bytes.to_vec()));
        let error = Table::from_reader(Kind::Packs, Format::Xlsx, input).err();
        assert!(matches!(error, Some(FileError::NotXlsx)), "{error:?}");
    }
    for (media, format) in [
        ("text/csv; charset=utf-8", Some(Format::Csv)),
        ("application/x-ndjson", Some(Format::JsonLines)),
        ("", Some(Format::Auto)),
        ("image/png", None),
        ("application/json", None),
        ("application/octet-stream", Some(Format::Auto)),
    ] {
        assert_eq!(Format::of_media_type(media), format, "{media}");
    }
}

#[test]
fn a_line_that_is_no_object_has_one_problem() {
    for line in ["[\"069291417000000003\",\"CY1\",\"2026-05-21\"]", "5", "{\"sscc\":"] {
        let input = Box::new(Cursor::new(line.as_bytes().to_vec()));
        let mut table = Table::from_reader(Kind::Packs, Format::JsonLines, input).unwrap();
        let row = table.rows().next().unwrap().unwrap();
        let problems = parse_row(&row, &shanghai()).unwrap_err();
        assert_eq!((problems.len(), &*problems[0].field), (1, "line"), "{line}: {problems:?}");
    }
}
