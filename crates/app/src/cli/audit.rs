//! `audit`: the audit trail of the brand, who changed and who read what.

use super::term::{Paint, Tone, plain, table};
use super::{Exit, Fault, open, term, words};
use crate::api::audit::audit_lines;
use crate::config::Global;
use crate::files::read_instant;
use crate::flows::audit::{self, Export, RECORDS_MAX, Record, Wanted};
use crate::flows::custody::instant;
use crate::flows::reference::Reference;
use crate::flows::{Caller, House};
use crate::pages::i18n::Lang;
use domain::refusal::Refused;
use jiff::Timestamp;
use std::io::Write;
use std::sync::Arc;
use store::event::FieldRow;

/// Columns of what differs, in the table.
const CHANGE_COLUMNS: usize = 60;

/// Shows the audit trail.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// From this day or instant on
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Before this day or instant
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// By this actor alone: key:ID, account:ID, cli, system
    #[arg(long)]
    actor: Option<String>,
    /// About this object alone: a GTIN, a party's code, a trace code, a batch's number
    #[arg(long)]
    object: Option<String>,
    /// About this kind of object alone: product, party, site, territory, batch, api_key, code_key,
    /// phone_key, recall, case, webhook, account, membership, invitation, dossier, proof, codes,
    /// alerts, cases, reports, person, people, audit, export, backup
    #[arg(long)]
    kind: Option<String>,
    /// Records shown, the newest first
    #[arg(long, default_value_t = 100, conflicts_with = "json",
        value_parser = clap::value_parser!(u64).range(1..=RECORDS_MAX as u64))]
    limit: u64,
    /// All of it, one JSON object per line
    #[arg(long)]
    json: bool,
    /// Language: zh or en
    #[arg(long, default_value = "zh", value_parser = words::lang)]
    lang: Lang,
}

/// Runs the command.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let house = Arc::new(open::house(global).await?);
    let caller = open::caller(&house, global).await?;
    let reference = house.reference().await?;
    let at = |name: &'static str, text: &Option<String>| -> Result<Option<Timestamp>, Fault> {
        let Some(text) = text else { return Ok(None) };
        let read = read_instant(text, reference.zone(caller.brand));
        Ok(Some(read.map_err(|why| Refused::invalid(name, why))?.at))
    };
    let wanted = Wanted {
        since: at("--since", &args.since)?,
        until: at("--until", &args.until)?,
        actor: args.actor.clone(),
        object: args.object.clone(),
        kind: args.kind.clone(),
        after: None,
        most: usize::try_from(args.limit).unwrap_or(RECORDS_MAX),
    };
    let told = if args.json {
        export(&house, &caller, wanted).await
    } else {
        let (found, more) = audit::list(&house, &caller, &wanted).await?;
        Ok(term::print(&sheet(&reference, &caller, args.lang, (&found, more)))?)
    };
    // Who read the trail is recorded, whether or not anybody read it to the end.
    audit::flush(&house).await?;
    house.store.close().await;
    told.map(|()| Exit::Done)
}

async fn export(house: &Arc<House>, caller: &Caller, wanted: Wanted) -> Result<(), Fault> {
    let mut export = Export::begin(house, caller, wanted).await?;
    let mut out = term::raw_stdout()?;
    while let Some(records) = export.next_page().await? {
        let reference = house.reference().await?;
        out.write_all(audit_lines(&reference, caller, records).as_bytes())?;
    }
    Ok(())
}

fn sheet(
    reference: &Reference,
    caller: &Caller,
    lang: Lang,
    (found, more): (&[Record], bool),
) -> String {
    let say = |zh, en| words::pick(lang, zh, en);
    let zone = reference.zone(caller.brand);
    let row = |record: &Record| {
        let party = record.party.and_then(|id| reference.tree.get(id));
        let position = record.position.map(|p| p.to_string()).unwrap_or_default();
        vec![
            words::minute(zone, instant(record.at)),
            plain(&record.actor),
            party.map(|p| plain(&p.code)).unwrap_or_default(),
            plain(verb(lang, record)),
            plain(kind(lang, &record.kind)),
            plain(&record.object),
            position,
            record.address.clone().unwrap_or_default(),
            term::clip(&told(lang, record), CHANGE_COLUMNS),
        ]
    };
    let header = [
        say("时间", "when"),
        say("操作者", "who"),
        say("主体", "party"),
        say("动作", "did"),
        say("类别", "kind"),
        say("对象", "object"),
        say("日志序号", "log entry"),
        say("地址", "address"),
        say("内容", "what"),
    ];
    let paint = Paint::for_stdout();
    let rows: Vec<_> = found.iter().map(row).collect();
    let mut text = table(&header, &rows, paint);
    if more {
        let hint = say("更早的记录未列出：用 --until 或 --json", "older ones: --until or --json");
        text += &(paint.tone(Tone::Dim, hint) + "\n");
    }
    text
}

fn told(lang: Lang, record: &Record) -> String {
    let stop = words::pick(lang, "；", "; ");
    if let Some(count) = record.count {
        let rows = match lang {
            Lang::Zh => format!("{count} 条"),
            Lang::En => format!("rows: {count}"),
        };
        let why = record.reason.as_deref().map(|why| format!("{stop}{}", plain(why)));
        return rows + &why.unwrap_or_default();
    }
    let shown = |value: &Option<String>| value.as_deref().map_or("-".to_owned(), plain);
    let field = |row: &FieldRow| match row.hidden {
        true => format!("{} {}", row.field, words::pick(lang, "（已变更，不显示）", "(changed)")),
        false => format!("{} {} → {}", row.field, shown(&row.before), shown(&row.after)),
    };
    record.fields.iter().map(field).collect::<Vec<_>>().join(stop)
}

/// A verb in the reader's language; one that is not known here stays as recorded.
fn verb(lang: Lang, record: &Record) -> &str {
    let word = record.verb.as_str();
    let zh = match word {
        "created" => "新建",
        "changed" => "修改",
        "minted" => "发码",
        "exported" => "导出",
        "delivered" => "交付",
        "voided" => "作废",
        "revoked" => "撤销",
        "rewrapped" => "重新加封",
        "corrected" => "更正",
        "agreed" => "同意变更",
        "unbound" => "解除登记",
        "erased" => "删除",
        "held" => "法律保全",
        "released" => "解除保全",
        "accepted" => "接受",
        "withdrawn" => "撤回",
        "ended" => "终止",
        "disabled" => "停用",
        "enabled" => "启用",
        "read" => "查阅",
        "dropped" => "漏记",
        "purged" => "清除",
        // A case or a recall is opened; what is kept about a person is looked at.
        "opened" if record.kind == "person" => "查看",
        "opened" => "开启",
        "closed" => "关闭",
        "extended" => "增加设备",
        "noted" => "备注",
        "messaged" => "致函",
        "answered" => "答复",
        "reopened" => "重新开启",
        "rotated" => "更换",
        "removed" => "移除",
        "switched_off" => "停用",
        other => other,
    };
    if lang == Lang::Zh { zh } else { word }
}

fn kind(lang: Lang, word: &str) -> &str {
    let zh = match word {
        "brand" => "品牌",
        "product" => "产品",
        "party" => "主体",
        "site" => "场所",
        "territory" => "授权区域",
        "batch" => "码批次",
        "api_key" => "接口密钥",
        "code_key" => "码密钥",
        "phone_key" => "手机号密钥",
        "person" => "消费者",
        "account" => "账号",
        "membership" => "成员身份",
        "invitation" => "邀请",
        "people" => "人员名单",
        "dossier" => "档案",
        "proof" => "历史证明",
        "codes" => "追溯码",
        "alerts" => "预警",
        "case" | "cases" => "案件",
        "reports" => "举报",
        "audit" => "审计记录",
        "backup" => "备份",
        "export" => "监管导出",
        "recall" => "召回",
        "webhook" => "事件推送",
        "looks" => "查看记录",
        other => other,
    };
    if lang == Lang::Zh { zh } else { word }
}
