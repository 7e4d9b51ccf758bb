//! How much memory this process may use.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are looked at, by version.
const GROUPS: &str = "/sys/fs/cgroup";

/// The bytes of memory that this process may use with its files' pages: the least limit of the
/// control groups that it is in, else half of the machine's; none where nothing tells.
pub(in crate::map) fn memory_limit() -> Option<u64> {
    let total = total_memory(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(limit_of(Path::new(GROUPS), &groups, total))
}

/// A limit of as much as there is, or more, is none: version 1 says so with a large number.
fn limit_of(root: &Path, groups: &str, total: u64) -> u64 {
    let limits = groups.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, group) = line.split_once(':')?;
        if controllers.is_empty() {
            least_limit(root, group, "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            least_limit(&root.join("memory"), group, "memory.limit_in_bytes")
        } else {
            None
        }
    });
    let least = limits.min().filter(|limit| *limit < total);
    least.unwrap_or(total / 2)
}

/// The least limit from a control group up to the root's. In a container the group's own folder
/// may not be there: its mount's root is the group.
fn least_limit(root: &Path, group: &str, file: &str) -> Option<u64> {
    let mut least = None;
    let mut folder = PathBuf::from(group.trim_start_matches('/'));
    loop {
        let told = fs::read_to_string(root.join(&folder).join(file));
        let limit = told.ok().and_then(|told| told.trim().parse::<u64>().ok());
        least = match (least, limit) {
            (Some(least), Some(limit)) => Some(limit.min(least)),
            (least, limit) => limit.or(least),
        };
        if !folder.pop() {
            return least;
        }
    }
}

fn total_memory(told: &str) -> Option<u64> {
    let mut lines = told.lines();
    let total = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let name = format!("adit-{name}-{}", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn the_least_limit_of_all_groups_counts() {
        let root = folder("cgroup2");
        let deep = root.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let limit = |group: &str| limit_of(&root, &format!("0::{group}\n"), 10_000);
        fs::write(deep.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit("/a/b"), 5000);
        fs::write(root.join("memory.max"), "9000\n").unwrap();
        assert_eq!(limit("/a/b"), 9000);
        fs::write(root.join("a/memory.max"), "7000\n").unwrap();
        assert_eq!(limit("/a/b"), 7000);
        fs::write(deep.join("memory.max"), "8000\n").unwrap();
        assert_eq!(limit("/a/b"), 7000);
        assert_eq!(limit("/"), 9000);
        fs::write(root.join("memory.max"), "10000\n").unwrap();
        assert_eq!(limit("/"), 5000);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn limits_of_version_1_count_too() {
        let root = folder("cgroup1");
        let memory = root.join("memory");
        fs::create_dir_all(&memory).unwrap();
        let groups = "5:cpu,cpuacct:/x\n4:memory:/docker/1f\n1:name=systemd:/x\n0::/x\n";
        // What version 1 says for no limit.
        let file = memory.join("memory.limit_in_bytes");
        fs::write(&file, "9223372036854771712\n").unwrap();
        assert_eq!(limit_of(&root, groups, 10_000), 5000);
        // The container's mount has its group at the root.
        fs::write(&file, "3000\n").unwrap();
        assert_eq!(limit_of(&root, groups, 10_000), 3000);
        assert_eq!(limit_of(&root, "5:cpu:/x\n", 10_000), 5000);
        assert_eq!(limit_of(&root, "no group", 10_000), 5000);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn the_memory_is_told_in_bytes() {
        let told = "MemFree: 7 kB\nMemTotal:       16384 kB\n";
        assert_eq!(total_memory(told), Some(16 << 20));
        assert_eq!(total_memory(""), None);
    }
}
