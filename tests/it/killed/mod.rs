//! Processes that are killed at every stage of what they do: files that come in, a job that other nodes go on with, and rows
//! that programs send. `crash` has the same of tables of a database.

mod files;
mod job;
mod rows;

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::process::Child;

use crate::support::gateway::Gateway;

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// So many milliseconds after it began.
    After(u64),
    /// When so many more files of rows are written.
    Written(usize),
    /// When the log has a commit more, which nobody has published yet.
    Committed,
}

/// Every stage, and moments in between.
const STAGES: [Stage; 9] = [
    Stage::After(5),
    Stage::After(60),
    Stage::Written(1),
    Stage::Committed,
    Stage::After(120),
    Stage::Committed,
    Stage::After(200),
    Stage::Written(1),
    Stage::Committed,
];

/// What lies in a lake: files of rows, and commits.
fn lies(folder: &Path) -> (usize, usize) {
    let (mut written, mut commits) = (0, 0);
    let Ok(entries) = std::fs::read_dir(folder) else { return (0, 0) };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            let (more, others) = lies(&path);
            (written, commits) = (written + more, commits + others);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            written += 1;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            commits += 1;
        }
    }
    (written, commits)
}

/// A lake before something is done to it.
struct Before<'a> {
    gateway: &'a Gateway,
    lies: (usize, usize),
    started: Instant,
}

impl<'a> Before<'a> {
    fn of(gateway: &'a Gateway) -> Self {
        let lies = lies(&gateway.folder.path().join("lake"));
        Self { gateway, lies, started: Instant::now() }
    }

    /// Kills `process` at `stage`; false when it ended before.
    async fn killed(&self, process: &mut Child, stage: Stage) -> bool {
        let lake = self.gateway.folder.path().join("lake");
        loop {
            let (written, commits) = lies(&lake);
            let is_reached = match stage {
                Stage::After(millis) => self.started.elapsed() >= Duration::from_millis(millis),
                Stage::Written(files) => written >= self.lies.0 + files,
                Stage::Committed => commits > self.lies.1,
            };
            let has_ended = process.try_wait().unwrap().is_some();
            if is_reached || has_ended {
                process.start_kill().ok();
                process.wait().await.unwrap();
                return !has_ended;
            }
            assert!(self.started.elapsed() < Duration::from_secs(60), "{stage:?} does not come");
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    }
}
