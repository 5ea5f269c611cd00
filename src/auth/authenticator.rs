//! Who is calling, answered from memory: people, keys and living sessions, each remembered for some seconds.
//!
//! A change anywhere is announced on the bus and forgets what it touches at once. While the bus is down an entry is
//! trusted for one second only, so a revoked key or an ended session is refused everywhere within that second.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use super::keys::{ApiKey, KeyHash, KeyRefusal};
use super::tokens::{Claims, TokenError, TokenKind, Tokens};
use crate::clock::Clock;
use crate::edge::error::{ApiError, Result};
use crate::ids::UserId;
use crate::messages::say;
use crate::state::{Invalidation, State};
use crate::store::Store;
use crate::store::users::User;

const LIFE: Duration = Duration::from_secs(10);
const LIFE_WITHOUT_BUS: Duration = Duration::from_millis(900);
const CAPACITY: u64 = 100_000;

/// What was loaded, and when.
#[derive(Clone, Debug)]
struct Loaded<T> {
    value: T,
    at: Instant,
}

/// Remembers loads. A load that overlaps a change is used once and not remembered.
struct Memory<K, T> {
    cache: Cache<K, Loaded<T>>,
    changes: AtomicU64,
}

impl<K: Hash + Eq + Send + Sync + 'static, T: Clone + Send + Sync + 'static> Memory<K, T> {
    fn new() -> Self {
        let cache = Cache::builder().max_capacity(CAPACITY).time_to_live(LIFE).build();
        Self { cache, changes: AtomicU64::new(0) }
    }

    fn get(&self, key: &K, life: Duration) -> Option<T> {
        self.cache.get(key).filter(|loaded| loaded.at.elapsed() < life).map(|loaded| loaded.value)
    }

    /// To be read before a load begins.
    fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    fn remember(&self, key: &K, value: T, at: Instant, changes_before: u64)
    where
        K: Clone,
    {
        self.cache.insert(key.clone(), Loaded { value, at });
        // Checked after the insertion: a change that came in between has either removed the entry or is seen here.
        if self.changes() != changes_before {
            self.cache.invalidate(key);
        }
    }

    fn forget(&self, key: &K) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate(key);
    }

    fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate_all();
    }
}

struct Inner {
    tokens: Tokens,
    clock: Clock,
    store: Store,
    state: State,
    users: Memory<UserId, Arc<User>>,
    keys: Memory<KeyHash, Arc<ApiKey>>,
    /// Sessions and access tokens that had not been ended when we asked.
    living: Memory<String, ()>,
}

/// Recognises callers. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator")
    }
}

/// Why an API key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    Unknown,
    Refused(KeyRefusal),
    OwnerGone,
    OwnerDisabled,
}

impl Authenticator {
    /// Empty memories that listen to the bus.
    pub fn new(tokens: Tokens, clock: Clock, store: Store, state: State) -> Self {
        let inner = Arc::new(Inner {
            tokens,
            clock,
            store,
            state,
            users: Memory::new(),
            keys: Memory::new(),
            living: Memory::new(),
        });
        // Weak: the bus is part of the state that the memories hold.
        let listener = Arc::downgrade(&inner);
        inner.state.bus().listen(move |change| {
            if let Some(inner) = listener.upgrade() {
                inner.forget(change);
            }
        });
        Self(inner)
    }

    /// The person and claims of an access token.
    pub async fn by_access_token(&self, token: &str) -> Result<(Arc<User>, Claims)> {
        let claims =
            self.0.tokens.verify(token, TokenKind::Access, self.0.clock.now()).map_err(refuse_token)?;
        let Some(id) = claims.user_id() else { return Err(refuse_token(TokenError::Invalid)) };
        if self.0.is_ended(&claims).await? {
            return Err(refuse_token(TokenError::Invalid));
        }
        let Some(user) = self.0.user(id).await? else { return Err(ApiError::not_found(say("no_such_user"))) };
        let user = self.0.not_older_than(user, &claims).await?;
        if user.token_generation != claims.generation() {
            return Err(refuse_token(TokenError::Invalid));
        }
        if !user.is_active {
            return Err(ApiError::forbidden("account_disabled", say("person_disabled")));
        }
        Ok((user, claims))
    }

    /// The key and its owner, or why it is not accepted.
    pub async fn by_key(&self, presented: &str) -> Result<Result<(Arc<User>, Arc<ApiKey>), KeyProblem>> {
        let Some(key) = self.0.key(KeyHash::of(presented)).await? else {
            return Ok(Err(KeyProblem::Unknown));
        };
        if let Err(refusal) = key.check(self.0.clock.now()) {
            return Ok(Err(KeyProblem::Refused(refusal)));
        }
        Ok(match self.0.user(key.user_id).await? {
            None => Err(KeyProblem::OwnerGone),
            Some(user) if !user.is_active => Err(KeyProblem::OwnerDisabled),
            Some(user) => Ok((user, key)),
        })
    }
}

fn refuse_token(error: TokenError) -> ApiError {
    match error {
        TokenError::Expired => ApiError::unauthorized("token_expired", say("token_expired")),
        TokenError::Invalid => ApiError::unauthorized("invalid_token", say("token_invalid")),
    }
}

impl Inner {
    fn life(&self) -> Duration {
        if self.state.bus().is_live() { LIFE } else { LIFE_WITHOUT_BUS }
    }

    fn forget(&self, change: &Invalidation) {
        match change {
            Invalidation::User(id) => self.users.forget(id),
            Invalidation::ApiKey(hash) => match KeyHash::from_hex(hash) {
                Some(hash) => self.keys.forget(&hash),
                None => self.keys.forget_all(),
            },
            Invalidation::Session(id) => self.living.forget(id),
            Invalidation::Account(..)
            | Invalidation::AccountsOf(_)
            | Invalidation::Limits(..)
            | Invalidation::Health(_)
            | Invalidation::Allowance(_) => {}
            Invalidation::Everything => {
                self.users.forget_all();
                self.keys.forget_all();
                self.living.forget_all();
            }
        }
    }

    async fn user(&self, id: UserId) -> Result<Option<Arc<User>>> {
        if let Some(user) = self.users.get(&id, self.life()) {
            return Ok(Some(user));
        }
        let (at, changes) = (Instant::now(), self.users.changes());
        let user = self.store.find_user(id).await?.map(Arc::new);
        if let Some(user) = &user {
            self.users.remember(&id, user.clone(), at, changes);
        }
        Ok(user)
    }

    /// A token of a later generation than the person in memory tells that the memory is old: an instance that has
    /// not heard of the change yet must not refuse what another has just issued.
    async fn not_older_than(&self, user: Arc<User>, claims: &Claims) -> Result<Arc<User>> {
        if claims.generation() <= user.token_generation {
            return Ok(user);
        }
        self.users.forget(&user.id);
        Ok(self.user(user.id).await?.unwrap_or(user))
    }

    async fn key(&self, hash: KeyHash) -> Result<Option<Arc<ApiKey>>> {
        if let Some(key) = self.keys.get(&hash, self.life()) {
            return Ok(Some(key));
        }
        let (at, changes) = (Instant::now(), self.keys.changes());
        let row = self.store.find_api_key_by_hash(&hash.to_hex()).await?;
        let key = row.map(|row| Arc::new(ApiKey::from_row(&row)));
        if let Some(key) = &key {
            self.keys.remember(&hash, key.clone(), at, changes);
        }
        Ok(key)
    }

    async fn is_ended(&self, claims: &Claims) -> Result<bool> {
        let life = self.life();
        let ids = [Some(&claims.jti), claims.sid.as_ref()];
        if ids.into_iter().flatten().all(|id| self.living.get(id, life).is_some()) {
            return Ok(false);
        }
        let (at, changes) = (Instant::now(), self.living.changes());
        let ended = self.state.is_ended(&claims.jti, claims.sid.as_deref()).await?;
        if !ended {
            for id in ids.into_iter().flatten() {
                self.living.remember(id, (), at, changes);
            }
        }
        Ok(ended)
    }
}
