//! Time: the one source of "now", and the one type for a moment.
//!
//! A moment is microseconds since the Unix epoch. On PostgreSQL it is a `timestamptz`, on SQLite a 64-bit integer, so
//! that the same statement compares and orders moments on both. No other module reads the system clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use millpond_pool::units::Moment;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};
use time::OffsetDateTime;

/// A moment in microseconds since the Unix epoch; as JSON `2025-11-26T10:00:00.123456Z`, the fraction left out when zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Before everything that is on record: the year 1.
    pub const EARLIEST: Self = Self::from_seconds(-62_135_596_800);
    /// After everything that will be: the end of the year 9999.
    pub const LATEST: Self = Self::from_seconds(253_402_214_400);

    /// The moment `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// The moment `seconds` seconds after the Unix epoch, the unit of JWT claims.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Days since the Unix epoch in UTC: the bucket of daily statistics.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000)
    }

    /// The moment `duration` later; the far end of time when it overflows.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The moment `duration` earlier.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this moment, zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 (`2025-11-26T10:00:00Z`, any offset) or a bare date, which means midnight UTC.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Some(Self(moment.as_microsecond()));
        }
        let date: jiff::civil::Date = text.parse().ok()?;
        let midnight =
            jiff::tz::TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
        Some(Self(midnight.as_microsecond()))
    }

    /// The calendar month (UTC) as a number such as 202611, and the moment at which it began.
    pub fn month(self) -> (i64, Self) {
        let date = jiff::tz::TimeZone::UTC.to_datetime(self.to_jiff()).date();
        (i64::from(date.year()) * 100 + i64::from(date.month()), Self::midnight(date.first_of_month()))
    }

    /// The moment at which the next calendar month (UTC) begins.
    pub fn next_month(self) -> Self {
        let date = jiff::tz::TimeZone::UTC.to_datetime(self.to_jiff()).date();
        date.last_of_month().tomorrow().map_or(self, Self::midnight)
    }

    fn midnight(date: jiff::civil::Date) -> Self {
        let moment = jiff::tz::TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
        moment.map_or(Self(0), |moment| Self(moment.as_microsecond()))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moment = self.to_jiff();
        if self.0.rem_euclid(1_000_000) == 0 { write!(f, "{moment:.0}") } else { write!(f, "{moment:.6}") }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime)))
            .into()
    }
}

impl utoipa::ToSchema for Timestamp {}

impl Type<Postgres> for Timestamp {
    fn type_info() -> PgTypeInfo {
        <OffsetDateTime as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for Timestamp {
    fn array_type_info() -> PgTypeInfo {
        <OffsetDateTime as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)?;
        Encode::<Postgres>::encode_by_ref(&moment, buffer)
    }
}

impl Decode<'_, Postgres> for Timestamp {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let moment = <OffsetDateTime as Decode<'_, Postgres>>::decode(value)?;
        Ok(Self(i64::try_from(moment.unix_timestamp_nanos() / 1_000)?))
    }
}

impl Type<Sqlite> for Timestamp {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode_by_ref(&self.0, buffer)
    }
}

impl Decode<'_, Sqlite> for Timestamp {
    fn decode(value: SqliteValueRef<'_>) -> Result<Self, BoxDynError> {
        <i64 as Decode<'_, Sqlite>>::decode(value).map(Self)
    }
}

/// The steady reading wavers against the wall clock by less than this, in milliseconds, where nobody sets that.
const WAVERING_MILLIS: i64 = 250;

/// When the process began, by both clocks.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system clock")]
static BEGUN: LazyLock<(Instant, i64)> =
    LazyLock::new(|| (Instant::now(), jiff::Timestamp::now().as_millisecond()));

/// The only source of "now": what is shown or stored goes by [`now`](Self::now), what lasts for a time in this process by
/// [`steady`](Self::steady). Tests hold the other end of `Manual` and move it.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clocks.
    System,
    /// Moved by hand.
    Manual(Arc<Hands>),
}

/// The hands of a clock that is moved by hand.
#[derive(Debug)]
pub struct Hands {
    passed_micros: AtomicI64,
    /// How far the wall clock was set off.
    set_off_micros: AtomicI64,
}

impl Hands {
    /// A clock that stands at a moment.
    pub fn at(moment: Timestamp) -> Self {
        Self { passed_micros: AtomicI64::new(moment.micros()), set_off_micros: AtomicI64::new(0) }
    }

    /// Time passes.
    pub fn pass(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        self.passed_micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock back.
    pub fn set_back(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.set_off_micros.fetch_sub(micros, Ordering::SeqCst);
    }
}

impl Clock {
    /// The present moment by the wall clock, which may be set at any time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(jiff::Timestamp::now().as_microsecond()),
            Self::Manual(hands) => {
                let set_off = hands.set_off_micros.load(Ordering::Relaxed);
                Timestamp(hands.passed_micros.load(Ordering::Relaxed).saturating_add(set_off))
            }
        }
    }

    /// The present moment by a clock that nobody sets: the wall clock's when the process began, and what passed since.
    pub fn steady(&self) -> Moment {
        match self {
            Self::System => {
                let (instant, millis) = *BEGUN;
                let passed = i64::try_from(instant.elapsed().as_millis()).unwrap_or(i64::MAX);
                Moment(millis.saturating_add(passed))
            }
            Self::Manual(hands) => Moment(hands.passed_micros.load(Ordering::Relaxed).div_euclid(1_000)),
        }
    }

    /// How many milliseconds the wall clock is ahead of the steady one.
    pub fn ahead_millis(&self) -> i64 {
        let ahead = self.now().millis() - self.steady().0;
        (ahead + WAVERING_MILLIS / 2).div_euclid(WAVERING_MILLIS) * WAVERING_MILLIS
    }

    /// What the wall clock will show, or showed, at a moment of the steady one.
    pub fn shown(&self, moment: Moment) -> Timestamp {
        Timestamp::from_millis(moment.plus(self.ahead_millis()).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_like_the_contract() {
        assert_eq!(Timestamp::from_micros(1_764_151_200_123_456).to_string(), "2025-11-26T10:00:00.123456Z");
        assert_eq!(Timestamp::from_seconds(1_764_151_200).to_string(), "2025-11-26T10:00:00Z");
        assert_eq!(Timestamp::from_millis(1_764_151_200_500).to_string(), "2025-11-26T10:00:00.500000Z");
    }

    #[test]
    fn reads_times_and_dates() {
        assert_eq!(Timestamp::parse("2025-11-26T10:00:00Z"), Some(Timestamp::from_seconds(1_764_151_200)));
        assert_eq!(
            Timestamp::parse("2025-11-26T12:00:00+02:00"),
            Some(Timestamp::from_seconds(1_764_151_200))
        );
        assert_eq!(Timestamp::parse("2025-11-26"), Some(Timestamp::from_seconds(1_764_115_200)));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
