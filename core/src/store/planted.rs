//! Bugs on purpose: a crash test that doesn't find them proves nothing.

/// A bug to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "sim")),
    expect(dead_code, reason = "planted in tests")
)]
pub enum Bug {
    /// Writers append no epoch.
    NoEpoch,
    /// Recovery doesn't compare the CRCs of values.
    NoCrc,
    /// Recovery doesn't check the chain.
    NoChain,
    /// Writes are acknowledged without a sync.
    NoSync,
    /// The tail is published, in a checkpoint too, before the sync.
    PublishFirst,
    /// An index is taken for good whatever log it belongs to.
    StaleIndex,
}
