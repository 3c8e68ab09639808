//! Counts the forks of each process.
use aya::{include_bytes_aligned, maps::HashMap, maps::MapData, programs::TracePoint, Ebpf};
use std::error::Error;

/// Counts from `new` until it is dropped.
pub struct Counter {
    ebpf: Ebpf,
}

impl Counter {
    /// Loads the program and attaches it.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let object = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/forks.bpf.o"));
        let mut ebpf = Ebpf::load(object)?;
        let program: &mut TracePoint = ebpf.program_mut("on_fork").unwrap().try_into()?;
        program.load()?;
        program.attach("sched", "sched_process_fork")?;
        Ok(Counter { ebpf })
    }

    /// How often the process forked.
    pub fn of(&self, pid: u32) -> Result<u64, Box<dyn Error>> {
        let forks: HashMap<&MapData, u32, u64> = self.ebpf.map("forks").unwrap().try_into()?;
        match forks.get(&pid, 0) {
            Ok(count) => Ok(count),
            Err(aya::maps::MapError::KeyNotFound) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{self, Command};

    fn counts(forks: u64) {
        let counter = Counter::new().unwrap();
        let before = counter.of(process::id()).unwrap();
        for _ in 0..forks {
            Command::new("true").status().unwrap();
        }
        assert_eq!(counter.of(process::id()).unwrap() - before, forks);
    }

    #[test]
    fn counts_nothing_where_nothing_forks() {
        counts(0);
    }

    #[test]
    fn counts_each_fork() {
        counts(5);
    }
}
