//! A source and a lake: what happens in one is brought into the other, again and again.

use std::path::Path;

use lakegate::ingest::drift::OnDrift;
use lakegate::ingest::mode::Mode;
use lakegate::ingest::progress::Silent;
use lakegate::ingest::source::{self, ReadOptions, Unrepresentable};
use lakegate::ingest::{self, Job, TableSummary};
use serde_json::Value;
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use crate::support::gateway::Gateway;
use crate::support::mariadb::MariaDbServer;
use crate::support::postgres::PostgresServer;

/// A source and a lake.
pub struct House {
    pub gateway: Gateway,
    url: String,
    source: AnyConnection,
    /// Whether values that the lake cannot hold become NULL.
    pub lenient: bool,
    pub on_drift: OnDrift,
}

impl House {
    pub async fn with(url: String, setup: &[&str]) -> Self {
        install_default_drivers();
        let gateway = Gateway::start()
            .await
            .with_policy("grants: [{ to: public, on: \"shop.*\", permissions: [select] }]")
            .await;
        let source = AnyConnection::connect(&url).await.unwrap();
        let mut house = Self { gateway, url, source, lenient: false, on_drift: OnDrift::Evolve };
        for statement in setup {
            house.does(statement).await;
        }
        house
    }

    /// What happens in the source.
    pub async fn does(&mut self, sql: &str) {
        self.source
            .execute(AssertSqlSafe(sql.to_owned()))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub async fn run(&self, table: &str, mode: &Mode) -> TableSummary {
        let app = &self.gateway.app;
        let context = self.gateway.ingestion(16 << 20);
        let unrepresentable = if self.lenient { Unrepresentable::Null } else { Unrepresentable::Fail };
        let options = ReadOptions { unrepresentable, ..ReadOptions::default() };
        let mut source = source::open(&self.url, options).await.unwrap();
        let job = Job {
            tables: vec![table.to_owned()],
            into: "shop".to_owned(),
            mode: mode.clone(),
            on_drift: self.on_drift,
            ..Job::default()
        };
        let progress: std::sync::Arc<dyn ingest::progress::Progress> = std::sync::Arc::new(Silent);
        let summary = ingest::run(&context, source.as_mut(), &job, &progress).await.unwrap();
        app.refresh().await.unwrap();
        summary.tables[0].clone()
    }

    pub async fn runs(&self, table: &str, mode: &Mode) -> u64 {
        let done = self.run(table, mode).await;
        assert!(done.error.is_none(), "{done:?}");
        done.rows
    }

    pub async fn refused(&self, table: &str, mode: &Mode) -> String {
        self.run(table, mode).await.error.unwrap().detail
    }

    /// The rows of the lake, in order.
    pub async fn lake(&self, sql: &str) -> Value {
        let answer = self.gateway.sql("ana", sql).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["rows"].clone()
    }
}

pub async fn sqlite(folder: &Path) -> String {
    let file = folder.join("source.db");
    std::fs::File::create(&file).unwrap();
    format!("sqlite://{}", file.display())
}

/// The three kinds of source, each with an empty database.
pub async fn sources(folder: &Path) -> [String; 3] {
    [
        PostgresServer::shared().await.database().await,
        MariaDbServer::shared().await.database().await,
        sqlite(folder).await,
    ]
}
