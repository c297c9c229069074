//! The program: everything is in the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cs_powerdns::cli::main_with(std::env::args_os()).await
}
