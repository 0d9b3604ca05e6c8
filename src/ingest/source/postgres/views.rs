//! Which views show each reader something else, and why.
//!
//! What comes into the lake is what a view shows to the account that reads it. For another reader that is the same only when the
//! view reads its tables with the rights of its owner, and nothing in it asks who reads. That is read from the view's rule as
//! the server keeps it, with a list of the functions that are known to be the same for everybody: a view with another one is told,
//! rather once too often.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::postgres::PgConnection;

use super::discover::value;
use super::read_failed;
use crate::error::Result;

/// Each view, whether it reads with the rights of its reader, whether something in it may be another for another reader, and what it reads.
/// Functions that are immutable by their own word are the same for everybody; of the server's others those that ask for the settings of the
/// session and for the time alone.
const VIEWS: &str = "SELECT c.oid::int8, \
       COALESCE((SELECT bool_or(o.option_value::boolean) FROM pg_options_to_table(c.reloptions) o \
         WHERE o.option_name = 'security_invoker'), false), \
       w.ev_action::text LIKE '%{SQLVALUEFUNCTION%' OR EXISTS (SELECT \
         FROM regexp_matches(w.ev_action::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') m \
         LEFT JOIN pg_proc p ON p.oid = m[1]::oid \
         WHERE m[1] <> '0' AND (p.oid IS NULL OR p.provolatile <> 'i' AND NOT (p.oid < 16384 AND p.proname IN \
           ('now', 'to_char', 'to_date', 'to_timestamp', 'date_trunc', 'date_part', 'extract', 'timezone', 'date', 'timestamp', \
            'timestamptz', 'concat', 'concat_ws', 'format', 'textanycat', 'anytextcat', 'array_to_string')))), \
       ARRAY(SELECT DISTINCT m[1]::int8 FROM regexp_matches(w.ev_action::text, ':relid (\\d+)', 'g') m) \
     FROM pg_class c JOIN pg_rewrite w ON w.ev_class = c.oid AND w.ev_type = '1' WHERE c.relkind = 'v' AND c.oid >= 16384";

/// Those of the relations `$1` that show everybody the same rows, apart from views: tables of this database without row level security.
const PLAIN: &str = "SELECT c.oid::int8 FROM pg_class c WHERE c.oid = ANY ($1::int8[]::oid[]) AND c.oid >= 16384 \
       AND c.relkind IN ('r', 'p', 'm') AND NOT c.relrowsecurity";

/// A view as its rule tells.
struct View {
    is_invoker: bool,
    asks_who_reads: bool,
    reads: BTreeSet<i64>,
}

/// The views of the database that may show each reader something else, with the reason.
pub(super) async fn that_depend_on_their_reader(
    connection: &mut PgConnection,
) -> Result<BTreeMap<i64, String>> {
    let mut views = HashMap::new();
    for row in sqlx::query(VIEWS).fetch_all(&mut *connection).await.map_err(read_failed)? {
        let oid = value::<i64>(&row, 0)?;
        let mut reads = value::<Vec<i64>>(&row, 3)?.into_iter().collect::<BTreeSet<_>>();
        // Rules of older servers name the view itself for what is replaced.
        reads.remove(&oid);
        views.insert(oid, View { is_invoker: value(&row, 1)?, asks_who_reads: value(&row, 2)?, reads });
    }
    let read = views.values().flat_map(|view| view.reads.iter().copied()).collect::<BTreeSet<_>>();
    let read = read.into_iter().collect::<Vec<_>>();
    let plain = sqlx::query(PLAIN).bind(&read).fetch_all(connection).await.map_err(read_failed)?;
    let mut same = plain.iter().map(|row| value::<i64>(row, 0)).collect::<Result<BTreeSet<_>>>()?;
    // A view is the same for all when all that it reads is; each round finds those that the one before made sure of.
    loop {
        let is_same = |view: &View| !view.is_invoker && !view.asks_who_reads && view.reads.is_subset(&same);
        let found =
            views.iter().filter(|(oid, view)| !same.contains(*oid) && is_same(view)).map(|(oid, _)| *oid);
        let found = found.collect::<Vec<_>>();
        if found.is_empty() {
            break;
        }
        same.extend(found);
    }
    let differing = views.iter().filter(|(oid, _)| !same.contains(*oid));
    Ok(differing.map(|(oid, view)| (*oid, view.reason().to_owned())).collect())
}

impl View {
    fn reason(&self) -> &'static str {
        match (self.is_invoker, self.asks_who_reads) {
            (true, _) => "the view reads with the rights of its reader (security_invoker)",
            (_, true) => {
                "the view has something in it that may be another for another reader, such as CURRENT_USER or a function"
            }
            _ => {
                "the view reads what may show each reader other rows: a table with row level security, another such view, a foreign \
                 table, or the catalog"
            }
        }
    }
}
