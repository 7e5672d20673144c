//! What the system says of this process. Linux tells it in `/proc`; elsewhere nothing is told.

pub mod processors;

/// A process seen from the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Memory in use, mapped file pages included, in bytes.
    pub resident_bytes: Option<u64>,
    /// Memory it holds itself, without file pages, in bytes.
    pub own_bytes: Option<u64>,
    /// Open files and sockets.
    pub open_files: Option<u64>,
    /// As many as may be open.
    pub open_files_max: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

/// This process, now.
pub fn this_process() -> Process {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = std::fs::read_dir("/proc/self/fd").ok();
    Process {
        resident_bytes: number_of(&status, "VmRSS:").map(|kib| kib * 1024),
        own_bytes: number_of(&status, "RssAnon:").map(|kib| kib * 1024),
        // One of them is the folder being read.
        open_files: files.map(|files| (files.count() as u64).saturating_sub(1)),
        open_files_max: number_of(&limits, "Max open files"),
        threads: number_of(&status, "Threads:"),
    }
}

/// The first number behind a name at the start of a line.
fn number_of(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_behind_their_names() {
        let text = "Name:\tdossier\nVmRSS:\t   12345 kB\nThreads:\t9\n";
        assert_eq!(number_of(text, "VmRSS:"), Some(12_345));
        assert_eq!(number_of(text, "Threads:"), Some(9));
        assert_eq!(number_of(text, "RssAnon:"), None);
        let limits = "Max open files            1024                 4096          files\n";
        assert_eq!(number_of(limits, "Max open files"), Some(1024));
        assert_eq!(number_of("Max open files   unlimited  unlimited", "Max open files"), None);
    }
}
