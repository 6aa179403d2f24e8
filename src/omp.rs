//! Keeps libtorch's OpenMP threads from spinning while decoders need the same cores.
//! Not for: the number of threads (the recipe's `cpu_threads`).
//!
//! libgomp busy-waits between parallel regions by default. On cores that are busy with other work a training step was
//! seen to take three times the CPU time for it. It reads its policy from the environment when the library is loaded, before `main`; so the
//! program starts itself once more with the policy set.

use std::ffi::OsStr;

const POLICY: &str = "OMP_WAIT_POLICY";

/// Replaces this process by itself with passive waiting, unless a policy is set already.
pub fn wait_passively() {
    if std::env::var_os(POLICY).is_some() {
        return;
    }
    replace_self(OsStr::new("passive"));
}

#[cfg(unix)]
fn replace_self(policy: &OsStr) {
    use std::os::unix::process::CommandExt as _;
    let Ok(program) = std::env::current_exe() else { return };
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_else(|| program.clone().into_os_string());
    // Returns only when it failed; then everything works all the same, only slower.
    let error = std::process::Command::new(program).arg0(name).args(words).env(POLICY, policy).exec();
    tracing::debug!(%error, "could not start again with {POLICY}");
}

#[cfg(not(unix))]
fn replace_self(_: &OsStr) {}
