//! Values that go in, and rows that come out.
//!
//! Five kinds, because both databases agree on five. Getters are strict: a column of another kind
//! is an error, never a silent conversion.

use std::error::Error;
use std::fmt;

use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// One parameter, or one field of a row to insert.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Absent, whatever the column's type.
    Null,
    /// `BIGINT`.
    Int(i64),
    /// `DOUBLE PRECISION`.
    Real(f64),
    /// `TEXT`.
    Text(String),
    /// `BLOB`, `BYTEA`.
    Bytes(Vec<u8>),
}

macro_rules! value_from {
    ($($from:ty => |$name:ident| $value:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($name: $from) -> Self {
                $value
            }
        })*
    };
}

value_from! {
    i64 => |n| Self::Int(n);
    i32 => |n| Self::Int(n.into());
    u32 => |n| Self::Int(n.into());
    u16 => |n| Self::Int(n.into());
    u8 => |n| Self::Int(n.into());
    bool => |b| Self::Int(b.into());
    f64 => |x| Self::Real(x);
    &str => |s| Self::Text(s.to_owned());
    String => |s| Self::Text(s);
    &String => |s| Self::Text(s.clone());
    Vec<u8> => |b| Self::Bytes(b);
    &[u8] => |b| Self::Bytes(b.to_vec());
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Real(x) => ValueRef::Real(*x),
            Self::Text(s) => ValueRef::Text(s.as_bytes()),
            Self::Bytes(b) => ValueRef::Blob(b),
        }))
    }
}

impl ToSql for Value {
    /// Encodes for the type that the server inferred for the parameter.
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(n), &Type::INT8) => n.to_sql(ty, out),
            (Self::Int(n), &Type::INT4) => i32::try_from(*n)?.to_sql(ty, out),
            (Self::Int(n @ (0 | 1)), &Type::BOOL) => (*n == 1).to_sql(ty, out),
            (Self::Real(x), &Type::FLOAT8) => x.to_sql(ty, out),
            (Self::Text(s), &Type::TEXT | &Type::VARCHAR) => s.as_str().to_sql(ty, out),
            (Self::Bytes(b), &Type::BYTEA) => b.as_slice().to_sql(ty, out),
            (other, ty) => Err(format!("{} given for {ty}", other.kind()).into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Int(_) => "whole number",
            Self::Real(_) => "real number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// A column does not hold what the program expects of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column} holds {found} where {wanted} was expected")]
pub struct DecodeError {
    /// Counted from 0.
    pub column: usize,
    /// What the program asked for, or the rule that the content breaks.
    pub wanted: &'static str,
    /// What is there.
    pub found: String,
}

impl DecodeError {
    /// For mapping functions: the value of a column is of the right kind but makes no sense.
    pub fn new(column: usize, wanted: &'static str, found: impl fmt::Display) -> Self {
        Self { column, wanted, found: found.to_string() }
    }
}

/// One row of an answer, read by column number from 0.
pub enum Row<'a> {
    /// From SQLite.
    Lite(&'a rusqlite::Row<'a>),
    /// From PostgreSQL.
    Pg(&'a tokio_postgres::Row),
}

/// A column as both databases can give it.
enum Field<'r> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'r str),
    Bytes(&'r [u8]),
}

impl Field<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Int(_) => "a whole number",
            Self::Real(_) => "a real number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
}

macro_rules! getters {
    ($($name:ident, $opt:ident, $ty:ty, $wanted:literal, $pattern:pat => $value:expr;)*) => {
        $(
            #[doc = concat!("Column `i`, which must hold ", $wanted, ".\n\n# Errors\n")]
            #[doc = "It holds something else."]
            #[inline]
            pub fn $name(&self, i: usize) -> Result<$ty, DecodeError> {
                match self.field(i)? {
                    $pattern => Ok($value),
                    other => Err(DecodeError::new(i, $wanted, other.kind())),
                }
            }

            #[doc = concat!("Column `i`, which must hold ", $wanted, " or null.\n\n# Errors\n")]
            #[doc = "It holds something else."]
            #[inline]
            pub fn $opt(&self, i: usize) -> Result<Option<$ty>, DecodeError> {
                match self.field(i)? {
                    Field::Null => Ok(None),
                    $pattern => Ok(Some($value)),
                    other => Err(DecodeError::new(i, $wanted, other.kind())),
                }
            }
        )*
    };
}

impl Row<'_> {
    getters! {
        int, opt_int, i64, "a whole number", Field::Int(n) => n;
        real, opt_real, f64, "a real number", Field::Real(x) => x;
        str, opt_str, &str, "text", Field::Text(s) => s;
        text, opt_text, String, "text", Field::Text(s) => s.to_owned();
        blob, opt_blob, &[u8], "bytes", Field::Bytes(b) => b;
        bytes, opt_bytes, Vec<u8>, "bytes", Field::Bytes(b) => b.to_vec();
    }

    /// Column `i`, whatever it holds: for comparing rows of one table on two databases.
    ///
    /// # Errors
    /// There is no such column, or it holds none of the five kinds.
    pub fn value(&self, i: usize) -> Result<Value, DecodeError> {
        Ok(match self.field(i)? {
            Field::Null => Value::Null,
            Field::Int(n) => Value::Int(n),
            Field::Real(x) => Value::Real(x),
            Field::Text(s) => s.into(),
            Field::Bytes(b) => b.into(),
        })
    }

    /// Column `i`, which must hold 0 or 1.
    ///
    /// # Errors
    /// It holds something else.
    pub fn flag(&self, i: usize) -> Result<bool, DecodeError> {
        match self.int(i)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::new(i, "0 or 1", other)),
        }
    }

    #[inline]
    fn field(&self, i: usize) -> Result<Field<'_>, DecodeError> {
        match self {
            Self::Lite(row) => lite_field(row, i),
            Self::Pg(row) => pg_field(row, i),
        }
    }
}

#[inline]
fn lite_field<'r>(row: &'r rusqlite::Row<'_>, i: usize) -> Result<Field<'r>, DecodeError> {
    match row.get_ref(i) {
        Ok(ValueRef::Null) => Ok(Field::Null),
        Ok(ValueRef::Integer(n)) => Ok(Field::Int(n)),
        Ok(ValueRef::Real(x)) => Ok(Field::Real(x)),
        Ok(ValueRef::Text(s)) => std::str::from_utf8(s)
            .map(Field::Text)
            .map_err(|_| DecodeError::new(i, "UTF-8 text", "other bytes")),
        Ok(ValueRef::Blob(b)) => Ok(Field::Bytes(b)),
        Err(_) => Err(DecodeError::new(i, "a column", "no such column")),
    }
}

fn pg_field(row: &tokio_postgres::Row, i: usize) -> Result<Field<'_>, DecodeError> {
    let Some(column) = row.columns().get(i) else {
        return Err(DecodeError::new(i, "a column", "no such column"));
    };
    let field = match *column.type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(i).map(|n| n.map(Field::Int)),
        Type::INT4 => row.try_get::<_, Option<i32>>(i).map(|n| n.map(|n| Field::Int(n.into()))),
        Type::BOOL => row.try_get::<_, Option<bool>>(i).map(|b| b.map(|b| Field::Int(b.into()))),
        Type::FLOAT8 => row.try_get::<_, Option<f64>>(i).map(|x| x.map(Field::Real)),
        Type::TEXT | Type::VARCHAR | Type::NAME => {
            row.try_get::<_, Option<&str>>(i).map(|s| s.map(Field::Text))
        }
        Type::BYTEA => row.try_get::<_, Option<&[u8]>>(i).map(|b| b.map(Field::Bytes)),
        // SUM(BIGINT) is NUMERIC there: write CAST(SUM(...) AS BIGINT).
        ref other => return Err(DecodeError::new(i, "one of the five kinds", other)),
    };
    match field {
        Ok(field) => Ok(field.unwrap_or(Field::Null)),
        Err(error) => Err(DecodeError::new(i, "a readable field", error)),
    }
}
