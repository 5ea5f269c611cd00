//! Typed identifiers, so that a user's number can never be used where a key's is meant.

use serde::{Deserialize, Serialize};

macro_rules! int_id {
    ($(#[$doc:meta])* $name:ident: $number:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub $number);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

int_id!(
    /// Names a person; AntiHub's integer id.
    UserId: i32
);
int_id!(
    /// Names an API key; safe to show, useless for calling.
    KeyId: i32
);
int_id!(
    /// Names an announcement.
    AnnouncementId: i64
);
int_id!(
    /// Names an invite; not its code.
    InviteId: i64
);

/// Names an upstream account: 32 hex digits, `cookie_id` on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct AccountId(pub String);

impl AccountId {
    /// A new id that sorts by time of creation.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }
}

impl std::fmt::Display for AccountId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
