//! `show`: the whole dossier of a unit or a pack on one screen.

mod pack;
mod pen;
mod story;

use super::term::{Paint, Tone, pad, plain};
use super::{Exit, Fault, open, term, words};
use crate::config::Global;
use crate::flows::access::Sight;
use crate::flows::compliance::trace_clock;
use crate::flows::custody::instant;
use crate::flows::dossier::{Dossier, aliases, dossier};
use crate::flows::verify::{self, Depth, Known, Reading, Verified};
use crate::flows::{Caller, House, audit};
use crate::pages::i18n::Lang;
use domain::audit::SensitiveRead;
use domain::custody::CustodyFacts;
use domain::id::BrandId;
use domain::identifier::{Scheme, imei15};
use domain::verdict::{CodeReading, Verdict};
use domain::warranty::WarrantyReading;
use pen::{LABEL_COLUMNS, Pen};

/// Shows a dossier.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A trace code, an SN, an IMEI, or the SSCC of a pack
    #[arg(value_name = "CODE|SN|IMEI|SSCC")]
    what: String,
    /// Read it only as: code, imei, meid, eid, mac, sscc, sn, part
    #[arg(long, value_parser = words::any_scheme)]
    scheme: Option<Scheme>,
    /// Language: zh or en
    #[arg(long, default_value = "zh", value_parser = words::lang)]
    lang: Lang,
}

/// Runs the command: exit 4 when nothing of this brand answers to it.
pub async fn run(global: &Global, args: Args) -> Result<Exit, Fault> {
    let house = open::house(global).await?;
    let caller = open::caller(&house, global).await?;
    let mut reference = house.reference().await?;
    let brand = Some(caller.brand);
    let pack = pack::named(&house, &caller, &args).await?;
    let reading = match args.scheme {
        Some(Scheme::Sscc) => Reading::Nothing(CodeReading::NotACode),
        scheme => verify::read(&house, &mut reference, brand, &args.what, scheme).await?,
    };
    let shown = match (pack, reading) {
        (Some(pack), Reading::Nothing(_)) => {
            note(&house, &caller, &args.what);
            (pack::sheet(&house, &reference, args.lang, pack).await?, Exit::Done)
        }
        (None, Reading::Number(number, code)) => show(&house, &caller, &args, number, code).await?,
        (None, Reading::Nothing(code)) => {
            let verified = verify::verify(&house, &reference, (code, None), Depth::Whole).await?;
            (nothing(args.lang, &args.what, &verified), Exit::No)
        }
        (Some(_), _) => {
            let why = "both a pack's SSCC and a unit's serial number: say --scheme sscc or sn";
            return Err(Fault::failed(format!("{} is {why}", args.what)));
        }
        (None, Reading::Ambiguous((one, _), (other, _))) => {
            let why = format!("one unit's {one} and another's {other}");
            let why = format!("{} is {why}: say --scheme {one} or {other}", args.what);
            return Err(Fault::failed(why));
        }
    };
    audit::flush(&house).await?;
    house.store.close().await;
    let (text, exit) = shown;
    term::print(&text)?;
    Ok(exit)
}

/// Notes that the whole of it was shown.
fn note(house: &House, caller: &Caller, object: &str) {
    audit::note(house, &caller.into(), SensitiveRead::Dossier, object, 1);
}

/// An identifier as people know it: an IMEI, kept by its 14 digits, with its check digit.
fn known_as(scheme: &str, value: &str) -> String {
    let imei = (scheme == Scheme::Imei.as_str()).then(|| imei15(value)).flatten();
    imei.unwrap_or_else(|| plain(value))
}

fn nothing(lang: Lang, what: &str, verified: &Verified) -> String {
    let paint = Paint::for_stdout();
    let decision = &verified.decision;
    let title = words::verdict(lang, decision.verdict);
    let title = paint.tone(words::verdict_tone(decision.verdict), &format!("● {title}"));
    format!("{title}  {}  {}\n", plain(what), words::reason(lang, decision.reason))
}

/// What is said where the whole of it is not for this brand.
fn foreign(lang: Lang, what: &str) -> String {
    let title = words::pick(lang, "● 不属于本品牌", "● Not this brand's");
    let title = Paint::for_stdout().tone(Tone::Warn, title);
    let hint = words::pick(
        lang,
        "任何人都能看到的结论，请用 verify 查询",
        "ask verify for what anyone is told of it",
    );
    format!("{title}  {}  {hint}\n", plain(what))
}

async fn show(
    house: &House,
    caller: &Caller,
    args: &Args,
    number: i64,
    code: CodeReading,
) -> Result<(String, Exit), Fault> {
    let reference = house.reference().await?;
    let verified = verify::verify(house, &reference, (code, Some(number)), Depth::Whole).await?;
    let Some(known) = &verified.unit else {
        return Ok((nothing(args.lang, &args.what, &verified), Exit::No));
    };
    // The sheet holds all that is known.
    let sight = Sight::of_unit(house, &reference, Some(caller), &known.record, &known.custody);
    if !sight.shows_all() {
        return Ok((foreign(args.lang, &args.what), Exit::No));
    }
    let custody = &known.custody;
    let dossier = dossier(house, &known.record, custody).await?;
    note(house, caller, known.code().as_str());
    let pen = Pen::new(house, &reference, BrandId(known.record.brand), args.lang);
    let sheet = Sheet { pen, known, custody, dossier: &dossier };
    let exit = match verified.decision.verdict {
        Verdict::Forged | Verdict::Unknown => Exit::No,
        _ => Exit::Done,
    };
    Ok((sheet.text(&verified), exit))
}

/// Everything a dossier is told from.
struct Sheet<'a> {
    pen: Pen<'a>,
    known: &'a Known,
    custody: &'a CustodyFacts,
    dossier: &'a Dossier,
}

impl Sheet<'_> {
    fn text(&self, verified: &Verified) -> String {
        let number = self.known.record.number;
        let parts = [
            self.head(verified),
            self.product(),
            self.identifiers(),
            self.state(),
            self.pen.chain(self.custody, number),
            self.pen.timeline(&self.dossier.events, number),
            self.findings(),
        ];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn head(&self, verified: &Verified) -> String {
        let decision = &verified.decision;
        let title = format!("● {}", words::verdict(self.pen.lang, decision.verdict));
        let title = self.pen.paint.tone(words::verdict_tone(decision.verdict), &title);
        let code = self.pen.paint.tone(Tone::Bold, &self.known.code().printed());
        let reason = words::reason(self.pen.lang, decision.reason);
        let checks = decision.checks.iter().map(|(check, state)| {
            let (sign, tone) = words::check_sign(*state);
            format!("{} {}", self.pen.paint.tone(tone, sign), words::check(self.pen.lang, *check))
        });
        let checks = checks.collect::<Vec<_>>().join("  ");
        format!("{title}  {code}  {reason}\n  {checks}\n")
    }

    fn product(&self) -> String {
        let product = &self.known.product;
        let name = match product.name_en.is_empty() {
            true => product.name_zh.clone(),
            false => format!("{} ({})", product.name_zh, product.name_en),
        };
        let model = [product.model.as_str(), product.spec.as_str()];
        let model = model.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" · ");
        let gtin = product.gtin.strip_prefix('0').unwrap_or(&product.gtin);
        self.pen.heading("产品", "Product")
            + &self.pen.line("名称", "name", &name)
            + &self.pen.line("型号", "model", &model)
            + &self.pen.line("69 码", "GTIN", gtin)
            + &self.pen.line("生产者", "maker", &product.maker)
            + &self.pen.line("受托生产", "made by", &product.contract_maker)
            + &self.pen.line("执行标准", "standards", &product.standards.join(", "))
            + &self.pen.line("CCC 证书", "CCC", &product.ccc_certificate)
            + &self.pen.line("认证机构", "certifier", &product.certification.body)
            + &self.pen.line("检验报告", "test", &product.certification.test_report)
    }

    fn identifiers(&self) -> String {
        let unit = &self.known.record;
        let mut text = self.pen.heading("标识", "Identifiers");
        text += &self.pen.line("追溯码", "code", self.known.code().as_str());
        for alias in aliases(&self.dossier.events) {
            text += &self.pen.line("补码", "alias", &self.pen.code(alias));
        }
        text += &self.pen.line("SN", "SN", unit.sn.as_deref().unwrap_or_default());
        for row in &unit.identifiers {
            let scheme = row.scheme.to_uppercase();
            text += &self.pen.row(&scheme, &known_as(&row.scheme, &row.value));
        }
        text
    }

    fn state(&self) -> String {
        let unit = &self.known.record;
        let mut text = self.pen.heading("状态", "State");
        let at = |at: Option<i64>| at.map(|at| words::minute(&self.pen.zone, instant(at)));
        let site = unit.site.map(|site| self.pen.site(site)).unwrap_or_default();
        let produced = at(unit.produced_at).map(|when| {
            let parts = [Some(when), Some(site), unit.line.clone(), unit.lot.clone()];
            parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
        });
        let nowhere = self.pen.pick("没有生产记录", "no production record").to_owned();
        text += &self.pen.line("生产", "produced", &produced.unwrap_or(nowhere));
        text += &self.pen.line("检验", "inspection", self.inspection());
        text += &self.pen.line("套装", "set", unit.kit.as_deref().unwrap_or_default());
        let activated = at(unit.activated_at).map(|when| match &unit.region {
            Some(region) => format!("{when}  {}", self.pen.region(region)),
            None => when,
        });
        let never = self.pen.pick("尚未激活", "not yet").to_owned();
        text += &self.pen.line("激活", "activated", &activated.unwrap_or(never));
        if unit.life > 0 {
            text += &self.pen.line("生命", "life", &(unit.life + 1).to_string());
        }
        let holder = self.pen.holder(&self.known.custody, self.known.record.number);
        text += &self.pen.line("持有", "held by", &holder);
        text += &self.pen.line("保修", "warranty", &self.warranty());
        for (zh, en, when) in [
            ("召回", "recalled", unit.recalled_at),
            ("挂失", "stolen", unit.stolen_at),
            ("停用", "retired", unit.retired_at),
            ("实物验证", "proved", unit.proof_at),
        ] {
            text += &self.pen.line(zh, en, &at(when).unwrap_or_default());
        }
        text += &self.pen.line("召回公告", "recall", &self.recall());
        text += &self.pen.line("数据保存", "keep until", &self.retention());
        text + &self.pen.line("查询", "scans", &self.scans())
    }

    fn recall(&self) -> String {
        let Some(recall) = &self.known.recall else { return String::new() };
        let row = &recall.row;
        let title = match self.pen.lang == Lang::En && !row.title_en.is_empty() {
            true => &row.title_en,
            false => &row.title_zh,
        };
        format!("#{}  {}", row.id, plain(title))
    }

    fn retention(&self) -> String {
        let known = self.known;
        let recalled = known.recall.is_some();
        let (house, reference) = (self.pen.house, self.pen.reference);
        let clock = trace_clock::clock(house, reference, &known.record, self.custody, recalled);
        let open = self.pen.pick("尚不能确定", "nobody can tell yet").to_owned();
        let day = clock.keep_until.map_or(open, |day| day.to_string());
        let held = match clock.held {
            true => self.pen.pick("召回期间一律保存", "kept while recalled"),
            false => "",
        };
        let policy = clock.policy.unwrap_or_default();
        [day.as_str(), held, &policy]
            .into_iter()
            .filter(|t| !t.is_empty())
            .collect::<Vec<_>>()
            .join("  ")
    }

    fn warranty(&self) -> String {
        let unit = &self.known.record;
        match verify::warranty(self.pen.house, self.pen.reference, unit, self.custody) {
            WarrantyReading::Unknown(gap) => words::gap(self.pen.lang, gap).to_owned(),
            WarrantyReading::Known(coverage) => {
                use domain::warranty::CoverageState::{Ended, InForce, NotStarted};
                let now = self.pen.house.clock.now();
                let today = self.pen.reference.day(BrandId(unit.brand), now);
                let state = match coverage.state_on(today) {
                    NotStarted => self.pen.pick("未开始", "not started").to_owned(),
                    InForce { days_left } => match self.pen.lang {
                        Lang::Zh => format!("还剩 {days_left} 天"),
                        Lang::En => words::counted(days_left, ["day left", "days left"]),
                    },
                    Ended => self.pen.pick("已过保", "ended").to_owned(),
                };
                let promise = match coverage.promise {
                    domain::policy::Promise::Statutory => self.pen.pick("国家三包", "statutory"),
                    domain::policy::Promise::MakerDefault => {
                        self.pen.pick("厂家承诺", "maker's promise")
                    }
                };
                let basis = words::basis(self.pen.lang, coverage.basis);
                let (from, to) = (coverage.starts_on, coverage.ends_on);
                format!("{from} → {to}  {state}  {promise}  {basis}")
            }
        }
    }

    fn scans(&self) -> String {
        let Some(scans) = &self.known.scans else { return String::new() };
        let first = words::minute(&self.pen.zone, instant(scans.first_at));
        let last = words::minute(&self.pen.zone, instant(scans.last_at));
        match self.pen.lang {
            Lang::Zh => format!("{} 次，首次 {first}，最近 {last}", scans.count),
            Lang::En => format!("{}, first {first}, last {last}", scans.count),
        }
    }

    fn findings(&self) -> String {
        if self.dossier.findings.is_empty() {
            return String::new();
        }
        let mut text = self.pen.heading("发现", "Findings");
        for finding in &self.dossier.findings {
            let grade = pad(words::grade(self.pen.lang, &finding.grade), LABEL_COLUMNS);
            let kind = words::finding(self.pen.lang, &finding.kind);
            let when = words::minute(&self.pen.zone, instant(finding.activated_at));
            let (tone, gone) = match finding.withdrawn {
                true => (Tone::Dim, self.pen.pick("  （已撤回）", "  (withdrawn)")),
                false => (words::grade_tone(&finding.grade), ""),
            };
            let reasons = finding.reasons.split(' ').filter(|reason| !reason.is_empty());
            let reasons = reasons.map(|reason| words::why(self.pen.lang, reason));
            let reasons = reasons.collect::<Vec<_>>().join(self.pen.pick("，", ", "));
            let reasons = self.pen.paint.tone(Tone::Dim, &reasons);
            text += &format!(
                "  {when}  {}{kind}  {reasons}{gone}\n",
                self.pen.paint.tone(tone, &grade)
            );
        }
        text
    }

    fn inspection(&self) -> &'static str {
        words::inspection(self.pen.lang, self.known.record.inspection.as_deref())
    }
}
