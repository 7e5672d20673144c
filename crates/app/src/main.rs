//! The one binary. Everything is in the library; this file chooses the allocator and hands the
//! exit code back to the system.

use std::process::ExitCode;

/// Faster than the system's under many threads, and steadier in size.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dossier::cli::run()
}
