//! What the kinds of events are called, short enough for a column.

use super::i18n::Lang;

/// Kind as stored, in Chinese, in English.
const WORDS: &[(&str, &str, &str)] = &[
    ("minted", "发码", "minted"),
    ("commissioned", "生产", "produced"),
    ("inspected", "检验", "inspected"),
    ("packed", "装箱", "packed"),
    ("unpacked", "拆箱", "unpacked"),
    ("shipped", "发运", "shipped"),
    ("receipt_differed", "未收到", "missing"),
    ("received", "签收", "received"),
    ("returned", "退回", "returned"),
    ("shipment_voided", "发运作废", "ship void"),
    ("activated", "激活", "activated"),
    ("finding_added", "补记发现", "suspected"),
    ("finding_withdrawn", "撤回发现", "withdrawn"),
    ("recalled", "召回", "recalled"),
    ("recall_lifted", "召回结束", "recall end"),
    ("recall_remedied", "召回处理", "remedied"),
    ("decommissioned", "停用", "retired"),
    ("stolen_reported", "挂失", "stolen"),
    ("stolen_cleared", "解除挂失", "found"),
    ("codes_voided", "作废", "void"),
    ("batch_delivered", "交付", "delivered"),
    ("batch_exported", "导出", "exported"),
    ("alias_bound", "补码", "relabelled"),
    ("identifier_moved", "标识变更", "identifier"),
    ("sold", "售出", "sold"),
    ("registered", "保修登记", "registered"),
    ("proof_passed", "实物验证", "proved"),
    ("suspicion_reported", "举报", "reported"),
    ("changed", "变更", "changed"),
    ("life_opened", "新生命", "new life"),
];

/// What a kind is called; the kind itself when a later version wrote it.
pub fn event_word(lang: Lang, kind: &str) -> &str {
    let found = WORDS.iter().find(|(known, ..)| *known == kind);
    found.map_or(kind, |(_, zh, en)| if lang == Lang::Zh { zh } else { en })
}

/// All of them as a JSON object, for a page that calculates.
pub fn event_words(lang: Lang) -> String {
    let words = WORDS.iter().map(|(kind, ..)| (*kind, event_word(lang, kind).into()));
    serde_json::Value::Object(words.map(|(kind, word)| (kind.to_owned(), word)).collect())
        .to_string()
}
