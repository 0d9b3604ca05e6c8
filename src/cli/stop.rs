//! Being asked to stop, by Ctrl-C or by whoever ends programs.

use std::process::ExitCode;

use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

/// Which way it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGINT: somebody at a terminal.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Asked {
    /// As shells tell it of a program that the signal ended.
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        })
    }
}

/// Returns when it is asked.
pub(super) async fn asked_to_stop() -> Asked {
    let interrupted = async {
        let _ = ctrl_c().await;
        Asked::Interrupt
    };
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return interrupted.await;
    };
    tokio::select! {
        asked = interrupted => asked,
        _ = terminate.recv() => Asked::Terminate,
    }
}
