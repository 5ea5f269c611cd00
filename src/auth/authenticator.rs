//! Who is calling, answered from memory: people, keys and living sessions, each remembered for some seconds.
//!
//! A change anywhere is announced on the bus and forgets what it touches at once. While the bus is down an entry is
//! trusted for one second only, so a revoked key or an ended session is refused everywhere within that second.
//!
//! While the database is away, people and keys that were known lately go on being recognised, as long as the configured grace
//! allows and the bus is up: what is revoked is forgotten all the same. Sessions are not: nobody else could tell that one was
//! ended.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

use super::keys::{ApiKey, KeyHash, KeyRefusal};
use super::memory::{Known, Memory, Trust, Unknown};
use super::tokens::{Claims, TokenError, TokenKind, Tokens};
use crate::clock::Clock;
use crate::core::Core;
use crate::edge::error::{ApiError, Result};
use crate::ids::UserId;
use crate::messages::say;
use crate::state::{Invalidation, State};
use crate::store::users::User;
use crate::store::{Store, StoreError};

const LIFE: Duration = Duration::from_secs(10);
const LIFE_WITHOUT_BUS: Duration = Duration::from_millis(900);
const CAPACITY: usize = 100_000;

/// A key and its owner, found by one look.
#[derive(Clone)]
struct Pair {
    key: Arc<Known<Arc<ApiKey>>>,
    user: Arc<Known<Arc<User>>>,
}

impl Pair {
    fn is_good(&self, now: Instant, life: Duration) -> bool {
        self.key.is_good(now, life) && self.user.is_good(now, life)
    }
}

/// What a key is found by is a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Pairs = Cache<KeyHash, Pair, UnitWeighter, BuildHasherDefault<AsItIs>>;

struct Inner {
    tokens: Tokens,
    clock: Clock,
    store: Store,
    state: State,
    grace: Duration,
    users: Memory<UserId, Arc<User>>,
    keys: Memory<KeyHash, Arc<ApiKey>>,
    /// Of those in `users` and `keys`; what is forgotten there is void here.
    pairs: Pairs,
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
    pub fn new(tokens: Tokens, core: &Core) -> Self {
        let inner = Arc::new(Inner {
            tokens,
            clock: core.clock.clone(),
            store: core.store.clone(),
            state: core.state.clone(),
            grace: core.config.people.grace,
            users: Memory::new(),
            keys: Memory::new(),
            pairs: Cache::with(
                CAPACITY,
                CAPACITY as u64,
                UnitWeighter,
                BuildHasherDefault::default(),
                Default::default(),
            ),
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
        let user = self.0.not_older_than((**user).clone(), &claims).await?;
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
        let inner = &self.0;
        let (hash, now, trust) = (KeyHash::of(presented), Instant::now(), inner.trust());
        let pair = match inner.pairs.get(&hash).filter(|pair| pair.is_good(now, trust.life)) {
            Some(pair) => pair,
            None => match inner.load_pair(hash, trust).await? {
                Ok(pair) => pair,
                Err(problem) => return Ok(Err(problem)),
            },
        };
        if let Err(refusal) = pair.key.check(inner.clock.now()) {
            return Ok(Err(KeyProblem::Refused(refusal)));
        }
        if !pair.user.is_active {
            return Ok(Err(KeyProblem::OwnerDisabled));
        }
        Ok(Ok(((*pair.user).clone(), (*pair.key).clone())))
    }
}

fn refuse_token(error: TokenError) -> ApiError {
    match error {
        TokenError::Expired => ApiError::unauthorized("token_expired", say("token_expired")),
        TokenError::Invalid => ApiError::unauthorized("invalid_token", say("token_invalid")),
    }
}

impl<E: Into<ApiError>> From<Unknown<E>> for ApiError {
    fn from(unknown: Unknown<E>) -> Self {
        match unknown {
            Unknown::Failed(error) => error.into(),
            Unknown::Late => Self::unavailable("who calls could not be looked up in time"),
        }
    }
}

impl Inner {
    fn trust(&self) -> Trust {
        let life = if self.state.bus().is_live() { LIFE } else { LIFE_WITHOUT_BUS };
        let grace = if self.state.hears_of_changes() { self.grace } else { Duration::ZERO };
        Trust { life, grace }
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

    async fn user(&self, id: UserId) -> Result<Option<Arc<Known<Arc<User>>>>, Unknown<StoreError>> {
        let load = async { Ok(self.store.find_user(id).await?.map(Arc::new)) };
        self.users.get(&id, self.trust(), load).await
    }

    async fn load_pair(&self, hash: KeyHash, trust: Trust) -> Result<Result<Pair, KeyProblem>> {
        let load = async {
            let row = self.store.find_api_key_by_hash(&hash.to_hex()).await?;
            Ok::<_, StoreError>(row.map(|row| Arc::new(ApiKey::from_row(&row))))
        };
        let Some(key) = self.keys.get(&hash, trust, load).await? else { return Ok(Err(KeyProblem::Unknown)) };
        let Some(user) = self.user(key.user_id).await? else { return Ok(Err(KeyProblem::OwnerGone)) };
        let pair = Pair { key, user };
        self.pairs.insert(hash, pair.clone());
        Ok(Ok(pair))
    }

    /// A token of a later generation than the person in memory tells that the memory is old: an instance that has
    /// not heard of the change yet must not refuse what another has just issued.
    async fn not_older_than(&self, user: Arc<User>, claims: &Claims) -> Result<Arc<User>> {
        if claims.generation() <= user.token_generation {
            return Ok(user);
        }
        self.users.forget(&user.id);
        Ok(self.user(user.id).await?.map_or(user, |known| (**known).clone()))
    }

    async fn is_ended(&self, claims: &Claims) -> Result<bool> {
        let trust = Trust { grace: Duration::ZERO, ..self.trust() };
        let living = |ended: bool| (!ended).then_some(());
        let access = async { self.state.is_access_ended(&claims.jti).await.map(living) };
        if self.living.get(&claims.jti, trust, access).await?.is_none() {
            return Ok(true);
        }
        if let Some(sid) = &claims.sid {
            let session = async { self.state.is_session_ended(sid).await.map(living) };
            return Ok(self.living.get(sid, trust, session).await?.is_none());
        }
        Ok(false)
    }
}
