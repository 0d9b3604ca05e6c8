//! The `lakegate` program: arguments in, exit code out.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use lakegate::cli::{self, Cli};
use tracing_subscriber::EnvFilter;

/// Planning recurses as deep as the statement nests.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.command.default_log());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    let outcome = match runtime {
        // On a worker thread, since the main thread's stack is not ours to size.
        Ok(runtime) => runtime.block_on(async { tokio::spawn(cli::run(cli)).await }),
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            eprintln!("error: {error}");
            if let Some(cause) = std::error::Error::source(&error) {
                tracing::error!(%cause, "the command failed");
            }
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("error: the command ended early");
            ExitCode::FAILURE
        }
    }
}

/// Words go to stderr: as text, or as JSON with `LAKEGATE_LOG_FORMAT=json`; how many, `LAKEGATE_LOG` says.
fn log(default: &str) {
    let filter = EnvFilter::try_from_env("LAKEGATE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let writer = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if std::env::var("LAKEGATE_LOG_FORMAT").is_ok_and(|format| format == "json") {
        writer.json().init();
    } else {
        writer.init();
    }
}
