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

#[test]
fn cells_are_separated_as_in_the_header() {
    let rows = [
        ["sscc", "child", "packed_at", "note"],
        ["069291417000000003", "CY1", "2026-05-21", "\"a, b\""],
        ["069291417000000003", "\"CY2\"", "2026-05-21", "c"],
    ];
    for (separator, before) in [(";", ""), ("\t", "\u{feff}"), (";", "\r\n"), (",", "\n")] {
        let lines = rows.map(|cells| cells.join(separator) + "\r\n").concat();
        let text = format!("{before}{lines}");
        assert_eq!(cut(text.as_bytes()), (2, None), "{text}");
        assert_eq!(drafts(Kind::Packs, text.as_bytes()).len(), 2, "{text}");
        let open = format!("{text}069291417000000003{separator}\"CY3\n");
        let (found, why) = cut(open.as_bytes());
        assert_eq!(found, 2, "{open}");
        assert!(why.is_some_and(|why| why.contains("record 4, column child")), "{open}");
    }
    // What is missing is told, and not that everything is.
    let why = cut(b"sscc;child;\"note\"\n1;2;3\n").1.expect("a column is missing");
    assert!(why.contains("the column packed_at:"), "{why}");
    // Other words in the header are somebody else's.
    let semicolons = HEAD.replace("note", "a;b;c\td");
    assert_eq!(cut(format!("{semicolons}{GOOD}x;y\n").as_bytes()), (1, None));
}

#[test]
fn utf16_is_called_so_without_its_mark_too() {
    let units: Vec<u16> = PACKS.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for bytes in [little, big] {
        assert!(matches!(open(Kind::Packs, &bytes).err(), Some(FileError::Utf16)));
    }
}

#[test]
fn a_row_in_another_encoding_is_refused() {
    let row = |code: &str| format!("{code},tier1,昆明澄野商贸,BRAND\n");
    let gb = |text: &str| GB18030.encode(text).0.into_owned();
    let head = "code,kind,name,parent_code\n".to_owned().into_bytes();
    let mixed = [head, gb(&(row("A") + &row("B"))), row("C").into_bytes(), gb(&row("D"))];
    assert_eq!(refused(Kind::Parties, &mixed.concat()), [(4, vec!["name"])]);
}

/// A workbook of several sheets: the name and state of each, and its rows.
fn sheets(all: &[(&str, &str, String)]) -> Vec<u8> {
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let (mut list, mut targets, mut parts) = (String::new(), String::new(), Vec::new());
    for (at, (name, state, rows)) in all.iter().enumerate() {
        list += &format!("<sheet name=\"{name}\" sheetId=\"{at}\" state=\"{state}\" ");
        list += &format!("r:id=\"rId{at}\"/>");
        targets += &format!("<Relationship Id=\"rId{at}\" Type=\"{office}/worksheet\" ");
        targets += &format!("Target=\"worksheets/s{at}.xml\"/>");
        let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        parts.push((format!("xl/worksheets/s{at}.xml"), sheet.into_bytes()));
    }
    let book = format!("<workbook xmlns:r=\"{office}\"><sheets>{list}</sheets></workbook>");
    let targets = format!("<Relationships xmlns=\"{package}\">{targets}</Relationships>");
    parts.push(("xl/workbook.xml".to_owned(), book.into_bytes()));
    parts.push(("xl/_rels/workbook.xml.rels".to_owned(), targets.into_bytes()));
    let parts: Vec<_> = parts.iter().map(|(name, part)| (name.as_str(), part.clone())).collect();
    archive(&parts)
}

#[test]
fn the_visible_sheet_that_holds_anything_is_read_and_no_other_left_out() {
    let row = |cells: [&str; 3]| format!("<row>{}</row>", cells.map(text).concat());
    let rows = |child: &str| {
        row(["sscc", "child", "packed_at"]) + &row(["069291417000000003", child, "2026-05-21"])
    };
    let blank = || "<row><c/><c t=\"inlineStr\"><is><t> </t></is></c></row>".to_owned();
    for others in [
        vec![("notes", "hidden", rows("CY0")), ("blank", "visible", blank())],
        vec![("secret", "veryHidden", rows("CY0"))],
        vec![("empty", "visible", String::new())],
    ] {
        for first in [true, false] {
            let mut all = others.clone();
            all.insert(if first { 0 } else { all.len() }, ("rows", "visible", rows("CY1")));
            let mut table = open(Kind::Packs, &sheets(&all)).unwrap();
            let read: Vec<_> = table.rows().map(Result::unwrap).collect();
            assert_eq!((read.len(), read[0].cell("child")), (1, "CY1"), "{all:?}");
        }
    }
    let two = [("May", "visible", rows("CY1")), ("June", "visible", rows("CY2"))];
    let error = open(Kind::Packs, &sheets(&two)).err().unwrap().to_string();
    assert!(error.contains("(May, June)") && error.contains("one sheet per file"), "{error}");
    let none = [("May", "hidden", rows("CY1"))];
    assert!(matches!(open(Kind::Packs, &sheets(&none)).err(), Some(FileError::Empty)));
}

#[test]
fn no_cell_of_a_workbook_fills_the_memory() {
    let names = ["sscc", "child", "packed_at"].map(text);
    let names = names.each_ref().map(String::as_str);
    let (long, whole) = (text(&"x".repeat(CELL_BYTES_MAX + 1)), "x".repeat(ROW_BYTES_MAX));
    assert!(outcomes(Kind::Packs, &workbook(&[&names, &[&long]])).remove(0).1.is_err());
    let shared = format!("<sst><si><t>{whole}</t></si></sst>").into_bytes();
    for book in [
        workbook(&[&names, &[&text(&whole)]]),
        workbook(&[&names, &[&format!("<c t=\"str\"><v>{whole}</v></c>")]]),
        archive(&[("xl/sharedStrings.xml", shared)]),
    ] {
        assert!(matches!(open(Kind::Packs, &book).err(), Some(FileError::CellTooLong)));
    }
    let picture = archive(&[("xl/media/a.png", vec![0; XLSX_OTHER_BYTES_MAX as usize + 1])]);
    let error = open(Kind::Packs, &picture).err().unwrap();
    assert!(matches!(error, FileError::XlsxTooLarge { .. }), "{error}");
}

#[test]
fn of_columns_that_nobody_knows_no_text_is_held() {
    let long = "x".repeat(100_000);
    let file = format!(
        "note,sscc,child,packed_at,other\n{long},069291417000000003,CY1,2026-05-21,{long}\n\
         {long},,,,\n1,2,3,4,5,{long}\n"
    );
    let mut table = open(Kind::Packs, file.as_bytes()).unwrap();
    let rows: Vec<_> = table.rows().map(Result::unwrap).collect();
    let held: Vec<_> = rows.iter().map(RawRow::bytes).collect();
    assert!(held.len() == 3 && held.iter().all(|bytes| *bytes < 1_000), "{held:?}");
    assert_eq!((rows[0].cell("child"), rows[0].cell("packed_at")), ("CY1", "2026-05-21"));
    assert!(parse_row(&rows[0], &shanghai()).is_ok());
    // One that holds nothing of ours is refused, and not passed over as a blank one.
    assert!(rows[1..].iter().all(|row| parse_row(row, &shanghai()).is_err()));
    let mut whole = open(Kind::Packs, file.as_bytes()).unwrap().whole_rows();
    let row = whole.rows().next().unwrap().unwrap();
    assert_eq!(row.cells().filter(|cell| *cell == long).count(), 2);
}

#[test]
fn a_picture_lies_on_a_host() {
    let row =
        |picture: &str| format!("gtin,name_zh,category,picture\n6929141700010,a,phone,{picture}\n");
    for picture in ["https://pictures.example.com/a.png", "http://10.0.0.1/a.png", "/a.png", ""] {
        assert_eq!(drafts(Kind::Products, row(picture).as_bytes()).len(), 1, "{picture}");
    }
    for picture in ["https://", "https:///x", "https://*/a", "//a.example/x", "javascript:a"] {
        assert_eq!(refused(Kind::Products, row(picture).as_bytes()), [(2, vec!["picture"])]);
    }
}

#[test]
fn a_line_stays_for_ever_and_points_to_nobody() {
    let head = "sn,gtin,produced_at,site_code,line\n";
    let row = |line: &str| format!("{head}A1,6929141700010,2026-05-20,F,{line}\n");
    assert_eq!(drafts(Kind::Production, row("L 7").as_bytes()).len(), 1);
    for line in ["13712344321", "王 137-1234-4321", "L\u{202e}7"] {
        assert_eq!(refused(Kind::Production, row(line).as_bytes()), [(2, vec!["line"])], "{line}");
    }
}

/// An error file comes back with the cells that were sent, however often it goes round.
#[test]
fn an_error_file_gives_back_what_was_sent() {
    let cells = ["=1+1", "'=1", "''-x", "-", "+", "-x", "+86 755 1", "'", "'a", "\t=1", "@a"];
    let names = cells.iter().enumerate().map(|(at, _)| format!(",=n{at}")).collect::<String>();
    let cells = cells.join(",");
    let file = format!("sscc,child,packed_at{names}\n1,C,2026-05-21,{cells}\n");
    let mut written = file.clone().into_bytes();
    for _ in 0..3 {
        let mut table = open(Kind::Packs, &written).unwrap().whole_rows();
        let mut errors = ErrorFile::new(Vec::new(), table.header()).unwrap();
        let row = table.rows().next().unwrap().unwrap();
        errors.write(&row, &parse_row(&row, &shanghai()).unwrap_err()).unwrap();
        written = errors.finish().unwrap();
        let mut again = open(Kind::Packs, &written).unwrap().whole_rows();
        let header: Vec<_> = again.header().names().skip(4).map(str::to_owned).collect();
        let row = again.rows().next().unwrap().unwrap();
        let row: Vec<_> = row.cells().skip(4).collect();
        let sent = format!("{}\n{}\n", header.join(","), row.join(","));
        assert_eq!(sent, file);
    }
}
