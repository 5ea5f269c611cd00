//! Sessions: which refresh token is the living one, which have been used, which sessions and access tokens are over.
//!
//! A session is a family of refresh tokens: each use replaces the token by its successor in one atomic step, so of
//! many concurrent uses exactly one wins. Keys (AntiHub's names where it has them):
//!
//! | key | value |
//! |---|---|
//! | `refresh_token:{jti}` | JSON record of the living refresh token |
//! | `user_refresh_tokens:{user}` | JSON array of a person's living refresh token ids |
//! | `session:{user}` | when the person last signed in; written for AntiHub, never read |
//! | `blacklist:{jti}` | an access token that was ended |
//! | `session_refresh:{sid}` | the id of the session's living refresh token |
//! | `session_ended:{sid}` | a session that was ended |
//! | `refresh_used:{jti}` | JSON: when and by whom a refresh token was used up, and the answer it got |

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use serde::{Deserialize, Serialize};

use super::embedded::Map;
use super::redis::millis;
use super::{Invalidation, Result, State, StateError};
use crate::clock::Timestamp;
use crate::ids::UserId;

/// The record of a living refresh token. AntiHub's records have the first three members only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRecord {
    pub user_id: UserId,
    pub username: String,
    /// UTC without a zone, as AntiHub writes it.
    pub created_at: String,
    /// The session; AntiHub's tokens begin one named like themselves.
    #[serde(default)]
    pub sid: Option<String>,
    /// When the session began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<String>,
    /// From where it was used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// What is kept of a refresh token that was used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedRefresh {
    pub sid: String,
    pub used_at_micros: i64,
    /// Hash of who used it: only the same client gets the same answer again.
    pub client: String,
    /// The encrypted answer; readable by the program, useless in a dump of the state.
    pub answer: String,
}

/// A refresh token about to live.
#[derive(Clone, Debug)]
pub struct NewRefresh<'a> {
    pub jti: &'a str,
    pub record: &'a RefreshRecord,
    pub sid: &'a str,
    pub life: Duration,
}

/// What became of the attempt to replace a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The old token was alive and is now replaced.
    Rotated,
    /// Somebody used the old token before.
    AlreadyUsed(UsedRefresh),
    /// The session is over, or there never was such a token.
    Unknown,
}

fn refresh_key(jti: &str) -> String {
    format!("refresh_token:{jti}")
}

fn list_key(user: UserId) -> String {
    format!("user_refresh_tokens:{user}")
}

fn used_key(jti: &str) -> String {
    format!("refresh_used:{jti}")
}

fn session_refresh_key(sid: &str) -> String {
    format!("session_refresh:{sid}")
}

fn session_ended_key(sid: &str) -> String {
    format!("session_ended:{sid}")
}

fn blacklist_key(jti: &str) -> String {
    format!("blacklist:{jti}")
}

fn encode<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StateError::Unreadable(error.to_string()))
}

/// Adds to AntiHub's list of a person's refresh tokens and drops those that are gone.
/// KEYS: record, list, session_refresh. ARGV: record, jti, life in ms.
const STORE_LUA: &str = "
    local function store(record_key, list_key, session_key, record, jti, life)
        redis.call('SET', record_key, record, 'PX', life)
        redis.call('SET', session_key, jti, 'PX', life)
        local living = {}
        local held = redis.call('GET', list_key)
        if held then
            local ok, list = pcall(cjson.decode, held)
            if ok and type(list) == 'table' then
                for _, other in ipairs(list) do
                    if redis.call('EXISTS', 'refresh_token:' .. tostring(other)) == 1 then table.insert(living, other) end
                end
            end
        end
        table.insert(living, jti)
        redis.call('SET', list_key, cjson.encode(living), 'PX', life)
    end
";

static BEGIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!("{STORE_LUA} store(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3]) return 1"))
});

/// KEYS: new record, list, session_refresh, old record, old used, session_ended.
/// ARGV: record, jti, life in ms, what to keep of the old token.
static ROTATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{STORE_LUA}
        if redis.call('EXISTS', KEYS[6]) == 1 then return {{'unknown'}} end
        if redis.call('DEL', KEYS[4]) == 1 then
            redis.call('SET', KEYS[5], ARGV[4], 'PX', ARGV[3])
            store(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
            return {{'rotated'}}
        end
        local used = redis.call('GET', KEYS[5])
        if used then return {{'used', used}} end
        return {{'unknown'}}"
    ))
});

/// KEYS: session_ended, session_refresh. ARGV: life in ms.
static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
         local jti = redis.call('GET', KEYS[2])
         redis.call('DEL', KEYS[2])
         if jti then redis.call('DEL', 'refresh_token:' .. jti) end
         return 1",
    )
});

/// KEYS: list, session. Deletes every refresh token of a person.
static END_ALL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[1])
         if held then
             local ok, list = pcall(cjson.decode, held)
             if ok and type(list) == 'table' then
                 for _, jti in ipairs(list) do redis.call('DEL', 'refresh_token:' .. tostring(jti)) end
             end
         end
         redis.call('DEL', KEYS[1], KEYS[2])
         return 1",
    )
});

/// The same as `STORE_LUA`.
fn store_refresh(map: &mut Map, new: &NewRefresh<'_>, record: &str) {
    map.put(&refresh_key(new.jti), record, new.life);
    map.put(&session_refresh_key(new.sid), new.jti, new.life);
    let list_key = list_key(new.record.user_id);
    let mut living = refresh_list(map, &list_key);
    living.retain(|jti| map.get(&refresh_key(jti)).is_some());
    living.push(new.jti.to_owned());
    map.put(&list_key, &serde_json::to_string(&living).unwrap_or_default(), new.life);
}

fn refresh_list(map: &Map, list_key: &str) -> Vec<String> {
    map.get(list_key).and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
}

/// The same as `ROTATE`.
fn rotate_in(
    map: &mut Map,
    old_jti: &str,
    new: &NewRefresh<'_>,
    record: &str,
    used: &str,
) -> Option<Option<String>> {
    if map.get(&session_ended_key(new.sid)).is_some() {
        return None;
    }
    if map.take(&refresh_key(old_jti)).is_some() {
        map.put(&used_key(old_jti), used, new.life);
        store_refresh(map, new, record);
        return Some(None);
    }
    map.get(&used_key(old_jti)).map(|used| Some(used.to_owned()))
}

impl State {
    /// Begins a session: its first refresh token lives from now on.
    pub async fn begin_session(&self, new: &NewRefresh<'_>) -> Result<()> {
        let record = encode(new.record)?;
        let user = new.record.user_id;
        match self {
            Self::Embedded(embedded) => embedded.update(|map| store_refresh(map, new, &record)).await?,
            Self::Redis(redis) => {
                BEGIN
                    .key(refresh_key(new.jti))
                    .key(list_key(user))
                    .key(session_refresh_key(new.sid))
                    .arg(&record)
                    .arg(new.jti)
                    .arg(millis(new.life))
                    .invoke_async::<i64>(&mut redis.connection())
                    .await?;
            }
        }
        let session = format!(r#"{{"user_id": {user}, "created_at": "{}"}}"#, new.record.created_at);
        self.put(&format!("session:{user}"), &session, Duration::from_secs(86_400)).await
    }

    /// Replaces the refresh token `old_jti` by `new`, atomically.
    pub async fn rotate_refresh(
        &self,
        old_jti: &str,
        new: &NewRefresh<'_>,
        used: &UsedRefresh,
    ) -> Result<Rotation> {
        let (record, used) = (encode(new.record)?, encode(used)?);
        let answer = match self {
            Self::Embedded(embedded) => {
                embedded.update(|map| rotate_in(map, old_jti, new, &record, &used)).await?
            }
            Self::Redis(redis) => {
                let answer: Vec<String> = ROTATE
                    .key(refresh_key(new.jti))
                    .key(list_key(new.record.user_id))
                    .key(session_refresh_key(new.sid))
                    .key(refresh_key(old_jti))
                    .key(used_key(old_jti))
                    .key(session_ended_key(new.sid))
                    .arg(&record)
                    .arg(new.jti)
                    .arg(millis(new.life))
                    .arg(&used)
                    .invoke_async(&mut redis.connection())
                    .await?;
                match answer.as_slice() {
                    [word] if word == "rotated" => Some(None),
                    [word, used] if word == "used" => Some(Some(used.clone())),
                    _ => None,
                }
            }
        };
        Ok(match answer {
            None => Rotation::Unknown,
            Some(None) => Rotation::Rotated,
            Some(Some(used)) => Rotation::AlreadyUsed(
                serde_json::from_str(&used).map_err(|_| StateError::Unreadable(used_key(old_jti)))?,
            ),
        })
    }

    /// Ends a session: its refresh token dies, and its access tokens are refused for `life`, their longest.
    pub async fn end_session(&self, sid: &str, life: Duration) -> Result<()> {
        match self {
            Self::Embedded(embedded) => {
                embedded
                    .update(|map| {
                        map.put(&session_ended_key(sid), "1", life);
                        if let Some(jti) = map.take(&session_refresh_key(sid)) {
                            map.take(&refresh_key(&jti));
                        }
                    })
                    .await?;
            }
            Self::Redis(redis) => {
                END.key(session_ended_key(sid))
                    .key(session_refresh_key(sid))
                    .arg(millis(life))
                    .invoke_async::<i64>(&mut redis.connection())
                    .await?;
            }
        }
        self.publish(Invalidation::Session(sid.to_owned())).await;
        Ok(())
    }

    /// Deletes every refresh token of a person. The token generation ends the access tokens.
    pub async fn end_all_sessions(&self, user: UserId) -> Result<()> {
        let (list, session) = (list_key(user), format!("session:{user}"));
        match self {
            Self::Embedded(embedded) => {
                embedded
                    .update(|map| {
                        for jti in refresh_list(map, &list) {
                            map.take(&refresh_key(&jti));
                        }
                        map.take(&list);
                        map.take(&session);
                    })
                    .await
            }
            Self::Redis(redis) => {
                END_ALL.key(list).key(session).invoke_async::<i64>(&mut redis.connection()).await?;
                Ok(())
            }
        }
    }

    /// Ends one access token for the rest of its life; AntiHub's word for it.
    pub async fn blacklist_access(&self, jti: &str, life: Duration) -> Result<()> {
        self.put(&blacklist_key(jti), "1", life).await?;
        self.publish(Invalidation::Session(jti.to_owned())).await;
        Ok(())
    }

    /// Removes one refresh token; for AntiHub's tokens, which name no session.
    pub async fn remove_refresh(&self, jti: &str) -> Result<()> {
        self.remove(&refresh_key(jti)).await
    }

    /// Whether an access token was ended.
    pub async fn is_access_ended(&self, jti: &str) -> Result<bool> {
        Ok(self.get(&blacklist_key(jti)).await?.is_some())
    }

    /// Whether a session was ended.
    pub async fn is_session_ended(&self, sid: &str) -> Result<bool> {
        Ok(self.get(&session_ended_key(sid)).await?.is_some())
    }

    /// A person's living sessions: their names and the records of their refresh tokens.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<(String, RefreshRecord)>> {
        let list = self.get(&list_key(user)).await?.unwrap_or_default();
        let ids: Vec<String> = serde_json::from_str(&list).unwrap_or_default();
        let mut sessions = Vec::with_capacity(ids.len());
        for jti in ids {
            if let Some(record) = self.refresh_record(&jti).await? {
                let sid = record.sid.clone().unwrap_or(jti);
                sessions.push((sid, record));
            }
        }
        Ok(sessions)
    }

    /// The record of a living refresh token.
    pub async fn refresh_record(&self, jti: &str) -> Result<Option<RefreshRecord>> {
        let key = refresh_key(jti);
        let Some(text) = self.get(&key).await? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| StateError::Unreadable(key))
    }
}

/// A moment as AntiHub writes it into its records: UTC, ISO 8601, no zone.
pub fn naive_utc(moment: Timestamp) -> String {
    moment.to_string().trim_end_matches('Z').to_owned()
}
