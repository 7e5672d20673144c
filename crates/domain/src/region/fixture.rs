//! A small table for the tests of this module and of the rules that ask for regions.

use super::{DivisionRow, Divisions, GeoPoint, RegionCode};

const ROWS: &[(&str, &str, &str, f64, f64, &str)] = &[
    ("110000", "北京市", "Beijing", 116.4074, 39.9042, ""),
    ("110100", "市辖区", "Beijing (districts)", 116.4074, 39.9042, ""),
    ("110101", "东城区", "Dongcheng", 116.4165, 39.9283, ""),
    ("110108", "海淀区", "Haidian", 116.2983, 39.9599, ""),
    ("150000", "内蒙古自治区", "Inner Mongolia", 111.6708, 40.8183, ""),
    ("310000", "上海市", "Shanghai", 121.4726, 31.2317, ""),
    ("370000", "山东省", "Shandong", 117.0009, 36.6758, ""),
    ("370100", "济南市", "Jinan", 117.0009, 36.6758, ""),
    ("370102", "历下区", "Lixia", 117.0386, 36.6641, ""),
    ("370116", "莱芜区", "Laiwu", 117.6599, 36.2032, ""),
    ("370117", "钢城区", "Gangcheng", 117.8114, 36.0586, ""),
    ("371200", "莱芜市", "Laiwu", f64::NAN, f64::NAN, "370100"),
    ("371202", "莱城区", "Laicheng", f64::NAN, f64::NAN, "370116"),
    ("371203", "钢城区", "Gangcheng", f64::NAN, f64::NAN, "370117"),
    ("410000", "河南省", "Henan", 113.6654, 34.7580, ""),
    ("419000", "省直辖县级行政区划", "Henan (direct)", 112.6023, 35.0672, ""),
    ("419001", "济源市", "Jiyuan", 112.6023, 35.0672, ""),
    ("420000", "湖北省", "Hubei", 114.2986, 30.5843, ""),
    ("422800", "恩施土家族苗族自治州", "Enshi", 109.4870, 30.2831, ""),
    ("422801", "恩施市", "Enshi", 109.4868, 30.2824, ""),
    ("530000", "云南省", "Yunnan", 102.7122, 25.0406, ""),
    ("530100", "昆明市", "Kunming", 102.7122, 25.0406, ""),
    ("530102", "五华区", "Wuhua", 102.7046, 25.0422, ""),
    ("530103", "盘龙区", "Panlong", 102.7292, 25.0702, ""),
    ("530300", "曲靖市", "Qujing", 103.7979, 25.5016, ""),
    ("530302", "麒麟区", "Qilin", 103.7981, 25.5010, ""),
    ("520000", "贵州省", "Guizhou", 106.7135, 26.5783, ""),
    ("520100", "贵阳市", "Guiyang", 106.7135, 26.5783, ""),
    ("520102", "南明区", "Nanming", 106.7160, 26.5737, ""),
    ("810000", "香港特别行政区", "Hong Kong", 114.1712, 22.2775, ""),
    ("CN", "中国", "China", f64::NAN, f64::NAN, ""),
    ("HK", "中国香港", "Hong Kong, China", f64::NAN, f64::NAN, ""),
    ("US", "美国", "United States", f64::NAN, f64::NAN, ""),
];

pub(crate) fn divisions() -> Divisions {
    let rows = ROWS.iter().map(|&(code, zh, en, lon, lat, successor)| DivisionRow {
        code,
        zh,
        en,
        lon_lat: lon.is_finite().then_some((lon, lat)),
        valid_to: None,
        successor: (!successor.is_empty()).then_some(successor),
    });
    let abroad = GeoPoint::new(37.77, -122.42).map(|p| (code("US"), p));
    Divisions::from_rows(rows, abroad).expect("the fixture is sound")
}

pub(crate) fn code(text: &str) -> RegionCode {
    RegionCode::parse(text).expect("a code in a test")
}
