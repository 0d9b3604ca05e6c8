//! The whole route table, and the middleware around it.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::admin::{
    access, audit, databases, filters, grants, ingest_jobs, ingest_runs, me, policy, proposals, restrictions,
    roles, sources, tables, tag_assignments, tags, views,
};
use super::caller::RequestId;
use super::error::{Problem, panicked, tell};
use super::{health, openapi, queries, query, rows};
use crate::app::App;
use crate::error::Error;

/// Every route. A handler that takes neither a `Caller` nor an `Administrator` is open to the world: the health
/// checks alone.
pub(super) fn table() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::outline())
        // Health
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        // Queries
        .routes(routes!(query::run_sql))
        .routes(routes!(queries::submit_query, queries::list_queries))
        .routes(routes!(queries::get_query, queries::cancel_query))
        .routes(routes!(queries::get_query_result))
        .routes(routes!(queries::follow_query))
        // The catalog
        .routes(routes!(databases::list_databases, databases::create_database))
        .routes(routes!(databases::get_database, databases::replace_database, databases::drop_database))
        .routes(routes!(tables::list_tables))
        .routes(routes!(tables::get_table, tables::update_table, tables::drop_table))
        .routes(routes!(tables::release_columns))
        .routes(routes!(rows::add_rows))
        .routes(routes!(views::list_views, views::create_view))
        .routes(routes!(views::get_view, views::replace_view, views::drop_view))
        // Ingestion
        .routes(routes!(sources::list_sources, sources::create_source))
        .routes(routes!(sources::get_source, sources::replace_source, sources::drop_source))
        .routes(routes!(sources::test_source))
        .routes(routes!(ingest_jobs::list_jobs, ingest_jobs::create_job))
        .routes(routes!(ingest_jobs::get_job, ingest_jobs::replace_job, ingest_jobs::drop_job))
        .routes(routes!(ingest_jobs::run_job))
        .routes(routes!(ingest_jobs::pause_job))
        .routes(routes!(ingest_jobs::resume_job))
        .routes(routes!(ingest_runs::list_runs))
        .routes(routes!(ingest_runs::get_run))
        .routes(routes!(ingest_runs::cancel_run))
        .routes(routes!(ingest_runs::follow_run))
        // The policy
        .routes(routes!(roles::list_roles, roles::create_role))
        .routes(routes!(roles::get_role, roles::replace_role, roles::drop_role))
        .routes(routes!(grants::list_grants, grants::create_grant))
        .routes(routes!(grants::get_grant, grants::replace_grant, grants::drop_grant))
        .routes(routes!(filters::list_filters, filters::create_filter))
        .routes(routes!(filters::get_filter, filters::replace_filter, filters::drop_filter))
        .routes(routes!(restrictions::list_restrictions, restrictions::create_restriction))
        .routes(routes!(
            restrictions::get_restriction,
            restrictions::replace_restriction,
            restrictions::drop_restriction
        ))
        .routes(routes!(tags::list_tags, tags::create_tag))
        .routes(routes!(tags::get_tag, tags::replace_tag, tags::drop_tag))
        .routes(routes!(tag_assignments::list_tag_assignments, tag_assignments::create_tag_assignment))
        .routes(routes!(
            tag_assignments::get_tag_assignment,
            tag_assignments::replace_tag_assignment,
            tag_assignments::drop_tag_assignment
        ))
        .routes(routes!(proposals::list_proposals))
        .routes(routes!(proposals::accept_proposal))
        .routes(routes!(proposals::reject_proposal))
        .routes(routes!(policy::plan_policy))
        .routes(routes!(policy::apply_policy))
        .routes(routes!(policy::export_policy))
        .routes(routes!(policy::lint_policy))
        .routes(routes!(policy::test_policy))
        // Who may see what, and why
        .routes(routes!(access::explain_access))
        .routes(routes!(access::get_access_matrix))
        // Who asks, and who asked
        .routes(routes!(me::get_me))
        .routes(routes!(audit::list_audit))
        // This API
        .routes(routes!(openapi::get_openapi))
}

/// The routes with everything around them. `cut` ends the answers that still stream.
pub(super) fn router(app: Arc<App>, cut: CancellationToken) -> Router {
    let max_body = app.config.limits.max_body_bytes;
    let (router, _) = table().split_for_parts();
    let router = router
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(Extension(cut))
        .with_state(app);
    with_middleware(router, max_body)
}

/// The middleware, innermost first: a request passes it from the bottom up.
fn with_middleware(router: Router, max_body: usize) -> Router {
    let fixed =
        |name: HeaderName, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    router
        .layer(DefaultBodyLimit::max(max_body))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .layer(from_fn(identify_and_trace))
}

/// Gives the request its id, logs how it went, and writes the answer of one that failed. Of the request the log has
/// the method and the path alone: bodies, queries and headers hold data and tokens.
async fn identify_and_trace(mut request: Request, next: Next) -> Response {
    let id = Uuid::now_v7();
    request.extensions_mut().insert(RequestId(id));
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    async move {
        let started = Instant::now();
        let mut response = tell(next.run(request).await, id);
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert("lakegate-request-id", value);
        }
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = response.status().as_u16(), milliseconds, "answered");
        response
    }
    .instrument(span)
    .await
}

async fn no_such_route(request: Request) -> Response {
    Problem::from(Error::not_found("route", request.uri().path())).into_response()
}

async fn no_such_method(request: Request) -> Response {
    let detail = format!("`{}` is not a method of `{}`", request.method(), request.uri().path());
    Problem::with_status(StatusCode::METHOD_NOT_ALLOWED, Error::invalid_request(detail)).into_response()
}
