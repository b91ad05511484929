//! Named steps at which a test holds the process, to end it exactly there.

/// Names the step at which the process is held.
const HOLD_AT: &str = "ARCHIVE_HOLD_AT";

/// Says that a step is reached. A build for tests (one with debug assertions) stays there for ever where the environment
/// asks for that; any other goes on.
pub(crate) fn reached(step: &'static str) {
    if cfg!(debug_assertions) && std::env::var_os(HOLD_AT).is_some_and(|at| at == step) {
        tracing::warn!(step, "held at a step, for a test to end the process here");
        loop {
            std::thread::park();
        }
    }
}
