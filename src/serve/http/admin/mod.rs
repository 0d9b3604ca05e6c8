//! The catalog and the policy as resources: one file each, the same habits in all.
//!
//! A list has a fixed order and is paged by the name of the last item. What is read has a `revision`, also as `etag`;
//! what replaces it must send that in `if-match`, so that nobody undoes a change they have not seen. Writes go through
//! `App::commit` or, where rules are to be judged together, `App::change`: one transaction with its audit record, in
//! force when the answer is sent.

pub(super) mod access;
pub(super) mod audit;
pub(super) mod databases;
pub(super) mod filters;
pub(super) mod grants;
pub(super) mod ingest_jobs;
pub(super) mod ingest_runs;
pub(super) mod me;
pub(super) mod policy;
pub(super) mod proposals;
pub(super) mod restrictions;
pub(super) mod roles;
pub(super) mod sources;
pub(super) mod tables;
pub(super) mod tag_assignments;
pub(super) mod tags;
pub(super) mod views;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::{Error, Result};

/// Items of a page that does not say how many.
const PAGE: usize = 100;
/// The most items of a page.
const LARGEST_PAGE: usize = 1000;

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The most items to give: 100 unless told, 1000 at most.
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listing<T> {
    items: Vec<T>,
    /// Send it as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Page {
    /// The page of `items`, which come in the order of their keys.
    fn of<T>(&self, items: impl Iterator<Item = (String, T)>) -> Result<Listing<T>> {
        let limit = self.limit()?;
        let behind = |key: &String| self.after.as_ref().is_none_or(|after| key > after);
        let mut rest = items.filter(|(key, _)| behind(key));
        let mut last = None;
        let mut page = Vec::new();
        for (key, item) in rest.by_ref().take(limit) {
            last = Some(key);
            page.push(item);
        }
        let next = if rest.next().is_some() { last } else { None };
        Ok(Listing { items: page, next })
    }

    fn limit(&self) -> Result<usize> {
        let limit = self.limit.unwrap_or(PAGE);
        if limit == 0 || limit > LARGEST_PAGE {
            return Err(Error::invalid_request(format!("`limit` must be between 1 and {LARGEST_PAGE}")));
        }
        Ok(limit)
    }
}

/// That the name in the path and the one in the body are the same.
fn check_same(path: &str, body: &str) -> Result<()> {
    if path == body {
        return Ok(());
    }
    Err(Error::invalid_request(format!(
        "the address names `{path}` and the body `{body}`; a name cannot be changed"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: usize, after: Option<&str>) -> Listing<u8> {
        let items = [("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 3)];
        Page { limit: Some(limit), after: after.map(str::to_owned) }.of(items.into_iter()).unwrap()
    }

    #[test]
    fn pages_follow_each_other_and_end() {
        let first = page(2, None);
        assert_eq!((first.items, first.next.as_deref()), (vec![1, 2], Some("b")));
        let second = page(2, Some("b"));
        assert_eq!((second.items, second.next), (vec![3], None));
        let whole = page(3, None);
        assert_eq!((whole.items, whole.next), (vec![1, 2, 3], None));
    }
}
