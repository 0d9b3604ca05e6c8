//! `/v1/proposals`: tags that are proposed for columns that look personal. For administrators, as tag assignments are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::caller::Administrator;
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{Named, Params};
use super::{Listing, Page};
use crate::app::{App, proposals};
use crate::policy::proposal::Proposal;

/// A tag that is proposed for a column.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ProposalView {
    /// `DATABASE.TABLE.COLUMN`
    #[schema(example = "sales.customers.email")]
    object: String,
    /// The tag that the column would have.
    #[schema(example = "sensitivity")]
    key: String,
    #[schema(example = "pii")]
    value: String,
    /// What the column looks like.
    #[schema(example = "email")]
    kind: String,
    /// Why, in words and without a value of the column.
    evidence: String,
    /// Rejected ones stay, so that they are not proposed again.
    rejected: bool,
}

impl From<&Proposal> for ProposalView {
    fn from(proposal: &Proposal) -> Self {
        let Proposal { object, key, value, kind, evidence, is_rejected } = proposal.clone();
        Self { object: object.to_string(), key, value, kind, evidence, rejected: is_rejected }
    }
}

/// The proposals, by column; also those that were rejected.
#[utoipa::path(get, path = "/v1/proposals", tag = "policy", params(Page), responses(
    (status = 200, body = Listing<ProposalView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_proposals(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<ProposalView>>, Problem> {
    let governance = app.state();
    let all = proposals::pending(&governance.state);
    Ok(Json(page.of(all.map(|(name, proposal)| (name.clone(), proposal.into())))?))
}

/// Gives the column the proposed tag, as an assignment of it would. The proposal is then gone.
#[utoipa::path(post, path = "/v1/proposals/{object}/accept", tag = "policy",
    params(("object" = String, Path, description = "`DATABASE.TABLE.COLUMN`")), responses(
    (status = 200, body = ProposalView),
    (status = "default", description = "A failure; `conflict` when the policy has no such tag, or the column has one", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn accept_proposal(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
) -> Result<Json<ProposalView>, Problem> {
    Ok(Json((&proposals::accept(&app, &identity.user, &name).await?).into()))
}

/// Leaves the column as it is, for good: what was rejected is not proposed again.
#[utoipa::path(post, path = "/v1/proposals/{object}/reject", tag = "policy",
    params(("object" = String, Path, description = "`DATABASE.TABLE.COLUMN`")), responses(
    (status = 200, body = ProposalView),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn reject_proposal(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
) -> Result<Json<ProposalView>, Problem> {
    Ok(Json((&proposals::reject(&app, &identity.user, &name).await?).into()))
}
