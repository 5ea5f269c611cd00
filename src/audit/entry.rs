//! What an entry may say: a closed list of actions, kinds of targets, and named facts before and after.
//!
//! There is no way from a row, a body or a secret into an entry: who records something names each fact.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::ids::{AccountId, KeyId, UserId};
use crate::store::audit::AuditRow;
use crate::store::users::User;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($variant,)+ }

        impl $name {
            /// The word in the log. It never changes its meaning.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Every word of this list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
        }
    };
}

words!(
    /// What was done.
    Action {
        SignedIn = "sign_in.ok",
        SignInFailed = "sign_in.failed",
        SignedOutEverywhere = "sign_out.everywhere",
        SessionEnded = "session.ended",
        RefreshTokenReused = "refresh_token.reused",
        Registered = "user.registered",
        PasswordChanged = "password.changed",
        PasswordReset = "password.reset",
        ResetLinkMade = "reset_link.made",
        IdentityLinked = "identity.linked",
        IdentityUnlinked = "identity.unlinked",
        SecondFactorEnabled = "second_factor.enabled",
        SecondFactorDisabled = "second_factor.disabled",
        SecondFactorFailed = "second_factor.failed",
        RecoveryCodeUsed = "recovery_code.used",
        RecoveryCodesMade = "recovery_codes.made",
        UserCreated = "user.created",
        UserChanged = "user.changed",
        UserDeleted = "user.deleted",
        DataExported = "data.exported",
        InviteCreated = "invite.created",
        InviteChanged = "invite.changed",
        InviteDeleted = "invite.deleted",
        InviteUsed = "invite.used",
        KeyCreated = "key.created",
        KeyChanged = "key.changed",
        KeyDeleted = "key.deleted",
        AccountCreated = "account.created",
        AccountChanged = "account.changed",
        AccountShared = "account.shared",
        AccountUnshared = "account.unshared",
        AccountDeleted = "account.deleted",
        AccountsImported = "accounts.imported",
        AccountsExported = "accounts.exported",
        CredentialRotated = "account.credential_rotated",
        PauseEnded = "pause.ended",
        LimitChanged = "limit.changed",
        AnnouncementCreated = "announcement.created",
        AnnouncementChanged = "announcement.changed",
        AnnouncementDeleted = "announcement.deleted",
    }
);

words!(
    /// What may be told of the state before and after. None of these is ever a secret.
    Field {
        Active = "is_active",
        Silenced = "is_silenced",
        TrustLevel = "trust_level",
        Role = "role",
        Beta = "beta",
        PrefersShared = "prefer_shared",
        HasPassword = "has_password",
        Way = "way",
        Reason = "reason",
        Session = "session",
        Provider = "provider",
        Subject = "subject",
        Shared = "is_shared",
        Enabled = "is_enabled",
        Priority = "priority",
        Weight = "weight",
        Count = "count",
        Uses = "uses",
        ExpiresAt = "expires_at",
        StartsAt = "starts_at",
        EndsAt = "ends_at",
        RequestsPerMinute = "requests_per_minute",
        LimitsModels = "limits_models",
        Named = "named",
        Title = "title",
        Model = "model",
        Keys = "keys",
        Accounts = "accounts",
        UsageRows = "usage_rows",
    }
);

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person who proved to be it.
    Person(UserId),
    /// Somebody who did not prove to be anybody.
    Nobody,
    /// Whoever may run commands on the server's machine.
    CommandLine,
    /// The program itself.
    Millpond,
}

impl Actor {
    fn kind(self) -> &'static str {
        match self {
            Self::Person(_) => "user",
            Self::Nobody => "nobody",
            Self::CommandLine => "command_line",
            Self::Millpond => "millpond",
        }
    }
}

/// To whom or what it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    kind: &'static str,
    id: String,
}

impl Target {
    /// A person.
    pub fn person(id: UserId) -> Self {
        Self { kind: "user", id: id.to_string() }
    }

    /// A name that nobody has, as its fingerprint (`Audit::fingerprint`).
    pub fn name(fingerprint: String) -> Self {
        Self { kind: "name", id: fingerprint }
    }

    /// An API key.
    pub fn key(id: KeyId) -> Self {
        Self { kind: "key", id: id.to_string() }
    }

    /// An upstream account.
    pub fn account(id: &AccountId) -> Self {
        Self { kind: "account", id: id.to_string() }
    }

    /// An invite, by its number and never by its code.
    pub fn invite(id: impl std::fmt::Display) -> Self {
        Self { kind: "invite", id: id.to_string() }
    }

    /// An announcement.
    pub fn announcement(id: impl std::fmt::Display) -> Self {
        Self { kind: "announcement", id: id.to_string() }
    }
}

/// One value of a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact(Value);

macro_rules! facts_from {
    ($($from:ty),+) => { $(impl From<$from> for Fact {
        fn from(value: $from) -> Self { Self(value.into()) }
    })+ };
}

// Texts only when they are the program's own words: see `Facts::typed`.
facts_from!(bool, i32, i64, u32, &'static str);

impl From<Timestamp> for Fact {
    fn from(moment: Timestamp) -> Self {
        Self(moment.to_string().into())
    }
}

impl<T: Into<Fact>> From<Option<T>> for Fact {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self(Value::Null), Into::into)
    }
}

/// A state, as far as the log tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(Map<String, Value>);

impl Facts {
    /// No fact.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fact.
    pub fn with(mut self, field: Field, fact: impl Into<Fact>) -> Self {
        self.0.insert(field.as_str().to_owned(), fact.into().0);
        self
    }

    /// Adds words that a person typed or a provider sent; only where everybody may read them anyway.
    pub fn typed(mut self, field: Field, words: &str) -> Self {
        const LONGEST: usize = 200;
        let words: String = words.chars().take(LONGEST).collect();
        self.0.insert(field.as_str().to_owned(), words.into());
        self
    }

    fn to_text(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| Value::Object(self.0.clone()).to_string())
    }
}

impl From<&User> for Facts {
    fn from(user: &User) -> Self {
        Self::new()
            .with(Field::Active, user.is_active)
            .with(Field::Silenced, user.is_silenced)
            .with(Field::TrustLevel, user.trust_level)
            .with(Field::Role, user.role().as_str())
            .with(Field::Beta, user.is_beta())
            .with(Field::HasPassword, user.password_hash.is_some())
    }
}

/// Where it came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub address: Option<IpAddr>,
    pub request_id: Option<Arc<str>>,
}

/// One thing that was done.
#[derive(Clone, Debug)]
pub struct Entry {
    action: Action,
    actor: Actor,
    origin: Origin,
    target: Option<Target>,
    before: Facts,
    after: Facts,
}

impl Entry {
    /// Somebody did something, from somewhere.
    pub fn new(action: Action, actor: Actor, origin: impl Into<Origin>) -> Self {
        let (before, after) = Default::default();
        Self { action, actor, origin: origin.into(), target: None, before, after }
    }

    /// To whom or what.
    pub fn on(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// The state before.
    pub fn before(mut self, facts: impl Into<Facts>) -> Self {
        self.before = facts.into();
        self
    }

    /// The state after.
    pub fn after(mut self, facts: impl Into<Facts>) -> Self {
        self.after = facts.into();
        self
    }

    /// The states before and after as far as they differ.
    pub fn changed(mut self, before: impl Into<Facts>, after: impl Into<Facts>) -> Self {
        let (Facts(mut before), Facts(mut after)) = (before.into(), after.into());
        let same: Vec<String> = before
            .iter()
            .filter(|(name, fact)| after.get(*name) == Some(fact))
            .map(|(name, _)| name.clone())
            .collect();
        for name in same {
            before.remove(&name);
            after.remove(&name);
        }
        (self.before, self.after) = (Facts(before), Facts(after));
        self
    }

    /// The row, but for its place in the chain.
    pub(super) fn to_row(&self) -> AuditRow {
        AuditRow {
            seq: 0,
            at: Timestamp::from_micros(0),
            actor_kind: self.actor.kind().to_owned(),
            actor_id: match self.actor {
                Actor::Person(id) => Some(id.0),
                Actor::Nobody | Actor::CommandLine | Actor::Millpond => None,
            },
            action: self.action.as_str().to_owned(),
            target_kind: self.target.as_ref().map(|target| target.kind.to_owned()),
            target_id: self.target.as_ref().map(|target| target.id.clone()),
            address: self.origin.address.map(|address| address.to_string()),
            request_id: self.origin.request_id.as_deref().map(str::to_owned),
            state_before: self.before.to_text(),
            state_after: self.after.to_text(),
            previous_hash: String::new(),
            hash: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let state = |active: bool| Facts::new().with(Field::Active, active).with(Field::TrustLevel, 2);
        let entry = Entry::new(Action::UserChanged, Actor::CommandLine, Origin::default());
        let row = entry.changed(state(true), state(false)).to_row();
        assert_eq!(row.state_before.as_deref(), Some(r#"{"is_active":true}"#));
        assert_eq!(row.state_after.as_deref(), Some(r#"{"is_active":false}"#));
    }

    #[test]
    fn no_word_stands_for_two_things() {
        let words: std::collections::BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(words.len(), Action::ALL.len());
        assert!(words.iter().all(|word| word.len() <= 60), "the column is no wider");
    }
}
