//! The routes that only a person with a session has: their own session, their own account. Keys are
//! none of these; another site cannot use the cookie; a stranger finds its own and nothing of ours.

use crate::common::World;
use crate::common::browser::{Browser, INVITATIONS, PASSWORD, Reply};
use crate::stage::Stage;
use serde_json::{Value, json};

/// A route for people with a session.
pub struct Own {
    pub method: &'static str,
    pub template: &'static str,
    /// What is sent: JSON, or the fields of a form.
    sent: Sent,
    /// What whom it is for is answered.
    status: u16,
}

enum Sent {
    Json(Value),
    Form(&'static [(&'static str, &'static str)]),
}

/// Routes that come with a secret of their own or stand between two steps; which test tries each.
pub const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("POST /api/v1/session", "people/sign_in.rs", "wrong_is_wrong_whatever_it_is"),
    ("POST /api/v1/brands", "access/tenants.rs", "a_brand_signs_up_where_it_may"),
    ("GET /sign-up", "access/tenants.rs", "a_brand_signs_up_where_it_may"),
    ("POST /sign-up", "access/tenants.rs", "a_brand_signs_up_by_the_page"),
    ("POST /api/v1/set-up", "people/members.rs", "the_deployment_is_set_up_once"),
    (
        "POST /api/v1/invitations/accept",
        "people/members.rs",
        "an_invitation_is_good_once_and_for_a_week",
    ),
    ("POST /api/v1/account/totp/confirm", "people/sign_in.rs", "a_one_time_password_is_taken_once"),
    ("POST /api/v1/account/totp/remove", "people/sign_in.rs", "a_one_time_password_is_taken_once"),
    ("POST /api/v1/account/recovery-codes", "people/sign_in.rs", "a_recovery_code_is_good_once"),
    ("GET /sign-in/code", "people/pages.rs", "somebody_sets_up_and_looks_after_the_account"),
    ("POST /sign-in/code", "people/pages.rs", "somebody_sets_up_and_looks_after_the_account"),
    ("GET /sign-in/{token}", "people/pages.rs", "a_link_signs_in_once"),
    ("POST /sign-in/{token}", "people/pages.rs", "a_link_signs_in_once"),
    ("GET /set-up/{token}", "people/pages.rs", "somebody_sets_up_and_looks_after_the_account"),
    ("POST /set-up/{token}", "people/pages.rs", "somebody_sets_up_and_looks_after_the_account"),
    ("GET /invitation/{token}", "people/pages.rs", "somebody_accepts_an_invitation"),
    ("POST /invitation/{token}", "people/pages.rs", "somebody_accepts_an_invitation"),
    ("POST /sign-in", "people/pages.rs", "somebody_sets_up_and_looks_after_the_account"),
    ("POST /account/totp", "people/pages.rs", "somebody_sets_up_and_looks_after_the_account"),
    (
        "POST /account/totp/confirm",
        "people/pages.rs",
        "somebody_sets_up_and_looks_after_the_account",
    ),
    (
        "POST /account/totp/change",
        "people/pages.rs",
        "somebody_sets_up_and_looks_after_the_account",
    ),
];

const CHANGED: &[(&str, &str)] =
    &[("password", PASSWORD), ("new_password", "four quite small words")];

/// Every case; the last one signs out.
pub fn cases() -> Vec<Own> {
    let json = |method, template, body: Value, status| Own {
        method,
        template,
        sent: Sent::Json(body),
        status,
    };
    let form = |template, fields, status| Own {
        method: "POST",
        template,
        sent: Sent::Form(fields),
        status,
    };
    let changed = json!({"password": PASSWORD, "new_password": "four quite small words"});
    vec![
        json("GET", "/api/v1/session", Value::Null, 200),
        json("GET", "/api/v1/sessions", Value::Null, 200),
        json("DELETE", "/api/v1/sessions/{id}", Value::Null, 204),
        json("POST", "/api/v1/session/membership", json!({"membership": "§"}), 200),
        json("POST", "/api/v1/account/password", changed, 200),
        json("POST", "/api/v1/account/totp", json!({"password": PASSWORD}), 200),
        json("GET", "/account", Value::Null, 200),
        form("/account/membership", &[("membership", "§")], 303),
        form("/account/session", &[("session", "§")], 303),
        form("/account/password", CHANGED, 303),
        form("/sign-out", &[], 303),
        json("DELETE", "/api/v1/session", Value::Null, 204),
    ]
}

impl Own {
    /// As the list of routes names it.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    fn changes(&self) -> bool {
        self.method != "GET"
    }

    /// The request, with the person's own membership or a session of theirs where one is named.
    async fn ask(&self, who: &Browser, named: &str, said: &[(&str, &str)]) -> Reply {
        let path = self.template.replace("{id}", named);
        let (media, body) = match &self.sent {
            Sent::Json(Value::Null) => ("application/json", String::new()),
            Sent::Json(body) => ("application/json", body.to_string().replace('§', named)),
            Sent::Form(fields) => {
                let pair = |(name, value): &(&str, &str)| {
                    format!("{name}={}", value.replace(' ', "+").replace('§', named))
                };
                let body: Vec<_> = fields.iter().map(pair).collect();
                ("application/x-www-form-urlencoded", body.join("&"))
            }
        };
        who.ask((self.method, &path), said, (media, body)).await
    }
}

const OURS: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];

/// What a person's case may name: the membership chosen, or another session of theirs.
async fn named(case: &Own, world: &World, who: &Browser, name: &str) -> String {
    let own = who.get("/api/v1/session").await;
    if !case.template.contains("session") || case.template.contains("membership") {
        return own.json["memberships"][0]["id"].as_str().expect("a membership").to_owned();
    }
    let other = Browser::new(world);
    assert_eq!(other.sign_in(name, PASSWORD, None).await.status, 200);
    let rows = who.get("/api/v1/sessions").await;
    let rows = rows.json.as_array().expect("sessions").clone();
    let other = rows.iter().find(|row| row["current"] != true).expect("another session");
    other["id"].as_str().expect("an id").to_owned()
}

/// Runs every case with fresh people: nobody, a key, another site, a stranger, whom it is for.
pub async fn run(world: &World, stage: &Stage, first: &Browser) {
    let key = stage.token(&stage.brand).await;
    let key = format!("Bearer {key}");
    for (n, case) in cases().iter().enumerate() {
        let name = format!("person-{n}");
        let party = json!({"party": "BRAND", "role": "desk", "name": "somebody"});
        let who = first.invites(world, &name, party).await;
        let mine = named(case, world, &who, &name).await;
        let refused = |reply: &Reply| match case.template.starts_with("/api") {
            true => reply.status == 401 || reply.status == 403,
            false => matches!(reply.status, 303 | 401 | 403),
        };
        let nobody = case.ask(&Browser::new(world), &mine, &OURS).await;
        assert!(refused(&nobody), "{} by nobody: {} {}", case.name(), nobody.status, nobody.text);
        let said = [OURS[0], ("authorization", key.as_str())];
        let keyed = case.ask(&Browser::new(world), &mine, &said).await;
        assert!(refused(&keyed), "{} with a key: {} {}", case.name(), keyed.status, keyed.text);
        if case.changes() {
            let site = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
            let abroad = case.ask(&who, &mine, &site).await;
            assert_eq!(abroad.status, 403, "{} from another site: {}", case.name(), abroad.text);
            assert_eq!(who.get("/api/v1/session").await.status, 200, "{}", case.name());
        }
        stranger(world, stage, case, (&mine, n)).await;
        let own = case.ask(&who, &mine, &OURS).await;
        assert_eq!(own.status, case.status, "{} by whom it is for", case.name());
    }
    assert_eq!(first.get(INVITATIONS).await.status, 200, "the owner is signed in still");
}

/// A person of the other brand, with everything that may be had there, names what is ours.
async fn stranger(world: &World, stage: &Stage, case: &Own, (ours, n): (&str, usize)) {
    let name = format!("stranger-{n}");
    let who = stage.stranger_in_person(world, &name).await;
    let reply = case.ask(&who, ours, &OURS).await;
    let names_ours = case.template.contains("{id}") || !matches!(&case.sent, Sent::Json(_));
    if names_ours && case.template.contains("{id}") {
        assert_eq!(reply.status, 404, "{} by a stranger: {}", case.name(), reply.text);
    }
    let told = stage.betrayed(&reply.text, ours);
    assert!(told.is_empty(), "{} tells a stranger {told:?}", case.name());
    assert!(!reply.text.contains(ours), "{} repeats what is ours: {}", case.name(), reply.text);
}
