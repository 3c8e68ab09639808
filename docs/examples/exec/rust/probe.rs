// Tests of what a loader needs to find in /proc and /sys.
#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn bpffs_is_mounted() {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(mounts.lines().any(|it| it.contains(" /sys/fs/bpf bpf ")));
    }

    #[test]
    fn symbols_have_addresses() {
        let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
        assert!(symbols.lines().any(|it| !it.starts_with("0000000000000000")));
    }

    #[test]
    #[ignore = "needs a network"]
    fn sends_events() {}
}
