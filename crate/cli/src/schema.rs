//! What a database's schema has.

use coffer_sqlite::Connection;

use crate::failure::Outcome;

/// The tables that people made, virtual ones among them, without what lies beneath those.
pub fn tables(connection: &Connection) -> Outcome<Vec<String>> {
    let sql = "select name from pragma_table_list where schema = 'main' and type in ('table', 'virtual')
               and name not like 'sqlite~_%' escape '~' order by name";
    Ok(connection.query_all(sql, [], |row| row.get(0))?)
}
