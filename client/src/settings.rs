//! How a statement runs, whatever it says: the settings that [`Statement`](crate::Statement) and
//! [`Query`](crate::Query) have in common.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cancel::CancelHandle;
use crate::progress::Progress;

/// Called with how far a statement is.
pub(crate) type OnProgress = Arc<dyn Fn(&Progress) + Send + Sync>;

/// What a statement may take and how it is narrowed and watched.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub strict: bool,
    pub max_rows: Option<u64>,
    pub timeout: Option<Duration>,
    pub retries: u32,
    pub cancel: Option<CancelHandle>,
    pub on_progress: Option<OnProgress>,
}

impl Settings {
    /// The handle that stops a run: the one that was given, or one for this run alone.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone().unwrap_or_default()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("strict", &self.strict)
            .field("max_rows", &self.max_rows)
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// The methods that change the settings, for a type with `fn settings(&mut self) -> &mut Settings`. The first words make
/// the connection of the examples, the second what the settings are of.
macro_rules! setting_methods {
    ($connection:literal, $made:literal) => {
        /// Whether to fail with [`Code::PolicyWithheld`](crate::Code::PolicyWithheld) where policy would narrow the result.
        ///
        /// ```
        #[doc = concat!("# let options = \"lakegate://127.0.0.1\".parse()?;\n# let connection = ", $connection, "::new(options)?;")]
        #[doc = concat!("let strict = ", $made, ".strict(true);")]
        /// # Ok::<(), lakegate_client::Error>(())
        /// ```
        pub fn strict(mut self, strict: bool) -> Self {
            self.settings().strict = strict;
            self
        }

        /// The most rows to send.
        ///
        /// ```
        #[doc = concat!("# let options = \"lakegate://127.0.0.1\".parse()?;\n# let connection = ", $connection, "::new(options)?;")]
        #[doc = concat!("let short = ", $made, ".max_rows(1000);")]
        /// # Ok::<(), lakegate_client::Error>(())
        /// ```
        pub fn max_rows(mut self, rows: u64) -> Self {
            self.settings().max_rows = Some(rows);
            self
        }

        /// How long a run may take, from when it is sent to its last row; then it ends with
        /// [`Error::TimedOut`](crate::Error::TimedOut). Instead of the connection's
        /// [`statement_timeout`](crate::ConnectOptions::statement_timeout). The gateway has a limit of its own besides.
        ///
        /// ```
        #[doc = concat!("# let options = \"lakegate://127.0.0.1\".parse()?;\n# let connection = ", $connection, "::new(options)?;")]
        #[doc = concat!("let quick = ", $made, ".timeout(std::time::Duration::from_secs(5));")]
        /// # Ok::<(), lakegate_client::Error>(())
        /// ```
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.settings().timeout = Some(timeout);
            self
        }

        /// How many times to try again where that is safe, instead of the connection's
        /// [`retries`](crate::ConnectOptions::retries), which says when it is.
        ///
        /// ```
        #[doc = concat!("# let options = \"lakegate://127.0.0.1\".parse()?;\n# let connection = ", $connection, "::new(options)?;")]
        #[doc = concat!("let once = ", $made, ".retries(0);")]
        /// # Ok::<(), lakegate_client::Error>(())
        /// ```
        pub fn retries(mut self, retries: u32) -> Self {
            self.settings().retries = retries;
            self
        }

        /// Lets `cancel` stop the run.
        ///
        /// ```
        #[doc = concat!("# let options = \"lakegate://127.0.0.1\".parse()?;\n# let connection = ", $connection, "::new(options)?;")]
        /// let cancel = lakegate_client::CancelHandle::new();
        #[doc = concat!("let stoppable = ", $made, ".cancelled_by(&cancel);")]
        /// # Ok::<(), lakegate_client::Error>(())
        /// ```
        pub fn cancelled_by(mut self, cancel: &crate::CancelHandle) -> Self {
            self.settings().cancel = Some(cancel.clone());
            self
        }

        /// Calls `on_progress` as the run gets on: with what has arrived of a result that is read, and with what the
        /// gateway tells of a query that was submitted and is waited for.
        ///
        /// ```
        #[doc = concat!("# let options = \"lakegate://127.0.0.1\".parse()?;\n# let connection = ", $connection, "::new(options)?;")]
        #[doc = concat!("let watched = ", $made, ".on_progress(|progress| println!(\"{} rows\", progress.rows));")]
        /// # Ok::<(), lakegate_client::Error>(())
        /// ```
        pub fn on_progress(mut self, on_progress: impl Fn(&crate::Progress) + Send + Sync + 'static) -> Self {
            self.settings().on_progress = Some(std::sync::Arc::new(on_progress));
            self
        }
    };
}

pub(crate) use setting_methods;
