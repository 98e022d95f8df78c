//! What a process uses, by `/proc`.

/// Clock ticks of `/proc/PID/stat` in a second: USER_HZ, part of the Linux ABI, 100 on x86-64 and arm64.
const TICKS: u64 = 100;

/// Why a process's figures could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The process is gone, or this is not Linux.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not in the form that proc(5) describes.
    #[error("{0}: not in the form of proc(5)")]
    Form(String),
}

/// CPU time used until now, and memory used now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time, in milliseconds, to 10 ms.
    pub cpu_ms: u64,
    /// Resident memory, in KiB.
    pub resident_kib: u64,
}

/// What was used between two readings. Memory may have become less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// User and system time, in milliseconds.
    pub cpu_ms: u64,
    /// Growth of resident memory, in KiB.
    pub resident_kib: i64,
}

fn read(path: &str) -> Result<String, ProcessError> {
    std::fs::read_to_string(path).map_err(|source| ProcessError::Read { path: path.to_owned(), source })
}

/// User plus system time out of `/proc/PID/stat`. The command's name, in brackets, may itself hold blanks and brackets.
fn cpu_ms(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    // Fields 14 and 15 of proc(5); the first after the name is field 3.
    let mut times = fields.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some((user + system) * 1000 / TICKS)
}

/// `VmRSS` of `/proc/PID/status`.
fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// What a process has started, by its threads' lists; none where the kernel keeps none.
fn children(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::parse).collect::<Vec<_>>()).flatten().collect()
}

impl Usage {
    /// Of the process with this id.
    ///
    /// # Errors
    /// When it does not run.
    pub fn of(process: u32) -> Result<Self, ProcessError> {
        let folder = format!("/proc/{process}");
        let (stat, status) = (format!("{folder}/stat"), format!("{folder}/status"));
        let cpu_ms = cpu_ms(&read(&stat)?).ok_or(ProcessError::Form(stat))?;
        let resident_kib = resident_kib(&read(&status)?).ok_or(ProcessError::Form(status))?;
        Ok(Usage { cpu_ms, resident_kib })
    }

    /// Of the process with this id and all that it has started, which do not count again when they end.
    ///
    /// # Errors
    /// When it does not run.
    pub fn of_tree(process: u32) -> Result<Self, ProcessError> {
        let mut usage = Self::of(process)?;
        for child in children(process) {
            // One that has ended meanwhile uses nothing.
            let of_child = Self::of_tree(child).unwrap_or_default();
            usage.cpu_ms += of_child.cpu_ms;
            usage.resident_kib += of_child.resident_kib;
        }
        Ok(usage)
    }

    /// What was used after `earlier`.
    pub fn since(self, earlier: Usage) -> Used {
        Used {
            cpu_ms: self.cpu_ms.saturating_sub(earlier.cpu_ms),
            resident_kib: self.resident_kib.cast_signed() - earlier.resident_kib.cast_signed(),
        }
    }

    /// Of this process.
    ///
    /// # Errors
    /// When there is no `/proc`.
    pub fn own() -> Result<Self, ProcessError> {
        Self::of(std::process::id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_behind_an_awkward_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 1 0 5 6 7";
        assert_eq!(cpu_ms(stat), Some(1750));
        assert_eq!(cpu_ms("7 (cut"), None);
        assert_eq!(cpu_ms("7 (short) S 1"), None);
    }

    #[test]
    fn reads_resident_memory() {
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t   12345 kB\nVmData:\t1 kB\n"), Some(12345));
        assert_eq!(resident_kib("Name:\tkthread\n"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(Usage::own().unwrap().resident_kib > 0);
        assert!(Usage::of(0).is_err());
    }

    #[test]
    fn a_tree_has_its_children() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let own = std::process::id();
        assert!(children(own).contains(&child.id()));
        assert!(Usage::of_tree(own).unwrap().resident_kib > Usage::of(child.id()).unwrap().resident_kib);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
