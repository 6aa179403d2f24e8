//! An allocator that counts: by thread for the functions a test calls itself, over all threads for a pipeline.
//! Not here: what the counts should be.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Hands everything on to the system's allocator, and counts.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static TAKEN: AtomicU64 = AtomicU64::new(0);
static LARGE: AtomicU64 = AtomicU64::new(0);
static LARGE_FROM_BYTES: AtomicUsize = AtomicUsize::new(usize::MAX);

thread_local! {
    static TAKEN_HERE: Cell<u64> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    TAKEN.fetch_add(1, Relaxed);
    LARGE.fetch_add(u64::from(bytes >= LARGE_FROM_BYTES.load(Relaxed)), Relaxed);
    // Not there any more while a thread ends, when nothing of interest is allocated.
    let _ = TAKEN_HERE.try_with(|taken| taken.set(taken.get() + 1));
}

// SAFETY: every call is handed on to the system's allocator unchanged; only numbers are kept beside it, in places that
// need no allocation of their own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Allocations (and reallocations) of this thread while `work` runs.
pub fn of_this_thread<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = TAKEN_HERE.get();
    let made = work();
    (TAKEN_HERE.get() - before, made)
}

/// Allocations of all threads, and how many of them were of `large_bytes` or more, while `work` runs. Whatever else the
/// process does counts too: tests that use this take turns.
pub fn of_all_threads(large_bytes: usize, work: impl FnOnce()) -> (u64, u64) {
    LARGE_FROM_BYTES.store(large_bytes, Relaxed);
    let before = (TAKEN.load(Relaxed), LARGE.load(Relaxed));
    work();
    (TAKEN.load(Relaxed) - before.0, LARGE.load(Relaxed) - before.1)
}
