//! What the operating system says of this process: the metrics that every exporter has. Linux only.

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// This process.
pub(super) struct Process {
    cpu_seconds: f64,
    /// Unix time.
    started: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    open_files: Option<u64>,
}

impl Process {
    /// What there is to know, where there is a `/proc`.
    pub(super) fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let system = std::fs::read_to_string("/proc/stat").ok()?;
        let open_files = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Self::parse(&stat, &system, ticks, rustix::param::page_size() as u64, open_files)
    }

    /// Fields as in proc_pid_stat(5), which counts them from 1.
    fn parse(stat: &str, system: &str, ticks: f64, page_bytes: u64, open_files: Option<u64>) -> Option<Self> {
        // The second field is a name in parentheses that can hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<u64>().ok();
        let booted: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(Self {
            cpu_seconds: field(14)?.saturating_add(field(15)?) as f64 / ticks,
            started: booted as f64 + field(22)? as f64 / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)?.saturating_mul(page_bytes),
            open_files,
        })
    }

    pub(super) fn register(self, all: &mut Registry) {
        all.register(
            "process_cpu_seconds",
            "Processor time spent, by user and system",
            ConstCounter::new(self.cpu_seconds),
        );
        all.register(
            "process_start_time_seconds",
            "When the process started, in Unix time",
            ConstGauge::new(self.started),
        );
        all.register(
            "process_resident_memory_bytes",
            "Resident memory",
            ConstGauge::new(self.resident_bytes),
        );
        all.register("process_virtual_memory_bytes", "Virtual memory", ConstGauge::new(self.virtual_bytes));
        if let Some(files) = self.open_files {
            all.register("process_open_fds", "Open file descriptors", ConstGauge::new(files));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_read() {
        let stat = "42 (a ) (b) S 1 42 42 0 -1 4194560 1 0 0 0 250 150 0 0 20 0 4 0 12345 1000000 77 18446744073709551615 1";
        let process = Process::parse(stat, "cpu 1\nbtime 1700000000\n", 100.0, 4096, Some(9)).unwrap();
        assert!((process.cpu_seconds - 4.0).abs() < 1e-9);
        assert!((process.started - 1_700_000_123.45).abs() < 1e-3);
        assert_eq!((process.virtual_bytes, process.resident_bytes), (1_000_000, 77 * 4096));
        assert!(Process::parse("", "btime 1", 100.0, 4096, None).is_none());
        assert!(Process::parse(stat, "", 100.0, 4096, None).is_none());
    }
}
