//! What can be wrong with the plan of an epoch: its order, its parts, its state.

use crate::error::{Kind, Place, Report};

/// A result of the plan.
pub type Result<T> = std::result::Result<T, PlanError>;

/// What can be wrong with the plan of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Options that make no sense.
    #[error("{what} is {given}; {rule}")]
    Option {
        /// The option.
        what: &'static str,
        /// What was given.
        given: u64,
        /// What may be given.
        rule: &'static str,
    },
    /// A step that the epoch doesn't have.
    #[error("step {step} was asked for, but the epoch has {steps}")]
    NoStep {
        /// The step.
        step: u64,
        /// How many there are.
        steps: u64,
    },
    /// Bytes that are no state.
    #[error("these {len} bytes are no state of a loader: {why}")]
    NoState {
        /// How many bytes.
        len: usize,
        /// What is wrong with them.
        why: &'static str,
    },
    /// A state of a later version of this library.
    #[error("the state has version {version}; only version 1 is known")]
    StateVersion {
        /// Its version.
        version: u32,
    },
    /// A state of other data or other options.
    #[error(
        "the state is of another epoch order: its {what} is {theirs}, the loader's {ours}; \
         open the loader with what the state was saved with"
    )]
    OtherState {
        /// What differs.
        what: &'static str,
        /// The state's.
        theirs: String,
        /// The loader's.
        ours: String,
    },
    /// Rank and world can't be had from the environment.
    #[error("rank and world can't be taken from the environment: {why}")]
    Environment {
        /// What is wrong, and what to do.
        why: String,
    },
    /// No memory for the list of lanes or of a step's records.
    #[error("out of memory for the plan of an epoch")]
    OutOfMemory,
}

impl Report for PlanError {
    fn kind(&self) -> Kind {
        match self {
            PlanError::Option { .. }
            | PlanError::OtherState { .. }
            | PlanError::Environment { .. } => Kind::InvalidArgument,
            PlanError::NoStep { .. } => Kind::OutOfRange,
            PlanError::NoState { .. } => Kind::Malformed,
            PlanError::StateVersion { .. } => Kind::Unsupported,
            PlanError::OutOfMemory => Kind::OutOfMemory,
        }
    }

    fn os_code(&self) -> i32 {
        0
    }

    fn place(&self) -> Place {
        Place::default()
    }
}
