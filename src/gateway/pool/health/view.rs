//! A pause as an account's owner sees it.

use millpond_pool::health::{Circuit, Pause, Scope};
use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::edge::openapi::one_of;

one_of!(scope: "account", "model", "credential");

/// Why and until when an account, or a part of it, serves nobody.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PauseView {
    #[schema(schema_with = scope)]
    pub scope: &'static str,
    /// The upstream model that rests, where not all of the account does.
    pub model: Option<String>,
    /// Which rule was it, such as `rate_limited` or `credential_refused`.
    pub cause: String,
    /// The provider's status, if it answered.
    pub status: Option<u16>,
    /// The provider's words, shortened, without credentials.
    pub words: String,
    pub since: Timestamp,
    /// Absent: until another credential is given, or it is resumed by hand.
    pub until: Option<Timestamp>,
    /// `open`: nothing is sent until `until`, then one call tries; `probing`: one call is trying.
    pub circuit: Option<&'static str>,
}

impl From<&Pause> for PauseView {
    fn from(pause: &Pause) -> Self {
        let (scope, model) = match &pause.scope {
            Scope::Account => ("account", None),
            Scope::Model(name) => ("model", Some(name.clone())),
            Scope::Credential(_) => ("credential", None),
        };
        Self {
            scope,
            model,
            cause: pause.reason.cause.clone(),
            status: pause.reason.status,
            words: pause.reason.words.clone(),
            since: Timestamp::from_millis(pause.since.0),
            until: pause.until.map(|until| Timestamp::from_millis(until.0)),
            circuit: pause.circuit.map(|circuit| match circuit {
                Circuit::Open { .. } => "open",
                Circuit::Probing { .. } => "probing",
            }),
        }
    }
}
