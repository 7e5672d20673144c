//! What place people mean by what they write: 江苏省苏州市, 江苏苏州, 北京朝阳, xian.
//! A text is read as one to four names, one behind the other and in either order, each of which
//! must fit the others. Decides nothing where several regions fit: all are told.

use std::collections::BTreeSet;

use super::{Divisions, RegionCode};
use crate::text::half_width;

/// Country, province, city, district.
const NAMES_MAX: usize = 4;

/// What people put behind a name that the table has without it, or with another: 广西省, 香港市,
/// Suzhou City.
const RANKS: [&str; 9] =
    ["自治区", "省", "市", "州", " province", " city", " prefecture", " district", " county"];

impl Divisions {
    /// The regions in force that a text may mean, wider before narrower; none where it names no
    /// place. Of several names said together each narrows those before it as far as it can.
    pub fn meant(&self, text: &str) -> Vec<RegionCode> {
        let text = plain(text);
        let mut readings = (1..=NAMES_MAX).map(|count| self.read(&text, count));
        readings.find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// What a text means if it is so many names.
    fn read(&self, text: &str, count: usize) -> Vec<RegionCode> {
        let mut found = Vec::new();
        self.fit(text, count, &mut Vec::new(), &mut found);
        let retired = |(code, _): &(RegionCode, usize)| self.current(*code) != *code;
        if !found.iter().all(retired) {
            found.retain(|one| !retired(one));
        }
        // 吉林吉林 is the city: two names for the province alone are one too many.
        let most = found.iter().map(|(_, told)| *told).max();
        found.retain(|(_, told)| Some(*told) == most);
        let mut found: Vec<_> = found.into_iter().map(|(code, _)| self.current(code)).collect();
        found.sort_by_key(|code| (code.level(), *code));
        found.dedup();
        found
    }

    /// Every way to read a text as so many names behind those that were said before it.
    fn fit(
        &self,
        text: &str,
        count: usize,
        said: &mut Vec<Vec<RegionCode>>,
        found: &mut Vec<(RegionCode, usize)>,
    ) {
        let ends = if count == 1 { vec![text.len()] } else { ends(text) };
        for end in ends {
            let (name, rest) = text.split_at(end);
            let regions = self.called(name.trim_end());
            if regions.is_empty() {
                continue;
            }
            said.push(regions);
            match count {
                1 => found.extend(common(said)),
                _ => self.fit(rest, count - 1, said, found),
            }
            said.pop();
        }
    }

    /// The regions of a name. People leave out the rank of a new area (浦东 for 浦东新区), and the
    /// peoples of an autonomous prefecture (延边州, 黔东南 for 黔东南苗族侗族自治州).
    fn called(&self, name: &str) -> Vec<RegionCode> {
        let ranked = format!("{name}新区");
        let bare = RANKS.iter().find_map(|rank| name.strip_suffix(*rank));
        let bare = bare.filter(|bare| bare.chars().nth(1).is_some());
        let codes = |name: &str| self.named(name).map(|row| row.code).collect::<Vec<_>>();
        // One character may begin any of them.
        let prefecture = |begin: &str| {
            let known = begin.chars().nth(1).and_then(|_| self.prefecture(begin));
            known.into_iter().collect::<Vec<_>>()
        };
        let ways: [&dyn Fn() -> Vec<RegionCode>; 5] = [
            &|| codes(name),
            &|| codes(&ranked),
            // Before 海南 is taken for the province.
            &|| name.strip_suffix('州').map(prefecture).unwrap_or_default(),
            &|| bare.map(codes).unwrap_or_default(),
            &|| prefecture(name),
        ];
        ways.iter().map(|way| way()).find(|codes| !codes.is_empty()).unwrap_or_default()
    }
}

/// Of the regions said, those that lie in one of every name, each with how many of the names can
/// stand for a region of their own.
fn common(said: &[Vec<RegionCode>]) -> impl Iterator<Item = (RegionCode, usize)> {
    let fits = move |region: &RegionCode| {
        said.iter().all(|named| named.iter().any(|wider| wider.contains(*region)))
    };
    let told = move |region: RegionCode| {
        let around = said.iter().flatten().filter(|wider| wider.contains(region));
        let around: BTreeSet<_> = around.collect();
        (region, around.len().min(said.len()))
    };
    said.iter().flatten().copied().filter(fits).map(told)
}

/// Where one name may end and the next begin: behind a space, and beside an ideograph.
fn ends(text: &str) -> Vec<usize> {
    let parts = |before: char, next: char| before == ' ' || !before.is_ascii() || !next.is_ascii();
    let next = text.char_indices().skip(1);
    let ends = text.chars().zip(next).filter(|(before, (_, next))| parts(*before, *next));
    ends.map(|(_, (at, _))| at).collect()
}

/// The text in small letters, with one apostrophe for all of them, parted by single spaces.
fn plain(text: &str) -> String {
    let one = |c: char| match half_width(c) {
        '‘' | '’' | 'ʼ' | '`' | '´' => '\'',
        ',' | ';' | '/' | '、' => ' ',
        c => c,
    };
    let text = text.chars().map(one).collect::<String>().to_lowercase();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::DivisionRow;
    use super::*;

    fn table() -> Divisions {
        let rows = [
            ("110000", "北京市", "Beijing"),
            ("110105", "朝阳区", "Chaoyang"),
            ("210000", "辽宁省", "Liaoning"),
            ("211300", "朝阳市", "Chaoyang"),
            ("220000", "吉林省", "Jilin"),
            ("220200", "吉林市", "Jilin"),
            ("210213", "金州区", "Jinzhou"),
            ("210700", "锦州市", "Jinzhou"),
            ("211321", "朝阳县", "Chaoyang"),
            ("220403", "西安区", "Xi'an"),
            ("222400", "延边朝鲜族自治州", "Yanbian"),
            ("310000", "上海市", "Shanghai"),
            ("310115", "浦东新区", "Pudong New"),
            ("320000", "江苏省", "Jiangsu"),
            ("320100", "南京市", "Nanjing"),
            ("320106", "鼓楼区", "Gulou"),
            ("320500", "苏州市", "Suzhou"),
            ("341300", "宿州市", "Suzhou"),
            ("350000", "福建省", "Fujian"),
            ("350100", "福州市", "Fuzhou"),
            ("350102", "鼓楼区", "Gulou"),
            ("350111", "晋安区", "Jin'an"),
            ("370000", "山东省", "Shandong"),
            ("370100", "济南市", "Jinan"),
            ("371300", "临沂市", "Linyi"),
            ("371424", "临邑县", "Linyi"),
            ("433100", "湘西土家族苗族自治州", "Xiangxi"),
            ("450000", "广西壮族自治区", "Guangxi"),
            ("450100", "南宁市", "Nanning"),
            ("460000", "海南省", "Hainan"),
            ("520000", "贵州省", "Guizhou"),
            ("522300", "黔西南布依族苗族自治州", "Qianxinan"),
            ("522600", "黔东南苗族侗族自治州", "Qiandongnan"),
            ("522700", "黔南布依族苗族自治州", "Qiannan"),
            ("532800", "西双版纳傣族自治州", "Xishuangbanna"),
            ("610000", "陕西省", "Shaanxi"),
            ("610100", "西安市", "Xi'an"),
            ("632500", "海南藏族自治州", "Hainan"),
            ("CN", "中国", "China"),
        ];
        let rows = rows.map(|(code, zh, en)| DivisionRow {
            code,
            zh,
            en,
            lon_lat: None,
            valid_to: None,
            successor: None,
        });
        Divisions::from_rows(rows, []).expect("a sound table")
    }

    #[test]
    fn a_place_is_found_however_it_is_written() {
        let table = table();
        for (text, meant) in [
            ("苏州", "3205"),
            ("江苏省苏州市", "3205"),
            ("江苏苏州", "3205"),
            ("江苏，苏州", "3205"),
            ("中国江苏省 苏州市", "3205"),
            ("苏州市江苏省", "3205"),
            ("福州市鼓楼区", "350102"),
            ("江苏鼓楼", "320106"),
            ("北京朝阳", "110105"),
            ("北京市朝阳区", "110105"),
            ("上海浦东", "310115"),
            ("浦东", "310115"),
            ("广西省南宁", "4501"),
            ("广西自治区南宁市", "4501"),
            ("Suzhou, Jiangsu", "3205"),
            ("jiangsu suzhou", "3205"),
            ("Suzhou City, Jiangsu Province", "3205"),
            ("Gulou,Fuzhou,Fujian,China", "350102"),
            ("Ｃｈａｏｙａｎｇ　Beijing", "110105"),
            ("Shanghai, Shanghai", "31"),
            ("Jilin, Jilin", "2202"),
            ("jinan", "3701"),
            ("Jin’an", "350111"),
            ("延边州", "2224"),
            ("吉林省延边州", "2224"),
            ("湘西州", "4331"),
            ("黔东南", "5226"),
            ("贵州黔南州", "5227"),
            ("西双版纳", "5328"),
            ("海南州", "6325"),
            ("海南", "46"),
        ] {
            let found: Vec<_> = table.meant(text).iter().map(ToString::to_string).collect();
            assert_eq!(found, [meant], "{text}");
        }
    }

    #[test]
    fn all_that_bear_a_name_are_told_wider_before_narrower() {
        let table = table();
        for (text, meant) in [
            ("鼓楼区", vec!["320106", "350102"]),
            ("suzhou", vec!["3205", "3413"]),
            ("朝阳", vec!["2113", "110105", "211321"]),
            ("Linyi, Shandong", vec!["3713", "371424"]),
            ("Jinzhou, Liaoning", vec!["2107", "210213"]),
            ("Chaoyang, Liaoning, China", vec!["2113", "211321"]),
            ("Chaoyang, Chaoyang, Liaoning", vec!["211321"]),
            ("黔", vec![]),
            ("延边店", vec![]),
            ("吉林", vec!["22", "2202"]),
            ("xian", vec!["6101", "220403"]),
            ("XI'AN", vec!["6101", "220403"]),
            ("", vec![]),
            (" ， ", vec![]),
            ("福州市苏州市", vec![]),
            ("苏州服务中心", vec![]),
            ("200", vec![]),
        ] {
            let found: Vec<_> = table.meant(text).iter().map(ToString::to_string).collect();
            assert_eq!(found, meant, "{text}");
        }
    }
}
