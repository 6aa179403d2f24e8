//! What this machine has and gives: cores, memory, CPU time, priority.
//! Not here: what is made of it (pool sizes, budgets).

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::time::ClockId;

/// Processors that this process may use. Looked up once: Linux tells it in several files.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Memory that is free to take, bytes, where the system says so (Linux): of the machine, or of the control group
/// (a container) that this process lives in, whichever is less.
pub fn available_bytes() -> Option<u64> {
    let machine = size_in("/proc/meminfo", "MemAvailable")?;
    let groups = [("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")];
    let group = groups.iter().find_map(|(most, taken)| Some(number(most)?.saturating_sub(number(taken)?)));
    Some(group.map_or(machine, |group| group.min(machine)))
}

/// What Linux says of this process's memory under that name of `/proc/self/status` (`VmRSS`, what is resident; `VmHWM`,
/// the most that ever was), bytes; `None` elsewhere.
pub fn own_bytes(name: &str) -> Option<u64> {
    size_in("/proc/self/status", name)
}

/// The size of that name in one of Linux's files of sizes, bytes.
fn size_in(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// A number of the control group's; a group without a limit says a word instead.
fn number(name: &str) -> Option<u64> {
    std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?.trim().parse().ok()
}

/// CPU time of the calling thread so far.
pub fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

/// CPU time of the whole process so far, of the user's code and the system's on its behalf.
pub fn process_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = rustix::time::clock_gettime(id);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How nice the calling thread is to others: −20 (most urgent) to 19.
pub fn niceness() -> i32 {
    rustix::process::getpriority_process(None).unwrap_or(0)
}

/// Makes the calling thread (on Linux; elsewhere the process) as nice as that.
pub fn set_niceness(niceness: i32) -> std::io::Result<()> {
    rustix::process::setpriority_process(None, niceness.min(19)).map_err(Into::into)
}
