//! How people come in: who may register, and who needs a second factor.

use std::time::Duration;

use super::parse::Reader;

/// Who may become a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Only whom the operator makes.
    Closed,
    /// Who has an invite, with name and password.
    Invite,
    /// Everybody, with name and password or through a sign-in provider.
    Open,
    /// Everybody whom a sign-in provider vouches for; AntiHub's way, and the default.
    Sso,
}

/// The rules of coming in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeopleConfig {
    pub registration: Registration,
    /// Administrators do nothing but set up their second factor until they have one.
    pub admins_need_totp: bool,
    /// How long people and keys that were known go on being recognised while the database is away.
    pub grace: Duration,
}

impl Reader<'_> {
    pub(super) fn people(&mut self) -> Option<PeopleConfig> {
        let registration = match self.text("REGISTRATION").as_deref() {
            Some("closed") => Some(Registration::Closed),
            Some("invite") => Some(Registration::Invite),
            Some("open") => Some(Registration::Open),
            Some("sso") => Some(Registration::Sso),
            _ => {
                self.problem("REGISTRATION", "must be closed, invite, open or sso");
                None
            }
        };
        let admins_need_totp = match self.text("POLICY_REQUIRE_TOTP_FOR_ADMINS").as_deref() {
            Some("false" | "0" | "no" | "off") => Some(false),
            Some("true" | "1" | "yes" | "on") => Some(true),
            _ => {
                self.problem("POLICY_REQUIRE_TOTP_FOR_ADMINS", "must be true or false");
                None
            }
        };
        let grace = self.number("AUTH_GRACE_SECONDS", 0, 86_400).map(Duration::from_secs);
        Some(PeopleConfig { registration: registration?, admins_need_totp: admins_need_totp?, grace: grace? })
    }
}
