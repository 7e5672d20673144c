//! The cases: of every route a request that is sound, who may make it, who of us may not, and what
//! a stranger gets for it.

use crate::common::sscc;
use crate::stage::{OUR_GTIN, Stage, TELEPHONE};
use dossier::flows::Scope;
use serde_json::{Value, json};
use std::fmt;

/// Whom a route is for.
pub enum Who {
    /// Anyone: there is nobody to refuse but who comes with a false key.
    Anyone,
    /// Devices without a key, and a party of ours with a scope: no key with every scope but this.
    Device(&'static str, Scope),
    /// A party of ours with a scope: nobody without a key, no key with every scope but this one.
    Scope(&'static str, Scope),
}

/// What a stranger, a brand with every scope, gets for the same request.
#[derive(Clone, Copy, Debug)]
pub enum Foreign {
    /// A problem, or every row refused.
    Refused,
    /// An answer, with nothing of ours in it.
    OwnOnly,
    /// What anyone gets.
    AsAnyone,
}

/// A route with its three cases.
pub struct Route {
    pub method: &'static str,
    pub template: &'static str,
    pub path: String,
    pub body: String,
    pub who: Who,
    /// Parties of ours that are refused though they hold every scope.
    pub not_for: Vec<&'static str>,
    /// Scopes that whom it is for holds besides: nobody gives what they lack.
    pub besides: &'static [Scope],
    pub foreign: Foreign,
    /// What whom it is for is answered.
    pub status: u16,
    /// Answered whatever key comes: it tells whether the process lives.
    pub open_always: bool,
}

impl fmt::Display for Route {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.method, self.template)
    }
}

impl Route {
    fn get(template: &'static str, who: Who) -> Self {
        Self {
            method: "GET",
            template,
            path: template.to_owned(),
            body: String::new(),
            foreign: if matches!(who, Who::Anyone) { Foreign::AsAnyone } else { Foreign::Refused },
            who,
            not_for: Vec::new(),
            besides: &[],
            status: 200,
            open_always: false,
        }
    }

    fn post(template: &'static str, who: Who, body: &Value) -> Self {
        Self { method: "POST", body: body.to_string(), ..Self::get(template, who) }
    }

    /// The path of the request, where the template has parameters.
    fn at(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    fn not_for(self, parties: &[&'static str]) -> Self {
        Self { not_for: parties.to_vec(), ..self }
    }

    fn foreign(self, foreign: Foreign) -> Self {
        Self { foreign, ..self }
    }

    fn answers(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Method and path as they are asked.
    pub fn asked(&self) -> (&str, &str) {
        (self.method, &self.path)
    }
}

const BRAND: &str = "BRAND";
const ALL_BUT_BRAND: &[&str] = &["FAC-SZ", "T1-53", "SHOP-53"];

/// Every case, in an order in which the commands can follow each other.
pub fn cases(stage: &Stage) -> Vec<Route> {
    let mut cases = reads(stage);
    cases.extend(public(stage));
    cases.extend(pages(stage));
    cases.extend(commands(stage));
    cases.extend(batches(stage));
    cases.extend(keys(stage));
    cases.extend(persons(stage));
    cases.extend(people(stage));
    cases.extend(compliance());
    cases.extend(recalls(stage));
    cases.extend(work_on_alerts(stage));
    cases.extend(webhooks(stage));
    cases
}

fn of(party: &'static str, scope: Scope) -> Who {
    Who::Scope(party, scope)
}

fn reads(stage: &Stage) -> Vec<Route> {
    let unit = &stage.worn[0];
    let carton = sscc(1);
    vec![
        Route::get("/api/v1/units/{id}", of("T1-53", Scope::Read))
            .at(format!("/api/v1/units/{unit}"))
            .not_for(&["T1-42"]),
        Route::get("/api/v1/units/{id}/proof", of(BRAND, Scope::Read))
            .at(format!("/api/v1/units/{unit}/proof"))
            .not_for(ALL_BUT_BRAND),
        Route::get("/api/v1/packs/{sscc}", of("FAC-SZ", Scope::Read))
            .at(format!("/api/v1/packs/{carton}"))
            .not_for(&["T1-42"]),
        Route::get("/api/v1/products", of("T1-53", Scope::Read)).foreign(Foreign::OwnOnly),
        Route::get("/api/v1/parties", of("T1-53", Scope::Read)).foreign(Foreign::OwnOnly),
        Route::get("/api/v1/sites", of("T1-53", Scope::Read)).foreign(Foreign::OwnOnly),
        Route::get("/api/v1/territories", of("T1-53", Scope::Read)).foreign(Foreign::OwnOnly),
        Route::get("/api/v1/alerts", of(BRAND, Scope::Read))
            .not_for(ALL_BUT_BRAND)
            .foreign(Foreign::OwnOnly),
        Route::get("/api/v1/reports", of(BRAND, Scope::Read))
            .not_for(ALL_BUT_BRAND)
            .foreign(Foreign::OwnOnly),
        Route::get("/api/v1/audit", of(BRAND, Scope::Audit))
            .not_for(ALL_BUT_BRAND)
            .foreign(Foreign::OwnOnly),
        Route::get("/api/v1/audit/export", of(BRAND, Scope::Audit))
            .not_for(ALL_BUT_BRAND)
            .foreign(Foreign::OwnOnly),
    ]
}

fn public(stage: &Stage) -> Vec<Route> {
    let (unit, anyone) = (&stage.worn[0], || Who::Anyone);
    let items = json!({"items": [{"value": unit, "scheme": "code"}]});
    let started = json!({"identifier": {"scheme": "code", "value": stage.worn[5]},
        "happened_at": "2026-06-09T00:00:00Z", "device_fingerprint": "its own"});
    let open = |template| Route { open_always: true, ..Route::get(template, anyone()) };
    vec![
        Route::get("/api/v1/verify/{code}", anyone()).at(format!("/api/v1/verify/{unit}")),
        Route::post("/api/v1/verify", of("T1-53", Scope::Verify), &items).foreign(Foreign::OwnOnly),
        Route::post(
            "/api/v1/verify/{code}/proof",
            anyone(),
            &json!({"kind": "scratch", "value": "123456"}),
        )
        .at(format!("/api/v1/verify/{unit}/proof")),
        Route::post("/api/v1/activations", Who::Device(BRAND, Scope::Activate), &started)
            .answers(201),
        Route::get("/log/checkpoint", anyone()),
        Route::get("/log/key", anyone()),
        Route::get("/log/tile/{tile}", anyone()).at("/log/tile/0/000.p/1"),
        Route::get("/log/consistency/{old}/{new}", anyone()).at("/log/consistency/1/2"),
        Route::get("/api/openapi.json", anyone()),
        Route::get("/api/docs", anyone()),
        Route::get("/metrics", anyone()),
        open("/healthz"),
        open("/readyz"),
    ]
}

fn pages(stage: &Stage) -> Vec<Route> {
    let unit = &stage.worn[0];
    let page = |template: &'static str| Route::get(template, Who::Anyone);
    let form = |template: &'static str, body: &str| Route {
        method: "POST",
        body: body.to_owned(),
        ..page(template)
    };
    vec![
        page("/"),
        page("/privacy"),
        page("/sign-in"),
        page("/log"),
        page("/d/{code}").at(format!("/d/{unit}")),
        page("/D/{code}").at(format!("/D/{unit}")),
        page("/01/{gtin}/21/{code}").at(format!("/01/0{OUR_GTIN}/21/{unit}")),
        page("/d/{code}/proof").at(format!("/d/{unit}/proof")).answers(303),
        page("/d/{code}/register").at(format!("/d/{unit}/register")),
        page("/d/{code}/report").at(format!("/d/{unit}/report")),
        page("/d/{code}/my-data").at(format!("/d/{unit}/my-data")),
        page("/d/{code}/centres").at(format!("/d/{unit}/centres")),
        // Nothing is asked of a unit that nobody doubts.
        form("/d/{code}/proof", "kind=scratch&value=123456")
            .at(format!("/d/{unit}/proof"))
            .answers(303),
        // Without a telephone number the form is given back.
        form("/d/{code}/register", "phone=").at(format!("/d/{unit}/register")).answers(422),
        // Without telephone and scratch code nothing is told.
        form("/d/{code}/my-data", "phone=").at(format!("/d/{unit}/my-data")),
        form("/d/{code}/report", "shop=&place=&text=odd").at(format!("/d/{unit}/report")),
    ]
}

fn commands(stage: &Stage) -> Vec<Route> {
    let rows = |row: Value| json!({"rows": [row]});
    let made = json!({"sn": "CY900001", "gtin": OUR_GTIN, "site_code": "FAC-SZ",
        "produced_at": "2026-05-20T08:00:00+08:00"});
    let packed = json!({"sscc": sscc(2), "child": "CY000006",
        "packed_at": "2026-05-21T09:00:00+08:00"});
    let shipped = json!({"shipment_no": "PAPER-N", "from_code": "T1-53", "to_code": "T2-53",
        "happened_at": "2026-06-01T08:00:00+08:00", "subject": "CY000000"});
    let back = json!({"shipment_no": "PAPER-R", "from_code": "T1-42", "to_code": "BRAND",
        "happened_at": "2026-06-01T08:00:00+08:00", "subject": "CY000003"});
    let received = json!({"party_code": "T1-53", "subjects": ["CY000002"]});
    let change = json!({"change": "inspect", "inspection": "hold", "reason": "a scratch",
        "units": ["CY000007"]});
    let imei = json!({"scheme": "imei", "value": "490154203237518", "onto": true, "reason": "new"});
    let (fresh, worn) = (&stage.codes[5], &stage.worn);
    vec![
        Route::post("/api/v1/units/commission", of("FAC-SZ", Scope::Produce), &rows(made))
            .not_for(&["T1-53"]),
        Route::post("/api/v1/packs", of("FAC-SZ", Scope::Produce), &rows(packed))
            .not_for(&["T1-53"]),
        Route::post(
            "/api/v1/packs/unpack",
            of("FAC-SZ", Scope::Produce),
            &json!({"sscc": sscc(1)}),
        )
        .not_for(&["T1-53"]),
        Route::post("/api/v1/shipments", of("T1-53", Scope::Ship), &rows(shipped))
            .not_for(&["T1-42", "FAC-SZ"]),
        Route::post("/api/v1/shipments/{shipment_no}/void", of("T1-53", Scope::Ship), &json!({}))
            .at("/api/v1/shipments/PAPER-N/void")
            .not_for(&["T1-42", "FAC-SZ"]),
        Route::post("/api/v1/receipts", of("T1-53", Scope::Ship), &received)
            .not_for(&["T1-42", "FAC-SZ"]),
        Route::post("/api/v1/returns", of("T1-42", Scope::Ship), &rows(back))
            .not_for(&["T1-53", "FAC-SZ"]),
        Route::post("/api/v1/units/changes", of("FAC-SZ", Scope::Produce), &change)
            .not_for(&["T1-53"]),
        Route::post(
            "/api/v1/units/{id}/aliases",
            of("FAC-SZ", Scope::Lifecycle),
            &json!({"code": fresh}),
        )
        .at(format!("/api/v1/units/{}/aliases", worn[8]))
        .not_for(&["T1-53"]),
        Route::post("/api/v1/units/{id}/identifiers", of("FAC-SZ", Scope::Lifecycle), &imei)
            .at(format!("/api/v1/units/{}/identifiers", worn[8]))
            .not_for(&["T1-53"]),
        Route {
            body: "code,kind,name,parent_code,region\nT2-99,tier2,新二级,T1-53,530102\n".into(),
            ..Route::post("/api/v1/import/{kind}", of("T1-53", Scope::Master), &json!({}))
                .at("/api/v1/import/parties")
                .not_for(&["T1-42", "FAC-SZ", "SHOP-53"])
        },
    ]
}

fn batches(stage: &Stage) -> Vec<Route> {
    let at = |tail: &str| format!("/api/v1/batches/{}{tail}", stage.printed.id);
    let (mint, read) = (|| of(BRAND, Scope::Mint), || of(BRAND, Scope::CodesRead));
    let order = json!({"gtin": OUR_GTIN, "count": 3});
    vec![
        Route::get("/api/v1/batches", read()).foreign(Foreign::OwnOnly),
        Route::post("/api/v1/batches", mint(), &order).not_for(ALL_BUT_BRAND).answers(201),
        Route::get("/api/v1/batches/{id}/codes", read()).at(at("/codes")).not_for(ALL_BUT_BRAND),
        Route::get("/api/v1/batches/{id}/codes/{file}", read())
            .at(at(&format!("/codes/{}.svg", stage.codes[0])))
            .not_for(ALL_BUT_BRAND),
        Route::post("/api/v1/batches/{id}/deliver", mint(), &json!({"to": "the printer"}))
            .at(at("/deliver"))
            .not_for(ALL_BUT_BRAND),
        Route::post("/api/v1/batches/{id}/void", mint(), &json!({"reason": "a lost reel"}))
            .at(at("/void"))
            .not_for(ALL_BUT_BRAND),
    ]
}

fn keys(stage: &Stage) -> Vec<Route> {
    let at = |tail: &str| format!("/api/v1/keys/{}/{tail}", stage.spare_key);
    let given = json!({"party": "T1-53", "scopes": ["keys"]});
    vec![
        Route::get("/api/v1/keys", of(BRAND, Scope::KeysRead)).foreign(Foreign::OwnOnly),
        Route::post("/api/v1/keys", of("T1-53", Scope::Keys), &given)
            .not_for(&["T1-42", "SHOP-53"])
            .answers(201),
        Route::post("/api/v1/keys/{id}/rotate", of(BRAND, Scope::Keys), &json!({}))
            .at(at("rotate"))
            .not_for(ALL_BUT_BRAND),
        Route::post("/api/v1/keys/{id}/revoke", of(BRAND, Scope::Keys), &json!({}))
            .at(at("revoke"))
            .not_for(ALL_BUT_BRAND),
    ]
}

fn webhooks(stage: &Stage) -> Vec<Route> {
    let one = "/api/v1/webhooks/{id}";
    let at = |tail: &str| format!("/api/v1/webhooks/{}{tail}", stage.webhook);
    let (reads, writes) = (|| of(BRAND, Scope::WebhooksRead), || of(BRAND, Scope::Webhooks));
    let made = json!({"party": "T1-53", "url": "https://hooks.example.com/in"});
    let resend = "/api/v1/webhooks/{id}/deliveries/{event}/resend";
    let mut all = vec![
        Route::get("/api/v1/webhooks/{id}/deliveries", reads()).at(at("/deliveries")),
        Route::post("/api/v1/webhooks/{id}/ping", writes(), &json!({})).at(at("/ping")),
        Route::post("/api/v1/webhooks/{id}/rotate", writes(), &json!({})).at(at("/rotate")),
        Route::post(resend, writes(), &json!({}))
            .at(at(&format!("/deliveries/{}/resend", stage.delivered))),
        Route { method: "PATCH", ..Route::post(one, writes(), &json!({"name": "other"})) }
            .at(at("")),
        Route { method: "DELETE", ..Route::get(one, writes()) }.at(at("")).answers(204),
    ];
    all = all.into_iter().map(|case| case.not_for(ALL_BUT_BRAND)).collect();
    all.push(
        Route::get("/api/v1/webhooks", of(BRAND, Scope::WebhooksRead)).foreign(Foreign::OwnOnly),
    );
    all.push(
        Route::post("/api/v1/webhooks", of("T1-53", Scope::Webhooks), &made)
            .not_for(&["T1-42", "SHOP-53"])
            .answers(201),
    );
    all
}

fn persons(stage: &Stage) -> Vec<Route> {
    let at = |tail: &str| format!("/api/v1/persons/{}{tail}", stage.person);
    let (desk, read) = (|| of(BRAND, Scope::Persons), || of(BRAND, Scope::PersonsRead));
    let why = json!({"reason": "the owner asked"});
    let found = json!({"phone": TELEPHONE, "reason": "the owner asked"});
    let agreed = json!({"purpose": "marketing", "given": true});
    let corrected = json!({"phone": "+8613900139000"});
    let unhold = Route { method: "DELETE", ..Route::get("/api/v1/persons/{id}/hold", desk()) };
    let correct = Route::post("/api/v1/persons/{id}", desk(), &corrected);
    let all = vec![
        Route::post("/api/v1/persons/find", read(), &found),
        Route::get("/api/v1/persons/{id}", read()).at(at("?reason=the%20owner%20asked")),
        Route::post("/api/v1/persons/{id}/export", desk(), &why).at(at("/export")),
        Route::post("/api/v1/persons/{id}/consents", desk(), &agreed).at(at("/consents")),
        Route { method: "PATCH", ..correct }.at(at("")),
        Route::post("/api/v1/persons/{id}/hold", desk(), &why).at(at("/hold")),
        unhold.at(at("/hold")),
        Route::post("/api/v1/persons/{id}/erase", desk(), &json!({})).at(at("/erase")).answers(204),
    ];
    let mut all: Vec<_> = all.into_iter().map(|case| case.not_for(ALL_BUT_BRAND)).collect();
    all.push(
        Route::get("/api/v1/retention", of(BRAND, Scope::Audit))
            .not_for(ALL_BUT_BRAND)
            .foreign(Foreign::OwnOnly),
    );
    all
}

fn people(stage: &Stage) -> Vec<Route> {
    let owner = || of("T1-53", Scope::People);
    let read = || of("T1-53", Scope::PeopleRead);
    let member = format!("/api/v1/people/{}", stage.member);
    let invited = json!({"party": "T1-53", "role": "desk", "name": "somebody"});
    let changed = json!({"role": "desk", "regions": ["53"]});
    let withdrawn = format!("/api/v1/invitations/{}", stage.invitation);
    let others: &[&str] = &["T1-42", "SHOP-53"];
    let delete = |template| Route { method: "DELETE", ..Route::get(template, owner()) };
    let change = Route::post("/api/v1/people/{id}", owner(), &changed);
    let all = vec![
        Route::get("/api/v1/people", read()).foreign(Foreign::OwnOnly),
        Route::get("/api/v1/invitations", read()).foreign(Foreign::OwnOnly),
        Route::post("/api/v1/invitations", owner(), &invited).not_for(others).answers(201),
        Route { method: "PATCH", ..change }.at(member.clone()).not_for(others),
        delete("/api/v1/people/{id}").at(member).not_for(others).answers(204),
        delete("/api/v1/invitations/{id}").at(withdrawn).not_for(others).answers(204),
    ];
    let besides = &[Scope::Verify, Scope::Read];
    all.into_iter().map(|case| Route { besides, ..case }).collect()
}

fn compliance() -> Vec<Route> {
    let read = || of(BRAND, Scope::Read);
    let at = |tail: &str| format!("/api/v1/compliance/{OUR_GTIN}{tail}");
    vec![
        Route::get("/api/v1/compliance", read()).not_for(ALL_BUT_BRAND).foreign(Foreign::OwnOnly),
        Route::get("/api/v1/compliance/{gtin}", read()).at(at("")).not_for(ALL_BUT_BRAND),
        Route::get("/api/v1/compliance/{gtin}/uncoded", read())
            .at(at("/uncoded"))
            .not_for(ALL_BUT_BRAND),
        Route::get("/api/v1/compliance/export", of(BRAND, Scope::Export))
            .not_for(ALL_BUT_BRAND)
            .foreign(Foreign::OwnOnly),
    ]
}

fn recalls(stage: &Stage) -> Vec<Route> {
    let (read, act) = (|| of(BRAND, Scope::Read), || of(BRAND, Scope::Lifecycle));
    let at = |tail: &str| format!("/api/v1/recalls/{}{tail}", stage.recall);
    let opened = json!({"title_zh": "召回", "reason_zh": "过热", "action_zh": "停用",
        "selector": {"gtin": OUR_GTIN, "lot": "LOT1"}});
    let remedied = json!({"units": ["CY000010"], "note": "a new battery"});
    let closed = json!({"note": "all of them came back"});
    let all = vec![
        Route::get("/api/v1/recalls", read()).foreign(Foreign::OwnOnly),
        Route::post("/api/v1/recalls", act(), &opened),
        Route::get("/api/v1/recalls/{id}", read()).at(at("")),
        Route::get("/api/v1/recalls/{id}/units", read()).at(at("/units")),
        Route::post("/api/v1/recalls/{id}/remedied", act(), &remedied).at(at("/remedied")),
        Route::post("/api/v1/recalls/{id}/close", act(), &closed).at(at("/close")),
    ];
    all.into_iter().map(|case| case.not_for(ALL_BUT_BRAND)).collect()
}

fn work_on_alerts(stage: &Stage) -> Vec<Route> {
    let act = || of(BRAND, Scope::Cases);
    let at = |tail: &str| format!("/api/v1/cases/{}{tail}", stage.case);
    let opened = json!({"party": "T1-53", "units": ["CY000002"], "summary": "where to?"});
    let more = json!({"units": ["CY000003"]});
    let said = json!({"text": "sold at the counter"});
    let closed = json!({"outcome": "unfounded", "text": "it was a present"});
    let again = json!({"text": "another one turned up"});
    vec![
        Route::get("/api/v1/cases", of("T1-53", Scope::Read)).foreign(Foreign::OwnOnly),
        Route::post("/api/v1/cases", act(), &opened).not_for(ALL_BUT_BRAND).answers(201),
        Route::get("/api/v1/cases/{id}", of("T1-53", Scope::Read))
            .at(at(""))
            .not_for(&["T1-42", "FAC-SZ", "SHOP-53"]),
        Route::post("/api/v1/cases/{id}/units", act(), &more)
            .at(at("/units"))
            .not_for(ALL_BUT_BRAND),
        Route::post("/api/v1/cases/{id}/entries", of("T1-53", Scope::Cases), &said)
            .at(at("/entries"))
            .not_for(&["T1-42", "FAC-SZ", "SHOP-53"]),
        Route::post("/api/v1/cases/{id}/close", act(), &closed)
            .at(at("/close"))
            .not_for(ALL_BUT_BRAND),
        Route::post("/api/v1/cases/{id}/reopen", act(), &again)
            .at(at("/reopen"))
            .not_for(ALL_BUT_BRAND),
        Route::get("/api/v1/search", of("T1-53", Scope::Read))
            .at(format!("/api/v1/search?q={}", stage.worn[0]))
            .foreign(Foreign::OwnOnly),
    ]
}
