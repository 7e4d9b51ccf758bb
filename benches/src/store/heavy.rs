//! The engines that take minutes to compile, or bring C: LMDB, redb, fjall.

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use heed::types::Bytes;
use heed::{CommitOrAbort, Env, EnvFlags, EnvOpenOptions, WithTls};
use redb::{Durability, ReadableDatabase, TableDefinition};

use super::engine::{Durable, Engine, Kind};
use super::work::{Key, word};
use crate::Result;

/// All of them.
pub const KINDS: [Kind; 3] = [LMDB, REDB, FJALL];

/// Address space for LMDB, which can't grow; the file is sparse.
const MAP_BYTES: usize = 16 << 30;

/// More than any of the data sets, so that redb and fjall needn't read what they have read.
const CACHE_BYTES: usize = 3 << 30;

/// Without syncs it writes through its map, its fastest way.
pub const LMDB: Kind = Kind {
    name: "LMDB (heed 0.23.1)",
    short: "lmdb",
    open: |folder, durable| {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES);
        if durable == Durable::Later {
            let flags = EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC | EnvFlags::WRITE_MAP;
            // SAFETY: a crash in the middle is the end of the benchmark, and of its files.
            unsafe { options.flags(flags) };
        }
        // SAFETY: files of this process alone, opened once at a time.
        let env = unsafe { options.open(folder)? };
        let entries = env
            .create_databases_and_commit(env.write_txn()?, |opener, transaction| {
                let entries = opener.create_database(transaction, None)?;
                heed::Result::Ok(CommitOrAbort::<_, ()>::Commit(entries))
            })?
            .unwrap_commit();
        Ok(Box::new(Lmdb { env, entries }))
    },
};

struct Lmdb {
    env: Env<WithTls>,
    entries: heed::Database<'static, Bytes, Bytes>,
}

impl Engine for Lmdb {
    fn put_all(&mut self, entries: &[(&[u8], &[u8])]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (key, value) in entries {
            self.entries.put(&mut transaction, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn sum(&self, keys: &[Key]) -> Result<u64> {
        let transaction = self.env.read_txn()?;
        let mut sum: u64 = 0;
        for key in keys {
            let value = self.entries.get(&transaction, key)?;
            sum = sum.wrapping_add(word(value.ok_or("a key is missing")?));
        }
        Ok(sum)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.env.force_sync()?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

/// With keys of a fixed width, which it lays out best.
pub const REDB: Kind = Kind {
    name: "redb 4.4.0",
    short: "redb",
    open: |folder, durable| {
        let mut builder = redb::Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.create(folder.join("redb"))?;
        Ok(Box::new(Redb { database, durable }))
    },
};

const TABLE: TableDefinition<'static, &[u8; 16], &[u8]> = TableDefinition::new("entries");

struct Redb {
    database: redb::Database,
    durable: Durable,
}

impl Redb {
    fn write(&self, entries: &[(&[u8], &[u8])], durability: Durability) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in entries {
                let key: &Key = (*key).try_into()?;
                table.insert(key, *value)?;
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Engine for Redb {
    fn put_all(&mut self, entries: &[(&[u8], &[u8])]) -> Result<()> {
        self.write(
            entries,
            match self.durable {
                Durable::EachBatch => Durability::Immediate,
                Durable::Later => Durability::None,
            },
        )
    }

    fn sum(&self, keys: &[Key]) -> Result<u64> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(TABLE)?;
        let mut sum: u64 = 0;
        for key in keys {
            let value = table.get(key)?.ok_or("a key is missing")?;
            sum = sum.wrapping_add(word(value.value()));
        }
        Ok(sum)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.write(&[], Durability::Immediate)
    }
}

/// Without compression: the values are random bytes. What its threads do isn't counted.
pub const FJALL: Kind = Kind {
    name: "fjall 3.1.13",
    short: "fjall",
    open: |folder, durable| {
        let cache = CACHE_BYTES as u64;
        let database = Database::builder(folder.join("fjall"))
            .cache_size(cache)
            .journal_compression(CompressionType::None)
            .open()?;
        let entries = database.keyspace("entries", || {
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(CompressionPolicy::disabled())
                .expect_point_read_hits(true)
        })?;
        Ok(Box::new(Fjall {
            entries,
            database,
            durable,
        }))
    },
};

struct Fjall {
    entries: Keyspace,
    database: Database,
    durable: Durable,
}

impl Engine for Fjall {
    fn put_all(&mut self, entries: &[(&[u8], &[u8])]) -> Result<()> {
        let mode = match self.durable {
            Durable::EachBatch => Some(PersistMode::SyncData),
            Durable::Later => None,
        };
        let mut batch = self.database.batch().durability(mode);
        for (key, value) in entries {
            batch.insert(&self.entries, *key, *value);
        }
        Ok(batch.commit()?)
    }

    fn settle(&mut self) -> Result<()> {
        self.entries.rotate_memtable_and_wait()?;
        Ok(self.entries.major_compact()?)
    }

    fn sum(&self, keys: &[Key]) -> Result<u64> {
        let mut sum: u64 = 0;
        for key in keys {
            let value = self.entries.get(key)?.ok_or("a key is missing")?;
            sum = sum.wrapping_add(word(&value));
        }
        Ok(sum)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }
}
