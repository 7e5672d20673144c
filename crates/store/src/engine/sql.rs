//! SQL constants: their identity, and the one place where the two databases spell differently.

/// Identifies a SQL constant by its address, which is cheaper than hashing its text.
/// Statics never move, so equal keys mean equal texts.
pub(super) type SqlKey = (usize, usize);

pub(super) fn key_of(sql: &'static str) -> SqlKey {
    (sql.as_ptr() as usize, sql.len())
}

/// Rewrites `$1` to `?1` for SQLite.
///
/// SQLite takes `$1` for a *name* and numbers names by first appearance, so `WHERE b = $2 AND
/// a = $1` would bind its values the wrong way round; `?1` is a number. Quoted texts and line
/// comments are left alone.
pub(super) fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut chars = sql.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        let next_is_digit = chars.peek().is_some_and(char::is_ascii_digit);
        out.push(if quote.is_none() && c == '$' && next_is_digit { '?' } else { c });
        quote = match (quote, c) {
            (None, '\'' | '"') => Some(c),
            (None, '-') if chars.peek() == Some(&'-') => Some('\n'),
            (Some(end), c) if end == c => None,
            (open, _) => open,
        };
    }
    out
}

/// `INSERT INTO t (a, b) VALUES ($1, $2)`.
pub(super) fn insert_into(table: &str, columns: &[&str]) -> String {
    let places: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
    format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_parameters_but_not_texts_or_comments() {
        for (given, expected) in [
            ("SELECT $2, $1", "SELECT ?2, ?1"),
            ("SELECT '$1', \"$2\", $12", "SELECT '$1', \"$2\", ?12"),
            ("SELECT 'it''s $1', $1", "SELECT 'it''s $1', ?1"),
            ("SELECT $1 -- don't $2\n, $2", "SELECT ?1 -- don't $2\n, ?2"),
            ("SELECT 3 - $1, '$'", "SELECT 3 - ?1, '$'"),
        ] {
            assert_eq!(numbered(given), expected);
        }
    }

    #[test]
    fn writes_an_insert() {
        assert_eq!(insert_into("t", &["a", "b"]), "INSERT INTO t (a, b) VALUES ($1, $2)");
    }
}
