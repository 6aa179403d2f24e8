//! Settings that libraries read from the environment before `main`: the program starts itself once more with them.
//! Not for: the number of threads (the recipe's `cpu_threads`), or anything that changes a right result.
//!
//! - libgomp busy-waits between parallel regions by default. On cores that are busy with other work a training step was
//!   seen to take three times the CPU time for it.
//! - glibc gives large blocks back to the system when they are freed, and every step pays for fresh pages. Kept, a step
//!   takes some 10 % less time, and some percent more memory.
//! - oneDNN's bf16 products on AMX read beyond rows whose length is no multiple of 32 (its issue 5717, mended after libtorch
//!   2.13): now and then a training step became NaN. Without AMX it takes AVX-512's bf16.

/// What is set where the user has set nothing else.
const SETTINGS: [(&str, &str); 4] = [
    ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16"),
    ("OMP_WAIT_POLICY", "passive"),
    // Blocks above this are the whole net's gradients: kept in the heap they would only make holes.
    ("MALLOC_MMAP_THRESHOLD_", "67108864"),
    ("MALLOC_TRIM_THRESHOLD_", "4294967296"),
];

/// Replaces this process by itself with the settings that are missing, if any are.
pub fn start_again() {
    let missing: Vec<_> = SETTINGS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if !missing.is_empty() {
        replace_self(&missing);
    }
}

#[cfg(unix)]
fn replace_self(settings: &[(&str, &str)]) {
    use std::os::unix::process::CommandExt as _;
    let Ok(program) = std::env::current_exe() else { return };
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_else(|| program.clone().into_os_string());
    // Returns only when it failed; then everything works all the same, only slower.
    let error = std::process::Command::new(program).arg0(name).args(words).envs(settings.iter().copied()).exec();
    tracing::debug!(%error, "could not start again with settings for libraries");
}

#[cfg(not(unix))]
fn replace_self(_: &[(&str, &str)]) {}
