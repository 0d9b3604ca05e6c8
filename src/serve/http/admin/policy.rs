//! `/v1/policy/…`: the policy as files, the same that `lakegate policy` does. For administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Administrator;
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::Object;
use crate::app::App;
use crate::app::policy::{self, Affected, Effect, File, Impact};
use crate::config::parse_duration;
use crate::error::{Error, Result};

/// Policy files as they are read together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct FilesBody {
    files: Vec<FileBody>,
    /// Also remove what the files do not say.
    #[serde(default)]
    prune: bool,
}

/// One policy file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct FileBody {
    /// For telling where a mistake is.
    #[schema(example = "sales.yaml")]
    name: String,
    #[schema(example = "roles: { analyst: { members: [group:analysts] } }")]
    text: String,
}

/// Policy files, and whether to tell who would notice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PlanBody {
    files: Vec<FileBody>,
    /// Also remove what the files do not say.
    #[serde(default)]
    prune: bool,
    /// Decide the queries of so much time again, such as `7d`, and tell who would gain or lose what.
    #[schema(example = "7d")]
    impact: Option<String>,
}

/// The difference that files make.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct PlanView {
    /// Of the policy: with a plan the one it was compared with, after an apply the one in force.
    version: i64,
    /// A line each; none when the files say what is already so.
    edits: Vec<String>,
    /// When it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    impact: Option<ImpactView>,
}

/// What a change would do to those who asked, by the audit log. No query is run.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ImpactView {
    /// How many queries the audit log has of that time.
    queries: usize,
    /// How many of them were not looked at: the oldest where there are more than 10,000 different ones.
    left_out: usize,
    effects: Vec<EffectView>,
    /// The queries that would no longer be answered.
    failing: Vec<AffectedView>,
    /// The queries that were not answered and would be.
    mending: Vec<AffectedView>,
}

/// What changes for a user on a table that they asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct EffectView {
    user: String,
    table: String,
    /// `gains` or `loses`, when it is the whole table.
    whole: Option<&'static str>,
    columns_gained: Vec<String>,
    columns_lost: Vec<String>,
    /// As `column: before → after`.
    columns_changed: Vec<String>,
    /// When they differ from those after.
    rows_before: Option<String>,
    rows_after: Option<String>,
}

/// A query that would end otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct AffectedView {
    user: String,
    sql: String,
    /// How often it was asked.
    times: usize,
    last: DateTime<Utc>,
    /// Why it is not answered: after the change or, where that mends it, before.
    reason: String,
}

impl From<Impact> for ImpactView {
    fn from(impact: Impact) -> Self {
        let Impact { queries, left_out, effects, failing, mending } = impact;
        let affected = |all: Vec<Affected>| all.into_iter().map(AffectedView::from).collect();
        Self {
            queries,
            left_out,
            effects: effects.into_iter().map(EffectView::from).collect(),
            failing: affected(failing),
            mending: affected(mending),
        }
    }
}

impl From<Effect> for EffectView {
    fn from(effect: Effect) -> Self {
        let (rows_before, rows_after) = effect.rows.unzip();
        Self {
            user: effect.user,
            table: effect.table,
            whole: effect.whole,
            columns_gained: effect.columns_gained,
            columns_lost: effect.columns_lost,
            columns_changed: effect.columns_changed,
            rows_before,
            rows_after,
        }
    }
}

impl From<Affected> for AffectedView {
    fn from(affected: Affected) -> Self {
        let Affected { user, sql, times, last, reason } = affected;
        Self { user, sql, times, last, reason }
    }
}

/// What the lint says.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct LintView {
    findings: Vec<FindingView>,
}

/// Something that is allowed and yet not likely meant.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct FindingView {
    /// Its kind: `row_filter_voided`, `grant_to_nobody` …
    code: &'static str,
    message: String,
}

/// How the tests went.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct TestView {
    /// How many there were.
    tests: usize,
    /// What differs, a line for each test that failed; none when all hold.
    failures: Vec<String>,
}

impl FilesBody {
    /// At least one file: with `prune`, none would mean that nothing is to stay.
    fn some(self) -> Result<Vec<File>> {
        if self.files.is_empty() {
            return Err(Error::invalid_request("`files` is empty: send at least one policy file"));
        }
        Ok(self.any())
    }

    fn any(self) -> Vec<File> {
        self.files.into_iter().map(|file| (file.name, file.text)).collect()
    }
}

/// What an apply of these files would change.
#[utoipa::path(post, path = "/v1/policy/plan", tag = "policy", request_body = PlanBody, responses(
    (status = 200, body = PlanView),
    (status = "default", description = "A failure; `invalid_request` names file, line, column and field", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn plan_policy(
    State(app): State<Arc<App>>,
    _: Administrator,
    Object(body): Object<PlanBody>,
) -> Result<Json<PlanView>, Problem> {
    let PlanBody { files, prune, impact } = body;
    let time = impact.map(|text| parse_duration(&text)).transpose().map_err(Error::invalid_request)?;
    let prepared = policy::prepare(&app, &FilesBody { files, prune }.some()?, prune).await?;
    let impact = match time {
        Some(time) => Some(policy::impact(&app, &prepared, time).await?.into()),
        None => None,
    };
    let edits = prepared.edits.iter().map(ToString::to_string).collect();
    Ok(Json(PlanView { version: prepared.governance.state.version, edits, impact }))
}

/// Makes the policy say what the files say: all of it, or nothing.
#[utoipa::path(post, path = "/v1/policy/apply", tag = "policy", request_body = FilesBody, responses(
    (status = 200, body = PlanView),
    (status = "default", description = "A failure; `invalid_request` names file, line, column and field", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn apply_policy(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<FilesBody>,
) -> Result<Json<PlanView>, Problem> {
    let prune = body.prune;
    let applied = policy::apply(&app, &identity.user, &body.some()?, prune).await?;
    Ok(Json(PlanView { version: applied.version, edits: applied.edits, impact: None }))
}

/// What is worth a look in the policy as these files would make it; without files, in the policy as it is.
#[utoipa::path(post, path = "/v1/policy/lint", tag = "policy", request_body = FilesBody, responses(
    (status = 200, body = LintView),
    (status = "default", description = "A failure; `invalid_request` names file, line, column and field", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn lint_policy(
    State(app): State<Arc<App>>,
    _: Administrator,
    Object(body): Object<FilesBody>,
) -> Result<Json<LintView>, Problem> {
    let prune = body.prune;
    let found = policy::lint(&app, &body.any(), prune).await?.into_iter();
    let findings = found.map(|finding| FindingView { code: finding.code, message: finding.message });
    Ok(Json(LintView { findings: findings.collect() }))
}

/// Runs the tests in these files, as the people they name, against the policy as the files would make it. Nothing is
/// saved.
#[utoipa::path(post, path = "/v1/policy/test", tag = "policy", request_body = FilesBody, responses(
    (status = 200, body = TestView),
    (status = "default", description = "A failure; `invalid_request` names file, line, column and field", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn test_policy(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<FilesBody>,
) -> Result<Json<TestView>, Problem> {
    let prune = body.prune;
    let outcome = policy::test(&app, &identity.user, &body.some()?, prune).await?;
    Ok(Json(TestView { tests: outcome.tests, failures: outcome.failures }))
}

/// The whole policy as a policy file.
#[utoipa::path(get, path = "/v1/policy/export", tag = "policy", responses(
    (status = 200, body = String, content_type = "application/yaml"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn export_policy(State(app): State<Arc<App>>, _: Administrator) -> Response {
    let yaml = HeaderValue::from_static("application/yaml");
    ([(header::CONTENT_TYPE, yaml)], policy::export(&app)).into_response()
}
