//! The long verbs in shares: what else happens between two of them, and what becomes of those that are given up.

use coffer_sqlite::coffer_store::{Cipher, Compaction, Device, MemStorage, OpenMode, Storage, Store};
use coffer_sqlite::rusqlite;
use coffer_sqlite::{
    Backup, CheckpointMode, Chore, Connection, Database, ErrorCode, Key, OpenOptions, SystemEntropy, Upkeep,
};

type Memory = Database<MemStorage>;

const SHARE: u64 = 16 * 1024;

fn open(name: &str, storage: &MemStorage, key: Option<Key>) -> Memory {
    let options = OpenOptions { key, upkeep: Upkeep::Manual, threads: 1, ..OpenOptions::default() };
    Database::on_storage(name, storage.clone(), Box::new(SystemEntropy), options).unwrap()
}

fn filled(name: &str, key: Option<Key>) -> (Memory, Connection, MemStorage) {
    let storage = MemStorage::new();
    let database = open(name, &storage, key);
    let connection = database.connect().unwrap();
    connection
        .execute_batch(
            "create table t(id integer primary key, body text);
             with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
             insert into t select i, 'row ' || i || hex(randomblob(100)) from n",
        )
        .unwrap();
    (database, connection, storage)
}

fn sum(connection: &Connection) -> (i64, i64) {
    connection.query_row("select count(*), sum(id) from t", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// Steps a chore to its end, with `between` after every step. Gives what it made, and in how many steps.
fn carry(chore: &mut Chore<MemStorage>, mut between: impl FnMut()) -> (Vec<u8>, u32) {
    let (mut out, mut done) = (Vec::new(), 0);
    for steps in 1.. {
        let progress = chore.step(SHARE).unwrap();
        assert!(progress.done >= done && progress.done <= progress.total, "{progress:?} after {done}");
        done = progress.done;
        out.extend(chore.take_output());
        if progress.finished {
            assert_eq!(progress.done, progress.total);
            return (out, steps);
        }
        between();
    }
    unreachable!()
}

fn stored(files: &[(&str, &[u8])]) -> MemStorage {
    let storage = MemStorage::new();
    for (name, bytes) in files {
        storage.open(name, OpenMode::Create).unwrap().write_at(0, bytes).unwrap();
    }
    storage
}

#[test]
fn a_backup_in_shares_holds_the_state_in_which_it_began() {
    let (database, connection, _) = filled("backed-up", Some(Key::raw([1; 32])));
    let before = sum(&connection);
    let mut chore = database.backup_chore(None).unwrap();
    let (full, steps) = carry(&mut chore, || {
        connection.execute("insert into t(body) values ('later')", []).unwrap();
        database.checkpoint(CheckpointMode::Full).unwrap();
    });
    let commit = chore.result().commit.unwrap();
    drop(chore);
    assert!(steps > 3, "{steps} steps");
    let (increment, _) = carry(&mut database.backup_chore(Some(commit)).unwrap(), || {});
    let after = sum(&connection);

    let target = open("backed-up-copy", &MemStorage::new(), None);
    let backups = stored(&[("full", &full), ("increment", &increment)]);
    assert_eq!(Backup::open(backups.clone(), "full", None).err().unwrap().code, ErrorCode::KeyRequired);
    assert_eq!(
        Backup::open(backups.clone(), "full", Some(&Key::raw([2; 32]))).err().unwrap().code,
        ErrorCode::WrongKey
    );
    let key = Key::raw([1; 32]);
    let mut backup = Backup::open(backups.clone(), "full", Some(&key)).unwrap();
    carry(&mut target.restore_chore(&backup).unwrap(), || {});
    let copy = target.connect().unwrap();
    assert_eq!(sum(&copy), before);
    backup.lay_over(&backups, "increment", Some(&key)).unwrap();
    carry(&mut target.restore_chore(&backup).unwrap(), || {});
    assert_eq!(sum(&copy), after);
    assert_eq!(
        backup.lay_over(&backups, "full", Some(&key)).err().map(|error| error.code),
        Some(ErrorCode::NoSuchCommit)
    );
}

#[test]
fn a_restore_that_is_given_up_changes_nothing() {
    let (database, connection, _) = filled("restored-half", None);
    let (full, _) = carry(&mut database.backup_chore(None).unwrap(), || {});
    connection.execute("delete from t where id > 10", []).unwrap();
    let before = sum(&connection);
    let backup = Backup::open(stored(&[("full", &full)]), "full", None).unwrap();
    let mut chore = database.restore_chore(&backup).unwrap();
    for _ in 0..5 {
        assert!(!chore.step(SHARE).unwrap().finished);
    }
    drop(chore);
    assert_eq!(sum(&connection), before);
    connection.execute("insert into t(body) values ('it goes on')", []).unwrap();
    let check: String = connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn plain_sqlite_goes_out_and_comes_in() {
    let (database, connection, _) = filled("plain", None);
    let (file, steps) = carry(&mut database.plain_chore().unwrap(), || {
        connection.execute("insert into t(body) values ('later')", []).unwrap();
    });
    assert!(steps > 3);
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), &file).unwrap();
    let sqlite = rusqlite::Connection::open(path.path()).unwrap();
    let (count, check): (i64, String) = (
        sqlite.query_row("select count(*) from t", [], |row| row.get(0)).unwrap(),
        sqlite.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap(),
    );
    assert_eq!((count, check.as_str()), (2000, "ok"));

    let target = open("plain-copy", &MemStorage::new(), None);
    let device = |bytes: &[u8]| stored(&[("file", bytes)]).open("file", OpenMode::Read).unwrap();
    carry(&mut target.import_chore(device(&file)).unwrap(), || {});
    assert_eq!(sum(&target.connect().unwrap()).0, 2000);
    assert_eq!(target.import_chore(device(&file[..file.len() - 8192])).err().unwrap().code, ErrorCode::Corrupt);
    assert_eq!(target.import_chore(device(b"nothing of the kind")).err().unwrap().code, ErrorCode::Foreign);
}

#[test]
fn commits_go_on_while_everything_is_encrypted_anew() {
    let keys = [Key::raw([1; 32]), Key::raw([2; 32])];
    let (database, connection, storage) = filled("rotated", Some(keys[0].clone()));
    database.add_key(&keys[1]).unwrap();
    database.checkpoint(CheckpointMode::Full).unwrap();
    let mut commits = 0;
    carry(&mut database.rotate_chore(&keys).unwrap(), || {
        connection.execute("insert into t(body) values ('meanwhile')", []).unwrap();
        commits += 1;
    });
    assert!(commits > 3, "{commits} commits");
    assert_eq!(database.with_store(Store::finish_rotation).unwrap(), 1, "an outlived key is still there");
    carry(&mut database.decrypt_chore().unwrap(), || {
        connection.execute("insert into t(body) values ('meanwhile')", []).unwrap();
        commits += 1;
    });
    assert_eq!(database.storage_info().unwrap().cipher, "none");
    carry(&mut database.encrypt_chore(&keys[0], Cipher::ChaCha20Poly1305).unwrap(), || {
        connection.execute("insert into t(body) values ('meanwhile')", []).unwrap();
        commits += 1;
    });
    assert_eq!(database.storage_info().unwrap().cipher, "chacha20-poly1305");
    let expected = sum(&connection);
    assert_eq!(expected.0, 2000 + commits);
    drop(connection);
    database.close().unwrap();
    let again = open("rotated", &storage, Some(keys[0].clone()));
    assert_eq!(sum(&again.connect().unwrap()), expected);
}

#[test]
fn a_decryption_that_is_given_up_leaves_the_database_encrypted() {
    let (database, connection, storage) = filled("half-decrypted", Some(Key::raw([1; 32])));
    database.checkpoint(CheckpointMode::Full).unwrap();
    connection.execute("update t set body = body || '!'", []).unwrap();
    let mut chore = database.decrypt_chore().unwrap();
    for _ in 0..20 {
        assert!(!chore.step(SHARE).unwrap().finished, "it was over before it could be given up");
    }
    drop(chore);
    while !database.with_store(|store| Ok(store.maintain(u64::MAX)?.idle)).unwrap() {}
    let expected = sum(&connection);
    drop(connection);
    database.close().unwrap();
    let again = open("half-decrypted", &storage, Some(Key::raw([1; 32])));
    let stale = again.with_store(|store| store.compact_job(Compaction::Stale)).unwrap();
    assert!(stale.is_none(), "something is still in the clear");
    assert_eq!(sum(&again.connect().unwrap()), expected);
}

#[test]
fn verification_in_shares_finds_what_is_damaged() {
    let (database, connection, storage) = filled("verified", None);
    database.checkpoint(CheckpointMode::Full).unwrap();
    let mut chore = database.verify_chore().unwrap();
    carry(&mut chore, || {
        connection.execute("insert into t(body) values ('meanwhile')", []).unwrap();
    });
    assert!(chore.result().records > 10 && chore.result().damage.is_empty(), "{:?}", chore.result());
    let segment = storage.list().unwrap().into_iter().find(|name| name.starts_with("seg-")).unwrap();
    let device = storage.open(&segment, OpenMode::Write).unwrap();
    let middle = device.len().unwrap() / 2;
    let mut byte = [0];
    device.read_at(middle, &mut byte).unwrap();
    device.write_at(middle, &[byte[0] ^ 0xff]).unwrap();
    let mut chore = database.verify_chore().unwrap();
    carry(&mut chore, || {});
    assert!(!chore.result().damage.is_empty());
}
