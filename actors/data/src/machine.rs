//! What this machine has and gives: cores, memory, CPU time, priority.
//! Not here: what is made of it (pool sizes, budgets).

use std::path::Path;

/// Processors that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory that is free to take, bytes, where the system says so (Linux): of the machine, or of the control group
/// (a container) that this process lives in, whichever is less.
pub fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let groups = [("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")];
    let group = groups.iter().find_map(|(most, taken)| Some(number(most)?.saturating_sub(number(taken)?)));
    Some(group.map_or(machine, |group| group.min(machine)))
}

/// A number of the control group's; a group without a limit says a word instead.
fn number(name: &str) -> Option<u64> {
    std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?.trim().parse().ok()
}
