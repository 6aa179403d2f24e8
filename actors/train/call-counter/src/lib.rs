//! How many library calls a piece of code makes of libtorch: each costs the host time, and on a GPU the launch of a kernel.
//! For tests; not for programs, which it slows down. Not for time or memory.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::os::raw::c_char;

// Its native libraries are linked with ours.
use torch_sys as _;

/// Calls of one operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Made by the code itself, or by a backward pass.
    pub outermost: u64,
    /// With those that other operators made to do their work.
    pub all: u64,
}

/// Calls by operator, such as `aten::add_`.
pub type Counted = BTreeMap<String, Calls>;

type Tell = extern "C" fn(*mut c_void, *const c_char, usize, u64, u64);

unsafe extern "C" {
    fn fastgarden_calls_start();
    fn fastgarden_calls_stop(tell: Tell, listener: *mut c_void);
}

/// What `work` gives, and the operators that it runs on this thread (a backward pass on the CPU is on its caller's).
///
/// # Panics
/// If `work` counts itself: counts don't nest.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, Counted) {
    thread_local!(static COUNTS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    assert!(!COUNTS.replace(true), "counts don't nest");
    // SAFETY: it only changes state of this thread, where no other count is under way.
    unsafe { fastgarden_calls_start() };
    let result = work();
    let mut counted = Counted::new();
    // SAFETY: a count is under way; `tell` is called before this returns, with the listener that it expects.
    unsafe { fastgarden_calls_stop(tell, (&raw mut counted).cast()) };
    COUNTS.set(false);
    (result, counted)
}

extern "C" fn tell(listener: *mut c_void, name: *const c_char, length: usize, outermost: u64, all: u64) {
    // SAFETY: `count` passes its own map, borrowed by nobody else meanwhile.
    let counted = unsafe { &mut *listener.cast::<Counted>() };
    // SAFETY: the observer passes a string of that many bytes, which outlives this call.
    let name = unsafe { std::slice::from_raw_parts(name.cast::<u8>(), length) };
    counted.insert(String::from_utf8_lossy(name).into_owned(), Calls { outermost, all });
}
