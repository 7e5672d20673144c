//! The service centres of a brand, searched by place and by word.

use super::world::{Page, World, world};
use axum::http::StatusCode;

/// A text as a form sends it.
fn sent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The page of a search, its signs written as they are read.
async fn searched(world: &World, lang: &str, query: &str) -> Page {
    let path = format!("/d/{}/centres?lang={lang}&q={}", world.phone(0), sent(query));
    let page = world.get(&path).await;
    assert_eq!(page.status, StatusCode::OK, "{query}");
    let text = page.text.replace("&#38;", "&").replace("&#39;", "'");
    Page { text, ..page }
}

#[tokio::test]
async fn centres_are_found_by_place_and_word() {
    let world = world().await;
    let path = format!("/d/{}/centres", world.phone(0));
    let near = |text: &str| {
        let place = |name: &str| text.find(name).expect(name);
        place("静安服务中心") < place("苏州服务中心")
    };
    // Suzhou, 苏州, as a form sends it.
    let page = world.get(&format!("{path}?q=%E8%8B%8F%E5%B7%9E")).await;
    assert!(!near(&page.text), "Suzhou is nearer to Suzhou");
    // Further sites of a centre are listed beside its seat, but for those no visitor is sent to.
    assert!(page.text.contains("虹桥收机点") && page.text.contains("示例路 200 号"));
    assert!(!page.text.contains("静安配件库") && !page.text.contains("二店"));
    // A district leads to its city, with or without its rank.
    for district in ["浦东", "浦东新区", "静安"] {
        let page = world.get(&format!("{path}?q={}", sent(district))).await;
        assert!(page.text.contains("距离从上海市中心算起"), "{district}: {}", page.text);
        assert!(near(&page.text), "{district}");
    }
    let page = world.get(&format!("{path}?q=200")).await;
    assert!(page.text.contains("虹桥收机点") && !page.text.contains("静安服务中心"));
    let page = world.get(&format!("{path}?q=%3Cscript%3E")).await;
    assert!(page.status == StatusCode::OK && !page.text.contains("<script>\""));
}

#[tokio::test]
async fn where_nobody_knows_from_where_centres_come_by_division() {
    let world = world().await;
    let page = world.get(&format!("/d/{}/centres", world.phone(0))).await;
    assert!(!page.text.contains("中心算起"), "{}", page.text);
    let places = ["虹桥收机点", "静安服务中心", "苏州服务中心"];
    let places = places.map(|name| page.text.find(name).expect(name));
    assert!(places.is_sorted(), "{}", page.text);
}

#[tokio::test]
async fn a_place_is_found_however_it_is_written() {
    let world = world().await;
    for (lang, query, from) in [
        ("zh-CN", "苏州", "距离从江苏省苏州市中心算起"),
        ("zh-CN", "江苏省苏州市", "距离从江苏省苏州市中心算起"),
        ("zh-CN", "江苏苏州", "距离从江苏省苏州市中心算起"),
        ("zh-CN", "江苏省 苏州", "距离从江苏省苏州市中心算起"),
        ("zh-CN", "福州市鼓楼区", "距离从福建省福州市中心算起"),
        ("zh-CN", "北京朝阳", "距离从北京市中心算起"),
        ("zh-CN", "广西南宁", "距离从广西壮族自治区南宁市中心算起"),
        ("zh-CN", "xian", "距离从陕西省西安市中心算起"),
        ("en", "Suzhou, Jiangsu", "Distances from the centre of Suzhou, Jiangsu"),
        ("en", "jiangsu suzhou", "Distances from the centre of Suzhou, Jiangsu"),
        ("en", "xian", "Distances from the centre of Xi'an, Shaanxi"),
        ("en", "Xi’an", "Distances from the centre of Xi'an, Shaanxi"),
    ] {
        let page = searched(&world, lang, query).await;
        assert!(page.text.contains(from), "{query}: {}", page.text);
        assert!(page.text.contains("苏州服务中心"), "{query}: a place takes nothing away");
    }
}

#[tokio::test]
async fn of_several_places_of_one_name_the_visitor_says_which() {
    let world = world().await;
    let page = searched(&world, "zh-CN", "鼓楼区").await;
    assert!(!page.text.contains("中心算起"), "nobody knows from where: {}", page.text);
    for place in ["江苏省南京市鼓楼区", "福建省福州市鼓楼区"] {
        let link = format!("/centres?q={}\">{place}</a>", sent(place));
        assert!(page.text.contains(&link), "{place}: {}", page.text);
    }
    let page = searched(&world, "zh-CN", "福建省福州市鼓楼区").await;
    assert!(page.text.contains("距离从福建省福州市中心算起"), "{}", page.text);
    assert!(!page.text.contains("徐州"), "{}", page.text);
    // One that is wider is taken, with its province, and the others are told.
    let page = searched(&world, "zh-CN", "朝阳").await;
    assert!(page.text.contains("距离从辽宁省朝阳市中心算起"), "{}", page.text);
    assert!(page.text.contains(">北京市朝阳区</a>"), "{}", page.text);
    let page = searched(&world, "en", "Gulou").await;
    assert!(page.text.contains(">Gulou, Fuzhou, Fujian</a>"), "{}", page.text);
}

#[tokio::test]
async fn a_search_keeps_its_words_in_the_other_language_and_claims_no_distance_of_nothing() {
    let world = world().await;
    world.activate(0, "device-a").await;
    let page = searched(&world, "zh-CN", "苏州 & 上海").await;
    let other = format!("?lang=en&q={}%20%26%20{}", sent("苏州"), sent("上海"));
    assert!(page.text.contains(&other), "{other}: {}", page.text);
    let all = world.get(&format!("/d/{}/centres", world.phone(0))).await;
    assert!(all.text.contains("距离从上海市中心算起"), "{}", all.text);
    let none = searched(&world, "zh-CN", "无此店").await;
    assert!(none.text.contains("没有找到网点"), "{}", none.text);
    assert!(!none.text.contains("中心算起"), "{}", none.text);
}
