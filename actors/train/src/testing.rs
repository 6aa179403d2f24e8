//! What the unit tests of this crate share. Not for tests of other crates.

use std::sync::{Mutex, MutexGuard, PoisonError};

static GENERATOR: Mutex<()> = Mutex::new(());

/// libtorch has one generator of random numbers per process, and tests run side by side: whoever draws from it takes this
/// first, or another test's seed gives that test other numbers.
pub fn generator() -> MutexGuard<'static, ()> {
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}
