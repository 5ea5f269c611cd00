//! The program; everything it does is in the library.

use std::process::ExitCode;

/// Streams allocate and free small buffers all the time; mimalloc costs measurably less there than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    millpond::cli::run()
}
