//! One pass over many items on plain threads, for work before any actor runs.
//! Not for: the pipeline.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Calls `work` on every item, on as many threads as there are cores; results come in the order of the items, and so
/// does the error: the first one by position among those met. `work` gets a buffer of its thread to reuse.
pub(crate) fn try_map<T, R, E>(
    items: &[T],
    work: impl Fn(usize, &T, &mut Vec<u8>) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E>
where
    T: Sync,
    R: Send,
    E: Send,
{
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get()).min(items.len());
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let pass = || {
        let mut buffer = Vec::new();
        let mut results = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(position) else { break };
            let result = work(position, item, &mut buffer);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            results.push((position, result));
        }
        results
    };
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(pass)).collect();
        let mut results = pass();
        for other in others {
            results.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    });
    results.sort_unstable_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}
