//! The thread that the network's work runs on.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

/// The thread, until the last of its users is dropped.
#[derive(Debug, Clone)]
pub(super) struct Worker(Arc<Thread>);

#[derive(Debug)]
struct Thread(Option<Runtime>);

impl Worker {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lakegate-client")
            .enable_all()
            .build()
            .map_err(|error| Error::Options(format!("no thread can be started: {error}")))?;
        Ok(Self(Arc::new(Thread(Some(runtime)))))
    }

    /// Waits on the caller's thread while the worker thread drives the network. Unlike the runtime's own `block_on`
    /// this also works on a thread of somebody else's runtime.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let _entered = self.0.0.as_ref().map(Runtime::enter);
        futures::executor::block_on(work)
    }
}

impl Drop for Thread {
    /// Does not wait for the thread, so that a connection may be dropped anywhere.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
