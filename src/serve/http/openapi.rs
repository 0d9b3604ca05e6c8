//! `GET /v1/openapi.json`: the API described by the handlers themselves. `docs/openapi.json` is a copy, and a test
//! fails when the two differ.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::caller::Caller;
use super::router;

/// The description of the whole API.
pub fn document() -> utoipa::openapi::OpenApi {
    router::table().into_openapi()
}

/// What the routes do not say themselves.
pub(super) fn outline() -> utoipa::openapi::OpenApi {
    Outline::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "lakegate",
        description = "A governed SQL gateway for data lakes. Failures are `application/problem+json`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(),
    ),
    modifiers(&BearerToken),
    security(("token" = [])),
    tags(
        (name = "query", description = "Statements and their results"),
        (name = "catalog", description = "Databases, tables and views"),
        (name = "ingestion", description = "Sources, jobs and their runs"),
        (name = "policy", description = "Roles, grants, restrictions, filters, tags and the policy as files, for administrators"),
        (name = "access", description = "Who may see what, and why"),
        (name = "identity", description = "Who asks"),
        (name = "audit", description = "Who asked for what, for administrators"),
        (name = "health", description = "For whoever starts and watches the process"),
    )
)]
struct Outline;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "identity", responses(
    (status = 200, description = "OpenAPI, in JSON", content_type = "application/json"),
))]
pub(super) async fn get_openapi(_: Caller) -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
