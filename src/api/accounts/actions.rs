//! What is done to one account, by its owner or by an administrator: both go the same way, and each change is audited.

use std::collections::BTreeMap;

use millpond_pool::pattern::glob_matches;
use serde_json::{Value, json};

use super::fields::{self, Mode};
use super::view::{Account, Allowance, stored};
use super::{AccountName, AccountStatus, AccountTrial, AccountType};
use crate::api::answer::Answer;
use crate::app::App;
use crate::audit::{Action, Entry, Facts, Field, Target};
use crate::auth::extract::{Client, Member};
use crate::edge::error::{ApiError, Result};
use crate::edge::input::Object;
use crate::gateway::{Checked, PauseView, Trial};
use crate::ids::{AccountId, UserId};
use crate::messages::say;
use crate::state::Invalidation;
use crate::store::accounts::AccountRow;
use axum::Json;
use secrecy::ExposeSecret as _;

/// Somebody else may change the account meanwhile; so many times it is read again.
const ATTEMPTS: usize = 8;

/// Whose accounts somebody may touch.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    Own,
    /// An administrator's.
    All,
}

/// Somebody at an account.
pub(super) struct AccountAction<'a> {
    pub(super) app: &'a App,
    pub(super) member: &'a Member,
    pub(super) client: &'a Client,
    pub(super) reach: Reach,
    pub(super) id: AccountId,
}

type Done = Result<Json<Answer<Value>>>;

impl AccountAction<'_> {
    async fn find(&self) -> Result<AccountRow> {
        let store = &self.app.core.store;
        let row = match self.reach {
            Reach::Own => store.find_account(self.member.user.id, &self.id).await?,
            Reach::All => store.find_any_account(&self.id).await?,
        };
        row.ok_or_else(gone)
    }

    pub(super) async fn show(&self) -> Result<Json<Answer<Account>>> {
        self.app.gateway.settled().await;
        let mut row = self.find().await?;
        row.last_used_at =
            self.app.core.store.last_served(row.user_id).await?.remove(&row.id).or(row.last_used_at);
        Ok(Answer::data(Account::of(self.app, row)))
    }

    pub(super) async fn set_status(&self, body: Object) -> Done {
        let AccountStatus { status } = AccountStatus::read(body)?;
        let on = status == 1;
        let entry = self.entry(Action::AccountChanged, Facts::new().with(Field::Enabled, on));
        self.edit(
            |_| entry.clone(),
            |row| {
                row.is_enabled = on;
                Ok(())
            },
        )
        .await?;
        let message = say(if on { "account_enabled_now" } else { "account_disabled_now" });
        Ok(Answer::changed(message, json!({"cookie_id": self.id, "status": status})))
    }

    pub(super) async fn rename(&self, body: Object) -> Done {
        let AccountName { name } = AccountName::read(body)?;
        let entry = self.entry(Action::AccountChanged, Facts::new().with(Field::Named, !name.is_empty()));
        self.edit(
            |_| entry.clone(),
            |row| {
                row.name.clone_from(&name);
                Ok(())
            },
        )
        .await?;
        Ok(Answer::changed(say("account_renamed"), json!({"cookie_id": self.id, "name": name})))
    }

    pub(super) async fn set_type(&self, body: Object) -> Done {
        let AccountType { is_shared } = AccountType::read(body)?;
        let shared = fields::shared(is_shared)?;
        if shared {
            let row = self.find().await?;
            let owner = self.app.core.store.find_user(row.user_id).await?.ok_or_else(gone)?;
            fields::check_shareable(self.app, &owner, &row)?;
        }
        let action = if shared { Action::AccountShared } else { Action::AccountUnshared };
        let entry = self.entry(action, Facts::new());
        self.edit(
            |_| entry.clone(),
            |row| {
                row.is_shared = shared;
                Ok(())
            },
        )
        .await?;
        let message = say(if shared { "account_shared" } else { "account_dedicated" });
        Ok(Answer::changed(message, json!({"cookie_id": self.id, "is_shared": i32::from(shared)})))
    }

    pub(super) async fn set_model(&self, model: &str, body: Object) -> Done {
        let AccountStatus { status } = AccountStatus::read(body)?;
        let facts = Facts::new().typed(Field::Model, model).with(Field::Enabled, status == 1);
        let entry = self.entry(Action::AccountChanged, facts);
        let switched = self.edit(
            |_| entry.clone(),
            |row| {
                if model.is_empty() || model.len() > 200 || !knows(row, model) {
                    return Err(ApiError::not_found(say("no_such_model")));
                }
                let mut disabled: Vec<String> = stored(row.disabled_models.as_deref());
                disabled.retain(|name| name != model);
                if status == 0 {
                    disabled.push(model.to_owned());
                }
                if disabled.len() > 1_000 {
                    return Err(ApiError::bad_request("too_many_models", say("too_many_models")));
                }
                row.disabled_models = (!disabled.is_empty()).then(|| json!(disabled).to_string());
                Ok(())
            },
        );
        switched.await?;
        let message = say(if status == 1 { "model_enabled" } else { "model_disabled" });
        Ok(Answer::changed(message, json!({"cookie_id": self.id, "model_name": model, "status": status})))
    }

    pub(super) async fn rotate(&self, mut body: Object) -> Done {
        // Somebody else's is not there, whatever is wrong with the body.
        self.find().await?;
        let secret = fields::credentials(&mut body);
        body.finish()?;
        let secret = secret.ok_or_else(|| ApiError::internal("a credential was read without a problem"))?;
        let count = secret.expose_secret().lines().filter(|line| !line.trim().is_empty()).count();
        let sealed = self.app.core.vault.encrypt(secret.expose_secret());
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let entry = self.entry(Action::CredentialRotated, Facts::new().with(Field::Count, count));
        self.edit(
            |_| entry.clone(),
            |row| {
                row.credential.clone_from(&sealed);
                Ok(())
            },
        )
        .await?;
        // What was known of the old ones says nothing of the new. After a crash in between the account rests until it is
        // resumed: it is never used sooner than it may be.
        self.app.gateway.resume(&self.id).await?;
        Ok(Answer::changed(say("credential_rotated"), json!({"cookie_id": self.id, "credentials": count})))
    }

    pub(super) async fn change(&self, body: Object) -> Result<Json<Answer<Account>>> {
        let owner = &self.member.user;
        let entry = |row: &AccountRow| {
            let facts = Facts::new().with(Field::Priority, row.priority).with(Field::Weight, row.weight);
            self.entry(Action::AccountChanged, facts)
        };
        let row = self.edit(entry, |row| {
            let mut body = body.clone();
            fields::read(self.app, &mut body, row, Mode::Change);
            body.finish()?;
            if row.is_shared { fields::check_shareable(self.app, owner, row) } else { Ok(()) }
        });
        let row = row.await?;
        Ok(Answer::changed(say("account_changed"), Account::of(self.app, row)))
    }

    pub(super) async fn delete(&self) -> Done {
        let row = self.find().await?;
        let mut tx = self.app.core.store.begin().await?;
        if !tx.delete_account(row.user_id, &self.id).await? {
            return Err(gone());
        }
        self.app.core.audit.commit(tx, &self.entry(Action::AccountDeleted, Facts::new())).await?;
        self.tell(row.user_id).await;
        Ok(Answer::done(say("account_deleted")))
    }

    pub(super) async fn check(&self, body: Object) -> Result<Json<Answer<Checked>>> {
        let AccountTrial { model, credential } = AccountTrial::read(body)?;
        let credential = credential.and_then(|place| usize::try_from(place).ok()).unwrap_or(0);
        let trial = Trial { model, credential };
        Ok(Answer::data(self.app.gateway.check(self.find().await?, trial).await))
    }

    pub(super) async fn pauses(&self) -> Result<Json<Answer<Vec<PauseView>>>> {
        let row = self.find().await?;
        Ok(Answer::data(self.app.gateway.pauses_of(&row.id)))
    }

    pub(super) async fn resume(&self) -> Result<Json<Answer<Vec<PauseView>>>> {
        let row = self.find().await?;
        // Recorded first: pauses are shared state, and none ends unrecorded.
        self.app.core.audit.record(&self.entry(Action::PauseEnded, Facts::new())).await?;
        self.app.gateway.resume(&row.id).await?;
        Ok(Answer::changed(say("account_resumed"), self.app.gateway.pauses_of(&row.id)))
    }

    /// Changes the account, with the entry that tells of the row as it becomes, and tells every instance. Where nothing
    /// changes, only the entry is written: that somebody asked is on record.
    async fn edit(
        &self,
        entry: impl Fn(&AccountRow) -> Entry,
        change: impl Fn(&mut AccountRow) -> Result<()>,
    ) -> Result<AccountRow> {
        let core = &self.app.core;
        for _ in 0..ATTEMPTS {
            let found = self.find().await?;
            let mut row = found.clone();
            change(&mut row)?;
            if row == found {
                core.audit.record(&entry(&row)).await?;
                return Ok(row);
            }
            row.updated_at = found.changed_at(core.clock.now());
            let mut tx = core.store.begin().await?;
            if tx.update_account(&row, found.updated_at).await? {
                core.audit.commit(tx, &entry(&row)).await?;
                self.tell(row.user_id).await;
                return Ok(row);
            }
        }
        Err(ApiError::unavailable("an account is changed by others all the time"))
    }

    /// Tells every instance; this one knows it for everybody when the answer goes out.
    async fn tell(&self, owner: UserId) {
        self.app.core.state.publish(Invalidation::Account(self.id.clone(), owner)).await;
        self.app.gateway.fresh(owner).await;
    }

    fn entry(&self, action: Action, facts: Facts) -> Entry {
        self.member.does(action, self.client).on(Target::account(&self.id)).after(facts)
    }
}

/// Whether a name is among those that an account's quotas are listed under, or may be asked for under.
fn knows(row: &AccountRow, model: &str) -> bool {
    let models: Option<Vec<String>> = stored(row.models.as_deref());
    let aliases: BTreeMap<String, String> = stored(row.aliases.as_deref());
    let allowances: Vec<Allowance> = stored(row.allowances.as_deref());
    let disabled: Vec<String> = stored(row.disabled_models.as_deref());
    models.is_none_or(|patterns| patterns.iter().any(|pattern| glob_matches(pattern, model)))
        || aliases.contains_key(model)
        || allowances.iter().any(|allowance| allowance.models.iter().any(|name| name == model))
        || disabled.iter().any(|name| name == model)
}

/// What is not one's own does not exist.
pub(super) fn gone() -> ApiError {
    ApiError::not_found(say("no_such_account"))
}
