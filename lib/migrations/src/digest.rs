//! The two digests that bind a deployment to what was checked: of a ledger, and of a plan.
//!
//! Both hash a sequence of fields. A field is its length in bytes as eight bytes, big-endian, and
//! then its bytes, so that no two different sequences have the same encoding. The first field
//! names the encoding and its version.

use sha2::{Digest, Sha256};

use crate::{LedgerRow, Migration, RowState};

/// Digest of a ledger's state, as lowercase hexadecimal SHA-256.
///
/// Fields: `lockstep-ledger/1`; the number of rows in decimal; then for each row in the order of
/// `position` (then version) its version, its 32-byte SHA-256, and `applied` or `started`. When,
/// by whom and how long does not count.
pub fn ledger_state(ledger: &[LedgerRow]) -> String {
    let mut rows: Vec<&LedgerRow> = ledger.iter().collect();
    rows.sort_by(|a, b| (a.position, &a.version).cmp(&(b.position, &b.version)));

    let mut fields = Fields::new("lockstep-ledger/1");
    fields.count(rows.len());
    for row in rows {
        fields.add(row.version.as_bytes());
        fields.add(&row.sha256);
        fields.add(match row.state {
            RowState::Applied => b"applied",
            RowState::Started => b"started",
        });
    }
    fields.finish()
}

/// Digest of what a deployment would do, as lowercase hexadecimal SHA-256.
///
/// Fields: `lockstep-plan/1`; target identity; ledger state; the number of pending migrations in
/// decimal; for each in order its version, name, 32-byte SHA-256 of the file's raw bytes, 32-byte
/// SHA-256 of the SQL to run, and `transaction` or `no-transaction`; the number of extra pairs in
/// decimal; for each pair, sorted, its name and value.
///
/// The SQL has a digest of its own because the same file means something else under another
/// layout, and the transaction because diesel's stands in a second file. Paths don't count.
pub fn plan_hash(
    target_identity: &str,
    ledger_state: &str,
    pending: &[&Migration],
    extra: &[(&str, &str)],
) -> String {
    let mut fields = Fields::new("lockstep-plan/1");
    fields.add(target_identity.as_bytes());
    fields.add(ledger_state.as_bytes());
    fields.count(pending.len());
    for migration in pending {
        fields.add(migration.version.as_bytes());
        fields.add(migration.name.as_bytes());
        fields.add(&migration.sha256);
        fields.add(&sha256(migration.up.as_bytes()));
        fields.add(if migration.no_transaction {
            b"no-transaction"
        } else {
            b"transaction"
        });
    }
    let mut extra = extra.to_vec();
    extra.sort_unstable();
    fields.count(extra.len());
    for (name, value) in extra {
        fields.add(name.as_bytes());
        fields.add(value.as_bytes());
    }
    fields.finish()
}

/// Bytes as lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

struct Fields(Sha256);

impl Fields {
    fn new(encoding: &str) -> Self {
        let mut fields = Self(Sha256::new());
        fields.add(encoding.as_bytes());
        fields
    }

    fn add(&mut self, field: &[u8]) {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
    }

    fn count(&mut self, count: usize) {
        self.add(count.to_string().as_bytes());
    }

    fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}
