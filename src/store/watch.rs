//! Waiting for somebody else's change: PostgreSQL tells at once, and everything is asked again after a while.

use std::time::Duration;

use sqlx::postgres::PgListener;

use super::Store;
use super::connect::Dialect;

/// The channel that a change is told on.
pub(super) const CHANNEL: &str = "lakegate_policy";

/// Waits for changes of one store.
#[derive(Debug)]
pub struct Watch {
    /// Of a PostgreSQL store.
    url: Option<String>,
    listener: Option<PgListener>,
}

impl Store {
    /// What waits for changes of this store.
    pub fn watch(&self) -> Watch {
        let url = (self.dialect == Dialect::Postgres).then(|| self.url.to_string());
        Watch { url, listener: None }
    }
}

impl Watch {
    /// Returns when a change was told, or after `longest`. That nothing is told does not say that nothing changed:
    /// a connection may be gone without a word.
    pub async fn wait(&mut self, longest: Duration) {
        let told = async {
            match self.listener().await {
                Some(listener) => match listener.try_recv().await {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => self.listener = None,
                },
                None => std::future::pending().await,
            }
        };
        // Elapsed is as good an end as any: the caller looks for itself.
        let _ = tokio::time::timeout(longest, told).await;
    }

    async fn listener(&mut self) -> Option<&mut PgListener> {
        if self.listener.is_none()
            && let Some(url) = &self.url
            && let Ok(mut listener) = PgListener::connect(url).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            self.listener = Some(listener);
        }
        self.listener.as_mut()
    }
}
