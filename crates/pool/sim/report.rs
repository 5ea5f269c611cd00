//! What is told about each hour of the day.

/// One hour's counts.
#[derive(Clone, Default)]
pub(crate) struct Hour {
    pub(crate) calls: usize,
    pub(crate) served: usize,
    /// Of those served: whose client left before the end.
    pub(crate) left: usize,
    pub(crate) refused_quota: usize,
    pub(crate) refused_account: usize,
    /// All attempts failed upstream.
    pub(crate) failed: usize,
    pub(crate) retries: usize,
    pub(crate) units: i64,
    /// Units served by the hour over what all accounts that were there may serve in one.
    pub(crate) utilisation: f64,
    /// Evenness among sharers from the beginning of the day, of the least even model group.
    pub(crate) jain: f64,
}

/// Jain's index: 1 when all are equal, 1/n when one has everything.
pub(super) fn jain(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        (count, sum, squares) = (count + 1.0, sum + value, squares + value * value);
    }
    if squares == 0.0 { 1.0 } else { sum * sum / (count * squares) }
}
