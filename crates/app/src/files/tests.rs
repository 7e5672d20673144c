//! Whole files of every kind and format, and what must not break the reader.

mod odd_tests;

use super::*;
use domain::disposition::Disposition;
use domain::party::SiteKind;
use domain::refusal::Refused;
use domain::territory::Channel;
use domain::verdict::Inspection;
use encoding_rs::GB18030;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::io::{Cursor, Read, Write};

const PRODUCTS: &str = "\
gtin,name_zh,name_en,category,model,spec,maker,contract_maker,standards,ccc_certificate,\
list_price_yuan
6929141700010,澄野 N3 Pro,Chengye N3 Pro,phone,CY-N3P,12 GB + 256 GB 曜石黑,\
澄野电子（深圳）有限公司,,GB 4943.1-2022|GB/T 9254.1-2021,2025011606801234,3999.00
6929141700027,澄野 P20,,power_bank,,,,东莞代工厂,,,199
6929141700011,坏码,,phone,,,,,,,1.00
6929141700034,负价,,phone,,,,,,,-5.00
";

const PARTIES: &str = "\
code,kind,name,parent_code,region,address,phone,lon,lat
BRAND,brand,澄野电子,,440305,深圳市南山区科技园 1 号,+86 755 1234,113.95,22.54
T2-XX-1,tier2,孤儿二级,T1-99,110105,无上级,,,
SHOP-DUP,shopp,类型错,BRAND,110105,,,,
";

const TERRITORIES: &str = "\
party_code,gtin,regions,excluded,from_on,to_on,channel
T1-53,*,53,5301|530102,2026-01-01,,both
T1-XX,6929141700010,CN|hk,,2026-01-01,2026/12/31,online
T1-YY,*,云南,,2026-01-01,,offline
";

const PRODUCTION: &str = "\
sn,gtin,imei1,imei2,produced_at,site_code,line,lot,inspection
CY261812000000,6929141700010,860837783533742,860681241586839,2026-05-20T08:00:00+08:00,FAC-SZ,L1,\
LOT260520,pass
CYBADLUHN1,6929141700010,863740646371136,,2026-05-20T08:00:00+08:00,FAC-SZ,L1,LOT260520,pass
,6929141700010,863302677523611,,2026-05-20T08:00:00+08:00,FAC-SZ,L1,LOT260520,pass
CYBADDATE1,6929141700010,866551878803456,,2026-13-40T00:00:00+08:00,FAC-SZ,L1,LOT260520,pass
\"=HYPERLINK(\"\"x\"\")\",6929141700010,860351643041490,,2026-05-20,FAC-SZ,L1,LOT260520,pass
CYONHOLD01,6929141700010,862658141772394,,2026-05-20 08:00,FAC-SZ,L1,LOT260520,hold
";

const PACKS: &str = "\
sscc,child,packed_at
069291417000000003,CY261812000000,2026-05-21T09:00:00+08:00
069291417000900105,069291417000000522,2026-05-21T10:00:00+08:00
069291417000000004,CY263840000599,2026-05-21T11:00:00+08:00
";

const SHIPMENTS: &str = "\
shipment_no,from_code,to_code,happened_at,subject,declared_group_purchase
SO-00001,FAC-SZ,T1-53,2026-05-22T08:00:00+08:00,069291417000900006,
SO-00003,T2-53-1,SHOP-53-1,2026-05-25T08:00:00+08:00,CY261812000000,yes
";

fn shanghai() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn open(kind: Kind, bytes: &[u8]) -> Result<Table, FileError> {
    Table::from_reader(kind, Format::Auto, Box::new(Cursor::new(bytes.to_vec())))
}

type Outcome = (usize, Result<Draft, Vec<Refused>>);

fn outcomes(kind: Kind, bytes: &[u8]) -> Vec<Outcome> {
    let mut table = open(kind, bytes).unwrap();
    let rows: Vec<_> = table.rows().map(Result::unwrap).collect();
    rows.iter().map(|row| (row.record, parse_row(row, &shanghai()))).collect()
}

/// Record and columns of the refused rows.
fn refused(kind: Kind, bytes: &[u8]) -> Vec<(usize, Vec<&'static str>)> {
    let column = |problem: &Refused| {
        let column = kind.columns().iter().find(|column| column.name == problem.field);
        column.map_or("", |column| column.name)
    };
    let fields = |problems: Vec<Refused>| problems.iter().map(column).collect();
    let errors = outcomes(kind, bytes).into_iter();
    errors.filter_map(|(record, row)| row.err().map(|p| (record, fields(p)))).collect()
}

fn drafts(kind: Kind, bytes: &[u8]) -> Vec<Draft> {
    outcomes(kind, bytes).into_iter().filter_map(|(_, row)| row.ok()).collect()
}

/// A workbook of one sheet; each cell is its XML without the reference.
fn workbook(rows: &[&[&str]]) -> Vec<u8> {
    let mut sheet = String::from("<worksheet><sheetData>");
    for (row, cells) in rows.iter().enumerate() {
        sheet.push_str(&format!("<row r=\"{}\">", row + 1));
        for (column, cell) in cells.iter().enumerate() {
            let place = format!("<c r=\"{}{}\"", char::from(b'A' + column as u8), row + 1);
            sheet.push_str(&cell.replacen("<c", &place, 1));
        }
        sheet.push_str("</row>");
    }
    archive(&[("xl/worksheets/sheet1.xml", (sheet + "</sheetData></worksheet>").into_bytes())])
}

/// A cell of text.
fn text(text: &str) -> String {
    format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

/// The least a workbook is made of, and the parts given.
fn archive(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let root = format!(
        "<Relationships xmlns=\"{package}\"><Relationship Id=\"rId1\" \
         Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
    );
    let book = format!(
        "<workbook xmlns:r=\"{office}\"><sheets><sheet name=\"s\" sheetId=\"1\" r:id=\"rId1\"/>\
         </sheets></workbook>"
    );
    let rels = format!(
        "<Relationships xmlns=\"{package}\"><Relationship Id=\"rId1\" \
         Type=\"{office}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
    );
    let styles = "<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"22\"/></cellXfs>\
                  </styleSheet>";
    let own = [
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", rels.as_bytes()),
        ("xl/styles.xml", styles.as_bytes()),
    ];
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let given: Vec<_> = parts.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let own = own.iter().filter(|(name, _)| !given.iter().any(|(other, _)| other == name));
    for (name, bytes) in own.chain(&given) {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn products_are_read() {
    let Draft::Product(first) = &drafts(Kind::Products, PRODUCTS.as_bytes())[0] else { panic!() };
    assert_eq!(first.gtin.as14(), "06929141700010");
    assert_eq!(first.standards, ["GB 4943.1-2022", "GB/T 9254.1-2021"]);
    assert_eq!((first.list_price_fen, first.network_start), (Some(399_900), None));
    let refused = refused(Kind::Products, PRODUCTS.as_bytes());
    assert_eq!(refused, [(4, vec!["gtin"]), (5, vec!["list_price_yuan"])]);
}

#[test]
fn parties_are_read() {
    let Draft::Party(brand) = &drafts(Kind::Parties, PARTIES.as_bytes())[0] else { panic!() };
    assert_eq!(brand.point, Some((113.95, 22.54)));
    assert_eq!((brand.phone.as_str(), brand.public), ("+86 755 1234", false));
    assert_eq!(refused(Kind::Parties, PARTIES.as_bytes()), [(4, vec!["kind"])]);
    let half = "code,kind,name,lon,lat,public\nA,shop,a,113.9,,maybe\nB,shop,b,nan,91,是\n";
    let expected = [(2, vec!["lat", "public"]), (3, vec!["lon", "lat"])];
    assert_eq!(refused(Kind::Parties, half.as_bytes()), expected);
}

#[test]
fn sites_are_read_and_every_field_is_bounded() {
    let head = "code,party_code,kind,name,region,address,phone,lon,lat\n";
    let row = |cells: &str| format!("{head}{cells}\n");
    let sound = row("W1,T1-53,warehouse,昆明仓,5301,示例路 1 号,+86 871 1,102.71,25.04");
    let Draft::Site(site) = &drafts(Kind::Sites, sound.as_bytes())[0] else { panic!() };
    assert_eq!((site.code.as_str(), site.kind), ("W1", SiteKind::Warehouse));
    assert_eq!((site.party_code.as_str(), site.point), ("T1-53", Some((102.71, 25.04))));
    assert_eq!(site.phone, "+86 871 1");
    let (code, name, note) = ("c".repeat(65), "n".repeat(201), "a".repeat(1_001));
    for (cells, fields) in [
        (",,,,5301".to_owned(), vec!["code", "party_code", "kind", "name"]),
        ("=W1,+T1,depot,a".to_owned(), vec!["code", "party_code", "kind"]),
        (format!("{code},{code},plant,{name}"), vec!["code", "party_code", "name"]),
        (format!("W1,T1,shop,a,x,{note},{code}"), vec!["region", "address", "phone"]),
        ("W1,T1,shop,a\u{0}b,,b\u{202e}c".to_owned(), vec!["name", "address"]),
        ("W1,T1,office,a,,,,181,".to_owned(), vec!["lon", "lat"]),
    ] {
        assert_eq!(refused(Kind::Sites, row(&cells).as_bytes()), [(2, fields)], "{cells}");
    }
}

#[test]
fn territories_are_read() {
    let read = drafts(Kind::Territories, TERRITORIES.as_bytes());
    let [Draft::Territory(yunnan), Draft::Territory(china)] = &read[..] else { panic!() };
    assert_eq!((yunnan.gtin, yunnan.channel, yunnan.to_on), (None, Channel::Both, None));
    assert_eq!(yunnan.excluded, ["5301", "530102"]);
    assert_eq!(china.to_on, Some(jiff::civil::date(2026, 12, 31)));
    assert_eq!(refused(Kind::Territories, TERRITORIES.as_bytes()), [(4, vec!["regions"])]);
}

#[test]
fn production_is_read() {
    let read = drafts(Kind::Production, PRODUCTION.as_bytes());
    let [Draft::Production(first), Draft::Production(held)] = &read[..] else { panic!() };
    let values: Vec<_> = first.identifiers.iter().map(|(at, i)| (*at, i.value())).collect();
    assert_eq!(values, [("imei1", "86083778353374"), ("imei2", "86068124158683")]);
    assert_eq!(first.produced_at.offset_minutes, 480);
    assert_eq!(first.produced_at.at, held.produced_at.at);
    assert_eq!((first.inspection, held.inspection), (Inspection::Pass, Inspection::Hold));
    let expected = [(3, vec!["imei1"]), (4, vec!["sn"]), (5, vec!["produced_at"]), (6, vec!["sn"])];
    assert_eq!(refused(Kind::Production, PRODUCTION.as_bytes()), expected);
}

#[test]
fn production_lists_hold_no_identifier_twice() {
    let head = "sn,gtin,produced_at,site_code,imei1,imei2,mac,parts,disposition\n";
    let sound = "A1,6929141700010,2026-05-20,F,860837783533742,,\
                 00:1A:2B:3C:4D:5E|00-1a-2b-3c-4d-5f,P1 | P2|,duty_free\n";
    let Draft::Production(unit) =
        &drafts(Kind::Production, (head.to_owned() + sound).as_bytes())[0]
    else {
        panic!()
    };
    assert_eq!((unit.identifiers.len(), unit.parts.len()), (3, 2));
    assert_eq!(unit.disposition, Some(Disposition::DutyFree));
    let twice = "A1,6929141700010,2026-05-20,F,860837783533742,86083778353374,\
                 001A2B3C4D5E|00:1A:2B:3C:4D:5E,P1|p1,sold\n";
    let found = refused(Kind::Production, (head.to_owned() + twice).as_bytes());
    assert_eq!(found, [(2, vec!["imei2", "mac", "parts", "disposition"])]);
}

#[test]
fn a_kit_names_its_main_unit() {
    let head = "sn,gtin,produced_at,site_code,kit\n";
    let text = format!(
        "{head}A1,6929141700010,2026-05-20,F,a1\nB1,6929141700010,2026-05-20,F,\n\
         C1,6929141700010,2026-05-20,F,X8K2-9M4P-LQ7R-W\n"
    );
    let kits = drafts(Kind::Production, text.as_bytes()).into_iter().map(|draft| match draft {
        Draft::Production(unit) => unit.kit.map(|main| main.shown().to_owned()),
        other => panic!("{other:?}"),
    });
    let expected = [Some("a1".to_owned()), None, Some("X8K2-9M4P-LQ7R-W".to_owned())];
    assert_eq!(kits.collect::<Vec<_>>(), expected);
    for bad in ["=A1", "A 1", "甲", &"9".repeat(33)] {
        let text = format!("{head}A1,6929141700010,2026-05-20,F,{bad}\n");
        assert_eq!(refused(Kind::Production, text.as_bytes()), [(2, vec!["kit"])], "{bad}");
    }
}

#[test]
fn packs_and_shipments_are_read() {
    let read = drafts(Kind::Packs, PACKS.as_bytes());
    let [Draft::Pack(carton), Draft::Pack(pallet)] = &read[..] else { panic!() };
    assert!(matches!(carton.child.readings[..], [Subject::Sn(_)]));
    assert!(matches!(pallet.child.readings[..], [Subject::Sscc(_), Subject::Sn(_)]));
    let (record, problems) = outcomes(Kind::Packs, PACKS.as_bytes()).remove(2);
    let problems = problems.unwrap_err();
    assert_eq!((record, &*problems[0].field), (4, "sscc"));
    assert!(problems[0].reason.starts_with("SSCC check digit"));
    let read = drafts(Kind::Shipments, SHIPMENTS.as_bytes());
    let [Draft::Shipment(first), Draft::Shipment(second)] = &read[..] else { panic!() };
    assert!(!first.declared_group_purchase && second.declared_group_purchase);
}

#[test]
fn every_column_is_read_and_every_problem_told() {
    for kind in Kind::ALL {
        let names: Vec<_> = kind.columns().iter().map(|column| column.name).collect();
        // A control character fits no field.
        let cells = vec!["a\u{1}"; names.len()];
        let file = format!("{}\n{}\n", names.join(","), cells.join(","));
        let mut told = refused(kind, file.as_bytes()).remove(0).1;
        told.dedup();
        let mut told: Vec<_> = told.into_iter().collect();
        let mut expected = names.clone();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "{kind}");
        let lost = format!("{}\n{}\n", names.join(","), vec!["\u{fffd}"; names.len()].join(","));
        assert_eq!(refused(kind, lost.as_bytes())[0].1.len(), names.len(), "{kind}");
    }
}

#[test]
fn gb18030_reads_as_utf8_does() {
    for (kind, file) in [(Kind::Products, PRODUCTS), (Kind::Parties, PARTIES)] {
        let expected = outcomes(kind, file.as_bytes());
        let crlf = file.replace('\n', "\r\n");
        assert_eq!(outcomes(kind, &GB18030.encode(file).0), expected);
        assert_eq!(outcomes(kind, &GB18030.encode(&crlf).0), expected);
        assert_eq!(outcomes(kind, format!("\u{feff}{crlf}").as_bytes()), expected);
        assert_eq!(outcomes(kind, &GB18030.encode(&format!("\u{feff}{file}")).0), expected);
    }
}

#[test]
fn headers_come_in_any_order_case_and_company() {
    let file = " Packed_At ,note,CHILD,\"Sscc\",,\n\
                2026-05-21,\"a\n b\",CY1,069291417000000003,,\n\n,,,,,\n2026-05-21,,CY2,x,,,7\n";
    let rows = outcomes(Kind::Packs, file.as_bytes());
    assert_eq!(rows.len(), 2);
    assert!(rows[0].1.is_ok());
    let fields: Vec<_> = rows[1].1.as_ref().unwrap_err().iter().map(|p| &*p.field).collect();
    assert_eq!((rows[1].0, fields), (4, vec!["", "sscc"]));
}

#[test]
fn files_that_are_refused_as_a_whole() {
    let message = |kind, bytes: &[u8]| open(kind, bytes).err().unwrap().to_string();
    assert!(message(Kind::Packs, b"").contains("empty"));
    assert!(message(Kind::Packs, b",,\n").contains("empty"));
    assert!(message(Kind::Packs, b"sscc\n").contains("child, packed_at"));
    assert!(message(Kind::Packs, b"sscc,SSCC ,child\n").contains("SSCC appears twice"));
    assert!(message(Kind::Packs, &[0xff, 0xfe, b's', 0]).contains("UTF-16"));
    assert!(message(Kind::Packs, &[0xd0, 0xcf, 0x11, 0xe0, 1]).contains("old"));
    assert!(message(Kind::Packs, b"PK\x03\x04").contains("workbook"));
    let wide = vec!["x"; COLUMNS_MAX + 1].join(",");
    assert!(message(Kind::Packs, wide.as_bytes()).contains("more than 256 columns"));
}

#[test]
fn a_quotation_mark_that_never_closes_does_not_fill_the_memory() {
    let head = "sscc,child,packed_at\n069291417000000003,CY1,2026-05-21\n\"";
    let endless = Cursor::new(head).chain(std::io::repeat(b'a'));
    let mut table = Table::from_reader(Kind::Packs, Format::Csv, Box::new(endless)).unwrap();
    let rows: Vec<_> = table.rows().collect();
    assert!(rows[0].is_ok());
    assert!(matches!(rows[1], Err(FileError::RowTooLong { record: 3 })));
    assert_eq!(rows.len(), 2);
}

#[test]
fn an_overlong_cell_refuses_its_row_only() {
    let long = "9".repeat(CELL_BYTES_MAX + 1);
    let file =
        format!("sscc,child,packed_at\n{long},C,2026-05-21\n069291417000000003,C,2026-05-21");
    assert_eq!(refused(Kind::Packs, file.as_bytes()), [(2, vec!["sscc"])]);
}

#[test]
fn json_lines_are_read() {
    let good = r#"{"sn":"A1","gtin":"6929141700010","produced_at":"2026-05-20","site_code":"F",
        "mac":["001A2B3C4D5E","001A2B3C4D5F"],"imei1":null}"#;
    let good = good.replace('\n', " ");
    let long = format!("{{\"sn\":\"{}\"}}", "a".repeat(ROW_BYTES_MAX));
    let lines = [
        good.as_str(),
        "",
        "[1]",
        r#"{"sn":123456789012345678,"gtin":"6929141700010","gtin":"1"}"#,
        &long,
        r#"{"sn":["A"],"mac":["a|b"],"inspection":true} x"#,
        &good,
    ];
    let rows = outcomes(Kind::Production, format!("\u{feff}{}\r\n", lines.join("\r\n")).as_bytes());
    let records: Vec<_> = rows.iter().map(|(record, row)| (*record, row.is_ok())).collect();
    assert_eq!(records, [(1, true), (3, false), (4, false), (5, false), (6, false), (7, true)]);
    let problems = rows[2].1.as_ref().unwrap_err();
    assert_eq!(problems[0].reason, "must be a string");
    assert_eq!(problems[1].reason, "is given twice");
    let Ok(Draft::Production(unit)) = &rows[0].1 else { panic!() };
    assert_eq!(unit.identifiers.len(), 2);
}

#[test]
fn json_values_have_the_type_of_their_column_and_no_other_name() {
    let unit = r#"{"sn":"A1","gtin":"6929141700010","produced_at":"2026-05-20","site_code":"F""#;
    let party = r#"{"code":"F","kind":"factory","name":"F""#;
    let grant = r#"{"party_code":"T","gtin":"*","regions":["53"],"from_on":"2026-01-01""#;
    for (kind, start, more, wanted) in [
        (Kind::Production, unit, "", None),
        (Kind::Production, unit, r#","imei1":5"#, Some(("imei1", "must be a string"))),
        (Kind::Production, unit, r#","lot":true"#, Some(("lot", "must be a string"))),
        (Kind::Production, unit, r#","lot":{"a":1}"#, Some(("lot", "must be a string"))),
        (Kind::Production, unit, r#","lot":["a"]"#, Some(("lot", "takes one value, not an array"))),
        (
            Kind::Production,
            unit,
            r#","colour":"red""#,
            Some(("colour", "is no field of production")),
        ),
        (
            Kind::Production,
            unit,
            r#","colour":null"#,
            Some(("colour", "is no field of production")),
        ),
        (
            Kind::Production,
            unit,
            r#","parts":["P1",2]"#,
            Some(("parts", "must be a string or an array of strings")),
        ),
        (Kind::Production, unit, r#","parts":"P1|P2""#, None),
        (Kind::Parties, party, r#","lon":114.05,"lat":"22.5","public":true"#, None),
        (Kind::Parties, party, r#","lon":true"#, Some(("lon", "must be a number or a string"))),
        (
            Kind::Parties,
            party,
            r#","public":1"#,
            Some(("public", "must be true, false or a string")),
        ),
        (Kind::Parties, party, r#","region":440307"#, Some(("region", "must be a string"))),
        (
            Kind::Parties,
            party,
            r#","lon":1234567890123456"#,
            Some(("lon", "is a number of more than 15 digits: send it as a string")),
        ),
        (
            Kind::Territories,
            grant,
            r#","polygons":7"#,
            Some(("polygons", "must be an object or a string")),
        ),
    ] {
        let line = format!("{start}{more}}}");
        let row = outcomes(kind, line.as_bytes()).remove(0).1;
        let problems = row.err().unwrap_or_default();
        let first = problems.first().map(|p| (&*p.field, p.reason.as_str()));
        assert_eq!(first, wanted, "{line}: {problems:?}");
    }
    // A table may hold columns of somebody else's.
    let table = "sn,gtin,produced_at,site_code,colour\nA1,6929141700010,2026-05-20,F,red\n";
    assert!(outcomes(Kind::Production, table.as_bytes()).remove(0).1.is_ok());
}

#[test]
fn a_workbook_reads_as_csv_does() {
    let names = PRODUCTION.lines().next().unwrap().split(',').map(text).collect::<Vec<_>>();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (sn, site, lot) = (text("CY261812000000"), text("FAC-SZ"), text("LOT260520"));
    let (line, pass) = (text("L1"), text("pass"));
    // 46162.333… is 2026-05-20 08:00 as a serial number of days; style 1 makes it a date.
    let row = [
        &sn,
        "<c><v>6929141700010</v></c>",
        "<c><v>860837783533742</v></c>",
        "<c><v>8.60681241586839E14</v></c>",
        "<c s=\"1\"><v>46162.333333333336</v></c>",
        &site,
        &line,
        &lot,
        &pass,
    ];
    let long = [
        &sn,
        "<c><v>6929141700010</v></c>",
        "<c><v>8608377835337421</v></c>",
        "<c t=\"e\"><v>#N/A</v></c>",
        "<c s=\"1\"><v>0.5</v></c>",
        &site,
    ];
    let book = workbook(&[&names, &row, &[], &long]);
    let rows = outcomes(Kind::Production, &book);
    let csv = outcomes(Kind::Production, PRODUCTION.as_bytes());
    assert_eq!(rows[0].1.as_ref().unwrap(), csv[0].1.as_ref().unwrap());
    assert_eq!(refused(Kind::Production, &book), [(4, vec!["imei1", "imei2", "produced_at"])]);
    assert!(rows[1].1.as_ref().unwrap_err()[0].reason.contains("format the column as text"));
    // A second iterator goes on where the first stopped.
    let mut table = open(Kind::Production, &book).unwrap();
    assert_eq!(table.rows().next().unwrap().unwrap().record, 2);
    assert_eq!(table.rows().next().unwrap().unwrap().record, 4);
}

#[test]
fn a_workbook_cannot_unpack_to_fill_the_memory() {
    let zeros = |count: u64| vec![b' '; count as usize];
    for (part, size) in [
        ("xl/sharedStrings.xml", XLSX_SHARED_BYTES_MAX + 1),
        ("xl/styles.xml", XLSX_STYLES_BYTES_MAX + 1),
        ("xl/worksheets/sheet1.xml", XLSX_EXPANDED_BYTES_MAX + 1),
    ] {
        let bomb = archive(&[(part, zeros(size))]);
        assert!(bomb.len() as u64 * 100 < size);
        let error = open(Kind::Packs, &bomb).err().unwrap();
        assert!(matches!(error, FileError::XlsxTooLarge { .. }), "{error}");
    }
}

#[test]
fn refused_rows_can_be_corrected_and_sent_again() {
    let file = "sscc,child,packed_at,remark\n\
                1,=1+1,2026-05-21,\"=cmd,x\"\n069291417000000003,C,x,+86 755 1\n";
    let mut table = open(Kind::Packs, file.as_bytes()).unwrap().whole_rows();
    let mut errors = ErrorFile::new(Vec::new(), table.header()).unwrap();
    let rows: Vec<_> = table.rows().map(Result::unwrap).collect();
    for row in &rows {
        errors.write(row, &parse_row(row, &shanghai()).unwrap_err()).unwrap();
    }
    let errors = errors.finish().unwrap();
    assert!(String::from_utf8_lossy(&errors).contains(",'=1+1,2026-05-21,\"'=cmd,x\"\n"));
    let mut again = open(Kind::Packs, &errors).unwrap().whole_rows();
    let names: Vec<_> = again.header().names().collect();
    assert_eq!(names[..5], ["error_row", "error_column", "error_code", "error_reason", "sscc"]);
    let rows: Vec<_> = again.rows().map(Result::unwrap).collect();
    let first: Vec<_> = rows[0].cells().collect();
    assert_eq!(first[..3], ["2", "sscc; child", "invalid_field; invalid_field"]);
    assert_eq!(first[4..], ["1", "=1+1", "2026-05-21", "=cmd,x"]);
    assert_eq!(rows[1].cells().last(), Some("+86 755 1"));
    // The error file of an error file has its four columns once.
    let twice = ErrorFile::new(Vec::new(), again.header()).unwrap().finish().unwrap();
    assert!(open(Kind::Packs, &twice).is_ok());
}

#[test]
fn a_file_on_disk_reads_as_a_stream_does() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = workbook(&[&["sscc", "child", "packed_at"].map(text).each_ref().map(|s| &s[..])]);
    for bytes in [PACKS.as_bytes(), &shipped] {
        let path = dir.path().join("packs");
        std::fs::write(&path, bytes).unwrap();
        let mut table = Table::from_path(Kind::Packs, &path).unwrap();
        assert_eq!(table.rows().count(), open(Kind::Packs, bytes).unwrap().rows().count());
    }
    assert!(matches!(
        Table::from_path(Kind::Packs, &dir.path().join("none")),
        Err(FileError::Io(_))
    ));
}

/// Reads a file to its end, whatever is in it.
fn exhaust(bytes: &[u8]) {
    for kind in Kind::ALL {
        for format in [Format::Auto, Format::Csv, Format::JsonLines, Format::Xlsx] {
            let input = Box::new(Cursor::new(bytes.to_vec()));
            let Ok(mut table) = Table::from_reader(kind, format, input) else { continue };
            for row in table.rows().map_while(Result::ok) {
                let _ = parse_row(&row, &TimeZone::UTC);
            }
        }
    }
}

fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let book = workbook(&[
        &["sscc", "child", "packed_at"].map(text).each_ref().map(|s| &s[..]),
        &["<c><v>1</v></c>", "<c t=\"b\"><v>1</v></c>", "<c s=\"1\"><v>46162.3</v></c>"],
    ]);
    let files = [PRODUCTS, PARTIES, TERRITORIES, PRODUCTION, PACKS, SHIPMENTS];
    let files: Vec<_> = files.map(|file| file.as_bytes().to_vec()).into_iter().collect();
    proptest::sample::select([files, vec![book]].concat())
}

proptest! {
    #[test]
    fn any_bytes_end_without_panic(bytes: Vec<u8>) {
        exhaust(&bytes);
    }

    #[test]
    fn any_rows_end_without_panic(
        kind in proptest::sample::select(Kind::ALL.to_vec()),
        cells in proptest::collection::vec("\\PC{0,24}|[-+=0-9.|*:/]{0,20}", 0..40),
    ) {
        let names: Vec<_> = kind.columns().iter().map(|column| column.name).collect();
        exhaust(format!("{}\n{}", names.join(","), cells.join(",")).as_bytes());
    }

    #[test]
    fn damaged_sheets_end_without_panic(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), 0u8..128), 0..6),
        number in "-?[0-9.eE+]{1,25}",
        style in 0u32..3,
    ) {
        let names = ["sscc", "child", "packed_at"].map(text).concat();
        let head = format!("<worksheet><sheetData><row r=\"1\">{names}</row>").into_bytes();
        let mut row = format!(
            "<row r=\"2\"><c r=\"A2\" s=\"{style}\"><v>{number}</v></c><c t=\"s\"><v>0</v></c>\
             <c t=\"d\"><f>A1</f><v>2026</v></c></row></sheetData></worksheet>"
        )
        .into_bytes();
        for (at, byte) in damage {
            let at = at.index(row.len());
            row[at] = byte;
        }
        let shared = b"<sst><si><t>CY1</t></si></sst>".to_vec();
        let sheet = ("xl/worksheets/sheet1.xml", [head, row].concat());
        let file = archive(&[("xl/sharedStrings.xml", shared), sheet]);
        let Ok(mut table) = open(Kind::Packs, &file) else { return Ok(()) };
        for row in table.rows().map_while(Result::ok) {
            let _ = parse_row(&row, &TimeZone::UTC);
        }
    }

    #[test]
    fn damaged_files_end_without_panic(
        mut bytes in any_file(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        exhaust(&bytes);
    }
}
