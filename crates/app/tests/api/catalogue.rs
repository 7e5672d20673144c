//! What a brand entered it can read back, whole: a list, sent again as a file, changes nothing.

use crate::common::World;
use crate::on_both;
use dossier::files::Kind;
use serde_json::{Map, Value, json};

on_both! {
    lists_are_files_that_change_nothing,
}

const PRODUCTS: &str = "gtin,name_zh,name_en,category,model,spec,maker,contract_maker,standards,\
    ccc_certificate,certificate_body,certificate_from_on,certificate_to_on,certificate_status,\
    licence,test_report,service_months,list_price_yuan,picture,network_start\n\
    6923456789012,移动电源,Power bank,power_bank,PB-20,黑色,澄野,衡川,GB 31241-2022|GB 4943.1-2022,\
    2024010907000001,CQC,2024-01-01,2029-01-01,valid,XK-1,T-1,36,199.05,/pictures/pb.png,no\n";

const PARTIES: &str = "code,kind,name,parent_code,region,address,phone,lon,lat,public,\
    organisation,categories\n\
    SHOP-9,shop,翠湖店,T2-53,530102,翠湖路 1 号,0871-1,102.70123,25.05,yes,91310000775785552L,\n\
    REG,regulator,监管,BRAND,53,,,,,,,phone|power_bank\n";

const SITES: &str = "code,party_code,kind,name,region,address,phone,lon,lat\n\
    SHOP-9-W,SHOP-9,warehouse,翠湖仓,530102,翠湖路 2 号,0871-2,102.7,25.06\n";

/// As a spreadsheet writes it: quotes doubled.
const FENCE: &str = concat!(
    r#"{""type"":""Feature"",""properties"":{""name"":""仓""},""geometry"":{""type"":""#,
    r#""Polygon"",""coordinates"":[[[102.6,24.9],[102.8,24.9],[102.8,25.2],[102.6,24.9]]]}}"#
);

/// The row of a list as the line of a file: just as it is told, but of products, of which more is
/// told than a file takes.
fn line(kind: Kind, item: &Map<String, Value>) -> String {
    if kind != Kind::Products {
        return Value::Object(item.clone()).to_string() + "\n";
    }
    let mut line = Map::new();
    for column in kind.columns() {
        let value = item.get(column.name);
        let value = value.unwrap_or_else(|| panic!("{kind}: {} is not told", column.name));
        line.insert(column.name.to_owned(), value.clone());
    }
    line.retain(|_, value| !value.is_null());
    Value::Object(line).to_string() + "\n"
}

async fn lists_are_files_that_change_nothing(world: &World) {
    world.take(Kind::Products, PRODUCTS).await;
    world.take(Kind::Parties, PARTIES).await;
    world.take(Kind::Sites, SITES).await;
    let fenced = "party_code,gtin,regions,excluded,from_on,to_on,channel,polygons\n".to_owned()
        + &format!("T1-53,6923456789012,53,5305,2026-02-01,2026-12-31,offline,\"{FENCE}\"\n")
        + "T1-53,*,53|4403|CN,,2026-03-01,,both,\n";
    world.take(Kind::Territories, &fenced).await;
    let desk = world.desk("BRAND", "all").await;
    for (kind, path) in [
        (Kind::Products, "products"),
        (Kind::Parties, "parties"),
        (Kind::Sites, "sites"),
        (Kind::Territories, "territories"),
    ] {
        let (status, page) = desk.get(&format!("/api/v1/{path}?limit=1000")).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().expect("a list");
        // A main site changes with its party.
        let further = |item: &&Value| item["code"] != item["party_code"] || item["code"].is_null();
        let lines: Vec<_> = items
            .iter()
            .filter(further)
            .map(|item| line(kind, item.as_object().expect("a row")))
            .collect();
        assert!(!lines.is_empty(), "{kind}");
        for line in lines {
            let text = desk.take_lines(path, &line).await;
            let row: Value =
                serde_json::from_str(text.lines().next().expect("a row")).expect("JSON");
            assert_eq!(row["outcome"], "unchanged", "{kind} {line} {text}");
        }
    }
    let (_, products) = desk.get("/api/v1/products").await;
    let bank = products["items"].as_array().expect("a list");
    let bank = bank.iter().find(|p| p["gtin"] == "06923456789012").expect("it is listed");
    assert_eq!(
        (&bank["list_price_yuan"], &bank["network_start"]),
        (&json!("199.05"), &json!(false))
    );
}
