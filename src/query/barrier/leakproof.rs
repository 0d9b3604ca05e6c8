//! Which predicates may be evaluated on rows that the reader cannot see: those that can neither fail nor tell.
//!
//! The list is short on purpose and positive: what is not named here is not leakproof. A comparison of two values of
//! one type cannot fail; a cast, an arithmetic operator or a function may, so they never pass, however harmless one
//! looks. See "Rules and privileges" in the PostgreSQL manual for the idea and its name.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

/// Whether `predicate` over the columns of `schema` can be evaluated on any row without an error and without telling
/// anything but its result: comparisons of a plain column with a constant of its type, IN, BETWEEN, IS NULL and LIKE
/// with constants, boolean columns, boolean constants, and AND, OR, NOT of those.
pub fn is_leakproof(predicate: &Expr, schema: &DFSchema) -> bool {
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            is_leakproof(left, schema) && is_leakproof(right, schema)
        }
        Expr::Not(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsNotUnknown(inner) => is_leakproof(inner, schema),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            is_comparison(*op) && are_column_and_constant(left, right, schema)
        }
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => is_plain_column(inner, schema),
        Expr::Between(between) => {
            are_column_and_constant(&between.expr, &between.low, schema)
                && are_column_and_constant(&between.expr, &between.high, schema)
        }
        Expr::InList(list) => list.list.iter().all(|item| are_column_and_constant(&list.expr, item, schema)),
        Expr::Like(like) => {
            is_plain_column(&like.expr, schema)
                && matches!(&*like.pattern, Expr::Literal(..))
                && are_of_text(&like.expr, &like.pattern, schema)
        }
        Expr::Column(_) => type_of(predicate, schema) == Some(DataType::Boolean),
        Expr::Literal(value, _) => matches!(value.data_type(), DataType::Boolean),
        _ => false,
    }
}

/// Whether `op` compares, which no values of one simple type make fail.
pub(super) fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// One side a plain column, the other a constant, both of one simple type: no conversion happens at run time.
fn are_column_and_constant(left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    let ((Expr::Column(_), Expr::Literal(..)) | (Expr::Literal(..), Expr::Column(_))) = (left, right) else {
        return false;
    };
    match (type_of(left, schema), type_of(right, schema)) {
        (Some(left), Some(right)) => {
            is_simple(&left) && (left == right || (is_text(&left) && is_text(&right)))
        }
        _ => false,
    }
}

fn is_plain_column(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr, Expr::Column(_)) && type_of(expr, schema).is_some()
}

fn are_of_text(left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    matches!((type_of(left, schema), type_of(right, schema)), (Some(l), Some(r)) if is_text(&l) && is_text(&r))
}

fn type_of(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    expr.get_type(schema).ok()
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Nested values are left out: comparing them is not implemented for all of them, which is a way to fail.
pub(super) fn is_simple(data_type: &DataType) -> bool {
    is_text(data_type)
        || data_type.is_numeric()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Date32
                | DataType::Date64
                | DataType::Timestamp(..)
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
        )
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::common::ScalarValue;
    use datafusion::prelude::{cast, col, lit};

    use super::*;

    fn schema() -> DFSchema {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("name", DataType::Utf8, true),
            Field::new("flag", DataType::Boolean, true),
            Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
        ]);
        DFSchema::try_from(schema).unwrap()
    }

    fn null_of_int() -> Expr {
        lit(ScalarValue::Int64(None))
    }

    #[test]
    fn what_cannot_fail_is_leakproof() {
        for predicate in [
            col("id").eq(lit(5_i64)),
            lit(5_i64).lt(col("id")),
            col("id").eq(null_of_int()),
            col("id").between(lit(1_i64), lit(2_i64)),
            col("id").in_list(vec![lit(1_i64), lit(2_i64)], true),
            col("name").like(lit("a%")),
            col("name").is_null().or(col("id").is_not_null()),
            col("flag").and(!col("flag")),
            lit(false),
        ] {
            assert!(is_leakproof(&predicate, &schema()), "{predicate}");
        }
    }

    #[test]
    fn what_may_fail_is_not() {
        for predicate in [
            (lit(1_i64) / (col("id") - lit(5_i64))).gt(lit(0_i64)),
            cast(col("name"), DataType::Int64).eq(lit(1_i64)),
            col("id").eq(lit("5")),
            cast(lit("x"), DataType::Int64).eq(lit(1_i64)),
            col("id").eq(lit(1_i64)).and(cast(col("name"), DataType::Boolean)),
            col("name").like(col("name")),
            col("id").eq(col("id")),
            col("tags").eq(col("tags")),
            col("id").in_list(vec![lit(1_i64) / lit(0_i64)], false),
        ] {
            assert!(!is_leakproof(&predicate, &schema()), "{predicate}");
        }
    }
}
