//! The audit log's tree in the store. Leaf hashes are in the rows of the entries; of complete tiles the store keeps the
//! hash, so that a proof reads at most one tile on each level.

use super::audit::{last_seq, list};
use super::{Store, StoreError, json_rows, signed, unsigned};
use crate::audit::checkpoint::{Checkpoint, ConsistencyProof, InclusionProof};
use crate::audit::log_keys::LogKeys;
use crate::audit::note::{NoteError, SignedNote, VerifierKey};
use crate::audit::prove::{Exported, FormerEntry, KnownKeys};
use crate::audit::tree::{self, Frontier, Subtree, TILE_HEIGHT, TILE_WIDTH};
use crate::audit::{Broken, FormerChain, Head, Logged, chain};
use sqlx::{Connection, Row, SqliteConnection};
use std::ops::Range;
use vitalsign_protocol::id::Digest;

/// Entries read at one time.
const PAGE: u32 = 256;

/// Tree whose hashes the store has.
#[derive(Clone, Copy)]
enum Of {
    /// The hashes of the former chain's entries.
    Chain,
    Log,
}

impl Of {
    fn id(self) -> i64 {
        match self {
            Self::Chain => 0,
            Self::Log => 1,
        }
    }
}

/// The log in a transaction.
pub(super) struct Tree<'a> {
    connection: &'a mut SqliteConnection,
    pub(super) chain: FormerChain,
}

impl<'a> Tree<'a> {
    pub(super) async fn open(connection: &'a mut SqliteConnection) -> Result<Self, StoreError> {
        let query = sqlx::query("SELECT chain_seq, chain_hash, chain_root FROM audit_log");
        let row = query.fetch_one(&mut *connection).await?;
        let digest = |bytes: &[u8]| Digest::from_slice(bytes).ok_or_else(unreadable);
        let chain = FormerChain {
            seq: unsigned(row.try_get(0)?),
            hash: digest(row.try_get(1)?)?,
            root: digest(row.try_get(2)?)?,
        };
        Ok(Self { connection, chain })
    }

    /// Returns the number of leaves.
    async fn size(&mut self) -> Result<u64, StoreError> {
        let last = last_seq(self.connection).await?;
        Ok(last.saturating_sub(self.chain.seq) + 1)
    }

    /// Stores the hashes of tiles that are complete with `new` leaves and were not with `old`.
    pub(super) async fn complete_tiles(&mut self, old: u64, new: u64) -> Result<(), StoreError> {
        let (mut level, mut old, mut new) = (1, old >> TILE_HEIGHT, new >> TILE_HEIGHT);
        while old < new {
            let mut rows = Vec::new();
            for number in old..new {
                let hash =
                    self.subtree(Of::Log, Subtree { height: level * TILE_HEIGHT, number }, true).await?;
                rows.push((Of::Log.id(), level, number, hash.hex()));
            }
            insert_nodes(self.connection, &rows).await?;
            (level, old, new) = (level + 1, old >> TILE_HEIGHT, new >> TILE_HEIGHT);
        }
        Ok(())
    }

    /// Returns the hash of a perfect subtree. One that `is_new` is not stored, and computed from the tiles below it.
    async fn subtree(&mut self, of: Of, subtree: Subtree, is_new: bool) -> Result<Digest, StoreError> {
        let below = u32::from(is_new && subtree.height > 0);
        let level = (subtree.height - below) / TILE_HEIGHT;
        let width = subtree.height - level * TILE_HEIGHT;
        let range = subtree.number << width..(subtree.number + 1) << width;
        let mut frontier = Frontier::default();
        for hash in self.level(of, level, range).await? {
            frontier.push(hash);
        }
        Ok(frontier.root())
    }

    /// Returns the hashes of a level of tiles; level 0 are the leaves.
    async fn level(&mut self, of: Of, level: u32, range: Range<u64>) -> Result<Vec<Digest>, StoreError> {
        let mut hashes = Vec::new();
        let rows = if level == 0 {
            // Leaf 0 of the log is no entry.
            let (first, offset) = match of {
                Of::Chain => (1, 1),
                Of::Log => (self.chain.seq + 1, self.chain.seq),
            };
            if matches!(of, Of::Log) && range.start == 0 {
                hashes.push(tree::hash_leaf(&self.chain.leaf()));
            }
            let query = sqlx::query("SELECT hash FROM audit WHERE seq >= ?1 AND seq < ?2 ORDER BY seq");
            let query = query.bind(signed((range.start + offset).max(first)));
            query.bind(signed(range.end + offset)).fetch_all(&mut *self.connection).await?
        } else {
            let query = sqlx::query(
                "SELECT hash FROM audit_nodes WHERE tree = ?1 AND level = ?2 AND number >= ?3 AND number < ?4
                 ORDER BY number",
            );
            let query = query.bind(of.id()).bind(level).bind(signed(range.start)).bind(signed(range.end));
            query.fetch_all(&mut *self.connection).await?
        };
        for row in rows {
            let hash = Digest::from_slice(row.try_get(0)?).ok_or_else(unreadable)?;
            let is_chain = level == 0 && matches!(of, Of::Chain);
            hashes.push(if is_chain { tree::hash_leaf(hash.as_bytes()) } else { hash });
        }
        match u64::try_from(hashes.len()) == Ok(range.end - range.start) {
            true => Ok(hashes),
            false => {
                Err(StoreError::Failed("hashes of the audit log are missing: run `audit verify`".into()))
            }
        }
    }

    /// Returns the hash of a range of leaves that occurs in a proof, or that begins at 0.
    async fn range(&mut self, of: Of, range: Range<u64>) -> Result<Digest, StoreError> {
        let mut parts = Vec::new();
        for part in tree::subtrees(range) {
            parts.push(self.subtree(of, part, false).await?);
        }
        Ok(tree::join(&parts))
    }

    async fn ranges(&mut self, of: Of, ranges: Vec<Range<u64>>) -> Result<Vec<Digest>, StoreError> {
        let mut hashes = Vec::with_capacity(ranges.len());
        for range in ranges {
            hashes.push(self.range(of, range).await?);
        }
        Ok(hashes)
    }

    /// Returns the newest checkpoint: its size and note.
    async fn newest_checkpoint(&mut self) -> Result<Option<(u64, SignedNote)>, StoreError> {
        let query = sqlx::query("SELECT size, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1");
        let row = query.fetch_optional(&mut *self.connection).await?;
        row.map(|row| Ok((unsigned(row.try_get(0)?), parsed(row.try_get(1)?)?))).transpose()
    }
}

/// Result of verifying the whole log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedLog {
    pub head: Head,
    /// Sequence number of the last entry of the former chain; 0 without one.
    pub former: u64,
    /// Number of entries whose payload was pruned.
    pub pruned: u64,
    /// Number of checkpoints.
    pub checkpoints: u64,
    /// Number of checkpoints that a known witness cosigned.
    pub cosigned: u64,
    /// Number of reports that changed nothing and are not yet in an entry.
    pub collected: u64,
}

impl Store {
    /// Verifies the whole log, without the signatures of its checkpoints. `anchor` is a previously recorded head.
    ///
    /// # Errors
    /// The outer error is the store's; the inner one is the first violation.
    pub async fn verify_audit(&self, anchor: Option<Head>) -> Result<Result<Head, Broken>, StoreError> {
        let known = KnownKeys::default();
        Ok(self.verify_audit_log(anchor, &known).await?.map(|log| log.head))
    }

    /// Verifies the whole log: each entry, the stored hashes of the tree, and each checkpoint, with the signatures of known
    /// keys.
    ///
    /// # Errors
    /// The outer error is the store's; the inner one is the first violation.
    pub async fn verify_audit_log(
        &self,
        anchor: Option<Head>,
        known: &KnownKeys,
    ) -> Result<Result<VerifiedLog, Broken>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        // One state of the log, whatever is appended meanwhile.
        let mut transaction = connection.begin().await?;
        let tree = Tree::open(&mut transaction).await?;
        let verification = Verification {
            head: Head { seq: 0, hash: FormerChain::START },
            tree,
            anchor,
            known,
            leaves: Frontier::default(),
            chained: Frontier::default(),
            nodes: 0,
            pruned: 0,
            checkpoints: 0,
            cosigned: 0,
        };
        match verification.run().await {
            Ok(verified) => Ok(Ok(verified)),
            Err(Stopped::Broken(broken)) => Ok(Err(broken)),
            Err(Stopped::Store(error)) => Err(error),
        }
    }

    /// Counts the reports that changed nothing and are not yet in an entry.
    pub async fn collected_reports(&self) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT coalesce(SUM(count), 0) FROM heartbeats");
        Ok(unsigned(query.fetch_one(self.readers()).await?.try_get(0)?))
    }

    /// Returns the log's name, and keeps `name` as its name if it has none yet.
    pub async fn audit_name(&self, name: &str) -> Result<String, StoreError> {
        let query = "SELECT name FROM audit_log";
        let row = sqlx::query(query).fetch_one(self.readers()).await?;
        if let Some(name) = row.try_get(0)? {
            return Ok(name);
        }
        let mut transaction = self.begin().await?;
        let set = sqlx::query("UPDATE audit_log SET name = coalesce(name, ?1) RETURNING name").bind(name);
        let name = set.fetch_one(&mut *transaction).await?.try_get(0)?;
        transaction.commit().await?;
        Ok(name)
    }

    /// Signs the log's state as a checkpoint, unless the newest checkpoint has that size.
    ///
    /// # Errors
    /// The outer error is the store's. The inner one is why the state must not be signed: it contradicts the newest
    /// checkpoint.
    pub async fn sign_checkpoint(
        &self,
        keys: &LogKeys,
        now: u64,
    ) -> Result<Result<SignedNote, Broken>, StoreError> {
        let mut transaction = self.begin().await?;
        let mut tree = Tree::open(&mut transaction).await?;
        let size = tree.size().await?;
        if let Some((signed_size, note)) = tree.newest_checkpoint().await? {
            if signed_size > size {
                return Ok(Err(Broken::Missing(tree.chain.seq + size)));
            }
            let opened = Checkpoint::open(&note, keys.known(), &[]);
            let root = tree.range(Of::Log, 0..signed_size).await?;
            let why = match opened {
                Err(error) => Some(error.to_string()),
                Ok((it, _)) if it.size != signed_size || it.root != root => {
                    Some("the log has another root".into())
                }
                Ok(_) => None,
            };
            if let Some(why) = why {
                return Ok(Err(Broken::Checkpoint(signed_size, why)));
            }
            if signed_size == size {
                return Ok(Ok(note));
            }
        }
        let root = tree.range(Of::Log, 0..size).await?;
        let note = keys.sign(size, root, now);
        let insert = sqlx::query("INSERT INTO audit_checkpoints (size, time, note) VALUES (?1, ?2, ?3)");
        let insert = insert.bind(signed(size)).bind(signed(now)).bind(note.to_string());
        insert.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Ok(note))
    }

    /// Returns the checkpoint of this size, a signed note.
    pub async fn checkpoint(&self, size: u64) -> Result<Option<SignedNote>, StoreError> {
        let query = sqlx::query("SELECT note FROM audit_checkpoints WHERE size = ?1").bind(signed(size));
        let row = query.fetch_optional(self.readers()).await?;
        row.map(|row| parsed(row.try_get(0)?)).transpose()
    }

    /// Returns the newest checkpoint, a signed note.
    pub async fn newest_checkpoint(&self) -> Result<Option<SignedNote>, StoreError> {
        let query = sqlx::query("SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1");
        let row = query.fetch_optional(self.readers()).await?;
        row.map(|row| parsed(row.try_get(0)?)).transpose()
    }

    /// Returns the time at which the newest checkpoint was signed, in seconds since 1970.
    pub async fn newest_checkpoint_time(&self) -> Result<Option<u64>, StoreError> {
        let query = sqlx::query("SELECT time FROM audit_checkpoints ORDER BY size DESC LIMIT 1");
        let row = query.fetch_optional(self.readers()).await?;
        row.map(|row| Ok(unsigned(row.try_get(0)?))).transpose()
    }

    /// Adds signatures to the checkpoint of this size. Those that it has already stay as they are. The caller has
    /// verified them.
    pub async fn add_signatures(
        &self,
        size: u64,
        new: &SignedNote,
    ) -> Result<Option<SignedNote>, StoreError> {
        let mut transaction = self.begin().await?;
        let query = sqlx::query("SELECT note FROM audit_checkpoints WHERE size = ?1").bind(signed(size));
        let Some(row) = query.fetch_optional(&mut *transaction).await? else { return Ok(None) };
        let mut note = parsed(row.try_get(0)?)?;
        for it in &new.signatures {
            if !note.signatures.contains(it) {
                note.signatures.push(it.clone());
            }
        }
        // Refuses what could not be read back.
        let text = note.to_string();
        parsed(&text)?;
        let update = sqlx::query("UPDATE audit_checkpoints SET note = ?2 WHERE size = ?1");
        update.bind(signed(size)).bind(text).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Some(note))
    }

    /// Makes a proof that `new`, a checkpoint of this log, contains everything that `old` does. Does not verify it.
    pub async fn prove_consistency(
        &self,
        (old, old_size): (&SignedNote, u64),
        (new, new_size): (&SignedNote, u64),
    ) -> Result<ConsistencyProof, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let mut transaction = connection.begin().await?;
        let mut tree = Tree::open(&mut transaction).await?;
        let path = if old_size <= new_size { tree::consistency_path(old_size, new_size) } else { Vec::new() };
        let proof = tree.ranges(Of::Log, path).await?;
        Ok(ConsistencyProof { old: old.to_string(), new: new.to_string(), proof })
    }

    /// Exports an entry, with the proof that it is in the log of a checkpoint, if one is given that contains it.
    pub async fn export_audit(
        &self,
        seq: u64,
        checkpoint: Option<(&SignedNote, &[VerifierKey])>,
    ) -> Result<Option<Exported>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let mut transaction = connection.begin().await?;
        let entries = list(&mut transaction, None, seq.saturating_sub(2), 2).await?;
        let previous = entries.iter().find(|entry| entry.seq + 1 == seq);
        let previous =
            previous.and_then(|entry| Digest::from_slice(&entry.hash)).unwrap_or(FormerChain::START);
        let Some(entry) = entries.into_iter().find(|entry| entry.seq == seq) else { return Ok(None) };
        let mut tree = Tree::open(&mut transaction).await?;
        let chain = tree.chain;
        let former = if seq > chain.seq {
            None
        } else {
            let path = tree.ranges(Of::Chain, tree::inclusion_path(seq - 1, chain.seq)).await?;
            Some(FormerEntry { previous, seq: chain.seq, hash: chain.hash, root: chain.root, path })
        };
        let mut proof = None;
        if let Some((note, keys)) = checkpoint {
            let failed = |error: NoteError| StoreError::Failed(error.to_string());
            let key = note.signer(keys).map_err(failed)?;
            let index = seq.saturating_sub(chain.seq);
            let size = Checkpoint::read(&note.text).map_err(failed)?.size;
            if index < size {
                let path = tree.ranges(Of::Log, tree::inclusion_path(index, size)).await?;
                proof = Some((InclusionProof { index, path, note: note.clone() }, key.clone()));
            }
        }
        Exported::new(entry, former, proof)
            .map(Some)
            .map_err(|what| StoreError::Failed(format!("{what} of entry {seq}")))
    }

    /// Returns the hashes of a tile from `number * 256` on (C2SP tlog-tiles).
    pub async fn audit_tile(&self, level: u32, number: u64, width: u64) -> Result<Vec<Digest>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let mut tree = Tree::open(&mut connection).await?;
        let start = number * TILE_WIDTH;
        tree.level(Of::Log, level, start..start + width).await
    }

    /// Returns the leaves of an entry bundle from `number * 256` on (C2SP tlog-tiles).
    pub async fn audit_leaves(&self, number: u64, width: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let chain = Tree::open(&mut connection).await?.chain;
        let start = number * TILE_WIDTH;
        let mut leaves = Vec::new();
        let mut count = width;
        if start == 0 {
            leaves.push(chain.leaf());
            count = count.saturating_sub(1);
        }
        let after = (chain.seq + start).saturating_sub(u64::from(start != 0));
        let limit = u32::try_from(count).unwrap_or(u32::MAX);
        for entry in list(&mut connection, None, after, limit).await? {
            leaves.push(entry.leaf().ok_or_else(unreadable)?);
        }
        Ok(leaves)
    }
}

/// Verification that ended early.
enum Stopped {
    Broken(Broken),
    Store(StoreError),
}

impl<E: Into<StoreError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

struct Verification<'a> {
    tree: Tree<'a>,
    anchor: Option<Head>,
    known: &'a KnownKeys,
    head: Head,
    leaves: Frontier,
    chained: Frontier,
    /// Hashes of complete tiles that were compared.
    nodes: i64,
    pruned: u64,
    checkpoints: u64,
    cosigned: u64,
}

impl Verification<'_> {
    async fn run(mut self) -> Result<VerifiedLog, Stopped> {
        if self.tree.chain.seq == 0 {
            self.end_chain().await?;
        }
        loop {
            let entries = list(self.tree.connection, None, self.head.seq, PAGE).await?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                self.entry(entry).await?;
            }
        }
        let chain = self.tree.chain;
        let last = self.head.seq;
        let newest = self.tree.newest_checkpoint().await?.map_or(0, |(size, _)| size);
        let recorded = self.anchor.map_or(0, |anchor| anchor.seq);
        if last < chain.seq || newest > self.leaves.size() || recorded > last {
            return Err(Stopped::Broken(Broken::Missing(last + 1)));
        }
        let counted =
            "SELECT (SELECT COUNT(*) FROM audit_nodes), (SELECT coalesce(SUM(count), 0) FROM heartbeats)";
        let row = sqlx::query(counted).fetch_one(&mut *self.tree.connection).await?;
        if row.try_get::<i64, _>(0)? != self.nodes {
            return Err(Stopped::Broken(Broken::Node { level: 1, number: self.leaves.size() / TILE_WIDTH }));
        }
        Ok(VerifiedLog {
            head: self.head,
            former: chain.seq,
            pruned: self.pruned,
            checkpoints: self.checkpoints,
            cosigned: self.cosigned,
            collected: unsigned(row.try_get(1)?),
        })
    }

    async fn entry(&mut self, entry: &Logged) -> Result<(), Stopped> {
        let seq = entry.seq;
        if seq != self.head.seq + 1 {
            return Err(Stopped::Broken(Broken::Missing(self.head.seq + 1)));
        }
        self.pruned += u64::from(entry.pruned.is_some());
        let changed = || Stopped::Broken(Broken::Changed(seq));
        let stored = Digest::from_slice(&entry.hash).ok_or_else(changed)?;
        self.head.seq = seq;
        if seq <= self.tree.chain.seq {
            let Logged { time, kind, device, body, evidence, .. } = entry;
            // The hash of a pruned entry cannot be computed again. The root in leaf 0 covers it.
            let hash = match entry.pruned {
                Some(_) => stored,
                None => chain(&self.head.hash, seq, *time, kind, device, body, evidence),
            };
            if hash != stored {
                return Err(changed());
            }
            self.head.hash = hash;
            let complete = self.chained.push(tree::hash_leaf(hash.as_bytes()));
            self.compare(Of::Chain, complete).await?;
            if seq == self.tree.chain.seq {
                let head = self.head;
                self.end_chain().await?;
                self.head = head;
            }
        } else {
            let leaf = tree::hash_leaf(&entry.leaf().ok_or_else(changed)?);
            if leaf != stored {
                return Err(changed());
            }
            let complete = self.leaves.push(leaf);
            self.compare(Of::Log, complete).await?;
            self.head.hash = self.leaves.root();
            self.checkpoint().await?;
        }
        match self.anchor {
            Some(anchor) if anchor.seq == seq && anchor.hash != self.head.hash => {
                Err(Stopped::Broken(Broken::NotAnchored(seq)))
            }
            _ => Ok(()),
        }
    }

    /// Compares leaf 0 with the former chain, and begins the log.
    async fn end_chain(&mut self) -> Result<(), Stopped> {
        let chain = self.tree.chain;
        if chain.hash != self.head.hash || chain.root != self.chained.root() {
            return Err(Stopped::Broken(Broken::FormerChain));
        }
        self.leaves.push(tree::hash_leaf(&chain.leaf()));
        self.head.hash = self.leaves.root();
        self.checkpoint().await
    }

    /// Compares stored hashes with those that were computed.
    async fn compare(&mut self, of: Of, complete: Vec<(Subtree, Digest)>) -> Result<(), Stopped> {
        for (subtree, hash) in complete {
            let (level, number) = (subtree.height / TILE_HEIGHT, subtree.number);
            let query = "SELECT hash FROM audit_nodes WHERE tree = ?1 AND level = ?2 AND number = ?3";
            let query = sqlx::query(query).bind(of.id()).bind(level).bind(signed(number));
            let row = query.fetch_optional(&mut *self.tree.connection).await?;
            match row.map(|row| row.try_get::<Vec<u8>, _>(0)).transpose()? {
                Some(stored) if stored == hash.as_bytes() => self.nodes += 1,
                _ => return Err(Stopped::Broken(Broken::Node { level, number })),
            }
        }
        Ok(())
    }

    /// Verifies the checkpoint of the leaves so far, if there is one.
    async fn checkpoint(&mut self) -> Result<(), Stopped> {
        let size = self.leaves.size();
        let query = sqlx::query("SELECT note FROM audit_checkpoints WHERE size = ?1").bind(signed(size));
        let Some(row) = query.fetch_optional(&mut *self.tree.connection).await? else { return Ok(()) };
        let opened = row.try_get::<&str, _>(0)?.parse().and_then(|note: SignedNote| match &self.known.log {
            known if !known.is_empty() => Checkpoint::open(&note, known, &self.known.witnesses),
            _ => Checkpoint::read(&note.text).map(|checkpoint| (checkpoint, Vec::new())),
        });
        let why = match opened {
            Err(error) => error.to_string(),
            Ok((it, _)) if it.size != size || it.root != self.leaves.root() => {
                "the log has another root".into()
            }
            Ok((_, cosigned)) => {
                self.checkpoints += 1;
                self.cosigned += u64::from(!cosigned.is_empty());
                return Ok(());
            }
        };
        Err(Stopped::Broken(Broken::Checkpoint(size, why)))
    }
}

/// Makes the entries of an earlier version's chain leaf 0 of the tree, once.
pub(super) async fn adopt_chain(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let known = sqlx::query("SELECT 1 FROM audit_log").fetch_optional(&mut *connection).await?;
    if known.is_some() {
        return Ok(());
    }
    let (mut frontier, mut seq, mut hash) = (Frontier::default(), 0, FormerChain::START);
    loop {
        let query = sqlx::query("SELECT seq, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        let rows = query.bind(signed(seq)).bind(PAGE).fetch_all(&mut *connection).await?;
        if rows.is_empty() {
            break;
        }
        let mut nodes = Vec::new();
        for row in rows {
            seq = unsigned(row.try_get(0)?);
            hash = Digest::from_slice(row.try_get(1)?).ok_or_else(unreadable)?;
            for (subtree, hash) in frontier.push(tree::hash_leaf(hash.as_bytes())) {
                nodes.push((Of::Chain.id(), subtree.height / TILE_HEIGHT, subtree.number, hash.hex()));
            }
        }
        insert_nodes(connection, &nodes).await?;
    }
    let insert = sqlx::query("INSERT INTO audit_log (chain_seq, chain_hash, chain_root) VALUES (?1, ?2, ?3)");
    let root = frontier.root();
    insert.bind(signed(seq)).bind(hash.as_bytes()).bind(root.as_bytes()).execute(connection).await?;
    Ok(())
}

async fn insert_nodes(
    connection: &mut SqliteConnection,
    rows: &[(i64, u32, u64, String)],
) -> Result<(), StoreError> {
    let insert = sqlx::query(
        "INSERT INTO audit_nodes (tree, level, number, hash)
         SELECT value->>0, value->>1, value->>2, unhex(value->>3) FROM json_each(?1)",
    );
    insert.bind(json_rows(&rows)?).execute(connection).await?;
    Ok(())
}

fn parsed(note: &str) -> Result<SignedNote, StoreError> {
    note.parse().map_err(|error| StoreError::Failed(format!("a checkpoint: {error}")))
}

fn unreadable() -> StoreError {
    StoreError::Failed("a hash of the audit log cannot be read".into())
}
