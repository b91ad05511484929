//! `pacs-server`: see `pacs-server --help`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // With huge pages a small buffer of each of 64 senders costs 2 MiB: 300 MB instead of 75. Where the system does
    // not know the setting, it stays as it is.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    pacs_server::cli::main()
}
