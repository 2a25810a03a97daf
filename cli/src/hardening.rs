//! What keeps a process's memory, and the keys in it, to itself: no core image, and no swap where the system allows that.

/// A core image would hold key shares.
pub(crate) fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
    // That limit does not hold where a program collects core images (core_pattern with a pipe). This does, and keeps
    // other processes of the same user from reading this one's memory.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "the process's memory could not be closed to core dumps");
        }
    }
}

/// Whether the memory of this process stays out of swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    /// All of it, as soon as it is used.
    All,
    /// The system allows no more locked memory than so many bytes.
    Limited(u64),
    /// The system refuses, or has no such thing.
    Refused,
}

impl Locked {
    /// Tells the operator.
    pub(crate) fn log(self) {
        match self {
            Self::All => tracing::info!("memory is locked: none of it goes to swap"),
            Self::Limited(bytes) => tracing::info!(
                bytes,
                "memory is not locked, for the limit of locked memory: let it be unlimited (systemd: LimitMEMLOCK=infinity), \
                 or use no swap, or encrypted swap"
            ),
            Self::Refused => {
                tracing::info!(
                    "memory is not locked, as the system refuses it: use no swap, or encrypted swap"
                );
            }
        }
    }
}

/// Keeps all memory out of swap, if it may be locked without limit: under a limit, what is allocated beyond it would fail.
#[cfg(target_os = "linux")]
pub(crate) fn lock_memory() -> Locked {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = || getrlimit(Resource::Memlock).current;
    if limit().is_some() {
        // Who may raise it, such as root, does.
        setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).ok();
    }
    if let Some(bytes) = limit() {
        return Locked::Limited(bytes);
    }
    // Pages that nobody has touched hold nothing.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    mlockall(flags).map_or(Locked::Refused, |()| Locked::All)
}

/// Nothing that is known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn lock_memory() -> Locked {
    Locked::Refused
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What the kernel says of this process's locked memory, in KiB.
    fn locked() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    #[test]
    fn memory_is_locked_as_far_as_the_system_lets_it_and_it_is_said_which() {
        let said = lock_memory();
        // A little may have been locked before, by libraries; not megabytes.
        assert_eq!(said == Locked::All, locked() > 1024, "{said:?}, {} KiB", locked());
    }
}
